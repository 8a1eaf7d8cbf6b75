// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/microxcaling.hpp"

#include "emu/mx/fp_bits.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace qaicmx::detail {
namespace {

/// How many FP32 numbers directly below 2^k have an FP32 logarithm that rounds to k.
/// log2(2^k (1 - d)) = k - d / ln 2, and half an ulp below k grows with |k|.
int numbers_rounding_up_to(int k) noexcept {
    struct Range {
        int first, last, count;
    };
    static constexpr Range kRanges[] = {
        {3, 4, 1},       {5, 8, 2},       {9, 16, 5},       {17, 32, 11},     {33, 64, 22},
        {65, 128, 44},   {-3, -2, 1},     {-7, -4, 2},      {-15, -8, 5},     {-31, -16, 11},
        {-63, -32, 22},  {-125, -64, 44}, {-126, -126, 22}, {-128, -127, 11}, {-129, -129, 5},
        {-130, -130, 2}, {-131, -131, 1},
    };
    for (const Range& range : kRanges) {
        if (k >= range.first && k <= range.last) {
            return range.count;
        }
    }
    return 0;
}

float round_magnitude(float magnitude, Rounding rounding, float uniform) noexcept {
    switch (rounding) {
        case Rounding::kFloor:
            return std::floor(magnitude);
        case Rounding::kDither:
            return std::floor(magnitude + uniform);
        case Rounding::kTiesToZero:  // not in the library; the mirror image of its "nearest"
            return std::ceil(magnitude - 0.5F);
        case Rounding::kEven: {
            const bool tie_above_even = std::fmod(magnitude - 0.5F, 2.0F) == 0.0F;
            return std::floor(magnitude + 0.5F) - (tie_above_even ? 1.0F : 0.0F);
        }
        case Rounding::kNearestAway:
            break;
    }
    return std::floor(magnitude + 0.5F);
}

/// sign(0) is +0 and sign(negative) * 0 is -0: artefact 3.
float signed_round(float scaled, Rounding rounding, float uniform) noexcept {
    if (std::isnan(scaled)) {
        return scaled;
    }
    const float sign = scaled > 0 ? 1.0F : (scaled < 0 ? -1.0F : 0.0F);
    return sign * round_magnitude(std::fabs(scaled), rounding, uniform);
}

float private_exponent_power(float value, int min_exponent, int& exponent) noexcept {
    if (std::isinf(value) || std::isnan(value)) {
        return std::fabs(value);  // 2^Inf, 2^NaN
    }
    exponent = value == 0 ? 0 : floor_log2_fp32(std::fabs(value));
    exponent = std::max(exponent, min_exponent);
    return pow2_fp32(exponent);
}

}  // namespace

CoreFormat core_format(ElementFormat format) noexcept {
    const FormatInfo& info = format_info(format);
    const bool integer = info.exponent_bits == 0;
    return {integer ? info.bits : info.mantissa_bits + 2, info.exponent_bits,
            static_cast<float>(info.max_normal)};
}

int floor_log2_fp32(float magnitude) noexcept {
    const int exponent = exponent_of(magnitude);
    // Distance to the next power of two in units of the numbers' own spacing (2^-149 for
    // subnormals).
    const int spacing = std::max(exponent, -126) - 23;
    const double distance = (pow2(exponent + 1) - magnitude) * pow2(-spacing);
    return distance <= numbers_rounding_up_to(exponent + 1) ? exponent + 1 : exponent;
}

float quantize_core(float value, const CoreFormat& format, const CoreOptions& options,
                    float uniform) noexcept {
    const int min_exponent = 2 - (1 << std::max(format.exponent_bits - 1, 0));
    float v = value;
    if (!options.allow_subnormals && format.exponent_bits > 0) {
        v = (std::fabs(v) >= pow2_fp32(min_exponent) ? 1.0F : 0.0F) * v;
    }
    int exponent = 0;
    const float private_scale =
        format.exponent_bits > 0 ? private_exponent_power(v, min_exponent, exponent) : 1.0F;
    const float grid = pow2_fp32(format.bits - 2);
    const float rounded = signed_round(v / private_scale * grid, options.rounding, uniform);
    float out = rounded / grid * private_scale;
    if (options.saturate_normals || format.exponent_bits == 0) {
        out = std::isnan(out) ? out : std::clamp(out, -format.max_norm, format.max_norm);
    } else if (std::fabs(out) > format.max_norm) {
        out = std::copysign(std::numeric_limits<float>::infinity(), out);
    }
    return std::isinf(value) ? value : out;
}

}  // namespace qaicmx::detail
