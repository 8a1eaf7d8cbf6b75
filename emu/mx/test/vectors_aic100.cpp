// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/card_probes.hpp"
#include "emu/mx/pack.hpp"
#include "emu/mx/test/vectors.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace golden {
namespace {

/// The rules as the card would apply them: weights are FP16 before and after.
qaicmx::Profile on_the_card(std::string_view name) {
    qaicmx::Profile rules = profile(name);
    rules.source = qaicmx::SourcePrecision::kFp16;
    rules.result = qaicmx::ResultPrecision::kFp16;
    return rules;
}

std::vector<std::uint16_t> to_fp16(std::span<const float> values) {
    std::vector<std::uint16_t> bits;
    for (const float value : values) {
        bits.push_back(qaicmx::fp32_to_fp16(value));
    }
    return bits;
}

void check_quant_row(const Table& table, std::size_t row) {
    const std::string& id = table.at(row, "row_id");
    const std::vector<float> weights = floats_from_hex(table.at(row, "w_f32_hex"));
    const std::size_t k = std::stoull(table.at(row, "k"));
    ASSERT_EQ(weights.size(), k) << id;
    EXPECT_EQ(to_fp16(weights), words_from_hex(table.at(row, "w_f16_hex"))) << id;

    const qaicmx::Profile rules = on_the_card(table.at(row, "profile"));
    const auto blocks = qaicmx::quantize_rows(rules, weights, 1, k);
    ASSERT_TRUE(blocks) << id << blocks.error().message;
    EXPECT_EQ(blocks->scales, bytes_from_hex(table.at(row, "scale_bytes_hex"))) << id;
    EXPECT_EQ(blocks->codes, bytes_from_hex(table.at(row, "codes_hex"))) << id;

    const std::vector<std::uint8_t> packed = bytes_from_hex(table.at(row, "packed_lsb_first_hex"));
    std::vector<std::uint8_t> got_packed(qaicmx::packed_bytes(k, 6));
    qaicmx::pack_lsb(blocks->codes, 6, got_packed);
    EXPECT_EQ(got_packed, packed) << id;
    std::vector<std::uint8_t> unpacked(k);
    qaicmx::unpack_lsb(packed, 6, unpacked);
    EXPECT_EQ(unpacked, blocks->codes) << id;

    std::vector<float> decoded(k);
    for (std::size_t i = 0; i < k; ++i) {
        decoded[i] = qaicmx::dequantize(rules, blocks->codes[i], blocks->scales[i / 32]);
    }
    EXPECT_EQ(to_fp16(decoded), words_from_hex(table.at(row, "dequant_f16_hex"))) << id;
    const std::int64_t dims[] = {static_cast<std::int64_t>(k)};
    const int axes[] = {-1};
    std::vector<float> fake(k);
    ASSERT_TRUE(qaicmx::fake_quantize(rules, weights, dims, axes, fake));
    EXPECT_EQ(first_difference(fake, decoded), kNone) << id;
}

}  // namespace

std::size_t compare_quant(const Table& table) {
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        check_quant_row(table, row);
    }
    return table.rows.size();
}

std::size_t compare_probes(const Table& table) {
    constexpr std::size_t kFirstHypothesis = 5;
    const std::vector<qaicmx::Hypothesis> hypotheses = qaicmx::card_hypotheses();
    const std::vector<qaicmx::Probe> probes = qaicmx::card_probes();
    EXPECT_EQ(table.header.size() - kFirstHypothesis, 19U);
    EXPECT_GE(hypotheses.size(), 19U);
    EXPECT_GE(probes.size(), table.rows.size());
    std::size_t predictions = 0;
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        const qaicmx::Probe& probe = probes.at(row);
        EXPECT_EQ(table.at(row, "probe_id"), probe.id);
        const std::vector<float> weights = floats_from_hex(table.at(row, "weights_f32_hex"));
        const std::vector<float> inputs = floats_from_hex(table.at(row, "inputs_f32_hex"));
        EXPECT_EQ(first_difference(probe.weights, weights), kNone) << probe.id;
        EXPECT_EQ(first_difference(probe.inputs, inputs), kNone) << probe.id;
        EXPECT_EQ(std::to_string(weights.size()), table.at(row, "k"));
        for (std::size_t i = 0; i < 19; ++i) {
            const qaicmx::Hypothesis& hypothesis = hypotheses.at(i);
            EXPECT_EQ(table.header[kFirstHypothesis + i], hypothesis.name);
            const float want = std::strtof(table.rows[row][kFirstHypothesis + i].c_str(), nullptr);
            const float got =
                qaicmx::card_dot(qaicmx::decoded_weights(hypothesis, weights, 1), inputs);
            EXPECT_EQ(got, want) << probe.id << ' ' << hypothesis.name;
            ++predictions;
        }
    }
    std::printf("aic100_probes.csv: %zu predictions compared\n", predictions);
    EXPECT_EQ(predictions, 22U * 19U);
    return table.rows.size();
}

}  // namespace golden
