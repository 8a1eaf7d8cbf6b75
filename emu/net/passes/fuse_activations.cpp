// SPDX-License-Identifier: Apache-2.0
/// Activations that a graph spells in parts.
#include "emu/net/passes/match.hpp"
#include "emu/net/passes/patterns.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace qaicnet {

using qaicrt::Result;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kInverseRoot2 = 0.70710678118654752440;
constexpr double kRoot2OverPi = 0.79788456080286535588;
constexpr double kCubic = 0.044715;

struct Limits {
    double low = -kInfinity, high = kInfinity;
};

/// Constant limits of a Clip in any of its forms; nullopt when one is computed.
std::optional<Limits> clip_limits(GraphEdit& edit, const Node& node) {
    Limits limits;
    limits.low = float_attribute(node, "min", static_cast<float>(limits.low));
    limits.high = float_attribute(node, "max", static_cast<float>(limits.high));
    for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
        if (i < node.inputs.size() && node.inputs[i] >= 0) {
            const auto limit = number(edit, node.inputs[i]);
            if (!limit || std::isnan(*limit)) {
                return std::nullopt;
            }
            (i == 1 ? limits.low : limits.high) = *limit;
        }
    }
    return limits;
}

/// What one Clip, Relu, Min or Max with a constant does; `inner` becomes what it works on.
std::optional<Limits> take_one_clamp(Match& match, int value, int& inner) {
    const Node* node = match.edit().producer(value);
    if (node == nullptr || !node->domain.empty() || node->inputs.empty()) {
        return std::nullopt;
    }
    std::optional<Limits> limits;
    inner = node->inputs[0];
    if (node->op_type == "Relu") {
        limits = Limits{0, kInfinity};
    } else if (node->op_type == "Clip") {
        limits = clip_limits(match.edit(), *node);
    } else if (node->op_type == "Min" || node->op_type == "Max") {
        const auto operand = scalar_operand(match.edit(), *node);
        if (operand && !std::isnan(operand->scalar)) {
            limits = node->op_type == "Min" ? Limits{-kInfinity, operand->scalar}
                                            : Limits{operand->scalar, kInfinity};
            inner = operand->other;
        }
    }
    if (limits) {
        match.add(*node);
    }
    return limits;
}

/// clamp(base), limited from both sides; nullopt if `value` is no such thing.
struct Clamp {
    int base = -1;
    Limits limits;
};
std::optional<Clamp> take_clamp(Match& match, int value) {
    constexpr int kMaxDepth = 4;
    Clamp all{value, {}};
    for (int depth = 0; depth < kMaxDepth; ++depth) {
        const bool at_last = match.edit().producer(all.base) == &match.last();
        int inner = -1;
        if (!at_last && match.edit().only_reader(all.base) == nullptr) {
            break;
        }
        const auto one = take_one_clamp(match, all.base, inner);
        if (!one) {
            break;
        }
        all = {inner, {std::max(all.limits.low, one->low), std::min(all.limits.high, one->high)}};
    }
    const bool is_range = std::isfinite(all.limits.low) && std::isfinite(all.limits.high) &&
                          all.limits.low < all.limits.high;
    return is_range ? std::optional(all) : std::nullopt;
}

/// `outer` applied to clamp(inner) is clamp(slope * x + middle, 0, 1).
bool is_unit_ramp(const Affine& outer, const Limits& limits) {
    return outer.scale > 0 && outer.scale * limits.low + outer.offset == 0 &&
           is_near(outer.scale * limits.high + outer.offset, 1);
}

bool same_shape(GraphEdit& edit, int a, int b) {
    return edit.tensor(a).dims == edit.tensor(b).dims;
}

bool fuse_hard_sigmoid(GraphEdit& edit, Node& last) {
    Match match(edit, last);
    const int out = last.outputs[0];
    const Affine outer = take_affine(match, out);
    const auto clamp = take_clamp(match, outer.base);
    if (!clamp || !is_unit_ramp(outer, clamp->limits)) {
        return false;
    }
    const Affine inner = take_affine(match, clamp->base);
    const double alpha = outer.scale * inner.scale;
    const double beta = outer.scale * inner.offset + outer.offset;
    const bool is_plain = is_near(alpha, 1) && beta == 0;  // a Clip, which is faster
    if (is_plain || alpha == 0 || !same_shape(edit, inner.base, out) || !match.is_closed()) {
        return false;
    }
    Node made = make_node("", "HardSigmoid", kMaxOpset, "", {inner.base}, {});
    set_attribute(made, "alpha", static_cast<float>(alpha));
    set_attribute(made, "beta", static_cast<float>(beta));
    match.replace_by(std::move(made));
    return true;
}

/// log(1 + exp(x)): the value of x, or -1.
int take_softplus(Match& match, int value) {
    if (const Node* softplus = match.take(value, "Softplus")) {
        return softplus->inputs[0];
    }
    const Node* log = match.take(value, "Log");
    const auto step = log != nullptr ? take_affine_step(match, log->inputs[0]) : std::nullopt;
    if (!step || step->scale != 1 || step->offset != 1) {
        return -1;
    }
    const Node* exp = match.take(step->base, "Exp");
    return exp != nullptr ? exp->inputs[0] : -1;
}

bool fuse_softplus(GraphEdit& edit, Node& last) {
    Match match(edit, last);
    const int x = is_op(&last, "Log") ? take_softplus(match, last.outputs[0]) : -1;
    if (x < 0 || !match.is_closed()) {
        return false;
    }
    match.replace_by(make_node("", "Softplus", kMaxOpset, "", {x}, {}));
    return true;
}

// --- x * gate(x)

/// factor * x * (gate.scale * [what makes gate.base] + gate.offset)
struct Gated {
    Match match;
    int x;
    double factor;
    Affine gate;

    double scale() const { return factor * gate.scale; }
    double offset() const { return factor * gate.offset; }
};
using Recognise = std::optional<Node> (*)(Gated& g);

Node unary(const char* op_type, int x) {
    return make_node("", op_type, kMaxOpset, "", {x}, {});
}

/// slope * x + middle, times `scale`, is x / 6 + 0.5.
bool is_hard_swish(const Gated& g, double slope, double middle, const Limits& limits) {
    return is_near(g.scale() * slope, 1.0 / 6) && is_near(g.scale() * middle + g.offset(), 0.5) &&
           g.scale() * limits.low + g.offset() == 0 &&
           is_near(g.scale() * limits.high + g.offset(), 1);
}

std::optional<Node> hard_swish_of_clamp(Gated& g) {
    const auto clamp = take_clamp(g.match, g.gate.base);
    const auto line = clamp ? take_polynomial(g.match, clamp->base, g.x) : std::nullopt;
    const bool fits = line && (*line)[2] == 0 && (*line)[3] == 0 &&
                      is_hard_swish(g, (*line)[1], (*line)[0], clamp->limits);
    return fits ? std::optional(unary("HardSwish", g.x)) : std::nullopt;
}

std::optional<Node> hard_swish_of_hard_sigmoid(Gated& g) {
    const Node* gate = g.match.take(g.gate.base, "HardSigmoid");
    if (gate == nullptr || gate->inputs[0] != g.x ||
        !is_hard_swish(g, float_attribute(*gate, "alpha", 0.2F),
                       float_attribute(*gate, "beta", 0.5F), {0, 1})) {
        return std::nullopt;
    }
    return unary("HardSwish", g.x);
}

std::optional<Node> swish(Gated& g) {
    const Node* gate = g.match.take(g.gate.base, "Sigmoid");
    if (gate == nullptr || !is_near(g.scale(), 1) || g.offset() != 0) {
        return std::nullopt;
    }
    const auto slope = take_polynomial(g.match, gate->inputs[0], g.x);
    if (!slope || (*slope)[0] != 0 || (*slope)[2] != 0 || (*slope)[3] != 0) {
        return std::nullopt;
    }
    Node made = unary("Swish", g.x);
    set_attribute(made, "alpha", static_cast<float>((*slope)[1]));
    return made;
}

std::optional<Node> mish(Gated& g) {
    const Node* tanh = g.match.take(g.gate.base, "Tanh");
    const bool fits = tanh != nullptr && is_near(g.scale(), 1) && g.offset() == 0 &&
                      take_softplus(g.match, tanh->inputs[0]) == g.x;
    return fits ? std::optional(unary("Mish", g.x)) : std::nullopt;
}

std::optional<Node> exact_gelu(Gated& g) {
    const Node* erf = g.match.take(g.gate.base, "Erf");
    if (erf == nullptr || !is_near(g.scale(), 0.5) || !is_near(g.offset(), 0.5)) {
        return std::nullopt;
    }
    const auto inner = take_polynomial(g.match, erf->inputs[0], g.x);
    const bool fits = inner && (*inner)[0] == 0 && is_near((*inner)[1], kInverseRoot2) &&
                      (*inner)[2] == 0 && (*inner)[3] == 0;
    return fits ? std::optional(unary("Gelu", g.x)) : std::nullopt;
}

std::optional<Node> tanh_gelu(Gated& g) {
    const Node* tanh = g.match.take(g.gate.base, "Tanh");
    if (tanh == nullptr || !is_near(g.scale(), 0.5) || !is_near(g.offset(), 0.5)) {
        return std::nullopt;
    }
    const auto inner = take_polynomial(g.match, tanh->inputs[0], g.x);
    if (!inner || (*inner)[0] != 0 || !is_near((*inner)[1], kRoot2OverPi) || (*inner)[2] != 0 ||
        !is_near((*inner)[3], kRoot2OverPi * kCubic)) {
        return std::nullopt;
    }
    Node made = unary("Gelu", g.x);
    set_attribute(made, "approximate", std::string("tanh"));
    return made;
}

constexpr Recognise kGates[] = {
    hard_swish_of_clamp, hard_swish_of_hard_sigmoid, swish, mish, exact_gelu, tanh_gelu};

bool fuse_gate_of(const Match& product_match, const Product& product, std::size_t x_term) {
    GraphEdit& edit = product_match.edit();
    const int x = product.terms[x_term];
    Match match = product_match;
    const Affine gate = take_affine(match, product.terms[1 - x_term]);
    if (!same_shape(edit, x, product_match.last().outputs[0])) {
        return false;
    }
    for (const Recognise recognise : kGates) {
        Gated gated{match, x, product.factor, gate};
        auto made = recognise(gated);
        if (made && gated.match.is_closed()) {
            gated.match.replace_by(std::move(*made));
            return true;
        }
    }
    return false;
}

}  // namespace

Result<bool> fuse_ramp(GraphEdit& edit, std::size_t node) {
    Node& last = edit.node(static_cast<int>(node));
    return fuse_hard_sigmoid(edit, last) || fuse_softplus(edit, last);
}

Result<bool> fuse_gate(GraphEdit& edit, std::size_t node) {
    const Node& last = edit.node(static_cast<int>(node));
    if (!is_op(&last, "Mul") && !is_op(&last, "Div")) {
        return false;
    }
    Match match(edit, last);
    const Product product = take_product(match, last.outputs[0]);
    return product.terms.size() == 2 &&
           (fuse_gate_of(match, product, 0) || fuse_gate_of(match, product, 1));
}

}  // namespace qaicnet
