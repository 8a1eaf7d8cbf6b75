// SPDX-License-Identifier: Apache-2.0
/// LayerNormalization and RMSNormalization from their parts, as PyTorch, PaddlePaddle and tf2onnx
/// write them. The fused operators take the variance from differences to the mean, also where the
/// graph subtracts squares.
#include "emu/net/axes.hpp"
#include "emu/net/passes/match.hpp"
#include "emu/net/passes/patterns.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace qaicnet {

using qaicrt::Result;

namespace {

/// What has been recognised so far: (x - mean) / sqrt(variance + epsilon), or x / sqrt(mean(x * x)
/// + epsilon), times gamma, plus beta (values, -1 if there is none).
struct Norm {
    int x = -1;
    bool centred = false;
    std::vector<bool> axes;
    double epsilon = 0;
    int gamma = -1, beta = -1;
};

struct Mean {
    int of = -1;
    std::vector<bool> axes;
};

/// ReduceMean, or ReduceSum divided by how many there are.
std::optional<Mean> take_mean(Match& match, int value) {
    GraphEdit& edit = match.edit();
    value = take_views(match, value);
    if (const Node* node = match.take(value, "ReduceMean")) {
        auto axes = reduced_axes(edit, *node);
        return axes ? std::optional(Mean{node->inputs[0], std::move(*axes)}) : std::nullopt;
    }
    const auto step = take_affine_step(match, value);
    const Node* sum = step ? match.take(take_views(match, step->base), "ReduceSum") : nullptr;
    auto axes = sum != nullptr ? reduced_axes(edit, *sum) : std::nullopt;
    if (!axes || step->offset != 0) {
        return std::nullopt;
    }
    const Shape& dims = edit.tensor(sum->inputs[0]).dims;
    double count = 1;
    for (std::size_t i = 0; i < dims.size(); ++i) {
        count *= (*axes)[i] ? static_cast<double>(dims[i]) : 1;
    }
    return is_near(step->scale * count, 1) ? std::optional(Mean{sum->inputs[0], std::move(*axes)})
                                           : std::nullopt;
}

/// x of x * x or x^2; -1 if it is no square.
int take_square(Match& match, int value) {
    if (const Node* mul = match.take(value, "Mul")) {
        return mul->inputs[0] == mul->inputs[1] ? mul->inputs[0] : -1;
    }
    const Node* pow = match.take(value, "Pow");
    return pow != nullptr && number(match.edit(), pow->inputs[1]) == 2.0 ? pow->inputs[0] : -1;
}

/// x - mean(x), where the mean is broadcast along the axes that it was taken over.
struct Centred {
    int x = -1, mean = -1;
    std::vector<bool> axes;
};
std::optional<Centred> take_centred(Match& match, int value) {
    const Node* sub = match.take(value, "Sub");
    if (sub == nullptr) {
        return std::nullopt;
    }
    const auto mean = take_mean(match, sub->inputs[1]);
    const int x = sub->inputs[0];
    GraphEdit& edit = match.edit();
    if (!mean || mean->of != x ||
        edit.tensor(sub->inputs[1]).dims != kept_shape(edit.tensor(x).dims, mean->axes)) {
        return std::nullopt;
    }
    return Centred{x, take_views(match, sub->inputs[1]), mean->axes};
}

/// The mean of the squares of `of` (or of another Sub that says the same).
bool is_mean_square(Match match, int value, int of, const std::vector<bool>& axes, Match& result) {
    const auto mean = take_mean(match, value);
    const int base = mean && mean->axes == axes ? take_square(match, mean->of) : -1;
    bool same = base == of && base >= 0;
    if (base >= 0 && !same) {
        const Node* a = match.take(base, "Sub");
        const Node* b = match.edit().producer(of);
        same = a != nullptr && is_op(b, "Sub") && a->inputs == b->inputs;
    }
    if (same) {
        result = std::move(match);
    }
    return same;
}

/// mean(x * x) - mean(x)^2, perhaps with a floor of 0.
bool is_difference_of_squares(Match match, int value, const Centred& centred, Match& result) {
    if (is_op(match.edit().producer(value), "Max")) {
        const Node* max = match.take(value, "Max");
        const auto floor = max != nullptr ? scalar_operand(match.edit(), *max) : std::nullopt;
        if (!floor || floor->scalar != 0) {
            return false;
        }
        value = take_views(match, floor->other);
    }
    const Node* sub = match.take(value, "Sub");
    if (sub == nullptr || !is_mean_square(match, sub->inputs[0], centred.x, centred.axes, match)) {
        return false;
    }
    const int mean = take_square(match, take_views(match, sub->inputs[1]));
    if (mean < 0 || take_views(match, mean) != centred.mean) {
        return false;
    }
    result = std::move(match);
    return true;
}

/// What is under the root, plus epsilon: a variance of `numerator`. Fills `norm` if so.
bool take_variance(Match& match, int value, int numerator, Norm& norm) {
    const auto sum = take_affine_step(match, take_views(match, value));
    if (!sum || sum->scale != 1 || !(sum->offset >= 0)) {
        return false;
    }
    const int variance = take_views(match, sum->base);
    norm.epsilon = sum->offset;
    Match with_mean = match;
    if (const auto centred = take_centred(with_mean, numerator)) {
        norm.x = centred->x;
        norm.centred = true;
        norm.axes = centred->axes;
        if (is_mean_square(with_mean, variance, numerator, norm.axes, match) ||
            is_difference_of_squares(with_mean, variance, *centred, match)) {
            return true;
        }
    }
    Match alone = match;
    const auto mean = take_mean(alone, variance);
    if (!mean) {
        return false;
    }
    norm.x = numerator;
    norm.centred = false;
    norm.axes = mean->axes;
    return is_mean_square(match, variance, numerator, norm.axes, match);
}

/// What the deviation is the root of, given one divided by it; -1 if it is no such thing.
int take_inverse_root(Match& match, int value) {
    value = take_views(match, value);
    GraphEdit& edit = match.edit();
    if (const Node* pow = match.take(value, "Pow")) {
        return number(edit, pow->inputs[1]) == -0.5 ? pow->inputs[0] : -1;
    }
    const Node* inverse = match.take(value, "Reciprocal");
    int root = inverse != nullptr ? inverse->inputs[0] : -1;
    if (const Node* div = inverse == nullptr ? match.take(value, "Div") : nullptr) {
        root = number(edit, div->inputs[0]) == 1.0 ? div->inputs[1] : -1;
    }
    const Node* sqrt = match.take(take_views(match, root), "Sqrt");
    return sqrt != nullptr ? sqrt->inputs[0] : -1;
}

bool spans_axes(GraphEdit& edit, int value, const Norm& norm) {
    return edit.tensor(value).dims == kept_shape(edit.tensor(norm.x).dims, norm.axes);
}

bool divide(Match& match, const Node& last, Norm& norm) {
    const Node* sqrt = match.take(take_views(match, last.inputs[1]), "Sqrt");
    return sqrt != nullptr && take_variance(match, sqrt->inputs[0], last.inputs[0], norm) &&
           spans_axes(match.edit(), last.inputs[1], norm);
}

/// numerator * inverse, where the inverse may come with gamma: inverse * gamma.
bool multiply(Match& match, int numerator, int inverse, Norm& norm) {
    GraphEdit& edit = match.edit();
    Match plain = match;
    const int under_root = take_inverse_root(plain, inverse);
    if (under_root >= 0 && take_variance(plain, under_root, numerator, norm) &&
        spans_axes(edit, inverse, norm)) {
        match = std::move(plain);
        return true;
    }
    const Node* scaled = match.take(inverse, "Mul");
    if (scaled == nullptr) {
        return false;
    }
    const std::size_t constant = edit.is_constant(scaled->inputs[0]) ? 0 : 1;
    const int alone = scaled->inputs[1 - constant];
    const int root = take_inverse_root(match, alone);
    norm.gamma = scaled->inputs[constant];
    return root >= 0 && edit.is_constant(norm.gamma) &&
           take_variance(match, root, numerator, norm) && spans_axes(edit, alone, norm);
}

std::optional<Norm> take_norm(Match& match, const Node& last) {
    if (is_op(&last, "Div")) {
        Norm norm;
        return divide(match, last, norm) ? std::optional(norm) : std::nullopt;
    }
    for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
        Norm norm;
        Match trial = match;
        if (is_op(&last, "Mul") && multiply(trial, last.inputs[i], last.inputs[1 - i], norm)) {
            match = std::move(trial);
            return norm;
        }
    }
    return std::nullopt;
}

/// A FLOAT constant that varies along the normalised axes only, as one value for each of their
/// positions; empty if it is none.
std::vector<float> along_axes(GraphEdit& edit, int constant, const Norm& norm) {
    const Shape& dims = edit.tensor(norm.x).dims;
    const auto data = edit.floats(constant);
    if (data.empty() || edit.tensor(constant).dims.size() > dims.size()) {
        return {};
    }
    Shape small = edit.tensor(constant).dims;
    small.insert(small.begin(), dims.size() - small.size(), 1);
    std::vector<std::size_t> at{0};
    std::size_t stride = data.size();
    for (std::size_t i = 0; i < dims.size(); ++i) {
        if (small[i] != 1 && (small[i] != dims[i] || !norm.axes[i])) {
            return {};
        }
        if (!norm.axes[i]) {
            continue;
        }
        stride /= static_cast<std::size_t>(std::max<std::int64_t>(small[i], 1));
        std::vector<std::size_t> next;
        for (const std::size_t from : at) {
            for (std::int64_t k = 0; k < dims[i]; ++k) {
                next.push_back(from + (small[i] == 1 ? 0 : static_cast<std::size_t>(k) * stride));
            }
        }
        at = std::move(next);
    }
    std::vector<float> result(at.size());
    std::transform(at.begin(), at.end(), result.begin(), [&](std::size_t k) { return data[k]; });
    return result;
}

/// The only reader of what the pattern makes so far, if it is that operator with a constant that
/// fits; the pattern then goes on to it.
int take_scale_or_shift(Match& match, const char* op_type, const Norm& norm) {
    GraphEdit& edit = match.edit();
    const int value = match.last().outputs[0];
    const Node* reader = edit.only_reader(value);
    if (!is_op(reader, op_type)) {
        return -1;
    }
    const int constant = reader->inputs[reader->inputs[0] == value ? 1 : 0];
    if (edit.tensor(reader->outputs[0]).dims != edit.tensor(value).dims ||
        along_axes(edit, constant, norm).empty()) {
        return -1;
    }
    match.extend_to(*reader);
    return constant;
}

/// The axes that come last after moving the normalised ones there; identity if they are the last.
std::vector<std::int64_t> axes_to_end(const std::vector<bool>& axes) {
    std::vector<std::int64_t> perm(axes.size());
    std::iota(perm.begin(), perm.end(), std::int64_t{0});
    std::stable_partition(perm.begin(), perm.end(),
                          [&](auto axis) { return !axes[static_cast<std::size_t>(axis)]; });
    return perm;
}

struct Operands {
    Shape dims;  ///< of the normalised axes
    int gamma = -1, beta = -1;
};

Result<Operands> make_operands(GraphEdit& edit, const Norm& norm, const std::string& name) {
    Operands made;
    const Shape& dims = edit.tensor(norm.x).dims;
    for (std::size_t i = 0; i < dims.size(); ++i) {
        if (norm.axes[i]) {
            made.dims.push_back(dims[i]);
        }
    }
    const std::size_t count = count_between(made.dims, 0, made.dims.size());
    const std::vector<float> gamma =
        norm.gamma >= 0 ? along_axes(edit, norm.gamma, norm) : std::vector<float>(count, 1.0F);
    const auto scale = edit.add_constant(name + "/scale", made.dims, gamma);
    if (!scale) {
        return pass_out_of_memory();
    }
    made.gamma = *scale;
    if (norm.beta >= 0) {
        const auto bias =
            edit.add_constant(name + "/bias", made.dims, along_axes(edit, norm.beta, norm));
        if (!bias) {
            return pass_out_of_memory();
        }
        made.beta = *bias;
    }
    return made;
}

Node make_norm(const Norm& norm, const Operands& operands, int x, std::size_t first_axis) {
    std::vector<int> inputs{x, operands.gamma};
    if (operands.beta >= 0) {
        inputs.push_back(operands.beta);
    }
    Node made = make_node("", norm.centred ? "LayerNormalization" : "RMSNormalization", kMaxOpset,
                          "", std::move(inputs), {});
    set_attribute(made, "axis", static_cast<std::int64_t>(first_axis));
    set_attribute(made, "epsilon", static_cast<float>(norm.epsilon));
    return made;
}

Node transpose(const std::string& label, int from, int to, std::vector<std::int64_t> perm) {
    Node node = make_node("", "Transpose", kMaxOpset, label, {from}, {to});
    set_attribute(node, "perm", std::move(perm));
    return node;
}

/// Axes that are not the last are moved there and back. The three nodes stand in places of the
/// pattern's last three, all behind what makes x: nothing is inserted, so a graph of many norms
/// takes time in proportion to its size.
void replace_transposed(Match& match, Node made, const std::vector<std::int64_t>& perm) {
    GraphEdit& edit = match.edit();
    const int x = made.inputs[0];
    const std::string label = match.last().label;
    Shape moved;
    std::vector<std::int64_t> back(perm.size());
    for (std::size_t i = 0; i < perm.size(); ++i) {
        moved.push_back(edit.tensor(x).dims[static_cast<std::size_t>(perm[i])]);
        back[static_cast<std::size_t>(perm[i])] = static_cast<std::int64_t>(i);
    }
    const int in = edit.add_value(label + "/moved", ElemType::kFloat, moved);
    const int out = edit.add_value(label + "/normalised", ElemType::kFloat, moved);
    const std::vector<int> places = match.inner();  // a root, a mean and a square at least
    match.replace_by(transpose("", out, -1, back));
    made.inputs[0] = in;
    made.outputs = {out};
    made.label = label;
    edit.replace_node(places[places.size() - 2], transpose(label + "/move", x, in, perm));
    edit.replace_node(places.back(), std::move(made));
}

}  // namespace

Result<bool> fuse_layer_norm(GraphEdit& edit, std::size_t node) {
    Match match(edit, edit.node(static_cast<int>(node)));
    auto norm = take_norm(match, match.last());
    if (!norm || std::find(norm->axes.begin(), norm->axes.end(), true) == norm->axes.end() ||
        edit.tensor(norm->x).count() == 0) {
        return false;
    }
    if (norm->gamma >= 0 && along_axes(edit, norm->gamma, *norm).empty()) {
        return false;
    }
    if (norm->gamma < 0) {
        norm->gamma = take_scale_or_shift(match, "Mul", *norm);
    }
    if (norm->centred) {
        norm->beta = take_scale_or_shift(match, "Add", *norm);
    }
    if (!match.is_closed()) {
        return false;
    }
    QAICRT_TRY(const Operands operands, make_operands(edit, *norm, match.last().label));
    const auto perm = axes_to_end(norm->axes);
    const std::size_t first = norm->axes.size() - operands.dims.size();
    Node made = make_norm(*norm, operands, norm->x, first);
    if (std::is_sorted(perm.begin(), perm.end())) {
        match.replace_by(std::move(made));
    } else {
        replace_transposed(match, std::move(made), perm);
    }
    return true;
}

}  // namespace qaicnet
