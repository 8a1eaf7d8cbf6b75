// SPDX-License-Identifier: Apache-2.0
/// Element formats and the E8M0 scale of OCP Microscaling, code by code.
/// Source: OCP MX v1.0 section 5; docs/numerics.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace qaicmx {

enum class ElementFormat : std::uint8_t {
    kE5M2,      ///< "fp8_e5m2"
    kE4M3,      ///< "fp8_e4m3"
    kE3M2,      ///< "fp6_e3m2"
    kE2M3,      ///< "fp6_e2m3": the card's -mxfp6-matmul
    kE2M1,      ///< "fp4_e2m1", alias "fp4"
    kInt8,      ///< "int8": two's complement, code / 64
    kInt4,      ///< "int4": code / 4, codes -7…7 (microxcaling's, not OCP's)
    kSign1I4F,  ///< "int6_s1.4": sign and 1.4 magnitude, profile aic100-int6 only
};

/// What makes a format: all facts that the quantiser, the decoder and the tables need.
struct FormatInfo {
    ElementFormat format;
    std::string_view name;
    int bits;           ///< width of a code
    int exponent_bits;  ///< 0 for integers
    int mantissa_bits;  ///< explicit fraction bits; fraction bits of the grid for integers
    int bias;
    int emax;  ///< exponent of the largest power of two that the format holds
    double max_normal;
    bool has_inf;
    bool has_nan;
};

const FormatInfo& format_info(ElementFormat format) noexcept;
/// Accepts the names above and microxcaling's aliases; nullopt for anything else.
std::optional<ElementFormat> format_from_name(std::string_view name) noexcept;

/// Exact value of one code (low `bits` bits used). E5M2 and E4M3 may give Inf or NaN.
double decode_element(ElementFormat format, std::uint32_t code) noexcept;

/// 2^(byte - 127); NaN for 0xFF.
double decode_e8m0(std::uint8_t byte) noexcept;

/// IEEE conversions, ties to even, subnormals kept, overflow to Inf, NaN quieted.
std::uint16_t fp32_to_fp16(float value) noexcept;
float fp16_to_fp32(std::uint16_t bits) noexcept;
/// value rounded to FP16 and back.
float round_to_fp16(float value) noexcept;

}  // namespace qaicmx
