// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/test/vectors.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

namespace golden {
namespace {

constexpr std::size_t kEdgeWidth = 64;

std::size_t elements(const std::vector<std::int64_t>& shape) {
    std::size_t count = 1;
    for (const std::int64_t extent : shape) {
        count *= static_cast<std::size_t>(extent);
    }
    return count;
}

qaicmx::Profile block_profile(const Table& table, std::size_t row) {
    qaicmx::Profile rules = profile("microxcaling");
    rules.format = *qaicmx::format_from_name(table.at(row, "elem_format"));
    rules.scale_bits = std::stoi(table.at(row, "scale_bits"));
    rules.block_size = std::stoi(table.at(row, "block_size"));
    rules.rounding = rounding_from_name(table.at(row, "round"));
    rules.flush_subnormal_blocks = table.at(row, "flush_fp32_subnorms") == "1";
    EXPECT_TRUE(table.at(row, "shared_exp_method") == "max" ||
                table.at(row, "shared_exp_method") == "none");
    rules.scale_rule = table.at(row, "shared_exp_method") == "none" ? qaicmx::ScaleRule::kNone
                                                                    : qaicmx::ScaleRule::kFloor;
    return rules;
}

/// Output of a row; "@case" repeats an earlier one of the same file.
std::vector<float> expected_output(const Table& table, std::size_t row) {
    const std::string& field = table.at(row, "out_hex");
    if (!field.starts_with('@')) {
        return floats_from_hex(field);
    }
    for (std::size_t earlier = 0; earlier < row; ++earlier) {
        if (table.at(earlier, "case_id") == field.substr(1)) {
            return expected_output(table, earlier);
        }
    }
    ADD_FAILURE() << "no earlier case " << field;
    return {};
}

/// Every number the format holds, and the midpoints between neighbours, negative ones included.
std::set<double> codes_and_midpoints(qaicmx::ElementFormat format, bool midpoints) {
    std::set<double> values;
    const int bits = qaicmx::format_info(format).bits;
    for (std::uint32_t code = 0; code < 1U << bits; ++code) {
        const double value = qaicmx::decode_element(format, code);
        if (std::isfinite(value)) {
            values.insert(value);
        }
    }
    std::set<double> all = values;
    for (auto it = values.begin(); midpoints && std::next(it) != values.end(); ++it) {
        all.insert((*it + *std::next(it)) / 2);
    }
    return all;
}

bool is_power_of_two(float value) {
    int exponent = 0;
    return std::isfinite(value) && std::fabs(std::frexp(value, &exponent)) == 0.5F;
}

bool is_subnormal(float value) {
    return std::fpclassify(value) == FP_SUBNORMAL;
}

/// Within `ulps` of a member of the set.
bool near_member(float value, const std::set<double>& members, int ulps) {
    float low = value;
    float high = value;
    for (int i = 0; i < ulps; ++i) {
        low = std::nextafter(low, -INFINITY);
        high = std::nextafter(high, INFINITY);
    }
    const auto at = members.lower_bound(low);
    return at != members.end() && *at <= high;
}

template <class Predicate>
bool all(std::span<const float> row, Predicate predicate) {
    return std::all_of(row.begin(), row.end(), predicate);
}

template <class Predicate>
bool any(std::span<const float> row, Predicate predicate) {
    return std::any_of(row.begin(), row.end(), predicate);
}

bool starts_with_issue_weights(std::span<const float> row, float factor) {
    const float weights[] = {0.015625F, 0.03125F, 0.0625F, 0.125F, 0.25F, 0.5F, 1.0F, 8.0F};
    for (std::size_t i = 0; i < 8; ++i) {
        if (row[i] != factor * weights[i]) {
            return false;
        }
    }
    return true;
}

bool row_of_codes(const std::string& content, std::span<const float> row) {
    using enum qaicmx::ElementFormat;
    static const std::pair<const char*, qaicmx::ElementFormat> kNames[] = {
        {"E2M3", kE2M3}, {"E3M2", kE3M2}, {"E2M1", kE2M1}, {"E4M3", kE4M3},
        {"E5M2", kE5M2}, {"int8", kInt8}, {"int4", kInt4}, {"midpoints", kE2M3},
    };
    for (const auto& [name, format] : kNames) {
        if (content.starts_with(name)) {
            const std::set<double> members = codes_and_midpoints(format, true);
            const int ulps = content.find("ulp") != std::string::npos ? 2 : 0;
            return all(row, [&](float v) { return near_member(v, members, ulps); });
        }
    }
    return false;
}

/// What the description says of the row, as far as it can be tested.
bool description_holds(std::size_t number, const std::string& content, std::span<const float> row) {
    const auto finite = [](float v) { return std::isfinite(v); };
    const auto zero = [](float v) { return v == 0; };
    const float amax = [&] {
        float m = 0;
        for (const float v : row) {
            m = std::fmax(m, std::fabs(v));
        }
        return m;
    }();
    switch (number) {
        case 0:
            return starts_with_issue_weights(row, 1) && all(row.subspan(8), zero);
        case 1:
            return starts_with_issue_weights(row, -1);
        case 2:
            return all(row, [](float v) { return v == 0 && !std::signbit(v); });
        case 3:
            return all(row, [](float v) { return v == 0 && std::signbit(v); });
        case 4:
            return all(row, [](float v) { return v == 0 || v == 1; }) && amax == 1;
        case 5:
        case 6: {
            const auto format =
                number == 5 ? qaicmx::ElementFormat::kE2M3 : qaicmx::ElementFormat::kE3M2;
            const std::set<double> present(row.begin(), row.end());
            return present == codes_and_midpoints(format, false);
        }
        case 7:
            return all(row, finite) && amax > 0;
        case 8:
            return all(row, [](float v) {
                return v * 64 == std::trunc(v * 64) || v * 128 == std::trunc(v * 128);
            });
        case 9:
            return all(row, [](float v) { return v * 64 == std::trunc(v * 64); });
        case 21:
        case 22:
            return all(row, is_power_of_two);
        case 23:
            return all(row, [](float v) {
                const float power = std::exp2(std::round(std::log2(std::fabs(v))));
                return v == 0 || std::fabs(std::fabs(v) - power) <= 4 * power * 0x1p-23F;
            });
        case 24:
            return any(row, [](float v) { return std::fabs(v) > 7.5F && std::fabs(v) < 8; });
        case 25:
            return any(row, [](float v) { return std::fabs(v) > 127.0F / 64 && std::fabs(v) < 2; });
        case 26:
        case 27:
            return all(row, is_subnormal);
        case 28:
        case 29:
            return any(row, is_subnormal) && !is_subnormal(amax);
        case 30:
            return amax == 0x1.fffffep127F;
        case 31:
            return amax == 0x1p127F;
        case 32:
            return any(row, [](float v) { return std::isinf(v); }) &&
                   any(row, [](float v) { return std::isnan(v); }) && any(row, finite);
        case 33:
            return all(row, [](float v) { return std::isinf(v); });
        case 34:
            return all(row, [](float v) { return std::isnan(v); });
        case 35:
            return amax >= 1024;
        case 36:
            return row[0] == 7.5F && std::bit_cast<std::uint32_t>(row[4]) == 0x3EFFFFFF;
        case 37:
        case 38:
        case 39:
        case 40:
            return all(row, finite) && amax > 0;
        case 41:
            return all(row, [](float v) { return qaicmx::round_to_fp16(v) == v; });
        default:
            return row_of_codes(content, row);
    }
}

/// How many values of each file differ from exact arithmetic (apart from the sign of zero).
const std::map<std::string, std::size_t> kChangedByArtefacts = {
    {"mx_fp4_e2m1.csv", 50},  {"mx_fp6_e2m3.csv", 77},    {"mx_fp6_e3m2.csv", 91},
    {"mx_fp8_e4m3.csv", 128}, {"mx_fp8_e5m2.csv", 116},   {"mx_int4.csv", 431},
    {"mx_int8.csv", 413},     {"mx_log2_edge.csv", 9692}, {"mx_scale_bits.csv", 0},
};

std::size_t values_changed_by_artefacts(const Table& table, std::size_t row, const Input& input,
                                        const std::vector<float>& want) {
    qaicmx::Profile rules = block_profile(table, row);
    rules.microxcaling_artefacts = false;
    const std::vector<int> axes = integers_from_text(table.at(row, "axes"));
    std::vector<float> exact(input.values.size());
    EXPECT_TRUE(qaicmx::fake_quantize(rules, input.values, input.shape, axes, exact));
    std::size_t changed = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
        changed += exact[i] == want[i] || same_bits(exact[i], want[i]) ? 0 : 1;
    }
    return changed;
}

}  // namespace

Input input_by_id(const std::string& id) {
    static const Table table = read_table("inputs.csv");
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        if (table.at(row, "input_id") == id) {
            return {shape_from_text(table.at(row, "shape")), floats_from_hex(table.at(row, "hex"))};
        }
    }
    ADD_FAILURE() << "no input " << id;
    return {};
}

qaicmx::Rounding rounding_from_name(const std::string& name) {
    EXPECT_TRUE(name == "nearest" || name == "floor" || name == "even") << name;
    return name == "nearest"
               ? qaicmx::Rounding::kNearestAway
               : (name == "floor" ? qaicmx::Rounding::kFloor : qaicmx::Rounding::kEven);
}

qaicmx::Profile profile(std::string_view name) {
    auto found = qaicmx::profile_by_name(name);
    if (!found) {
        std::fprintf(stderr, "%s\n", found.error().message.c_str());
        std::exit(2);
    }
    return std::move(found).value();
}

std::size_t compare_inputs(const Table& table) {
    std::set<std::string> seen;
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        const std::string& id = table.at(row, "input_id");
        EXPECT_TRUE(seen.insert(id).second) << id << " appears twice";
        EXPECT_EQ(floats_from_hex(table.at(row, "hex")).size(),
                  elements(shape_from_text(table.at(row, "shape"))))
            << id;
    }
    return table.rows.size();
}

std::size_t compare_edge_rows(const Table& table) {
    const Input edge = input_by_id("edge");
    EXPECT_EQ(edge.shape, (std::vector<std::int64_t>{static_cast<std::int64_t>(table.rows.size()),
                                                     kEdgeWidth}));
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        EXPECT_EQ(table.at(row, "row"), std::to_string(row));
        const auto values = std::span(edge.values).subspan(row * kEdgeWidth, kEdgeWidth);
        EXPECT_TRUE(description_holds(row, table.at(row, "content"), values))
            << row << ' ' << table.at(row, "content");
    }
    return table.rows.size();
}

std::size_t compare_blocks(const Table& table) {
    std::size_t artefacts = 0;
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        const std::string& id = table.at(row, "case_id");
        const Input input = input_by_id(table.at(row, "input_id"));
        const std::vector<int> axes = integers_from_text(table.at(row, "axes"));
        std::vector<float> got(input.values.size());
        const auto status =
            qaicmx::fake_quantize(block_profile(table, row), input.values, input.shape, axes, got);
        EXPECT_TRUE(status) << id << ": " << status.error().message;
        const std::vector<float> want = expected_output(table, row);
        const std::size_t at = first_difference(got, want);
        artefacts += values_changed_by_artefacts(table, row, input, want);
        EXPECT_EQ(at, kNone) << id << ": element " << at << " of " << input.values[at] << " is "
                             << got[at] << " and should be " << want[at];
    }
    std::printf("%s: artefacts 1, 2 and 4 change %zu values\n", table.name.c_str(), artefacts);
    EXPECT_EQ(artefacts, kChangedByArtefacts.at(table.name));
    return table.rows.size();
}

}  // namespace golden
