// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/block.hpp"

#include "emu/mx/dither.hpp"
#include "emu/mx/fp_bits.hpp"
#include "emu/mx/microxcaling.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace qaicmx {
namespace {

using detail::exponent_of;
using detail::pow2;

/// Rounds scaled >= 0 to an integer, exactly.
double round_magnitude(double scaled, Rounding rounding, double uniform) noexcept {
    if (scaled >= 0x1p53) {
        return scaled;  // an integer already, and too large for the conversion below
    }
    const auto below = static_cast<std::int64_t>(scaled);
    const double rest = scaled - static_cast<double>(below);
    bool up = false;
    switch (rounding) {
        case Rounding::kFloor:
            break;
        case Rounding::kDither:
            up = rest + uniform >= 1.0;
            break;
        case Rounding::kNearestAway:
            up = rest >= 0.5;
            break;
        case Rounding::kTiesToZero:
            up = rest > 0.5;
            break;
        case Rounding::kEven:
            up = rest > 0.5 || (rest == 0.5 && below % 2 != 0);
            break;
    }
    return static_cast<double>(below + (up ? 1 : 0));
}

/// scaled: V / X, finite. The nearest number of the element type, clamped to its largest.
double quantize_element(const Profile& profile, const ElementGrid& grid, double scaled,
                        double uniform) noexcept {
    const double magnitude = std::fabs(scaled);
    double limit = grid.max_normal;
    if (profile.int8_allow_minus_128 && profile.format == ElementFormat::kInt8 &&
        std::signbit(scaled)) {
        limit = 2.0;
    }
    double rounded = 0;
    if (magnitude != 0) {
        const int binade = grid.integer ? 0 : std::max(exponent_of(magnitude), grid.min_exponent);
        const double step = pow2(binade - grid.mantissa_bits);
        const double steps = round_magnitude(magnitude * pow2(grid.mantissa_bits - binade),
                                             profile.rounding, uniform);
        rounded = std::min(steps * step, limit);
    }
    if (rounded == 0 && (!profile.keep_negative_zero || !grid.signed_zero)) {
        return 0.0;
    }
    return std::copysign(rounded, scaled);
}

/// The exponent that a scale rule gives for a block whose largest magnitude is amax > 0, before any
/// clamping.
int shared_exponent(const Profile& profile, const ElementGrid& grid, double amax) noexcept {
    const int floor_exponent = exponent_of(amax);
    const int max_exponent = exponent_of(grid.max_normal);
    const double at_max = grid.max_normal * pow2(floor_exponent - max_exponent);
    int exponent = floor_exponent - grid.emax;
    switch (profile.scale_rule) {
        case ScaleRule::kFloor:
        case ScaleRule::kNone:
            break;
        case ScaleRule::kFloorPlus1:
            exponent += 1;
            break;
        case ScaleRule::kCeil:
            exponent += amax != pow2(floor_exponent) ? 1 : 0;
            break;
        case ScaleRule::kEven:  // half a unit of the element's mantissa carries into the exponent
            exponent +=
                amax >= pow2(floor_exponent) * (2.0 - pow2(-grid.mantissa_bits - 1)) ? 1 : 0;
            break;
        case ScaleRule::kRceil:
            exponent = floor_exponent - max_exponent + (amax > at_max ? 1 : 0);
            break;
        case ScaleRule::kRfloor:
            exponent = floor_exponent - max_exponent - (amax < at_max ? 1 : 0);
            break;
    }
    const bool log2_in_fp32 = profile.microxcaling_artefacts &&
                              profile.scale_rule != ScaleRule::kRceil &&
                              profile.scale_rule != ScaleRule::kRfloor;
    if (log2_in_fp32) {
        exponent += detail::floor_log2_fp32(static_cast<float>(amax)) - floor_exponent;
    }
    return exponent + profile.scale_exponent_offset;
}

struct Scale {
    bool is_nan = false;
    bool flushed = false;  ///< flush_subnormal_blocks applies: every element becomes zero
    int exponent = 0;
};

/// Largest exponent of a scale of `bits` bits: the range is symmetric and one code is NaN.
int scale_limit(const Profile& profile) noexcept {
    return (1 << (profile.scale_bits - 1)) - 1;
}

Scale scale_for(const Profile& profile, const ElementGrid& grid, double amax) noexcept {
    Scale scale;
    const int limit = scale_limit(profile);
    if (amax == 0) {
        // microxcaling replaces 0 by 2^-126; otherwise the smallest scale: byte 0 with eight bits.
        scale.exponent =
            profile.microxcaling_artefacts ? std::max(-126 - grid.emax, -limit) : -limit;
        return scale;
    }
    const int log2_amax = profile.microxcaling_artefacts
                              ? detail::floor_log2_fp32(static_cast<float>(amax))
                              : exponent_of(amax);
    scale.flushed = profile.flush_subnormal_blocks && log2_amax <= -127;
    scale.exponent = shared_exponent(profile, grid, amax);
    scale.is_nan = scale.exponent > limit;
    scale.exponent = std::max(scale.exponent, -limit);
    return scale;
}

/// Largest magnitude that counts for the scale; NaN when it makes the whole block NaN.
double block_amax(const Profile& profile, std::span<const float> values) noexcept {
    double amax = 0;
    for (const float raw : values) {
        const double value = std::fabs(source_value(profile, raw));
        if (std::isnan(value) || (std::isinf(value) && !profile.inf_saturates)) {
            return std::numeric_limits<double>::quiet_NaN();
        }
        if (!std::isinf(value)) {
            amax = std::max(amax, value);
        }
    }
    return amax;
}

float dither_uniform(const Profile& profile, std::uint64_t block_number,
                     std::size_t position) noexcept {
    return profile.rounding == Rounding::kDither
               ? detail::uniform(profile.dither_seed, block_number, position)
               : 0.0F;
}

/// The FP32 operations of microxcaling: divide by the scale, quantise, multiply.
QuantizedElement microxcaling_element(const Profile& profile, float value, const Scale& scale,
                                      float uniform) noexcept {
    const float x = detail::pow2_fp32(scale.exponent);
    const float flushed = scale.flushed ? value * 0.0F : value;
    detail::CoreFormat format = detail::core_format(profile.format);
    format.max_norm = static_cast<float>(element_grid(profile).max_normal);
    const float quantized =
        detail::quantize_core(flushed / x, format, {profile.rounding, true, true}, uniform);
    return {quantized, scale.exponent, result_value(profile, quantized * x)};
}

QuantizedElement exact_element(const Profile& profile, const ElementGrid& grid, float value,
                               const Scale& scale, float uniform) noexcept {
    double quantized = 0;
    if (std::isinf(value)) {  // only reached when inf_saturates
        quantized = std::copysign(grid.max_normal, value);
    } else {
        const double kept = scale.flushed ? value * 0.0 : value;
        quantized = quantize_element(profile, grid, kept * pow2(-scale.exponent), uniform);
    }
    return {quantized, scale.exponent, result_value(profile, quantized * pow2(scale.exponent))};
}

QuantizedElement quantize_one(const Profile& profile, const ElementGrid& grid, float value,
                              const Scale& scale, float uniform) noexcept {
    const bool in_fp32 = profile.microxcaling_artefacts && !std::isinf(value);
    return in_fp32 ? microxcaling_element(profile, value, scale, uniform)
                   : exact_element(profile, grid, value, scale, uniform);
}

constexpr QuantizedElement kNanElement = {0, 0, std::numeric_limits<float>::quiet_NaN()};

void fill_nan(QuantizedBlock& block) noexcept {
    block.is_nan = true;
    std::fill(block.elements.begin(), block.elements.end(), kNanElement);
}

/// shared_exp_method "none": each element is its own block.
void quantize_unshared(const Profile& profile, const ElementGrid& grid,
                       std::span<const float> values, std::uint64_t block_number,
                       QuantizedBlock& block) noexcept {
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double amax = block_amax(profile, values.subspan(i, 1));
        const Scale scale =
            std::isnan(amax) ? Scale{true, false, 0} : scale_for(profile, grid, amax);
        block.elements[i] = scale.is_nan
                                ? kNanElement
                                : quantize_one(profile, grid, source_value(profile, values[i]),
                                               scale, dither_uniform(profile, block_number, i));
    }
}

/// MX6: a pair whose larger element is below half of amax's binade gets one more bit of resolution.
void quantize_pairs(const Profile& profile, const ElementGrid& grid, std::span<const float> values,
                    std::uint64_t block_number, QuantizedBlock& block) noexcept {
    for (std::size_t first = 0; first < values.size(); first += 2) {
        const std::size_t count = std::min<std::size_t>(2, values.size() - first);
        const double pair_amax = block_amax(profile, values.subspan(first, count));
        const bool finer = pair_amax < pow2(block.exponent);
        const Scale scale = {false, profile.flush_subnormal_blocks && block.exponent <= -127,
                             block.exponent - (finer ? 1 : 0)};
        for (std::size_t i = first; i < first + count; ++i) {
            block.elements[i] = exact_element(profile, grid, source_value(profile, values[i]),
                                              scale, dither_uniform(profile, block_number, i));
        }
    }
}

}  // namespace

ElementGrid element_grid(const Profile& profile) noexcept {
    if (profile.micro_exponents) {
        // Sign and four bits of magnitude, three of them fraction.
        return {0, 0, 3, 15.0 / 8, true, true};
    }
    const FormatInfo& info = format_info(profile.format);
    const bool integer = info.exponent_bits == 0;
    const bool signed_zero = !integer || profile.format == ElementFormat::kSign1I4F;
    ElementGrid grid{
        info.emax,  integer ? 0 : 1 - info.bias, info.mantissa_bits, info.max_normal, integer,
        signed_zero};
    if (profile.reserve_top_exponent && !integer && !info.has_inf) {
        grid.emax -= 1;
        grid.max_normal = (2.0 - pow2(-grid.mantissa_bits)) * pow2(grid.emax);
    }
    return grid;
}

float source_value(const Profile& profile, float value) noexcept {
    if (profile.source != SourcePrecision::kFp16) {
        return value;
    }
    const float rounded = round_to_fp16(value);
    const bool subnormal = std::fabs(rounded) < detail::pow2_fp32(-14);
    return profile.flush_fp16_subnormals && subnormal ? std::copysign(0.0F, rounded) : rounded;
}

float result_value(const Profile& profile, double exact) noexcept {
    const auto value = static_cast<float>(exact);
    if (profile.result != ResultPrecision::kFp16) {
        return value;
    }
    const float rounded = round_to_fp16(value);
    return profile.fp16_overflow_saturates && std::isinf(rounded) ? std::copysign(65504.0F, rounded)
                                                                  : rounded;
}

bool has_codes(const Profile& profile) noexcept {
    return !profile.pass_through && !profile.micro_exponents &&
           profile.scale_rule != ScaleRule::kNone;
}

void quantize_block(const Profile& profile, std::span<const float> values,
                    std::uint64_t block_number, QuantizedBlock& block) {
    block.elements.resize(values.size());
    block.is_nan = false;
    block.exponent = 0;
    if (profile.pass_through) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            const float source = source_value(profile, values[i]);
            block.elements[i] = {source, 0, result_value(profile, source)};
        }
        return;
    }
    const ElementGrid grid = element_grid(profile);
    if (profile.scale_rule == ScaleRule::kNone) {
        quantize_unshared(profile, grid, values, block_number, block);
        return;
    }
    const double amax = block_amax(profile, values);
    const Scale scale = std::isnan(amax) ? Scale{true, false, 0} : scale_for(profile, grid, amax);
    block.exponent = scale.exponent;
    if (scale.is_nan) {
        fill_nan(block);
        return;
    }
    if (profile.micro_exponents) {
        quantize_pairs(profile, grid, values, block_number, block);
        return;
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
        block.elements[i] = quantize_one(profile, grid, source_value(profile, values[i]), scale,
                                         dither_uniform(profile, block_number, i));
    }
}

}  // namespace qaicmx
