// SPDX-License-Identifier: Apache-2.0
/// MHI as the host sees it: registers of BAR 0, contexts and ring elements in the host's memory.
///
/// Offsets inside BAR 0 are free as long as the registers that point to them agree; ours are those
/// of Linux's own endpoint driver.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qaicvcard::mhi {

inline constexpr std::uint32_t kBarBytes = 0x1000;

/// MHI registers, offsets in BAR 0.
enum Register : std::uint32_t {
    kMhiRegLen = 0x00,
    kMhiVer = 0x08,
    kMhiCfg = 0x10,
    kChdbOff = 0x18,
    kErdbOff = 0x20,
    kBhiOff = 0x28,
    kBhieOff = 0x2c,
    kMhiCtrl = 0x38,
    kMhiStatus = 0x48,
    kCcabap = 0x58,  ///< channel contexts; low half, the high one follows, as for all addresses
    kEcabap = 0x60,
    kCrcbap = 0x68,
    kCrdb = 0x70,
    kSocReset = 0xb0,
    kBhi = 0x100,
    kBhie = 0x200,
    kSocHwVersion = 0x224,
    kChdb = 0x300,
    kErdb = 0x700,
    kQtimer = 0xa28,  ///< 64 bits of 19.2 MHz ticks
};

/// BHI registers, offsets in BAR 0 as well.
enum BhiRegister : std::uint32_t {
    kBhiImageLow = kBhi + 0x08,
    kBhiImageHigh = kBhi + 0x0c,
    kBhiImageSize = kBhi + 0x10,
    kBhiImageDoorbell = kBhi + 0x18,
    kBhiIntVec = kBhi + 0x20,
    kBhiExecEnv = kBhi + 0x28,
    kBhiStatus = kBhi + 0x2c,
    kBhiErrorCode = kBhi + 0x30,
    kBhiErrorDebug = kBhi + 0x34,
    kBhiSerial = kBhi + 0x40,
    kBhiHwId = kBhi + 0x4c,
    kBhiOemPkHash = kBhi + 0x64,
};
inline constexpr std::uint32_t kBhiBytes = 0xc8;

inline constexpr std::uint32_t kCtrlReset = 0x2;
inline constexpr std::uint32_t kStatusReady = 0x1;
inline constexpr std::uint32_t kStatusSysErr = 0x4;
inline constexpr std::uint32_t kBhiSuccess = 2U << 30;
inline constexpr std::uint32_t kBhiError = 3U << 30;
inline constexpr std::uint32_t kBhiSession = 0x3fffffff;

enum class State : std::uint8_t {
    kReset = 0,
    kReady = 1,
    kM0 = 2,
    kM1 = 3,
    kM2 = 4,
    kM3 = 5,
    kSysErr = 0xff,
};

enum class ExecEnv : std::uint8_t { kPbl = 0, kSbl = 1, kAmss = 2 };

inline constexpr unsigned kChannels = 128;
inline constexpr unsigned kWakeDoorbell = 127;  ///< a vote to stay awake, not a ring
inline constexpr std::size_t kContextBytes = 44;
inline constexpr std::uint64_t kElementBytes = 16;

/// An element of any ring.
struct Element {
    std::uint64_t pointer = 0;
    std::uint32_t word0 = 0, word1 = 0;

    std::uint8_t type() const { return static_cast<std::uint8_t>(word1 >> 16); }
    std::uint8_t channel() const { return static_cast<std::uint8_t>(word1 >> 24); }
    std::uint32_t length() const { return word0 & 0xffff; }
    bool chained() const { return (word1 & 1) != 0; }
    bool event_at_block() const { return (word1 & 0x100) != 0; }
    bool event_at_end() const { return (word1 & 0x200) != 0; }
};
static_assert(sizeof(Element) == kElementBytes);

enum ElementType : std::uint8_t {
    kNoop = 0x01,
    kTransfer = 0x02,
    kResetChannel = 0x10,
    kStopChannel = 0x11,
    kStartChannel = 0x12,
    kStateEvent = 0x20,
    kCommandEvent = 0x21,
    kTransferEvent = 0x22,
    kExecEnvEvent = 0x40,
};

enum Completion : std::uint8_t {
    kSuccess = 0x1,  ///< of commands only
    kEndOfTransfer = 0x2,
    kOverflow = 0x3,
    kEndOfBlock = 0x4,
    kUndefined = 0x10,
    kBadElement = 0x11,
};

/// chcfg [7:0] of a channel context.
enum class ChannelState : std::uint8_t {
    kDisabled = 0,
    kEnabled = 1,
    kRunning = 2,
    kSuspended = 3,
    kStopped = 4,
    kError = 5,
};

inline constexpr std::uint32_t kToDevice = 1, kFromDevice = 2;  // chtype

}  // namespace qaicvcard::mhi
