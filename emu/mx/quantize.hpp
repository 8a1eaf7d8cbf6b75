// SPDX-License-Identifier: Apache-2.0
/// Block quantisation under a named profile: the arithmetic that answers "why 9.5 and not 9.75".
#pragma once

#include "emu/mx/formats.hpp"

#include <qaicrt/result.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qaicmx {

enum class ScaleRule : std::uint8_t {
    kFloor,       ///< OCP: floor(log2 amax) - emax
    kFloorPlus1,  ///< the card: one more than OCP
    kCeil,        ///< one more than kFloor unless amax is a power of two
    kEven,        ///< amax first rounded to the element's mantissa width, ties up
    kRceil,       ///< ceil(log2(amax / max_normal)): the smallest scale that saturates nothing
    kRfloor,      ///< floor(log2(amax / max_normal)): the largest value always saturates
    kNone,        ///< microxcaling's shared_exp_method "none": every element its own exponent
};
enum class Rounding : std::uint8_t { kNearestAway, kEven, kFloor, kTiesToZero, kDither };
enum class SourcePrecision : std::uint8_t { kFp32, kFp16 };
enum class ResultPrecision : std::uint8_t { kFp32, kFp16 };

/// A complete set of rules. Profiles name the useful combinations; every field can be changed on
/// its own. What public evidence does not settle (mx-numerics 3.5) is a field here, never a
/// constant in the code.
struct Profile {
    std::string name;
    ElementFormat format = ElementFormat::kE2M3;
    int block_size = 32;  ///< 0: the whole axis is one block
    ScaleRule scale_rule = ScaleRule::kFloor;
    int scale_exponent_offset = 0;  ///< added to the shared exponent after the rule
    Rounding rounding = Rounding::kEven;
    std::uint64_t dither_seed = 0;  ///< Rounding::kDither: same seed, same result, on any machine
    SourcePrecision source = SourcePrecision::kFp32;
    ResultPrecision result = ResultPrecision::kFp32;
    int scale_bits = 8;
    bool flush_subnormal_blocks = false;  ///< microxcaling flush_fp32_subnorms
    bool microxcaling_artefacts =
        false;  ///< FP32 log2, 0.5 - ulp/2, sign of zero, FLT_MAX (artefacts 1-4)
    bool reserve_top_exponent = false;  ///< aic100-ieee: emax one smaller, saturate there
    bool micro_exponents =
        false;  ///< aic100-mx6: MX6 of arXiv 2302.08007, 16-blocks with pair shifts
    bool inf_saturates = false;  ///< Inf ignored for amax and saturated, instead of a NaN block
    bool fp16_overflow_saturates = false;  ///< decoded value beyond FP16: 65504 instead of Inf
    bool flush_fp16_subnormals = false;    ///< flush FP16-subnormal sources to zero
    bool keep_negative_zero = true;
    bool int8_allow_minus_128 = false;
    bool pass_through =
        false;  ///< profile "none": values only rounded to the source/result precision
};

/// Profiles: ocp, microxcaling, aic100 (default), aic100-fp32src, aic100-ties0, aic100-trunc,
/// aic100-ieee, aic100-int6, aic100-mx6, none. Errc::kInvalidArgument names the known ones.
qaicrt::Result<Profile> profile_by_name(std::string_view name);
std::span<const std::string_view> profile_names() noexcept;

/// One quantised block row set: see quantize_rows.
struct BlockCodes {
    std::vector<std::uint8_t> codes;   ///< one code per element, in source order (padding excluded)
    std::vector<std::uint8_t> scales;  ///< one E8M0 byte per block
};

/// Quantises `rows` rows of `row_length` contiguous floats, blocks along the row, the last one zero
/// padded. codes: rows * row_length bytes; scales: rows * ceil(row_length / block) bytes. Errors:
/// kUnsupported when the profile has no codes (none, aic100-mx6, ScaleRule::kNone).
qaicrt::Result<BlockCodes> quantize_rows(const Profile& profile, std::span<const float> values,
                                         std::size_t rows, std::size_t row_length);

/// Value of a code under a scale byte, rounded as the profile's result precision says.
float dequantize(const Profile& profile, std::uint8_t code, std::uint8_t scale) noexcept;

/// Quantise and decode in place of storage ("fake quantisation"), any rank, any set of axes.
/// in/out: product(dims) floats, row-major; axes may be negative; several axes share
/// hyper-rectangular tiles. Errors: kInvalidArgument for a bad axis or size.
qaicrt::Status fake_quantize(const Profile& profile, std::span<const float> in,
                             std::span<const std::int64_t> dims, std::span<const int> axes,
                             std::span<float> out);

}  // namespace qaicmx
