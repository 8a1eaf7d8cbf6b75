// SPDX-License-Identifier: Apache-2.0
/// What each profile makes of a few weights, and why the answers differ.
#pragma once

#include "emu/mx/block.hpp"
#include "emu/mx/quantize.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace qaicmxtool {

/// All that a profile did to one weight.
struct WeightFacts {
    float source = 0;  ///< as the quantiser saw it (FP16 first, where the profile says so)
    std::optional<int>
        exponent;     ///< of the scale that applies to it; none: not quantised, or NaN block
    double step = 0;  ///< distance between neighbouring values at this magnitude; 0: not quantised
    std::optional<std::uint8_t> code;  ///< where the profile has codes
    bool nan_block = false;
    bool saturated = false;
    bool tie = false;  ///< exactly half-way between two neighbours
    float value = 0;   ///< decoded
};

struct ProfileFacts {
    qaicmx::Profile profile;
    std::vector<std::optional<int>>
        block_exponents;  ///< none for a NaN block or an unquantised profile
    std::vector<WeightFacts> weights;
    double dot = 0;  ///< sum of the decoded weights, rounded once to the profile's result precision
};

struct Explanation {
    std::vector<float> weights;
    double exact = 0;  ///< sum of the weights themselves
    std::vector<ProfileFacts> profiles;
    std::string why;  ///< one sentence
};

Explanation explain(std::span<const float> weights, std::span<const qaicmx::Profile> profiles);

/// The sentence, from the facts alone (reasons.cpp).
std::string reason(const Explanation& explanation);

/// Sum with one rounding at the end, as far as two doubles hold it; NaN and Inf pass through.
double careful_sum(std::span<const float> values);

/// Shortest decimal that reads back as the same number.
std::string decimal(float value);
std::string decimal(double value);

std::string explanation_text(const Explanation& explanation);
std::string explanation_chart(const Explanation& explanation);
std::string explanation_json(const Explanation& explanation);

}  // namespace qaicmxtool
