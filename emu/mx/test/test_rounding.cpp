// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/elementwise.hpp"
#include "emu/mx/microxcaling.hpp"
#include "emu/mx/quantize.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace qaicmx {
namespace {

constexpr ElementFormat kAllFormats[] = {
    ElementFormat::kE5M2, ElementFormat::kE4M3, ElementFormat::kE3M2, ElementFormat::kE2M3,
    ElementFormat::kE2M1, ElementFormat::kInt8, ElementFormat::kInt4, ElementFormat::kSign1I4F};

/// Every magnitude of the format, ascending; the index is also the code without its sign.
std::vector<double> magnitudes(ElementFormat format) {
    std::vector<double> values;
    const std::uint32_t count = 1U << (format_info(format).bits - 1);
    for (std::uint32_t code = 0; code < count; ++code) {
        const double value = decode_element(format, code);
        if (std::isfinite(value)) {
            values.push_back(value);
        }
    }
    return values;
}

/// What `value` becomes beside an anchor that makes the scale 1.
float quantize_beside_anchor(const Profile& rules, float value) {
    const float anchor = std::ldexp(1.0F, format_info(rules.format).emax);
    const float block[] = {anchor, value};
    float out[2] = {};
    const std::int64_t dims[] = {2};
    const int axes[] = {0};
    EXPECT_TRUE(fake_quantize(rules, block, dims, axes, out));
    return out[1];
}

void expect_at_boundary(Profile rules, double low, double high, bool low_is_even) {
    const auto middle = static_cast<float>((low + high) / 2);
    const float below = std::nextafter(middle, 0.0F);
    const float above = std::nextafter(middle, INFINITY);
    const auto check = [&](Rounding rounding, float value, double want) {
        rules.rounding = rounding;
        EXPECT_EQ(quantize_beside_anchor(rules, value), want)
            << rules.name << ' ' << format_info(rules.format).name << ' ' << value;
        EXPECT_EQ(quantize_beside_anchor(rules, -value), -want);
    };
    // In FP32 arithmetic the number just below half a step rounds up: artefact 2.
    const bool artefact = rules.microxcaling_artefacts && low == 0;
    for (const Rounding rounding :
         {Rounding::kEven, Rounding::kNearestAway, Rounding::kTiesToZero}) {
        const bool rounds_up = artefact && rounding != Rounding::kTiesToZero;
        check(rounding, below, rounds_up ? high : low);
        check(rounding, above, high);
    }
    check(Rounding::kEven, middle, low_is_even ? low : high);
    check(Rounding::kNearestAway, middle, high);
    check(Rounding::kTiesToZero, middle, low);
    for (const float value : {below, middle, above}) {
        check(Rounding::kFloor, value, low);
    }
}

TEST(Rounding, IsRightAroundEveryBoundaryOfEveryFormat) {
    for (const char* name : {"ocp", "microxcaling"}) {
        for (const ElementFormat format : kAllFormats) {
            Profile rules = *profile_by_name(name);
            rules.format = format;
            const std::vector<double> grid = magnitudes(format);
            for (std::size_t i = 0; i + 1 < grid.size(); ++i) {
                expect_at_boundary(rules, grid[i], grid[i + 1], i % 2 == 0);
            }
        }
    }
}

TEST(Rounding, SaturatesAboveTheLargestNumber) {
    for (const char* name : {"ocp", "microxcaling"}) {
        for (const ElementFormat format : kAllFormats) {
            Profile rules = *profile_by_name(name);
            rules.format = format;
            const double largest = format_info(format).max_normal;
            const float top = std::nextafter(std::ldexp(1.0F, format_info(format).emax + 1), 0.0F);
            EXPECT_EQ(quantize_beside_anchor(rules,
                                             std::nextafter(static_cast<float>(largest), INFINITY)),
                      largest);
            // A few ulps below the next power of two microxcaling's logarithm takes one scale more.
            const float high = rules.microxcaling_artefacts ? 0.999F * top : top;
            EXPECT_EQ(quantize_beside_anchor(rules, high), largest)
                << name << ' ' << format_info(format).name;
            EXPECT_EQ(quantize_beside_anchor(rules, -high), -largest);
        }
    }
}

TEST(Rounding, DitherIsUnbiasedRepeatableAndSeeded) {
    Profile rules = *profile_by_name("ocp");
    rules.rounding = Rounding::kDither;
    std::vector<float> in(32 * 4096, 4.3125F);  // 62.5 % of the way from 4 to 4.5
    std::vector<float> first(in.size());
    std::vector<float> again(in.size());
    std::vector<float> other(in.size());
    const std::int64_t dims[] = {static_cast<std::int64_t>(in.size())};
    const int axes[] = {0};
    rules.dither_seed = 7;
    ASSERT_TRUE(fake_quantize(rules, in, dims, axes, first));
    ASSERT_TRUE(fake_quantize(rules, in, dims, axes, again));
    rules.dither_seed = 8;
    ASSERT_TRUE(fake_quantize(rules, in, dims, axes, other));
    EXPECT_EQ(first, again);
    EXPECT_NE(first, other);
    double sum = 0;
    for (const float value : first) {
        EXPECT_TRUE(value == 4.0F || value == 4.5F);
        sum += value;
    }
    // Standard error of the mean: 0.5 * sqrt(0.625 * 0.375 / 131072) = 0.00067.
    EXPECT_NEAR(sum / static_cast<double>(in.size()), 4.3125, 0.004);
}

TEST(Rounding, LogarithmArtefactEqualsTheRoundedLogarithm) {
    std::size_t affected = 0;
    for (int k = -148; k <= 128; ++k) {
        float value = k == 128 ? std::numeric_limits<float>::max()
                               : std::nextafter(std::ldexp(1.0F, k), 0.0F);
        for (int i = 0; i < 400 && value > 0; ++i) {
            const auto rounded = static_cast<float>(std::log2(static_cast<long double>(value)));
            const int want = static_cast<int>(std::floor(rounded));
            EXPECT_EQ(detail::floor_log2_fp32(value), want) << std::bit_cast<std::uint32_t>(value);
            affected += want != std::ilogb(value) ? 1 : 0;
            value = std::nextafter(value, 0.0F);
        }
    }
    EXPECT_EQ(affected, 7456U);  // the sum of the table in docs/numerics.md
}

TEST(Rounding, LogarithmArtefactTouchesNothingElse) {
    for (std::uint32_t bits = 1; bits < 0x7F800000U; bits += 9973) {
        const auto value = std::bit_cast<float>(bits);
        const auto rounded = static_cast<float>(std::log2(static_cast<long double>(value)));
        EXPECT_EQ(detail::floor_log2_fp32(value), static_cast<int>(std::floor(rounded))) << bits;
    }
}

TEST(Rounding, ArtefactOfAHalfMinusHalfAnUlp) {
    const auto below_half = std::bit_cast<float>(0x3EFFFFFFU);
    Profile rules = *profile_by_name("microxcaling");
    rules.format = ElementFormat::kInt4;  // a step is 1/4, so value * 4 is what gets rounded
    EXPECT_EQ(quantize_beside_anchor(rules, below_half / 4), 0.25F);
    EXPECT_EQ(quantize_beside_anchor(rules, std::nextafter(below_half, 0.0F) / 4), 0.0F);
    rules.microxcaling_artefacts = false;
    EXPECT_EQ(quantize_beside_anchor(rules, below_half / 4), 0.0F);
}

TEST(Rounding, ArtefactOfTheSignOfZero) {
    const Profile rules = *profile_by_name("microxcaling");
    EXPECT_FALSE(std::signbit(quantize_beside_anchor(rules, -0.0F)));
    const float vanished = quantize_beside_anchor(rules, -0.01F);
    EXPECT_EQ(vanished, 0.0F);
    EXPECT_TRUE(std::signbit(vanished));
}

TEST(Rounding, ArtefactAtTheTopOfFp32) {
    Profile rules = *profile_by_name("microxcaling");
    const float values[] = {std::numeric_limits<float>::max()};
    float out[1] = {};
    const std::int64_t dims[] = {1};
    const int axes[] = {0};
    ASSERT_TRUE(fake_quantize(rules, values, dims, axes, out));
    EXPECT_TRUE(std::isinf(out[0]));
    rules.format = ElementFormat::kInt8;
    ASSERT_TRUE(fake_quantize(rules, values, dims, axes, out));
    EXPECT_TRUE(std::isnan(out[0]));
}

TEST(Rounding, ElementwiseFp16WithTiesToEvenIsIeee) {
    ElementwiseOptions options;
    options.rounding = Rounding::kEven;
    std::vector<float> in;
    for (std::uint16_t low = 1; low < 0x7BFF; ++low) {
        const float middle =
            (fp16_to_fp32(low) + fp16_to_fp32(static_cast<std::uint16_t>(low + 1))) / 2;
        in.insert(in.end(), {middle, std::nextafter(middle, INFINITY), -middle, fp16_to_fp32(low)});
    }
    std::vector<float> out(in.size());
    ASSERT_TRUE(quantize_fp(in, 16, options, out));
    for (std::size_t i = 0; i < in.size(); ++i) {
        EXPECT_EQ(out[i], round_to_fp16(in[i])) << in[i];
    }
}

TEST(Rounding, ElementwiseRefusesWidthsThatDoNotExist) {
    const float in[] = {1.0F};
    float out[1] = {};
    float two[2] = {};
    EXPECT_EQ(quantize_bfloat(in, 9, {}, out).error().code, qaicrt::Errc::kInvalidArgument);
    EXPECT_EQ(quantize_bfloat(in, 33, {}, out).error().code, qaicrt::Errc::kInvalidArgument);
    EXPECT_EQ(quantize_fp(in, 6, {}, out).error().code, qaicrt::Errc::kInvalidArgument);
    EXPECT_EQ(quantize_fp(in, 16, {}, two).error().code, qaicrt::Errc::kInvalidArgument);
    EXPECT_TRUE(quantize_bfloat(in, 32, {}, out));
    EXPECT_EQ(out[0], 1.0F);
}

}  // namespace
}  // namespace qaicmx
