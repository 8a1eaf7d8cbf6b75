// SPDX-License-Identifier: Apache-2.0
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

/// The 19 hypotheses of aic100_probes.csv, each as a profile.
qaicmx::Profile hypothesis(const std::string& column) {
    using enum qaicmx::ScaleRule;
    const std::string name = column.substr(0, 2);
    qaicmx::Profile rules = profile("aic100");
    const auto scaled = [&rules](qaicmx::ScaleRule rule, int offset) {
        rules.scale_rule = rule;
        rules.scale_exponent_offset = offset;
        return rules;
    };
    const auto blocks_of = [&rules](int size) {
        rules.block_size = size;
        return rules;
    };
    const auto truncating = [](qaicmx::Profile other) {
        other.rounding = qaicmx::Rounding::kFloor;
        return other;
    };
    if (name == "A1" || name == "A2" || name == "A3" || name == "A4") {
        static constexpr int kSizes[] = {32, 8, 16, 64};
        return blocks_of(kSizes[name[1] - '1']);
    }
    if (name == "C1" || name == "C2" || name == "C3") {
        static constexpr qaicmx::ScaleRule kRules[] = {kCeil, kEven, kRceil};
        return scaled(kRules[name[1] - '1'], 1);
    }
    if (name == "C4") {
        rules.rounding = qaicmx::Rounding::kNearestAway;
        return scaled(kRfloor, 0);
    }
    if (name == "Z1" || name == "Z2") {
        rules.format = name == "Z1" ? qaicmx::ElementFormat::kE2M3 : qaicmx::ElementFormat::kE3M2;
        return scaled(kFloor, 0);
    }
    if (name == "D2" || name == "E2") {
        return truncating(profile(name == "D2" ? "aic100-int6" : "aic100-mx6"));
    }
    static const std::pair<const char*, const char*> kNamed[] = {
        {"A5", "aic100-ties0"}, {"A6", "aic100-trunc"}, {"A7", "aic100-fp32src"},
        {"B1", "aic100-ieee"},  {"D1", "aic100-int6"},  {"E1", "aic100-mx6"},
        {"Z3", "none"},
    };
    for (const auto& [prefix, profile_name] : kNamed) {
        if (name == prefix) {
            return profile(profile_name);
        }
    }
    ADD_FAILURE() << "unknown hypothesis " << column;
    return rules;
}

/// y = FP16(sum of FP16(x) * w'), the sum exact.
float linear(const qaicmx::Profile& rules, std::span<const float> weights,
             std::span<const float> inputs) {
    const std::int64_t dims[] = {static_cast<std::int64_t>(weights.size())};
    const int axes[] = {-1};
    std::vector<float> decoded(weights.size());
    EXPECT_TRUE(qaicmx::fake_quantize(rules, weights, dims, axes, decoded));
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        sum += static_cast<double>(qaicmx::round_to_fp16(inputs[i])) * decoded[i];
    }
    return qaicmx::round_to_fp16(static_cast<float>(sum));
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
    std::size_t predictions = 0;
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        const std::vector<float> weights = floats_from_hex(table.at(row, "weights_f32_hex"));
        const std::vector<float> inputs = floats_from_hex(table.at(row, "inputs_f32_hex"));
        EXPECT_EQ(weights.size(), std::stoull(table.at(row, "k")));
        EXPECT_EQ(inputs.size(), weights.size());
        for (std::size_t column = kFirstHypothesis; column < table.header.size(); ++column) {
            const float want = std::strtof(table.rows[row][column].c_str(), nullptr);
            EXPECT_EQ(linear(hypothesis(table.header[column]), weights, inputs), want)
                << table.rows[row][0] << ' ' << table.header[column];
            ++predictions;
        }
    }
    std::printf("aic100_probes.csv: %zu predictions compared\n", predictions);
    EXPECT_EQ(table.header.size() - kFirstHypothesis, 19U);
    return table.rows.size();
}

}  // namespace golden
