// SPDX-License-Identifier: Apache-2.0
/// Experiments that tell the possible rules of the card apart, and what each rule predicts.
/// Source: docs/numerics.md; the predictions of P01 to P22 are golden vectors.
#pragma once

#include "emu/mx/quantize.hpp"

#include <span>
#include <string_view>
#include <vector>

namespace qaicmx {

/// One candidate for the card's rule.
struct Hypothesis {
    std::string_view name;     ///< "A1_up1_rne_b32", as in the golden vectors
    std::string_view meaning;  ///< a phrase for people
    Profile profile;
    bool blocks_along_outputs =
        false;  ///< blocks run over the output features instead of the reduction axis
};

/// The 19 hypotheses of the golden vectors, then A1 with blocks along the outputs. May throw
/// std::bad_alloc.
std::vector<Hypothesis> card_hypotheses();

/// A Linear layer without bias and the input that makes it tell something.
struct Probe {
    std::string_view id;       ///< "P01" …
    std::string_view purpose;  ///< what the answer says
    std::size_t outputs = 1;
    std::vector<float> weights;  ///< outputs rows of inputs.size() values
    std::vector<float> inputs;
};

/// P01 to P22 of the golden vectors, P23, and P24 in two positions. May throw std::bad_alloc.
std::vector<Probe> card_probes();

/// Weights (outputs rows of k) as the card would decode them under the hypothesis.
std::vector<float> decoded_weights(const Hypothesis& hypothesis, std::span<const float> weights,
                                   std::size_t outputs);

/// One output: FP16 inputs times decoded weights, a wide sum, rounded once to FP16. Equal lengths.
float card_dot(std::span<const float> decoded, std::span<const float> inputs) noexcept;

}  // namespace qaicmx
