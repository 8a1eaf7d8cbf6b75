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

std::optional<Weights> read_weights(GraphEdit& edit, const Node& conv) {
    const bool transposed = is_op(&conv, "ConvTranspose");
    if ((!transposed && !is_op(&conv, "Conv")) || conv.inputs[0] < 0) {
        return std::nullopt;
    }
    const auto w = edit.floats(conv.inputs[1]);
    const Shape& dims = edit.tensor(conv.inputs[1]).dims;
    const bool has_bias = conv.inputs.size() > 2 && conv.inputs[2] >= 0;
    const auto groups = static_cast<std::size_t>(int_attribute(conv, "group", 1));
    if (w.empty() || (has_bias && edit.floats(conv.inputs[2]).empty())) {
        return std::nullopt;
    }
    Weights weights;
    weights.transposed = transposed;
    weights.groups = groups;
    weights.positions = count_between(dims, 2, dims.size());
    weights.in =
        static_cast<std::size_t>(transposed ? dims[0] : dims[1]) / (transposed ? groups : 1);
    weights.out =
        static_cast<std::size_t>(transposed ? dims[1] : dims[0]) / (transposed ? 1 : groups);
    weights.w.assign(w.begin(), w.end());
    weights.bias.assign(groups * weights.out, 0);
    if (has_bias) {
        const auto bias = edit.floats(conv.inputs[2]);
        weights.bias.assign(bias.begin(), bias.end());
    }
    return weights;
}

/// False, and nothing changed, when a weight has left FP32's range.
bool accept(Weights& weights, Weights changed) {
    const auto finite = [](float x) { return std::isfinite(x); };
    if (!std::all_of(changed.w.begin(), changed.w.end(), finite) ||
        !std::all_of(changed.bias.begin(), changed.bias.end(), finite)) {
        return false;
    }
    weights = std::move(changed);
    return true;
}

bool apply_after(Weights& weights, const ByChannel& after) {
    Weights changed = weights;
    weights.for_each([&](std::size_t i, std::size_t /*in*/, std::size_t out) {
        changed.w[i] = static_cast<float>(weights.w[i] * after.scale[out]);
    });
    for (std::size_t m = 0; m < changed.bias.size(); ++m) {
        changed.bias[m] = static_cast<float>(weights.bias[m] * after.scale[m] + after.shift[m]);
    }
    return accept(weights, std::move(changed));
}

bool apply_before(Weights& weights, const ByChannel& before) {
    std::vector<double> shift(weights.bias.size(), 0);
    Weights changed = weights;
    weights.for_each([&](std::size_t i, std::size_t in, std::size_t out) {
        changed.w[i] = static_cast<float>(weights.w[i] * before.scale[in]);
        shift[out] += weights.w[i] * before.shift[in];
    });
    for (std::size_t m = 0; m < changed.bias.size(); ++m) {
        changed.bias[m] = static_cast<float>(weights.bias[m] + shift[m]);
    }
    return accept(weights, std::move(changed));
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

/// Takes in what follows the convolution; true if something did.
bool take_following(GraphEdit& edit, Node& conv, Weights& weights) {
    bool changed = false;
    Node* holder = &conv;  // makes the value that the next node reads
    for (;;) {
        const int value = holder->outputs[0];
        Node* next = edit.only_reader(value);
        if (next == nullptr) {
            return changed;
        }
        if (keeps_channels(edit, next)) {
            holder = next;
            continue;
        }
        const auto after = read_by_channel(edit, *next, value);
        if (!after || !apply_after(weights, *after)) {
            return changed;
        }
        holder->outputs[0] = next->outputs[0];
        retire(*next);
        edit.index();
        changed = true;
    }
}

/// An operation by channel that makes a value which only one node reads.
struct Before {
    Node* node = nullptr;
    int from = -1;
    ByChannel change{0};
};
std::optional<Before> read_before(GraphEdit& edit, int value) {
    Node* node = edit.producer(value);
    if (node == nullptr || node->inputs.size() != 2 || edit.only_reader(value) == nullptr) {
        return std::nullopt;
    }
    const int from = node->inputs[edit.is_constant(node->inputs[0]) ? 1 : 0];
    if (from < 0 || edit.is_constant(from)) {
        return std::nullopt;
    }
    auto change = read_by_channel(edit, *node, from);
    return change ? std::optional(Before{node, from, std::move(*change)}) : std::nullopt;
}

bool all_are(const std::vector<double>& values, double wanted) {
    return std::all_of(values.begin(), values.end(), [&](double x) { return x == wanted; });
}

/// Padding is zero, which no factor changes but a shift would.
bool pads_nothing(const Node& conv) {
    const auto pads = ints_attribute(conv, "pads");
    const std::string automatic = string_attribute(conv, "auto_pad", "NOTSET");
    return (automatic == "NOTSET" || automatic == "VALID") &&
           std::all_of(pads.begin(), pads.end(), [](auto pad) { return pad == 0; });
}

/// Takes in what comes before a convolution; true if something did.
bool take_preceding(GraphEdit& edit, Node& conv, Weights& weights) {
    bool changed = false;
    for (;;) {
        const auto before = read_before(edit, conv.inputs[0]);
        if (!before || (!pads_nothing(conv) && !all_are(before->change.shift, 0)) ||
            !apply_before(weights, before->change)) {
            return changed;
        }
        conv.inputs[0] = before->from;
        retire(*before->node);
        edit.index();
        changed = true;
    }
}

/// a * x + b in front of a convolution with padding: x + b / a stays, a goes into the weights.
Result<bool> take_factor_before_shift(GraphEdit& edit, Node& conv, Weights& weights) {
    const auto shift = read_before(edit, conv.inputs[0]);
    const auto factor =
        shift && all_are(shift->change.scale, 1) ? read_before(edit, shift->from) : std::nullopt;
    if (!factor || !all_are(factor->change.shift, 0)) {
        return false;
    }
    std::vector<float> moved;
    for (std::size_t c = 0; c < factor->change.scale.size(); ++c) {
        moved.push_back(static_cast<float>(shift->change.shift[c] / factor->change.scale[c]));
    }
    const auto finite = [](float x) { return std::isfinite(x); };
    if (!std::all_of(moved.begin(), moved.end(), finite) ||
        !apply_before(weights, factor->change)) {
        return false;
    }
    Shape dims(edit.tensor(shift->from).dims.size() - 1, 1);
    dims[0] = static_cast<std::int64_t>(moved.size());
    const auto constant = edit.add_constant(shift->node->label + "/shift", dims, moved);
    if (!constant) {
        return pass_out_of_memory();
    }
    *shift->node = make_node("", "Add", kMaxOpset, shift->node->label, {factor->from, *constant},
                             shift->node->outputs);
    retire(*factor->node);
    edit.index();
    return true;
}

Result<bool> fold_into(GraphEdit& edit, Node& conv) {
    if (conv.outputs.empty() || conv.inputs.size() < 2) {
        return false;
    }
    auto weights = read_weights(edit, conv);
    if (!weights) {
        return false;
    }
    const bool after = take_following(edit, conv, *weights);
    bool before = false;
    if (!weights->transposed) {
        before = take_preceding(edit, conv, *weights);
        QAICRT_TRY(const bool factor, take_factor_before_shift(edit, conv, *weights));
        before = before || factor;
    }
    if (!after && !before) {
        return false;
    }
    const std::string name = conv.label;
    const Shape dims = edit.tensor(conv.inputs[1]).dims;
    const auto w = edit.add_constant(name + "/weights", dims, weights->w);
    const auto bias = edit.add_constant(
        name + "/bias", {static_cast<std::int64_t>(weights->bias.size())}, weights->bias);
    if (!w || !bias) {
        return pass_out_of_memory();
    }
    conv.inputs = {conv.inputs[0], *w, *bias};
    edit.index();
    return true;
}

}  // namespace

Result<bool> fuse_batch_norm(GraphEdit& edit) {
    bool changed = false;
    for (std::size_t n = 0; n < edit.graph().nodes.size(); ++n) {
        QAICRT_TRY(const bool folded, fold_into(edit, edit.graph().nodes[n]));
        changed = changed || folded;
    }
    return changed;
}

}  // namespace qaicnet
