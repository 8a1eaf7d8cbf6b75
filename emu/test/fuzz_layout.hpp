// SPDX-License-Identifier: Apache-2.0
/// Input format of the card's fuzz targets, shared with the writer of their seeds.
///
/// nnc: records {u8 kind, u16 length, length bytes}. kNncFixed: magic, length and sequence are set
/// before the message is sent, so that mutations of the rest are not stopped at the header.
/// kNncRaw: sent as is. kNncRegister: u8 channel, u8 register, u32 value. dbc: u8 elements, then
/// records {u8 kind, payload of that kind's size}.
#pragma once

#include "emu/test/fake_host.hpp"

#include <cstdint>

namespace qaicemu::test {

enum NncRecord : std::uint8_t { kNncFixed = 0, kNncRaw = 1, kNncRegister = 2 };

enum DbcRecord : std::uint8_t {
    kDbcRequest = 0,   ///< 64 bytes: a request element
    kDbcCompact = 1,   ///< 16 bytes: CompactRequest
    kDbcRegister = 2,  ///< 5 bytes: u8 register, u32 value
    kDbcSignal = 3,    ///< 2 bytes: u8 operation, u8 semaphore: what an NSP does
    kDbcDrain = 4,     ///< 1 byte: how many responses to take
    kDbcReach = 5,     ///< 1 byte: host memory reachable or not
};

/// A request whose addresses are near the limits of what is valid.
struct CompactRequest {
    std::uint16_t id;
    std::uint8_t cmd;
    std::uint8_t places;  ///< bits 1:0 card place, 3:2 host place, 5:4 doorbell place
    std::uint16_t length;
    std::uint8_t db_attr;
    std::uint8_t offset;
    std::uint8_t ops[4];     ///< bit 7 enable, 6 presync, 5:3 operation, 2:0 semaphore
    std::uint8_t values[2];  ///< of words 0 and 1
    std::uint8_t fences;     ///< bits 3:0 to-device fence of word n, 7:4 from-device
    std::uint8_t data;
};
static_assert(sizeof(CompactRequest) == 16);

inline constexpr std::size_t kFuzzHostBytes = std::size_t{64} << 10;
inline constexpr std::uint64_t kFuzzPlainElf = kHostBase;
inline constexpr std::uint64_t kFuzzNetworkElf = kHostBase + (20 << 10);
inline constexpr std::uint64_t kFuzzQueue = kHostBase + (44 << 10);
inline constexpr std::uint64_t kFuzzBuffer = kHostBase + (52 << 10);

}  // namespace qaicemu::test
