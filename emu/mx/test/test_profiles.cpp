// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/block.hpp"
#include "emu/mx/card_probes.hpp"
#include "emu/mx/quantize.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace qaicmx {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> fake(const Profile& rules, std::vector<float> values) {
    const std::int64_t dims[] = {static_cast<std::int64_t>(values.size())};
    const int axes[] = {-1};
    EXPECT_TRUE(fake_quantize(rules, values, dims, axes, values));
    return values;
}

float sum(const std::vector<float>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0F);
}

std::vector<float> reported_weights() {
    std::vector<float> weights = {0.015625F, 0.03125F, 0.0625F, 0.125F, 0.25F, 0.5F, 1.0F, 8.0F};
    weights.resize(32);
    return weights;
}

std::vector<float> gaussian(std::size_t count, float sigma, std::uint64_t seed) {
    std::mt19937_64 engine(seed);
    std::vector<float> values(count);
    for (float& value :
         values) {  // the sum of twelve uniform numbers would lack tails, so Box and Muller
        const double u = (static_cast<double>(engine() >> 11) + 1) * 0x1p-53;
        const double v = static_cast<double>(engine() >> 11) * 0x1p-53;
        value = round_to_fp16(
            static_cast<float>(sigma * std::sqrt(-2 * std::log(u)) * std::cos(2 * M_PI * v)));
    }
    return values;
}

double relative_rms_percent(const std::vector<float>& exact, const std::vector<float>& got) {
    double error = 0;
    double power = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
        error += std::pow(static_cast<double>(got[i]) - exact[i], 2);
        power += std::pow(static_cast<double>(exact[i]), 2);
    }
    return 100 * std::sqrt(error / power);
}

TEST(Profiles, AnswerTheQuestion) {
    EXPECT_EQ(sum(fake(*profile_by_name("aic100"), reported_weights())), 9.5F);
    EXPECT_EQ(sum(fake(*profile_by_name("microxcaling"), reported_weights())), 9.75F);
    EXPECT_EQ(sum(fake(*profile_by_name("ocp"), reported_weights())), 9.75F);
    EXPECT_EQ(sum(fake(*profile_by_name("none"), reported_weights())), 9.984375F);
    for (const char* alternate : {"aic100-fp32src", "aic100-ties0", "aic100-trunc", "aic100-ieee",
                                  "aic100-int6", "aic100-mx6"}) {
        EXPECT_EQ(sum(fake(*profile_by_name(alternate), reported_weights())), 9.5F) << alternate;
    }
    Profile nearest = *profile_by_name("microxcaling");
    nearest.rounding = Rounding::kNearestAway;
    EXPECT_EQ(sum(fake(nearest, reported_weights())), 10.0F);
}

TEST(Profiles, AreFoundByNameOnly) {
    for (const std::string_view name : profile_names()) {
        const auto found = profile_by_name(name);
        ASSERT_TRUE(found) << name;
        EXPECT_EQ(found->name, name);
    }
    const auto missing = profile_by_name("aic200");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, qaicrt::Errc::kInvalidArgument);
    EXPECT_NE(missing.error().message.find("aic100-int6"), std::string::npos);
}

TEST(Profiles, CardNeverUsesTheUpperSevenMagnitudes) {
    const Profile rules = *profile_by_name("aic100");
    const std::vector<float> weights = gaussian(32 * 2000, 0.02F, 1);
    const auto blocks = quantize_rows(rules, weights, 2000, 32);
    ASSERT_TRUE(blocks);
    for (const std::uint8_t code : blocks->codes) {
        EXPECT_LE(code & 0x1F, 0x18);
    }
}

TEST(Profiles, RequantisingTheCardsWeightsChangesNothingUnlessTheMaximumRoundedUp) {
    const Profile rules = *profile_by_name("aic100");
    const std::vector<float> weights = gaussian(32 * 2000, 0.02F, 2);
    std::size_t unchanged = 0;
    for (std::size_t start = 0; start < weights.size(); start += 32) {
        const std::vector<float> block(weights.begin() + static_cast<std::ptrdiff_t>(start),
                                       weights.begin() + static_cast<std::ptrdiff_t>(start + 32));
        const std::vector<float> once = fake(rules, block);
        const auto largest = [](const std::vector<float>& values) {
            float m = 0;
            for (const float v : values) {
                m = std::fmax(m, std::fabs(v));
            }
            return std::ilogb(m);
        };
        if (largest(once) == largest(block)) {
            EXPECT_EQ(fake(rules, once), once);
            ++unchanged;
        }
    }
    EXPECT_GT(unchanged, 1700U);
}

TEST(Profiles, ScalingAllWeightsByAPowerOfTwoShiftsOnlyTheScaleByte) {
    const Profile rules = *profile_by_name("aic100");
    const std::vector<float> weights = gaussian(32 * 100, 0.5F, 3);
    const auto before = quantize_rows(rules, weights, 100, 32);
    ASSERT_TRUE(before);
    for (const int shift : {-3, 1, 6}) {
        std::vector<float> scaled = weights;
        for (float& value : scaled) {  // FP16 subnormals would lose bits
            value = std::fabs(value) < 0.01F ? 0.0F : std::ldexp(value, shift);
        }
        std::vector<float> unscaled = scaled;
        for (float& value : unscaled) {
            value = std::ldexp(value, -shift);
        }
        const auto base = quantize_rows(rules, unscaled, 100, 32);
        const auto after = quantize_rows(rules, scaled, 100, 32);
        ASSERT_TRUE(after);
        EXPECT_EQ(after->codes, base->codes);
        for (std::size_t i = 0; i < after->scales.size(); ++i) {
            EXPECT_EQ(after->scales[i], base->scales[i] + shift);
        }
    }
}

TEST(Profiles, WeightErrorsOnGaussianWeightsAreTheKnownOnes) {
    const std::vector<float> weights = gaussian(1 << 20, 0.02F, 4);
    EXPECT_NEAR(relative_rms_percent(weights, fake(*profile_by_name("aic100"), weights)), 3.46,
                0.01);
    EXPECT_NEAR(relative_rms_percent(weights, fake(*profile_by_name("ocp"), weights)), 2.80, 0.01);
    EXPECT_NEAR(relative_rms_percent(weights, fake(*profile_by_name("aic100-int6"), weights)), 3.02,
                0.01);
    Profile e3m2 = *profile_by_name("ocp");
    e3m2.format = ElementFormat::kE3M2;
    EXPECT_NEAR(relative_rms_percent(weights, fake(e3m2, weights)), 5.38, 0.01);
}

TEST(Profiles, NanOrInfMakesTheWholeBlockNanAndOnlyThat) {
    for (const float bad : {kNan, kInf, -kInf}) {
        for (const char* name : {"ocp", "microxcaling", "aic100", "aic100-mx6"}) {
            Profile rules = *profile_by_name(name);
            rules.block_size = 16;
            std::vector<float> values(32, 1.0F);
            values[3] = bad;
            const std::vector<float> out = fake(rules, values);
            for (std::size_t i = 0; i < 32; ++i) {
                EXPECT_EQ(std::isnan(out[i]), i < 16) << name << ' ' << i;
            }
        }
    }
    const std::vector<float> values = {1.0F, kNan};
    const auto blocks = quantize_rows(*profile_by_name("aic100"), values, 1, 2);
    ASSERT_TRUE(blocks);
    EXPECT_EQ(blocks->scales[0], 0xFF);
}

TEST(Profiles, InfSaturatesWhenAsked) {
    Profile rules = *profile_by_name("ocp");
    rules.inf_saturates = true;
    EXPECT_EQ(fake(rules, {4.0F, kInf, -kInf, 1.0F}),
              (std::vector<float>{4.0F, 7.5F, -7.5F, 1.0F}));
    EXPECT_TRUE(std::isnan(fake(rules, {4.0F, kNan})[0]));
    rules.microxcaling_artefacts = true;
    EXPECT_EQ(fake(rules, {4.0F, kInf}), (std::vector<float>{4.0F, 7.5F}));
}

TEST(Profiles, TopOfFp16OverflowsOrSaturatesAsAsked) {
    Profile rules = *profile_by_name("aic100");
    EXPECT_EQ(fake(rules, {65504.0F}), std::vector<float>{kInf});
    EXPECT_EQ(fake(rules, {63456.0F}), std::vector<float>{61440.0F});
    rules.fp16_overflow_saturates = true;
    EXPECT_EQ(fake(rules, {65504.0F, -65504.0F}), (std::vector<float>{65504.0F, -65504.0F}));
}

TEST(Profiles, SourcePrecisionDecidesATie) {
    // 0.25 + 2^-13 is a tie for FP16 and lands on the element's tie; FP32 keeps it above.
    const std::vector<float> weights = {8.0F, 0.25F + 0x1p-13F};
    EXPECT_EQ(sum(fake(*profile_by_name("aic100"), weights)), 8.0F);
    EXPECT_EQ(sum(fake(*profile_by_name("aic100-fp32src"), weights)), 8.5F);
}

TEST(Profiles, Fp16SubnormalsAreKeptOrFlushed) {
    Profile rules = *profile_by_name("aic100");
    EXPECT_EQ(fake(rules, {0x1p-19F, -0x1p-20F}), (std::vector<float>{0x1p-19F, -0x1p-20F}));
    rules.flush_fp16_subnormals = true;
    EXPECT_EQ(fake(rules, {0x1p-19F, 0x1p-14F}), (std::vector<float>{0.0F, 0x1p-14F}));
}

TEST(Profiles, SignOfZeroIsKeptOrDropped) {
    Profile rules = *profile_by_name("aic100");
    EXPECT_TRUE(std::signbit(fake(rules, {-0.0F, 8.0F})[0]));
    EXPECT_TRUE(std::signbit(fake(rules, {-0.01F, 8.0F})[0]));
    rules.keep_negative_zero = false;
    EXPECT_FALSE(std::signbit(fake(rules, {-0.0F, 8.0F})[0]));
    EXPECT_FALSE(std::signbit(fake(rules, {-0.01F, 8.0F})[0]));
}

TEST(Profiles, ZeroBlockHasScaleByteZero) {
    const std::vector<float> zeros = {0.0F, -0.0F};
    const auto blocks = quantize_rows(*profile_by_name("aic100"), zeros, 1, 2);
    ASSERT_TRUE(blocks);
    EXPECT_EQ(blocks->scales, std::vector<std::uint8_t>{0});
    EXPECT_EQ(blocks->codes, (std::vector<std::uint8_t>{0x00, 0x20}));
}

TEST(Profiles, MinusTwoOfInt8IsASwitch) {
    Profile rules = *profile_by_name("ocp");
    rules.format = ElementFormat::kInt8;
    const float below_two = std::nextafter(2.0F, 0.0F);
    EXPECT_EQ(fake(rules, {-below_two, below_two}),
              (std::vector<float>{-127.0F / 64, 127.0F / 64}));
    rules.int8_allow_minus_128 = true;
    EXPECT_EQ(fake(rules, {-below_two, below_two}), (std::vector<float>{-2.0F, 127.0F / 64}));
    const std::vector<float> values = {-below_two};
    EXPECT_EQ(quantize_rows(rules, values, 1, 1)->codes, std::vector<std::uint8_t>{0x80});
}

TEST(Profiles, NarrowScalesClampBelowAndPoisonAbove) {
    Profile rules = *profile_by_name("ocp");
    rules.scale_bits = 4;  // exponents -7 to 7
    EXPECT_EQ(fake(rules, {0x1p9F}), std::vector<float>{0x1p9F});
    EXPECT_TRUE(std::isnan(fake(rules, {0x1p10F})[0]));
    EXPECT_EQ(fake(rules, {0x1p-10F}),
              std::vector<float>{0x1p-10F});  // the smallest subnormal under 2^-7
    EXPECT_EQ(fake(rules, {0x1p-12F}), std::vector<float>{0.0F});
}

TEST(Profiles, SubnormalBlocksAreFlushedOnlyWhenAsked) {
    Profile rules = *profile_by_name("ocp");
    EXPECT_EQ(fake(rules, {0x1p-130F}), std::vector<float>{0x1p-130F});
    rules.flush_subnormal_blocks = true;
    EXPECT_EQ(fake(rules, {0x1p-130F}), std::vector<float>{0.0F});
    EXPECT_EQ(fake(rules, {0x1p-126F}), std::vector<float>{0x1p-126F});
}

TEST(Profiles, ScaleRulesChooseTheExponentsThatTheyPromise) {
    const auto exponent = [](ScaleRule rule, float amax) {
        Profile rules = *profile_by_name("ocp");
        rules.scale_rule = rule;
        QuantizedBlock block;
        quantize_block(rules, std::vector<float>{amax}, 0, block);
        return block.exponent;
    };
    EXPECT_EQ(exponent(ScaleRule::kFloor, 8.0F), 1);
    EXPECT_EQ(exponent(ScaleRule::kFloorPlus1, 8.0F), 2);
    EXPECT_EQ(exponent(ScaleRule::kCeil, 8.0F), 1);
    EXPECT_EQ(exponent(ScaleRule::kCeil, std::nextafter(8.0F, 9.0F)), 2);
    EXPECT_EQ(exponent(ScaleRule::kEven, 15.49F), 1);
    EXPECT_EQ(exponent(ScaleRule::kEven, 15.5F), 2);
    EXPECT_EQ(exponent(ScaleRule::kRceil, 15.0F), 1);
    EXPECT_EQ(exponent(ScaleRule::kRceil, std::nextafter(15.0F, 16.0F)), 2);
    EXPECT_EQ(exponent(ScaleRule::kRfloor, 15.0F), 1);
    EXPECT_EQ(exponent(ScaleRule::kRfloor, std::nextafter(15.0F, 0.0F)), 0);
}

TEST(Profiles, TilesShareOneScaleAndEndsAreShort) {
    const Profile rules = [] {
        Profile p = *profile_by_name("ocp");
        p.block_size = 2;
        return p;
    }();
    // 3 x 3: tiles {0,1}x{0,1}, {0,1}x{2}, {2}x{0,1}, {2}x{2}. 0.25 survives only where no 64 is in
    // its tile.
    const std::vector<float> in = {64, 0.25F, 0.25F, 0.25F, 0.25F, 64, 0.25F, 64, 0.25F};
    std::vector<float> out(9);
    const std::int64_t dims[] = {3, 3};
    const int axes[] = {-2, 1};
    ASSERT_TRUE(fake_quantize(rules, in, dims, axes, out));
    EXPECT_EQ(out, (std::vector<float>{64, 0, 0, 0, 0, 64, 0, 64, 0.25F}));
    Profile whole = rules;
    whole.block_size = 0;
    ASSERT_TRUE(fake_quantize(whole, in, dims, axes, out));
    EXPECT_EQ(out, (std::vector<float>{64, 0, 0, 0, 0, 64, 0, 64, 0}));
    const int rows[] = {0};
    ASSERT_TRUE(fake_quantize(whole, in, dims, rows, out));
    EXPECT_EQ(out, (std::vector<float>{64, 0, 0, 0, 0, 64, 0, 64, 0}));
}

TEST(Profiles, RowsAndFakeQuantisationAgree) {
    for (const char* name :
         {"ocp", "microxcaling", "aic100", "aic100-fp32src", "aic100-ieee", "aic100-int6"}) {
        const Profile rules = *profile_by_name(name);
        const std::vector<float> values =
            gaussian(7 * 45, 1.0F, 5);  // 45 is no multiple of the block
        const auto blocks = quantize_rows(rules, values, 7, 45);
        ASSERT_TRUE(blocks);
        ASSERT_EQ(blocks->scales.size(), 14U);
        std::vector<float> direct(values.size());
        const std::int64_t dims[] = {7, 45};
        const int axes[] = {1};
        ASSERT_TRUE(fake_quantize(rules, values, dims, axes, direct));
        for (std::size_t i = 0; i < values.size(); ++i) {
            const std::uint8_t scale = blocks->scales[i / 45 * 2 + i % 45 / 32];
            EXPECT_EQ(dequantize(rules, blocks->codes[i], scale), direct[i]) << name;
        }
    }
}

TEST(Profiles, BadRequestsAreRefusedInASentence) {
    const Profile rules = *profile_by_name("ocp");
    std::vector<float> values(6);
    const std::int64_t dims[] = {2, 3};
    const auto refuse = [&](const Profile& p, std::span<const std::int64_t> d,
                            std::vector<int> axes, const char* why) {
        const auto status = fake_quantize(p, values, d, axes, values);
        ASSERT_FALSE(status) << why;
        EXPECT_EQ(status.error().code, qaicrt::Errc::kInvalidArgument);
        EXPECT_NE(status.error().message.find(why), std::string::npos) << status.error().message;
    };
    refuse(rules, dims, {2}, "Axis 2 is out of range");
    refuse(rules, dims, {-3}, "Axis -3 is out of range");
    refuse(rules, dims, {1, -1}, "given twice");
    refuse(rules, dims, {}, "No axis");
    const std::int64_t other[] = {2, 4};
    refuse(rules, other, {0}, "8 elements");
    const std::int64_t negative[] = {-2, 3};
    refuse(rules, negative, {0}, "negative");
    const std::int64_t huge[] = {INT64_MAX, 1000};
    refuse(rules, huge, {0}, "too large");
    Profile bad = rules;
    bad.block_size = -1;
    refuse(bad, dims, {0}, "block size");
    bad = rules;
    bad.scale_bits = 9;
    refuse(bad, dims, {0}, "bits");
    EXPECT_EQ(quantize_rows(rules, values, 2, 4).error().code, qaicrt::Errc::kInvalidArgument);
    EXPECT_EQ(quantize_rows(*profile_by_name("none"), values, 2, 3).error().code,
              qaicrt::Errc::kUnsupported);
    EXPECT_EQ(quantize_rows(*profile_by_name("aic100-mx6"), values, 2, 3).error().code,
              qaicrt::Errc::kUnsupported);
}

/// Everything that a run of the probes would show under a hypothesis.
std::vector<float> answers(const Hypothesis& hypothesis) {
    std::vector<float> all;
    for (const Probe& probe : card_probes()) {
        const std::vector<float> decoded =
            decoded_weights(hypothesis, probe.weights, probe.outputs);
        for (std::size_t row = 0; row < probe.outputs; ++row) {
            all.push_back(
                card_dot(std::span(decoded).subspan(row * probe.inputs.size(), probe.inputs.size()),
                         probe.inputs));
        }
    }
    return all;
}

TEST(Profiles, ProbesTellEveryPairOfHypothesesApart) {
    const std::vector<Hypothesis> hypotheses = card_hypotheses();
    ASSERT_EQ(hypotheses.size(), 20U);
    for (std::size_t i = 0; i < hypotheses.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            EXPECT_NE(answers(hypotheses[i]), answers(hypotheses[j]))
                << hypotheses[i].name << ' ' << hypotheses[j].name;
        }
    }
}

TEST(Profiles, ProbesOfDirectionAndPositionAnswerAsDocumented) {
    const std::vector<Hypothesis> hypotheses = card_hypotheses();
    const auto tail = [&](std::string_view name) {
        for (const Hypothesis& hypothesis : hypotheses) {
            if (hypothesis.name == name) {
                const std::vector<float> all = answers(hypothesis);
                return std::vector<float>(all.end() - 4, all.end());
            }
        }
        return std::vector<float>();
    };
    // P23 (two outputs), P24a, P24b: across the border the first four weights have a block of their
    // own.
    EXPECT_EQ(tail("A1_up1_rne_b32"), (std::vector<float>{8.0F, 0.125F, 9.5F, 9.734375F}));
    EXPECT_EQ(tail("A1_along_outputs"), (std::vector<float>{8.125F, 0.0F, 9.984375F, 9.984375F}));
    EXPECT_EQ(tail("A4_up1_rne_b64"), (std::vector<float>{8.0F, 0.125F, 9.5F, 9.5F}));
}

TEST(Profiles, EmptyTensorsAreFine) {
    const Profile rules = *profile_by_name("aic100");
    const std::int64_t dims[] = {0, 5};
    const int axes[] = {0};
    EXPECT_TRUE(fake_quantize(rules, {}, dims, axes, {}));
    const auto blocks = quantize_rows(rules, {}, 5, 0);
    ASSERT_TRUE(blocks);
    EXPECT_TRUE(blocks->codes.empty() && blocks->scales.empty());
}

}  // namespace
}  // namespace qaicmx
