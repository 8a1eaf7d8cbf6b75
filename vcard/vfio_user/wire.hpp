// SPDX-License-Identifier: Apache-2.0
/// The vfio-user messages that the card answers, as they lie on the socket (host byte order).
/// Source: QEMU's docs/interop/vfio-user.rst. Structures are copied in and out with memcpy.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qaicvcard::vfio_user {

enum class Command : std::uint16_t {
    kVersion = 1,
    kDmaMap = 2,
    kDmaUnmap = 3,
    kGetInfo = 4,
    kGetRegionInfo = 5,
    kGetIrqInfo = 7,
    kSetIrqs = 8,
    kRegionRead = 9,
    kRegionWrite = 10,
    kReset = 13,
};

struct Header {
    std::uint16_t id = 0;  ///< echoed in the reply
    std::uint16_t command = 0;
    std::uint32_t size = 0;  ///< of the whole message
    std::uint32_t flags = 0;
    std::uint32_t error = 0;  ///< errno of an error reply
};
static_assert(sizeof(Header) == 16);

inline constexpr std::uint32_t kTypeMask = 0xF;
inline constexpr std::uint32_t kTypeCommand = 0;
inline constexpr std::uint32_t kTypeReply = 1;
inline constexpr std::uint32_t kNoReply = 0x10;
inline constexpr std::uint32_t kErrorReply = 0x20;

/// Largest `count` of a region access, and largest message that is not nonsense.
inline constexpr std::uint32_t kMaxTransfer = 1U << 20;
inline constexpr std::uint32_t kMaxMessage = 32 + kMaxTransfer;
inline constexpr std::size_t kMaxFds = 16;
/// The card's side of the version exchange. QEMU takes at most 214 bytes of reply.
inline constexpr char kCapabilities[] =
    R"({"capabilities":{"max_msg_fds":16,"max_data_xfer_size":1048576}})";
static_assert(sizeof(Header) + 4 + sizeof(kCapabilities) <= 214);

struct DmaMap {
    std::uint32_t argsz = 0, flags = 0;
    std::uint64_t offset = 0;   ///< in the attached file
    std::uint64_t address = 0;  ///< bus address
    std::uint64_t size = 0;
};
static_assert(sizeof(DmaMap) == 32);
inline constexpr std::uint32_t kDmaReadable = 1;
inline constexpr std::uint32_t kDmaWriteable = 2;

struct DmaUnmap {
    std::uint32_t argsz = 0, flags = 0;
    std::uint64_t address = 0, size = 0;
};
static_assert(sizeof(DmaUnmap) == 24);
inline constexpr std::uint32_t kUnmapAll = 2;

struct DeviceInfo {
    std::uint32_t argsz = 0, flags = 0, regions = 0, irqs = 0;
};
static_assert(sizeof(DeviceInfo) == 16);
inline constexpr std::uint32_t kDeviceCanReset = 1;
inline constexpr std::uint32_t kDeviceIsPci = 2;

struct RegionInfo {
    std::uint32_t argsz = 0, flags = 0, index = 0, capabilities = 0;
    std::uint64_t size = 0, offset = 0;
};
static_assert(sizeof(RegionInfo) == 32);
inline constexpr std::uint32_t kRegionReadWrite = 3;

struct IrqInfo {
    std::uint32_t argsz = 0, flags = 0, index = 0, count = 0;
};
static_assert(sizeof(IrqInfo) == 16);
inline constexpr std::uint32_t kIrqEventFd = 1;
inline constexpr std::uint32_t kIrqNoResize = 8;

struct SetIrqs {
    std::uint32_t argsz = 0, flags = 0, index = 0, start = 0, count = 0;
};
static_assert(sizeof(SetIrqs) == 20);
inline constexpr std::uint32_t kIrqDataNone = 0x01;
inline constexpr std::uint32_t kIrqDataBool = 0x02;
inline constexpr std::uint32_t kIrqDataEventFd = 0x04;
inline constexpr std::uint32_t kIrqDataBits = 0x07;
inline constexpr std::uint32_t kIrqMask = 0x08;
inline constexpr std::uint32_t kIrqUnmask = 0x10;
inline constexpr std::uint32_t kIrqTrigger = 0x20;
inline constexpr std::uint32_t kIrqActionBits = 0x38;

enum IrqIndex : std::uint32_t { kIrqIntx, kIrqMsi, kIrqMsix, kIrqError, kIrqRequest, kIrqCount };

struct RegionAccess {
    std::uint64_t offset = 0;
    std::uint32_t region = 0, count = 0;
};
static_assert(sizeof(RegionAccess) == 16);

/// Region numbers of a PCI device.
inline constexpr unsigned kRegionConfig = 7;
inline constexpr unsigned kRegions = 9;

}  // namespace qaicvcard::vfio_user
