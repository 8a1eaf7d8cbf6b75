// SPDX-License-Identifier: Apache-2.0
// aic100_search.csv: a quantiser more general than the library's, because the search tried element
// types and scales that no profile has. Rules that a profile can express go through the library as
// well.
#include "emu/mx/test/vectors.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>

namespace golden {
namespace {

using Weights = std::vector<double>;

/// A grid of magnitudes: floating (m mantissa bits, subnormals or not) or uniform.
struct Element {
    int emax;
    int min_exponent;
    int mantissa_bits;
    double max;
    bool subnormals = true;
    bool uniform = false;
};

/// E(x)M(y): bias 2^(x-1) - 1 (0 for one exponent bit, so that emax is 1); all codes are numbers.
Element float_element(int exponent_bits, int mantissa_bits) {
    const int bias = exponent_bits == 1 ? 0 : (1 << (exponent_bits - 1)) - 1;
    const int emax = (1 << exponent_bits) - 1 - bias;
    return {emax, 1 - bias, mantissa_bits,
            (2 - std::ldexp(1, -mantissa_bits)) * std::ldexp(1, emax)};
}

Element uniform_element(int fraction_bits) {
    return {0, 0, fraction_bits, 2 - std::ldexp(1, -fraction_bits), true, true};
}

Element element_of(const std::string& name) {
    if (name.starts_with("INT")) {
        return uniform_element(std::stoi(name.substr(name.find('.') + 1)));
    }
    Element element = float_element(name[1] - '0', name[3] - '0');
    if (name.find("ftz") != std::string::npos) {
        element.subnormals = false;
    }
    if (name.find("ieee") != std::string::npos) {
        element.emax -= 1;
        element.max /= 2;
    }
    return element;
}

double round_steps(double steps, const std::string& mode) {
    const double below = std::floor(steps);
    const double rest = steps - below;
    const bool up = mode == "trunc"    ? false
                    : mode == "away"   ? rest >= 0.5
                    : mode == "tozero" ? rest > 0.5
                                       : rest > 0.5 || (rest == 0.5 && std::fmod(below, 2) == 1);
    return up ? below + 1 : below;
}

double to_element(double scaled, const Element& element, const std::string& mode) {
    const double magnitude = std::fabs(scaled);
    if (magnitude == 0) {
        return 0;
    }
    const int exponent =
        element.uniform ? 0 : std::max(std::ilogb(magnitude), element.min_exponent);
    double step = std::ldexp(1, exponent - element.mantissa_bits);
    const double min_normal = std::ldexp(1, element.min_exponent);
    if (!element.subnormals && magnitude < min_normal) {
        step = min_normal;  // the grid has nothing between zero and the smallest normal number
    }
    return std::copysign(std::min(round_steps(magnitude / step, mode) * step, element.max), scaled);
}

double to_fp16(double value) {
    return qaicmx::round_to_fp16(static_cast<float>(value));
}

double to_e4m3(double value) {
    return to_element(value, {8, -6, 3, 448.0}, "even");
}

/// The scale of a block whose largest magnitude is amax.
double scale_of(double amax, const std::string& rule, int offset, const Element& element) {
    const double log2_amax = std::log2(amax);
    const double log2_ratio = std::log2(amax / element.max);
    const int carry =
        amax >= std::ldexp(2 - std::ldexp(1, -element.mantissa_bits - 1), std::ilogb(amax)) ? 1 : 0;
    const std::map<std::string, double> exponents = {
        {"floor", std::floor(log2_amax) - element.emax},
        {"ceil", std::ceil(log2_amax) - element.emax},
        {"round", std::nearbyint(log2_amax) - element.emax},
        {"even", std::ilogb(amax) + carry - element.emax},
        {"rfloor", std::floor(log2_ratio)},
        {"rceil", std::ceil(log2_ratio)},
        {"rround", std::nearbyint(log2_ratio)},
    };
    const auto found = exponents.find(rule);
    if (found != exponents.end()) {
        return std::ldexp(1, static_cast<int>(found->second) + offset);
    }
    const double ratio = amax / element.max;
    const double continuous = rule == "lin"       ? ratio
                              : rule == "linfp16" ? to_fp16(ratio)
                              : rule == "line4m3" ? to_e4m3(ratio)
                                                  : amax / std::ldexp(1, element.emax);  // linpow
    return std::ldexp(continuous, offset);
}

Weights quantize(const Weights& weights, std::size_t block, const std::string& rule, int offset,
                 const Element& element, const std::string& mode) {
    Weights out(weights.size(), 0.0);
    for (std::size_t start = 0; start < weights.size(); start += block) {
        double amax = 0;
        for (std::size_t i = start; i < std::min(start + block, weights.size()); ++i) {
            amax = std::max(amax, std::fabs(weights[i]));
        }
        for (std::size_t i = start; amax > 0 && i < std::min(start + block, weights.size()); ++i) {
            const double scale = scale_of(amax, rule, offset, element);
            out[i] = to_element(weights[i] / scale, element, mode) * scale;
        }
    }
    return out;
}

/// Micro-exponents: pairs whose maximum is in a lower binade get one bit more.
Weights quantize_pairs(const Weights& weights, std::size_t block, const std::string& mode) {
    Weights out(weights.size(), 0.0);
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const std::size_t start = i / block * block;
        double amax = 0;
        for (std::size_t j = start; j < std::min(start + block, weights.size()); ++j) {
            amax = std::max(amax, std::fabs(weights[j]));
        }
        if (amax == 0) {
            continue;
        }
        const double pair = std::max(std::fabs(weights[i]), std::fabs(weights[i ^ 1]));
        const int shift = pair < std::ldexp(1, std::ilogb(amax)) ? 1 : 0;
        const double scale = std::ldexp(1, std::ilogb(amax) - shift);
        out[i] = to_element(weights[i] / scale, uniform_element(3), mode) * scale;
    }
    return out;
}

double tree_sum(std::span<const double> values) {
    if (values.size() == 1) {
        return values[0];
    }
    const std::size_t half = values.size() / 2;
    return to_fp16(tree_sum(values.first(half)) + tree_sum(values.subspan(half)));
}

double accumulate(const Weights& products, const std::string& order) {
    if (order == "fp16 tree") {
        Weights rounded;
        for (const double product : products) {
            rounded.push_back(to_fp16(product));
        }
        return tree_sum(rounded);
    }
    double sum = 0;
    for (std::size_t i = 0; i < products.size(); ++i) {
        const double next = products[order == "fp16 rev" ? products.size() - 1 - i : i];
        sum = order == "exact" ? sum + next : to_fp16(sum + to_fp16(next));
    }
    return order == "exact" ? sum : to_fp16(sum);
}

double five_bit_accumulator(const Weights& products, bool reverse) {
    double sum = 0;
    for (std::size_t i = 0; i < products.size(); ++i) {
        sum += products[reverse ? products.size() - 1 - i : i];
        const double step = sum == 0 ? 1 : std::ldexp(1, std::ilogb(sum) - 4);
        sum = std::floor(sum / step) * step;
    }
    return sum;
}

const std::array<float, 8> kReported = {0.015625F, 0.03125F, 0.0625F, 0.125F,
                                        0.25F,     0.5F,     1.0F,    8.0F};

Weights reported_weights() {
    Weights weights(32, 0.0);
    std::copy(kReported.begin(), kReported.end(), weights.begin());
    return weights;
}

std::vector<std::string> words(const std::string& text, const std::string& separator) {
    std::vector<std::string> out;
    std::size_t start = 0;
    for (;;) {
        const std::size_t end = text.find(separator, start);
        out.push_back(text.substr(start, end - start));
        if (end == std::string::npos) {
            return out;
        }
        start = end + separator.size();
    }
}

/// The library's profile for a rule, if there is one.
std::optional<qaicmx::Profile> library_profile(const Table& table, std::size_t row) {
    using qaicmx::ElementFormat;
    using qaicmx::Rounding;
    using qaicmx::ScaleRule;
    static const std::map<std::string, ScaleRule> kRules = {{"floor", ScaleRule::kFloor},
                                                            {"ceil", ScaleRule::kCeil},
                                                            {"even", ScaleRule::kEven},
                                                            {"rceil", ScaleRule::kRceil},
                                                            {"rfloor", ScaleRule::kRfloor}};
    static const std::map<std::string, Rounding> kModes = {{"even", Rounding::kEven},
                                                           {"away", Rounding::kNearestAway},
                                                           {"tozero", Rounding::kTiesToZero},
                                                           {"trunc", Rounding::kFloor}};
    static const std::map<std::string, ElementFormat> kElements = {
        {"E2M3", ElementFormat::kE2M3},
        {"E2M3-ieee(top exp reserved)", ElementFormat::kE2M3},
        {"INT6(1.4)", ElementFormat::kSign1I4F},
        {"INT8(1.6)", ElementFormat::kInt8}};
    const std::string& element = table.at(row, "element");
    const auto rule = kRules.find(table.at(row, "scale_rule"));
    const bool pairs = element.starts_with("MX6");
    if (rule == kRules.end() || (!pairs && !kElements.contains(element))) {
        return std::nullopt;
    }
    qaicmx::Profile rules = profile(pairs ? "aic100-mx6" : "aic100");
    rules.scale_rule = rule->second;
    rules.scale_exponent_offset = std::stoi(table.at(row, "exponent_offset"));
    rules.rounding = kModes.at(table.at(row, "rounding"));
    if (!pairs) {
        rules.format = kElements.at(element);
        rules.reserve_top_exponent = element.find("ieee") != std::string::npos;
    }
    return rules;
}

Weights recompute(const Table& table, std::size_t row, std::size_t block) {
    const std::string& element = table.at(row, "element");
    if (element.starts_with("MX6")) {
        return quantize_pairs(reported_weights(), block, table.at(row, "rounding"));
    }
    return quantize(reported_weights(), block, table.at(row, "scale_rule"),
                    std::stoi(table.at(row, "exponent_offset")), element_of(element),
                    table.at(row, "rounding"));
}

void expect_first_eight(const Table& table, std::size_t row, const Weights& weights,
                        const std::string& where) {
    const std::vector<std::string> printed = words(table.at(row, "first_eight_values"), " ");
    ASSERT_EQ(printed.size(), 8U) << where;
    for (std::size_t i = 0; i < 8; ++i) {
        char text[32];
        std::snprintf(text, sizeof text, "%.6g", weights[i]);
        EXPECT_EQ(printed[i], text) << where << " weight " << i;
    }
}

/// The listed sum (10 significant digits), which is 9.5 or near it.
void expect_sum(const Table& table, std::size_t row, double sum, const std::string& where) {
    char text[32];
    std::snprintf(text, sizeof text, "%.10g", sum);
    EXPECT_EQ(table.at(row, "sum"), text) << where;
    const bool exact = sum == 9.5;
    EXPECT_EQ(table.at(row, "match"), exact ? "exact" : "near") << where;
    EXPECT_LE(std::fabs(sum - 9.5), 0.005) << where;
}

void check_through_library(const qaicmx::Profile& rules, const Weights& expected, std::size_t block,
                           const std::string& where) {
    qaicmx::Profile sized = rules;
    sized.block_size = static_cast<int>(block);
    std::vector<float> weights(32, 0.0F);
    std::copy(kReported.begin(), kReported.end(), weights.begin());
    const std::int64_t dims[] = {32};
    const int axes[] = {0};
    ASSERT_TRUE(qaicmx::fake_quantize(sized, weights, dims, axes, weights));
    EXPECT_EQ(Weights(weights.begin(), weights.end()), expected) << where << " through the library";
}

void check_accumulator_row(const Table& table, std::size_t row) {
    EXPECT_TRUE(table.at(row, "scale_rule") == "fwd" || table.at(row, "scale_rule") == "rev");
    const bool reverse = table.at(row, "scale_rule") == "rev";
    expect_sum(table, row, five_bit_accumulator(reported_weights(), reverse), "accumulator row");
}

}  // namespace

std::size_t compare_search(const Table& table) {
    std::size_t through_library = 0;
    std::size_t combinations = 0;
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        const std::string where = "row " + std::to_string(row + 2) + " " +
                                  table.at(row, "element") + " " + table.at(row, "scale_rule") +
                                  " " + table.at(row, "rounding");
        if (table.at(row, "element").starts_with("no weight")) {
            check_accumulator_row(table, row);
            continue;
        }
        const std::optional<qaicmx::Profile> rules = library_profile(table, row);
        through_library += rules ? 1 : 0;
        for (const std::string& size : words(table.at(row, "block_sizes"), " ")) {
            const std::size_t block = std::stoull(size);
            const Weights weights = recompute(table, row, block);
            expect_first_eight(table, row, weights, where);
            for (const std::string& order : words(table.at(row, "accumulation_orders"), " / ")) {
                expect_sum(table, row, accumulate(weights, order), where + " " + order);
                ++combinations;
            }
            if (rules) {
                check_through_library(*rules, weights, block, where);
            }
        }
    }
    std::printf(
        "aic100_search.csv: %zu rules, %zu of them through the library as well, %zu combinations\n",
        table.rows.size(), through_library, combinations);
    EXPECT_EQ(through_library, 88U);
    EXPECT_EQ(combinations, 4451U);  // all that the search found, but for the two accumulator rows
    return table.rows.size();
}

}  // namespace golden
