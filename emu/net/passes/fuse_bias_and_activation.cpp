// SPDX-License-Identifier: Apache-2.0
/// FusedConv from Conv and ConvTranspose of FLOAT and FLOAT16. What is taken in rounds where it did
/// before; FusedConv numbers the terms of a sum in its own way (docs/design/net.md).
#include "emu/net/passes/match.hpp"
#include "emu/net/passes/passes.hpp"

#include <cmath>
#include <limits>
#include <utility>

namespace qaicnet {

using qaicrt::Result;

namespace {

struct FusedActivation {
    float alpha = 0, beta = 0;
};

/// The limits of a Clip; nullopt when one is computed or NaN.
std::optional<FusedActivation> clip_limits(GraphEdit& edit, const Node& node) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    FusedActivation limits{float_attribute(node, "min", -kInfinity),
                           float_attribute(node, "max", kInfinity)};
    for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
        if (i < node.inputs.size() && node.inputs[i] >= 0) {
            const auto limit = edit.scalar(node.inputs[i]);
            if (!limit) {
                return std::nullopt;
            }
            (i == 1 ? limits.alpha : limits.beta) = *limit;
        }
    }
    const bool is_number = !std::isnan(limits.alpha) && !std::isnan(limits.beta);
    return is_number ? std::optional(limits) : std::nullopt;
}

/// The parameters of an activation that FusedConv knows; nullopt for every other node.
std::optional<FusedActivation> read_activation(GraphEdit& edit, const Node& node) {
    const std::string& op = node.op_type;
    if (!node.domain.empty()) {
        return std::nullopt;
    }
    if (op == "Relu" || op == "HardSwish" || op == "Sigmoid" || op == "Tanh" ||
        (op == "Gelu" && string_attribute(node, "approximate", "none") == "none") ||
        (op == "Swish" && float_attribute(node, "alpha", 1) == 1)) {
        return FusedActivation{};
    }
    if (op == "Clip") {
        return clip_limits(edit, node);
    }
    if (op == "LeakyRelu" || op == "Elu") {
        return FusedActivation{float_attribute(node, "alpha", op == "Elu" ? 1 : 0.01F), 0};
    }
    if (op == "HardSigmoid") {
        return FusedActivation{float_attribute(node, "alpha", 0.2F),
                               float_attribute(node, "beta", 0.5F)};
    }
    return std::nullopt;
}

/// What is added to the convolution's result, if that is all that happens to it: a computed value
/// of the very same shape.
int read_addend(GraphEdit& edit, const Node* reader, int result) {
    if (!is_op(reader, "Add") || reader->inputs.size() != 2) {
        return -1;
    }
    const int other = reader->inputs[reader->inputs[0] == result ? 1 : 0];
    const bool fits = other >= 0 && !edit.is_constant(other) &&
                      edit.tensor(other).dims == edit.tensor(result).dims &&
                      edit.tensor(reader->outputs[0]).type != ElemType::kDouble;
    return fits ? other : -1;
}

Node make_fused(const Node& conv) {
    Node fused = make_node(kEmuDomain, "FusedConv", 1, "", conv.inputs, {});
    fused.attributes = conv.attributes;
    if (is_op(&conv, "ConvTranspose")) {
        set_attribute(fused, "transposed", std::int64_t{1});
    }
    return fused;
}

/// Weights decoded from MX codes keep Conv, whose sums have the card's order.
bool is_single_or_half_conv(GraphEdit& edit, const Node& node) {
    return (is_op(&node, "Conv") || is_op(&node, "ConvTranspose")) &&
           edit.tensor(node.outputs[0]).type != ElemType::kDouble &&
           !edit.value(node.inputs[1]).from_mx;
}

/// The fused node stands where the last node stood that it takes in: what is added is known there.
void fuse(GraphEdit& edit, const Node& conv) {
    Match match(edit, conv);
    Node fused = make_fused(conv);
    const std::string label = conv.label;
    const auto result = [&] { return match.last().outputs[0]; };
    const int addend = read_addend(edit, edit.only_reader(result()), result());
    if (addend >= 0) {
        match.extend_to(*edit.only_reader(result()));
        fused.inputs.resize(4, -1);
        fused.inputs[3] = addend;
    }
    if (const Node* reader = edit.only_reader(result())) {
        if (const auto activation = read_activation(edit, *reader)) {
            match.extend_to(*reader);
            set_attribute(fused, "activation", reader->op_type);
            set_attribute(fused, "alpha", activation->alpha);
            set_attribute(fused, "beta", activation->beta);
        }
    }
    match.replace_by(std::move(fused));
    match.last().label = label;
}

}  // namespace

Result<bool> fuse_bias_and_activation(GraphEdit& edit) {
    bool changed = false;
    for (std::size_t n = 0; n < edit.graph().nodes.size(); ++n) {
        if (is_single_or_half_conv(edit, edit.graph().nodes[n])) {
            fuse(edit, edit.graph().nodes[n]);
            changed = true;
        }
    }
    return changed;
}

}  // namespace qaicnet
