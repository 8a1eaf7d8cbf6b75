// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/card_probes.hpp"

#include <initializer_list>
#include <utility>

namespace qaicmx {
namespace {

/// A known name; profiles are part of this library.
Profile named(std::string_view name) {
    return profile_by_name(name).value();
}

Profile with_rule(ScaleRule rule, int offset, Rounding rounding = Rounding::kEven) {
    Profile profile = named("aic100");
    profile.scale_rule = rule;
    profile.scale_exponent_offset = offset;
    profile.rounding = rounding;
    return profile;
}

Profile with_blocks(int size) {
    Profile profile = named("aic100");
    profile.block_size = size;
    return profile;
}

Profile truncated(std::string_view name) {
    Profile profile = named(name);
    profile.rounding = Rounding::kFloor;
    return profile;
}

Profile ocp_on_the_card(ElementFormat format) {
    Profile profile = with_rule(ScaleRule::kFloor, 0);
    profile.format = format;
    return profile;
}

using Entry = std::pair<std::size_t, float>;

constexpr std::size_t kBlock = 32;
constexpr std::initializer_list<float> kReported = {0x1p-6F, 0x1p-5F, 0x1p-4F, 0x1p-3F,
                                                    0x1p-2F, 0x1p-1F, 1.0F,    8.0F};

std::vector<float> sparse(std::size_t k, std::initializer_list<Entry> entries) {
    std::vector<float> values(k, 0.0F);
    for (const auto& [index, value] : entries) {
        values[index] = value;
    }
    return values;
}

/// Weights from index `first` on, zeros elsewhere.
std::vector<float> placed(std::size_t k, std::size_t first, std::initializer_list<float> weights) {
    std::vector<float> values(k, 0.0F);
    std::size_t at = first;
    for (const float weight : weights) {
        values[at++] = weight;
    }
    return values;
}

std::vector<float> all(float value, std::size_t k = kBlock) {
    return std::vector<float>(k, value);
}

/// `inputs` first, ones after them.
std::vector<float> then_ones(std::initializer_list<float> inputs) {
    std::vector<float> values = all(1.0F);
    std::size_t at = 0;
    for (const float input : inputs) {
        values[at++] = input;
    }
    return values;
}

Probe ones_probe(std::string_view id, std::string_view purpose,
                 std::initializer_list<float> weights) {
    return {id, purpose, 1, placed(kBlock, 0, weights), all(1.0F)};
}

std::vector<float> quarter_ramp() {
    std::vector<float> values;
    for (std::size_t k = 0; k < kBlock; ++k) {
        values.push_back(static_cast<float>(k) / 4);
    }
    return values;
}

void add_rounding_probes(std::vector<Probe>& probes) {
    probes.push_back(ones_probe("P01", "the reported weights", kReported));
    probes.push_back(ones_probe(
        "P02", "one weight 15.5, a tie: saturation and the step of the upper binade", {15.5F}));
    probes.push_back(
        ones_probe("P03", "one weight 8.5: a step of 1 or of 0.5 in the upper binade", {8.5F}));
    probes.push_back(ones_probe("P04", "one weight 9.5: the other parity of P03's tie", {9.5F}));
    probes.push_back(ones_probe("P05", "a tie whose even neighbour is above", {8.0F, 0.75F}));
    probes.push_back(ones_probe("P06", "a tie whose even neighbour is below", {8.0F, 1.25F}));
    probes.push_back(
        ones_probe("P07", "just above half a step: nearest or truncation", {8.0F, 0.2734375F}));
    probes.push_back(ones_probe("P08", "a negative tie: is rounding symmetric", {8.0F, -0.75F}));
    probes.push_back(ones_probe("P09", "amax just below a power of two", {7.9921875F, 0.25F}));
    probes.push_back(ones_probe(
        "P10", "amax a little above 7.5 units: scales that avoid saturation", {7.625F, 0.25F}));
    probes.push_back(ones_probe("P11", "four times three quarters of a step",
                                {8.0F, 0.375F, 0.375F, 0.375F, 0.375F}));
}

void add_structure_probes(std::vector<Probe>& probes) {
    probes.push_back(
        {"P12", "block extent within 64: a small weight survives outside the block of the 16", 1,
         sparse(64, {{0, 16.0F},
                     {1, 0x1p-2F},
                     {8, 0x1p-3F},
                     {16, 0x1p-4F},
                     {31, 0x1p-5F},
                     {32, 0x1p-6F},
                     {63, 0x1p-7F}}),
         all(1.0F, 64)});
    probes.push_back(ones_probe("P13", "pairs: is there a shift bit for each pair",
                                {8.0F, 8.0F, 0.5F, 0.5F, 1.5F, 1.5F, 0.75F, 0.75F}));
    probes.push_back(
        ones_probe("P14", "0.5 in the pair of a 15 and in the next pair", {15.0F, 0.5F, 0.5F}));
    probes.push_back(
        ones_probe("P15", "are weights rounded to FP16 first", {8.0F, 0.25F + 0x1p-13F}));
    probes.push_back({"P16", "the top of FP16: overflow or saturation", 1,
                      placed(kBlock, 0, {65504.0F}), all(0x1p-4F)});
    probes.push_back({"P17", "small weights that stay normal in FP16", 1,
                      placed(kBlock, 0, {0x1p-10F, 0x1p-13F, 0x1p-14F, 0x1p-15F}), all(16384.0F)});
    probes.push_back({"P18", "FP16-subnormal weights: kept or flushed", 1,
                      placed(kBlock, 0, {0x1p-19F, 0x1p-22F, 0x1p-23F, 0x1p-24F}), all(16384.0F)});
}

void add_accumulator_probes(std::vector<Probe>& probes) {
    probes.push_back({"P19", "2048 means an FP16 running sum", 1, all(1.0F), then_ones({2048.0F})});
    probes.push_back({"P20", "Inf or NaN means an FP16 running sum", 1, all(1.0F),
                      then_ones({60000.0F, 60000.0F, -60000.0F, -60000.0F})});
    probes.push_back(
        {"P21", "are inputs rounded to FP16", 1, placed(kBlock, 0, {1.0F}), then_ones({2049.0F})});
    probes.push_back({"P22", "a dense ramp", 1, quarter_ramp(), all(1.0F)});
}

void add_direction_probes(std::vector<Probe>& probes) {
    probes.push_back(
        {"P23", "block direction: 8 and 0.125 along the reduction, 8.125 and 0 along the outputs",
         2, sparse(2 * kBlock, {{0, 8.0F}, {1, 0.125F}, {kBlock, 0.125F}}), all(1.0F)});
    probes.push_back({"P24a", "the reported weights in the middle of a block", 1,
                      placed(64, 12, kReported), all(1.0F, 64)});
    probes.push_back({"P24b", "the reported weights across the border of two blocks", 1,
                      placed(64, 28, kReported), all(1.0F, 64)});
}

}  // namespace

std::vector<Hypothesis> card_hypotheses() {
    using enum ScaleRule;
    return {
        {"A1_up1_rne_b32", "E2M3, one exponent more than OCP, ties to even, blocks of 32",
         named("aic100")},
        {"A2_up1_rne_b8", "A1 with blocks of 8", with_blocks(8)},
        {"A3_up1_rne_b16", "A1 with blocks of 16", with_blocks(16)},
        {"A4_up1_rne_b64", "A1 with blocks of 64", with_blocks(64)},
        {"A5_up1_tozero_b32", "A1 with ties toward zero", named("aic100-ties0")},
        {"A6_up1_trunc_b32", "A1 with truncation", named("aic100-trunc")},
        {"A7_up1_rne_b32_fp32src", "A1 from FP32 weights", named("aic100-fp32src")},
        {"B1_ieee_rne_b32", "E2M3 with its top exponent reserved", named("aic100-ieee")},
        {"C1_ceil1_rne_b32", "exponent ceil(log2 amax) - emax + 1", with_rule(kCeil, 1)},
        {"C2_even1_rne_b32", "exponent of the rounded amax, plus 1", with_rule(kEven, 1)},
        {"C3_rceil1_rne_b32", "exponent ceil(log2(amax / 7.5)) + 1", with_rule(kRceil, 1)},
        {"C4_rfloor_away_b32", "exponent floor(log2(amax / 7.5)), ties away",
         with_rule(kRfloor, 0, Rounding::kNearestAway)},
        {"D1_int6_rne_b32", "uniform 6-bit steps", named("aic100-int6")},
        {"D2_int6_trunc_b32", "uniform 6-bit steps, truncation", truncated("aic100-int6")},
        {"E1_mx6_rne_b16", "MX6 micro-exponents", named("aic100-mx6")},
        {"E2_mx6_trunc_b16", "MX6 micro-exponents, truncation", truncated("aic100-mx6")},
        {"Z1_ocp_rne_b32", "OCP MXFP6 E2M3", ocp_on_the_card(ElementFormat::kE2M3)},
        {"Z2_ocp_e3m2_rne_b32", "OCP MXFP6 E3M2", ocp_on_the_card(ElementFormat::kE3M2)},
        {"Z3_fp16_no_mx", "FP16 weights, not compressed", named("none")},
        {"A1_along_outputs", "A1 with blocks along the outputs", named("aic100"), true},
    };
}

std::vector<Probe> card_probes() {
    std::vector<Probe> probes;
    add_rounding_probes(probes);
    add_structure_probes(probes);
    add_accumulator_probes(probes);
    add_direction_probes(probes);
    return probes;
}

std::vector<float> decoded_weights(const Hypothesis& hypothesis, std::span<const float> weights,
                                   std::size_t outputs) {
    std::vector<float> decoded(weights.size());
    const std::int64_t dims[] = {static_cast<std::int64_t>(outputs),
                                 static_cast<std::int64_t>(weights.size() / outputs)};
    const int axes[] = {hypothesis.blocks_along_outputs ? 0 : 1};
    // Cannot fail: the shape and the axis are ours.
    const qaicrt::Status status = fake_quantize(hypothesis.profile, weights, dims, axes, decoded);
    return status ? decoded : std::vector<float>();
}

float card_dot(std::span<const float> decoded, std::span<const float> inputs) noexcept {
    double sum = 0;
    for (std::size_t i = 0; i < decoded.size(); ++i) {
        sum += static_cast<double>(round_to_fp16(inputs[i])) * decoded[i];
    }
    return round_to_fp16(static_cast<float>(sum));
}

}  // namespace qaicmx
