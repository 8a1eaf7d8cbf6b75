// SPDX-License-Identifier: Apache-2.0
/// RNN, GRU and LSTM: what they have in common. Gates are stacked in the weights in ONNX's order
/// (LSTM: i o f c; GRU: z r h).
#pragma once

#include "emu/net/op.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace qaicnet {

enum class Cell : std::uint8_t { kRnn, kGru, kLstm };

/// One of ONNX's activation functions of recurrent operators.
struct CellActivation {
    enum class Kind : std::uint8_t {
        kRelu,
        kTanh,
        kSigmoid,
        kAffine,
        kLeakyRelu,
        kThresholdedRelu,
        kScaledTanh,
        kHardSigmoid,
        kElu,
        kSoftsign,
        kSoftplus,
    };
    Kind kind = Kind::kTanh;
    float alpha = 0, beta = 0;
};

struct RecurrentProblem {
    Cell cell = Cell::kRnn;
    std::size_t gates = 1, directions = 1;
    std::size_t steps = 0, batch = 0, input = 0, hidden = 0;
    bool first_reversed = false;  ///< direction 0 runs backwards; direction 1 always does
    bool batch_first = false;     ///< layout 1
    bool input_forget = false;    ///< LSTM: the forget gate is 1 - input gate
    bool linear_before_reset = false;
    bool clipped = false;
    float clip = 0;                           ///< bound of what goes into an activation
    std::vector<CellActivation> activations;  ///< for each direction: f, g (GRU, LSTM), h (LSTM)

    std::size_t activations_each() const noexcept {
        return cell == Cell::kLstm ? 3 : cell == Cell::kGru ? 2 : 1;
    }
    std::size_t rows() const noexcept { return steps * batch; }
    std::size_t input_row(std::size_t t, std::size_t b) const noexcept {
        return batch_first ? b * steps + t : t * batch + b;
    }
    std::size_t state_at(std::size_t d, std::size_t b) const noexcept {
        return (batch_first ? b * directions + d : d * batch + b) * hidden;
    }
    std::size_t result_at(std::size_t t, std::size_t d, std::size_t b) const noexcept {
        return (batch_first ? (b * steps + t) * directions + d : (t * directions + d) * batch + b) *
               hidden;
    }
};

/// Places of the inputs; P and initial_c exist for LSTM only.
enum RecurrentInput : std::size_t { kInX, kInW, kInR, kInB, kInLengths, kInH, kInC, kInP };

/// x[i] = activation(x[i]), inputs clipped before.
void activate(const RecurrentProblem& p, const CellActivation& how, float* x, std::size_t n);
void activate(const RecurrentProblem& p, const CellActivation& how, double* x, std::size_t n);

/// Fails for a name that ONNX does not list (case does not matter); sets the default factors and
/// says which of them the function has.
bool find_activation(std::string_view name, CellActivation& out, bool& has_alpha, bool& has_beta);

/// After infer. Constant weights are packed here.
qaicrt::Result<KernelPtr> make_recurrent_kernel(NodeContext& node, RecurrentProblem problem);

}  // namespace qaicnet
