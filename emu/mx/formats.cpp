// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/formats.hpp"

#include "emu/mx/encode.hpp"
#include "emu/mx/fp_bits.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace qaicmx {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

// Indexed by ElementFormat.
constexpr std::array<FormatInfo, 8> kFormats = {{
    {ElementFormat::kE5M2, "fp8_e5m2", 8, 5, 2, 15, 15, 57344.0, true, true},
    {ElementFormat::kE4M3, "fp8_e4m3", 8, 4, 3, 7, 8, 448.0, false, true},
    {ElementFormat::kE3M2, "fp6_e3m2", 6, 3, 2, 3, 4, 28.0, false, false},
    {ElementFormat::kE2M3, "fp6_e2m3", 6, 2, 3, 1, 2, 7.5, false, false},
    {ElementFormat::kE2M1, "fp4_e2m1", 4, 2, 1, 1, 2, 6.0, false, false},
    {ElementFormat::kInt8, "int8", 8, 0, 6, 0, 0, 127.0 / 64, false, false},
    {ElementFormat::kInt4, "int4", 4, 0, 2, 0, 0, 7.0 / 4, false, false},
    {ElementFormat::kSign1I4F, "int6_s1.4", 6, 0, 4, 0, 0, 31.0 / 16, false, false},
}};

double decode_integer(const FormatInfo& info, std::uint32_t code) noexcept {
    const double grid = detail::pow2(-info.mantissa_bits);
    const std::uint32_t sign_bit = 1U << (info.bits - 1);
    if (info.format == ElementFormat::kSign1I4F) {  // sign and magnitude
        const double magnitude = (code & (sign_bit - 1)) * grid;
        return (code & sign_bit) != 0 ? -magnitude : magnitude;
    }
    const auto value = static_cast<std::int32_t>(code) -
                       ((code & sign_bit) != 0 ? static_cast<std::int32_t>(sign_bit << 1) : 0);
    return value * grid;
}

double decode_float(const FormatInfo& info, std::uint32_t code) noexcept {
    const int m = info.mantissa_bits;
    const std::uint32_t mantissa = code & ((1U << m) - 1);
    const std::uint32_t top = (1U << info.exponent_bits) - 1;
    const std::uint32_t field = code >> m & top;
    const double sign = (code >> (info.bits - 1) & 1) != 0 ? -1.0 : 1.0;
    if (info.has_inf && field == top) {
        return mantissa == 0 ? sign * kInf : kNan;
    }
    if (info.has_nan && !info.has_inf && field == top && mantissa == (1U << m) - 1) {
        return kNan;
    }
    const double fraction = mantissa * detail::pow2(-m);
    return field == 0 ? sign * fraction * detail::pow2(1 - info.bias)
                      : sign * (1.0 + fraction) * detail::pow2(static_cast<int>(field) - info.bias);
}

}  // namespace

const FormatInfo& format_info(ElementFormat format) noexcept {
    return kFormats[static_cast<std::size_t>(format)];
}

std::optional<ElementFormat> format_from_name(std::string_view name) noexcept {
    for (const FormatInfo& info : kFormats) {
        if (name == info.name) {
            return info.format;
        }
    }
    if (name == "fp4") {
        return ElementFormat::kE2M1;
    }
    return std::nullopt;
}

double decode_element(ElementFormat format, std::uint32_t code) noexcept {
    const FormatInfo& info = format_info(format);
    code &= (1U << info.bits) - 1;
    return info.exponent_bits == 0 ? decode_integer(info, code) : decode_float(info, code);
}

std::uint8_t encode_element(ElementFormat format, double value) noexcept {
    const FormatInfo& info = format_info(format);
    const int m = info.mantissa_bits;
    const bool negative = std::signbit(value);
    const double magnitude = std::fabs(value);
    const std::uint32_t sign = negative ? 1U << (info.bits - 1) : 0U;
    if (info.exponent_bits == 0) {
        const auto steps = static_cast<std::uint32_t>(magnitude * detail::pow2(m));
        if (format == ElementFormat::kSign1I4F) {
            return static_cast<std::uint8_t>(sign | steps);
        }
        return static_cast<std::uint8_t>((negative ? 0U - steps : steps) & ((1U << info.bits) - 1));
    }
    if (magnitude == 0) {
        return static_cast<std::uint8_t>(sign);
    }
    const int exponent = std::max(detail::exponent_of(magnitude), 1 - info.bias);
    const auto steps = static_cast<std::uint32_t>(magnitude * detail::pow2(m - exponent));
    // A normal number's hidden one adds 1 to the exponent field; a subnormal has none and stays in
    // field 0.
    return static_cast<std::uint8_t>(
        sign | ((static_cast<std::uint32_t>(exponent + info.bias - 1) << m) + steps));
}

double decode_e8m0(std::uint8_t byte) noexcept {
    return byte == 0xFF ? kNan : detail::pow2(static_cast<int>(byte) - 127);
}

std::uint16_t fp32_to_fp16(float value) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000U);
    const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
    if (magnitude > 0x7F800000U) {  // NaN: quieted, the payload's top bits kept
        return static_cast<std::uint16_t>(sign | 0x7E00U | (magnitude >> 13 & 0x1FFU));
    }
    if (magnitude >= 0x477FF000U) {  // 65520 and above, and Inf
        return static_cast<std::uint16_t>(sign | 0x7C00U);
    }
    const int exponent = static_cast<int>(magnitude >> 23) - 127;
    if (exponent < -25) {  // below half of the smallest subnormal
        return sign;
    }
    const std::uint32_t significand = (magnitude & 0x7FFFFFU) | 0x800000U;
    const int dropped =
        exponent >= -14 ? 13 : -1 - exponent;  // grid 2^(exponent-10), at least 2^-24
    const std::uint32_t kept = significand >> dropped;
    const std::uint32_t rest = significand & ((1U << dropped) - 1);
    const std::uint32_t half = 1U << (dropped - 1);
    const std::uint32_t up = rest > half || (rest == half && (kept & 1) != 0) ? 1U : 0U;
    const std::uint32_t field =
        exponent >= -14 ? static_cast<std::uint32_t>(exponent + 14) << 10 : 0U;
    return static_cast<std::uint16_t>(sign | (field + kept + up));
}

float fp16_to_fp32(std::uint16_t bits) noexcept {
    const std::uint32_t sign = (bits & 0x8000U) << 16;
    const std::uint32_t exponent = bits >> 10 & 0x1FU;
    const std::uint32_t mantissa = bits & 0x3FFU;
    if (exponent == 0x1F) {
        const std::uint32_t quiet = mantissa != 0 ? 0x400000U : 0U;
        return std::bit_cast<float>(sign | 0x7F800000U | quiet | mantissa << 13);
    }
    if (exponent == 0) {
        const auto magnitude = static_cast<float>(mantissa) * detail::pow2_fp32(-24);
        return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
    }
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

float round_to_fp16(float value) noexcept {
    return fp16_to_fp32(fp32_to_fp16(value));
}

}  // namespace qaicmx
