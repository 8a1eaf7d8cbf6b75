// SPDX-License-Identifier: Apache-2.0
/// Storage of MX codes: the LSB-first bit stream ("mxfp6_lsb" for 6 bits, four codes in three
/// bytes).
#pragma once

#include "emu/mx/formats.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace qaicmx {

/// Bytes of `count` codes of `bits` bits: ceil(count * bits / 8).
constexpr std::size_t packed_bytes(std::size_t count, int bits) noexcept {
    return (count * static_cast<std::size_t>(bits) + 7) / 8;
}

/// Bit bits*j of the stream is the low bit of code j. out: packed_bytes(codes.size(), bits) bytes.
void pack_lsb(std::span<const std::uint8_t> codes, int bits, std::span<std::uint8_t> out) noexcept;
/// Inverse of pack_lsb; reads packed_bytes(codes.size(), bits) bytes.
void unpack_lsb(std::span<const std::uint8_t> packed, int bits,
                std::span<std::uint8_t> codes) noexcept;

/// Row stride of a weight matrix in `mxfp6_lsb`: k padded to a multiple of 64 codes, the stride to
/// 64 bytes.
constexpr std::size_t row_stride_bytes(std::size_t k, int bits) noexcept {
    const std::size_t padded = (k + 63) / 64 * 64;
    return (packed_bytes(padded, bits) + 63) / 64 * 64;
}

}  // namespace qaicmx
