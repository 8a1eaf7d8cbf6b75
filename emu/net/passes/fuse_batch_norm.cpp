// SPDX-License-Identifier: Apache-2.0
/// Convolutions take over what is multiplied and added by channel around them. The new weights are
/// computed in FP64 and rounded to FP32 once; sums then round differently than before.
#include "emu/net/axes.hpp"
#include "emu/net/passes/match.hpp"
#include "emu/net/passes/passes.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace qaicnet {

using qaicrt::Result;

namespace {

/// On each side of a convolution. Real networks have three or so; every one costs some vectors of
/// all channels, which a small file can make many.
constexpr std::size_t kMostSteps = 16;

/// y = scale * x + shift, one of each for every channel.
struct ByChannel {
    std::vector<double> scale, shift;
    explicit ByChannel(std::size_t channels) : scale(channels, 1), shift(channels, 0) {}

    bool is_finite() const {
        const auto finite = [](double x) { return std::isfinite(x); };
        return std::all_of(scale.begin(), scale.end(), finite) &&
               std::all_of(shift.begin(), shift.end(), finite);
    }
    /// First this, then `next`.
    void append(const ByChannel& next) {
        for (std::size_t c = 0; c < scale.size(); ++c) {
            scale[c] *= next.scale[c];
            shift[c] = shift[c] * next.scale[c] + next.shift[c];
        }
    }
};

/// A FLOAT constant that is broadcast to `dims` and varies along axis 1 at most, by channel; empty
/// if it is none.
std::vector<double> by_channel(GraphEdit& edit, int constant, const Shape& dims) {
    const auto data = edit.floats(constant);
    if (data.empty() || edit.tensor(constant).dims.size() > dims.size()) {
        return {};
    }
    const Shape& small = edit.tensor(constant).dims;
    const std::size_t missing = dims.size() - small.size();
    for (std::size_t i = 0; i < small.size(); ++i) {
        if (small[i] != 1 && (i + missing != 1 || small[i] != dims[1])) {
            return {};
        }
    }
    std::vector<double> values(static_cast<std::size_t>(dims[1]), data[0]);
    if (data.size() > 1) {
        std::copy(data.begin(), data.end(), values.begin());
    }
    return values;
}

/// Mul, Div, Add or Sub of `value` and a constant; false if `node` is none.
bool read_arithmetic(GraphEdit& edit, const Node& node, int value, ByChannel& result) {
    if (node.inputs.size() != 2 || edit.tensor(node.outputs[0]).dims != edit.tensor(value).dims) {
        return false;
    }
    const bool constant_first = node.inputs[1] == value;
    const auto constants =
        by_channel(edit, node.inputs[constant_first ? 0 : 1], edit.tensor(value).dims);
    const std::string& op = node.op_type;
    if (constants.empty() || (op == "Div" && constant_first)) {
        return false;
    }
    for (std::size_t c = 0; c < constants.size(); ++c) {
        if (op == "Mul" || op == "Div") {
            result.scale[c] = op == "Mul" ? constants[c] : 1 / constants[c];
        } else {
            result.scale[c] = op == "Sub" && constant_first ? -1 : 1;
            result.shift[c] = op == "Sub" && !constant_first ? -constants[c] : constants[c];
        }
    }
    return op == "Mul" || op == "Div" || op == "Add" || op == "Sub";
}

bool read_batch_norm(GraphEdit& edit, const Node& node, int value, ByChannel& result) {
    const auto given = [](int output) { return output >= 0; };
    if (node.inputs.size() != 5 || node.inputs[0] != value ||
        int_attribute(node, "training_mode", 0) != 0 ||
        std::count_if(node.outputs.begin(), node.outputs.end(), given) != 1) {
        return false;
    }
    const std::size_t channels = result.scale.size();
    std::span<const float> read[4];
    for (std::size_t i = 0; i < 4; ++i) {
        read[i] = edit.floats(node.inputs[i + 1]);
        if (read[i].size() != channels) {
            return false;
        }
    }
    const auto [gamma, beta, mean, variance] = read;
    const double epsilon = float_attribute(node, "epsilon", 1e-5F);
    for (std::size_t c = 0; c < channels; ++c) {
        result.scale[c] = gamma[c] / std::sqrt(variance[c] + epsilon);
        result.shift[c] = beta[c] - mean[c] * result.scale[c];
    }
    return true;
}

/// What `node` does to `value` if that is a factor and a shift by channel.
std::optional<ByChannel> read_by_channel(GraphEdit& edit, const Node& node, int value) {
    const Shape& dims = edit.tensor(value).dims;
    if (!node.domain.empty() || node.outputs.empty() || node.outputs[0] < 0 || dims.size() < 2 ||
        edit.tensor(node.outputs[0]).type != ElemType::kFloat) {
        return std::nullopt;
    }
    ByChannel result(static_cast<std::size_t>(dims[1]));
    const bool known = node.op_type == "BatchNormalization"
                           ? read_batch_norm(edit, node, value, result)
                           : read_arithmetic(edit, node, value, result);
    return known && result.is_finite() ? std::optional(std::move(result)) : std::nullopt;
}

/// A convolution whose weights are known: where its channels are in them.
struct Weights {
    std::vector<float> w;  ///< [M, C / groups, …]; transposed: [C, M / groups, …]
    std::vector<float> bias;
    std::size_t groups = 1, in = 0, out = 0, positions = 0;  ///< channels of one group
    bool transposed = false;

    /// visit(index in w, input channel, output channel), each counted over all groups.
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (std::size_t i = 0; i < w.size(); ++i) {
            const std::size_t row = i / positions / (transposed ? out : in);
            const std::size_t column = i / positions % (transposed ? out : in);
            const std::size_t group = row / (transposed ? in : out);
            visit(i, transposed ? row : group * in + column,
                  transposed ? group * out + column : row);
        }
    }
};

bool is_convolution(const Node& node) {
    return is_op(&node, "Conv") || is_op(&node, "ConvTranspose");
}

/// Weights and bias (if there is one) are FLOAT constants. Those decoded from MX codes stay as the
/// card has them.
bool has_known_weights(GraphEdit& edit, const Node& conv) {
    const bool has_bias = conv.inputs.size() > 2 && conv.inputs[2] >= 0;
    return !edit.floats(conv.inputs[1]).empty() && !edit.value(conv.inputs[1]).from_mx &&
           (!has_bias || !edit.floats(conv.inputs[2]).empty());
}

Weights read_weights(GraphEdit& edit, const Node& conv) {
    const auto w = edit.floats(conv.inputs[1]);
    const Shape& dims = edit.tensor(conv.inputs[1]).dims;
    const auto rows = static_cast<std::size_t>(dims[0]);
    const auto columns = static_cast<std::size_t>(dims[1]);
    Weights weights;
    weights.transposed = is_op(&conv, "ConvTranspose");
    weights.groups = static_cast<std::size_t>(int_attribute(conv, "group", 1));
    weights.positions = count_between(dims, 2, dims.size());
    weights.in = weights.transposed ? rows / weights.groups : columns;
    weights.out = weights.transposed ? columns : rows / weights.groups;
    weights.w.assign(w.begin(), w.end());
    weights.bias.assign(weights.groups * weights.out, 0);
    if (conv.inputs.size() > 2 && conv.inputs[2] >= 0) {
        const auto bias = edit.floats(conv.inputs[2]);
        weights.bias.assign(bias.begin(), bias.end());
    }
    return weights;
}

bool all_finite(const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

void apply_before(Weights& weights, const ByChannel& before) {
    std::vector<double> shift(weights.bias.size(), 0);
    weights.for_each([&](std::size_t i, std::size_t in, std::size_t out) {
        shift[out] += weights.w[i] * before.shift[in];
        weights.w[i] = static_cast<float>(weights.w[i] * before.scale[in]);
    });
    for (std::size_t m = 0; m < weights.bias.size(); ++m) {
        weights.bias[m] = static_cast<float>(weights.bias[m] + shift[m]);
    }
}

void apply_after(Weights& weights, const ByChannel& after) {
    weights.for_each([&](std::size_t i, std::size_t /*in*/, std::size_t out) {
        weights.w[i] = static_cast<float>(weights.w[i] * after.scale[out]);
    });
    for (std::size_t m = 0; m < weights.bias.size(); ++m) {
        weights.bias[m] = static_cast<float>(weights.bias[m] * after.scale[m] + after.shift[m]);
    }
}

/// A view that leaves images and channels alone.
bool keeps_channels(GraphEdit& edit, const Node* node) {
    if (!is_view(node)) {
        return false;
    }
    const Shape& from = edit.tensor(node->inputs[0]).dims;
    const Shape& to = edit.tensor(node->outputs[0]).dims;
    return from.size() > 2 && to.size() > 2 && from[0] == to[0] && from[1] == to[1];
}

/// What follows a convolution: nodes that go, and the node each of whose result takes the place of
/// theirs (the convolution or a view).
struct Following {
    struct Step {
        int holder, node;
    };
    std::vector<Step> steps;
    ByChannel change;
};
Following find_following(GraphEdit& edit, const Node& conv) {
    const int result = conv.outputs[0];
    Following found{{}, ByChannel(static_cast<std::size_t>(edit.tensor(result).dims[1]))};
    int holder = edit.index_of(conv);
    for (int value = result;;) {
        const Node* next = edit.only_reader(value);
        if (next == nullptr || found.steps.size() == kMostSteps) {
            return found;
        }
        if (keeps_channels(edit, next)) {
            holder = edit.index_of(*next);
        } else if (const auto after = read_by_channel(edit, *next, value)) {
            found.change.append(*after);
            found.steps.push_back({holder, edit.index_of(*next)});
        } else {
            return found;
        }
        value = next->outputs[0];
    }
}

void take(GraphEdit& edit, const Following& following) {
    for (const auto& [holder, node] : following.steps) {
        Node changed = edit.node(holder);
        changed.outputs[0] = edit.node(node).outputs[0];
        edit.remove_node(node);
        edit.replace_node(holder, std::move(changed));
    }
}

/// An operation by channel that makes a value which only one node reads.
struct Before {
    int node = -1, from = -1;
    ByChannel change{0};
};
std::optional<Before> read_before(GraphEdit& edit, int value) {
    const Node* node = edit.producer(value);
    if (node == nullptr || node->inputs.size() != 2 || edit.only_reader(value) == nullptr) {
        return std::nullopt;
    }
    const int from = node->inputs[edit.is_constant(node->inputs[0]) ? 1 : 0];
    if (from < 0 || edit.is_constant(from)) {
        return std::nullopt;
    }
    auto change = read_by_channel(edit, *node, from);
    return change ? std::optional(Before{edit.index_of(*node), from, std::move(*change)})
                  : std::nullopt;
}

bool all_are(const std::vector<double>& values, double wanted) {
    return std::all_of(values.begin(), values.end(), [&](double x) { return x == wanted; });
}

bool pads_nothing(const Node& conv) {
    const auto pads = ints_attribute(conv, "pads");
    const std::string automatic = string_attribute(conv, "auto_pad", "NOTSET");
    return (automatic == "NOTSET" || automatic == "VALID") &&
           std::all_of(pads.begin(), pads.end(), [](auto pad) { return pad == 0; });
}

/// What comes before a convolution: nodes that go, and what it then reads. With padding, which is
/// zero and which a factor leaves zero, x * a + b becomes x + b / a and a goes into the weights:
/// `shift` is the node that adds then.
struct Preceding {
    std::vector<int> nodes;
    int from = -1;
    ByChannel change;
    int shift = -1;
    std::vector<float> shift_by;
};

void find_factor_before_shift(GraphEdit& edit, Preceding& found) {
    const auto shift = read_before(edit, found.from);
    const auto factor =
        shift && all_are(shift->change.scale, 1) ? read_before(edit, shift->from) : std::nullopt;
    if (!factor || !all_are(factor->change.shift, 0)) {
        return;
    }
    for (std::size_t c = 0; c < factor->change.scale.size(); ++c) {
        found.shift_by.push_back(
            static_cast<float>(shift->change.shift[c] / factor->change.scale[c]));
    }
    if (all_finite(found.shift_by)) {
        ByChannel all = factor->change;
        all.append(found.change);
        found.change = std::move(all);
        found.nodes.push_back(factor->node);
        found.shift = shift->node;
    }
}

Preceding find_preceding(GraphEdit& edit, const Node& conv) {
    const int x = conv.inputs[0];
    Preceding found{{}, x, ByChannel(static_cast<std::size_t>(edit.tensor(x).dims[1])), -1, {}};
    if (is_op(&conv, "ConvTranspose")) {
        return found;
    }
    const bool shifts = pads_nothing(conv);
    while (found.nodes.size() < kMostSteps) {
        const auto before = read_before(edit, found.from);
        if (!before) {
            break;
        }
        if (!shifts && !all_are(before->change.shift, 0)) {
            find_factor_before_shift(edit, found);
            return found;
        }
        ByChannel all = before->change;
        all.append(found.change);
        found.change = std::move(all);
        found.nodes.push_back(before->node);
        found.from = before->from;
    }
    return found;
}

/// The Add that stays in front of a convolution, with what it adds now.
qaicrt::Status change_shift(GraphEdit& edit, const Preceding& preceding) {
    const Node& old = edit.node(preceding.shift);
    const Node& factor = edit.node(preceding.nodes.back());
    const int from = factor.inputs[edit.is_constant(factor.inputs[0]) ? 1 : 0];
    Shape dims(edit.tensor(from).dims.size() - 1, 1);
    dims[0] = static_cast<std::int64_t>(preceding.shift_by.size());
    const auto constant = edit.add_constant(old.label + "/shift", dims, preceding.shift_by);
    if (!constant) {
        return pass_out_of_memory();
    }
    edit.replace_node(preceding.shift,
                      make_node("", "Add", kMaxOpset, old.label, {from, *constant}, old.outputs));
    return {};
}

qaicrt::Status change_weights(GraphEdit& edit, int conv, int x, const Weights& weights) {
    Node changed = edit.node(conv);
    const Shape dims = edit.tensor(changed.inputs[1]).dims;
    const auto w = edit.add_constant(changed.label + "/weights", dims, weights.w);
    const auto bias = edit.add_constant(
        changed.label + "/bias", {static_cast<std::int64_t>(weights.bias.size())}, weights.bias);
    if (!w || !bias) {
        return pass_out_of_memory();
    }
    changed.inputs = {x, *w, *bias};
    edit.replace_node(conv, std::move(changed));
    return {};
}

Result<bool> fold_into(GraphEdit& edit, int index) {
    const Node& conv = edit.node(index);
    if (!is_convolution(conv) || !has_known_weights(edit, conv)) {
        return false;
    }
    const Following following = find_following(edit, conv);
    const Preceding preceding = find_preceding(edit, conv);
    if (following.steps.empty() && preceding.nodes.empty()) {
        return false;
    }
    Weights weights = read_weights(edit, conv);
    apply_before(weights, preceding.change);
    apply_after(weights, following.change);
    if (!all_finite(weights.w) || !all_finite(weights.bias)) {
        return false;
    }
    QAICRT_CHECK(change_weights(edit, index, preceding.from, weights));
    if (preceding.shift >= 0) {
        QAICRT_CHECK(change_shift(edit, preceding));
    }
    for (const int node : preceding.nodes) {
        edit.remove_node(node);
    }
    take(edit, following);
    return true;
}

}  // namespace

Result<bool> fuse_batch_norm(GraphEdit& edit) {
    bool changed = false;
    for (std::size_t n = 0; n < edit.graph().nodes.size(); ++n) {
        QAICRT_TRY(const bool folded, fold_into(edit, static_cast<int>(n)));
        changed = changed || folded;
    }
    return changed;
}

}  // namespace qaicnet
