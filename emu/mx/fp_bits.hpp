// SPDX-License-Identifier: Apache-2.0
/// Exact powers of two and exponents from bit patterns: no libm, so no result depends on a C
/// library. Private to emu/mx.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

namespace qaicmx::detail {

/// 2^exponent for -1022 <= exponent <= 1023.
constexpr double pow2(int exponent) noexcept {
    return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

/// 2^exponent as FP32 arithmetic gives it: subnormal from -127 to -149, 0 below, Inf above 127.
constexpr float pow2_fp32(int exponent) noexcept {
    if (exponent > 127) {
        return std::numeric_limits<float>::infinity();
    }
    if (exponent >= -126) {
        return std::bit_cast<float>(static_cast<std::uint32_t>(exponent + 127) << 23);
    }
    return exponent >= -149 ? std::bit_cast<float>(1U << (exponent + 149)) : 0.0F;
}

/// floor(log2 |value|), exact. value: normal double (every non-zero FP32 number is one).
constexpr int exponent_of(double value) noexcept {
    return static_cast<int>(std::bit_cast<std::uint64_t>(value) >> 52 & 0x7FF) - 1023;
}

}  // namespace qaicmx::detail
