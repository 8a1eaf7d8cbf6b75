// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-mx/explain.hpp"

#include "emu/mx/encode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace qaicmxtool {
namespace {

using qaicmx::ElementGrid;
using qaicmx::Profile;
using qaicmx::QuantizedBlock;
using qaicmx::QuantizedElement;

/// Position of a source value on the grid of its element.
struct GridPosition {
    double step;
    bool saturated;
    bool tie;
};

GridPosition grid_position(const ElementGrid& grid, float source, int exponent) {
    const double scaled = std::ldexp(std::fabs(static_cast<double>(source)), -exponent);
    const int binade = grid.integer || scaled == 0
                           ? grid.min_exponent
                           : std::max(std::ilogb(scaled), grid.min_exponent);
    const double steps = std::ldexp(scaled, grid.mantissa_bits - binade);
    const bool saturated = scaled > grid.max_normal;
    return {std::ldexp(1.0, binade - grid.mantissa_bits + exponent), saturated,
            !saturated && steps - std::floor(steps) == 0.5};
}

WeightFacts weight_facts(const Profile& profile, const QuantizedBlock& block,
                         const QuantizedElement& element, float weight) {
    WeightFacts facts;
    facts.source = qaicmx::source_value(profile, weight);
    facts.value = element.value;
    if (profile.pass_through) {
        return facts;
    }
    facts.nan_block = block.is_nan || std::isnan(element.value);
    if (facts.nan_block) {
        return facts;
    }
    facts.exponent = element.exponent;
    const GridPosition position =
        grid_position(qaicmx::element_grid(profile), facts.source, element.exponent);
    facts.step = position.step;
    facts.saturated = position.saturated;
    facts.tie = position.tie;
    if (qaicmx::has_codes(profile)) {
        facts.code = qaicmx::encode_element(profile.format, element.element);
    }
    return facts;
}

double round_dot(const Profile& profile, double sum) {
    const auto single = static_cast<float>(sum);
    return profile.result == qaicmx::ResultPrecision::kFp16 ? qaicmx::round_to_fp16(single)
                                                            : single;
}

ProfileFacts profile_facts(const Profile& profile, std::span<const float> weights) {
    ProfileFacts facts{profile, {}, {}, 0};
    const std::size_t size =
        profile.block_size == 0 ? weights.size() : static_cast<std::size_t>(profile.block_size);
    QuantizedBlock block;
    for (std::size_t start = 0; start < weights.size(); start += size) {
        const auto values = weights.subspan(start, std::min(size, weights.size() - start));
        qaicmx::quantize_block(profile, values, start / size, block);
        const bool shared = !profile.pass_through && !block.is_nan &&
                            profile.scale_rule != qaicmx::ScaleRule::kNone;
        facts.block_exponents.push_back(shared ? std::optional(block.exponent) : std::nullopt);
        for (std::size_t i = 0; i < values.size(); ++i) {
            facts.weights.push_back(weight_facts(profile, block, block.elements[i], values[i]));
        }
    }
    std::vector<float> decoded;
    decoded.reserve(facts.weights.size());
    for (const WeightFacts& weight : facts.weights) {
        decoded.push_back(weight.value);
    }
    facts.dot = round_dot(profile, careful_sum(decoded));
    return facts;
}

}  // namespace

double careful_sum(std::span<const float> values) {
    double high = 0;
    double low = 0;
    for (const double value : values) {
        const double next = high + value;
        low += std::fabs(high) >= std::fabs(value) ? (high - next) + value : (value - next) + high;
        high = next;
    }
    return std::isfinite(high) ? high + low : high;
}

std::string decimal(float value) {
    return fmt::format("{}", value);
}
std::string decimal(double value) {
    return fmt::format("{}", value);
}

Explanation explain(std::span<const float> weights, std::span<const Profile> profiles) {
    Explanation explanation;
    explanation.weights.assign(weights.begin(), weights.end());
    explanation.exact = careful_sum(weights);
    for (const Profile& profile : profiles) {
        explanation.profiles.push_back(profile_facts(profile, weights));
    }
    explanation.why = reason(explanation);
    return explanation;
}

}  // namespace qaicmxtool
