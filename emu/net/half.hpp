// SPDX-License-Identifier: Apache-2.0
/// FP16 to FP32 and back, one by one and in bulk. Ties to even, subnormals kept, overflow to Inf,
/// NaN quieted.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace qaicnet {

/// Storage of a FLOAT16 element.
struct Half {
    std::uint16_t bits;
};

inline float half_to_float(Half h) noexcept {
    const std::uint32_t sign = static_cast<std::uint32_t>(h.bits & 0x8000u) << 16;
    const std::uint32_t magnitude = static_cast<std::uint32_t>(h.bits & 0x7fffu) << 13;
    if (magnitude >= 0x7c00u << 13) {
        const std::uint32_t quiet = magnitude > 0x7c00u << 13 ? 0x400000u : 0u;
        return std::bit_cast<float>(sign | 0x7f800000u | magnitude | quiet);
    }
    // Exact for normal and subnormal numbers: only the exponent changes.
    const float value = std::bit_cast<float>(magnitude) * 0x1p112f;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | sign);
}

inline Half float_to_half(float value) noexcept {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = bits >> 16 & 0x8000u;
    std::uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude >= 0x47800000u) {  // 65536 and above, Inf, NaN
        const bool nan = magnitude > 0x7f800000u;
        const std::uint32_t payload = nan ? 0x200u | (magnitude >> 13 & 0x3ffu) : 0u;
        return {static_cast<std::uint16_t>(sign | 0x7c00u | payload)};
    }
    if (magnitude <
        0x38800000u) {  // below 2^-14: adding 0.5 leaves the FP16 subnormal in the low bits
        const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
        return {static_cast<std::uint16_t>(sign |
                                           (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u))};
    }
    magnitude += 0xc8000fffu + (magnitude >> 13 & 1u);  // exponent bias, then ties to even
    return {static_cast<std::uint16_t>(sign | magnitude >> 13)};
}

/// One rounding from FP64, which FP32 in between would spoil.
Half double_to_half(double value) noexcept;

/// Bulk conversions; the same bits on every instruction set.
void widen(const Half* in, float* out, std::size_t count) noexcept;
void narrow(const float* in, Half* out, std::size_t count) noexcept;

}  // namespace qaicnet
