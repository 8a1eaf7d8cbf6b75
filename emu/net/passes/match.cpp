// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/match.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace qaicnet {

namespace {

/// Deeper than any spelling of an activation; keeps the search short in a hostile graph.
constexpr int kMaxDepth = 8;

bool is_float(GraphEdit& edit, int value) {
    return value >= 0 && edit.tensor(value).type == ElemType::kFloat;
}

}  // namespace

void Match::extend_to(const Node& reader) {
    nodes_.push_back(last_);
    last_ = edit_->index_of(reader);
}

Node* Match::take(int value, std::string_view op_type) {
    Node* node = edit_->producer(value);
    if (!is_op(node, op_type) || !is_float(*edit_, value)) {
        return nullptr;
    }
    add(*node);
    return node;
}

bool Match::has(int node) const {
    return node == last_ || std::find(nodes_.begin(), nodes_.end(), node) != nodes_.end();
}

std::vector<int> Match::inner() const {
    std::vector<int> sorted = nodes_;
    std::sort(sorted.begin(), sorted.end());
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    std::erase(sorted, last_);
    return sorted;
}

bool Match::is_closed() const {
    return std::all_of(nodes_.begin(), nodes_.end(), [&](int n) {
        if (n == last_) {
            return true;
        }
        const auto& outputs = edit_->node(n).outputs;
        return std::all_of(outputs.begin(), outputs.end(), [&](int output) {
            if (output < 0) {
                return true;
            }
            const auto readers = edit_->readers(output);
            return !edit_->value(output).is_output &&
                   std::all_of(readers.begin(), readers.end(), [&](int r) { return has(r); });
        });
    });
}

void Match::replace_by(Node made) {
    made.label = last().label;
    made.outputs = last().outputs;
    for (const int n : nodes_) {
        if (n != last_) {
            edit_->remove_node(n);
        }
    }
    edit_->replace_node(last_, std::move(made));
}

bool is_near(double a, double b) {
    constexpr double kRelative = 1e-6;
    return std::fabs(a - b) <= kRelative * std::fabs(b);
}

std::optional<double> number(GraphEdit& edit, int value) {
    if (!edit.is_constant(value) || edit.tensor(value).count() != 1) {
        return std::nullopt;
    }
    const std::byte* data = edit.value(value).constant->data();
    switch (edit.tensor(value).type) {
        case ElemType::kFloat:
            return *as<float>(data);
        case ElemType::kInt32:
            return *as<std::int32_t>(data);
        case ElemType::kInt64:
            return static_cast<double>(*as<std::int64_t>(data));
        default:
            return std::nullopt;
    }
}

std::optional<ScalarOperand> scalar_operand(GraphEdit& edit, const Node& node) {
    if (node.inputs.size() != 2 || node.outputs.size() != 1 || !is_float(edit, node.outputs[0])) {
        return std::nullopt;
    }
    for (const bool first : {false, true}) {
        const int other = node.inputs[first ? 1 : 0];
        const auto scalar = number(edit, node.inputs[first ? 0 : 1]);
        if (scalar && other >= 0 && !edit.is_constant(other) &&
            edit.tensor(other).dims == edit.tensor(node.outputs[0]).dims) {
            return ScalarOperand{other, *scalar, first};
        }
    }
    return std::nullopt;
}

std::optional<Affine> take_affine_step(Match& match, int value) {
    const Node* node = match.edit().producer(value);
    if (node == nullptr || !node->domain.empty()) {
        return std::nullopt;
    }
    const auto operand = scalar_operand(match.edit(), *node);
    if (!operand || !std::isfinite(operand->scalar)) {
        return std::nullopt;
    }
    Affine step{operand->other};
    if (node->op_type == "Add") {
        step.offset = operand->scalar;
    } else if (node->op_type == "Mul") {
        step.scale = operand->scalar;
    } else if (node->op_type == "Sub") {
        step.scale = operand->scalar_first ? -1 : 1;
        step.offset = operand->scalar_first ? operand->scalar : -operand->scalar;
    } else if (node->op_type == "Div" && !operand->scalar_first && operand->scalar != 0) {
        step.scale = 1 / operand->scalar;
    } else {
        return std::nullopt;
    }
    match.add(*node);
    return step;
}

Affine take_affine(Match& match, int value) {
    Affine all{value};
    for (int depth = 0; depth < kMaxDepth; ++depth) {
        // What the last node makes may have any number of readers.
        const bool at_last = match.edit().producer(all.base) == &match.last();
        if (!at_last && match.edit().only_reader(all.base) == nullptr) {
            break;
        }
        const auto step = take_affine_step(match, all.base);
        if (!step) {
            break;
        }
        all = {step->base, all.scale * step->scale, all.offset + all.scale * step->offset};
    }
    return all;
}

namespace {

std::optional<Polynomial> multiply(const Polynomial& a, const Polynomial& b) {
    Polynomial product{};
    for (std::size_t i = 0; i < a.size(); ++i) {
        for (std::size_t j = 0; j < b.size(); ++j) {
            const double term = a[i] * b[j];
            if (i + j < product.size()) {
                product[i + j] += term;
            } else if (term != 0) {
                return std::nullopt;
            }
        }
    }
    return product;
}

bool is_number(const Polynomial& p) {
    return p[1] == 0 && p[2] == 0 && p[3] == 0;
}

std::optional<Polynomial> power(const Polynomial& base, const Polynomial& exponent) {
    if (!is_number(exponent) || (exponent[0] != 1 && exponent[0] != 2 && exponent[0] != 3)) {
        return std::nullopt;
    }
    std::optional<Polynomial> result = base;
    for (double n = 1; result && n < exponent[0]; ++n) {
        result = multiply(*result, base);
    }
    return result;
}

std::optional<Polynomial> combine(const std::string& op, const Polynomial& a, const Polynomial& b) {
    const double sign = op == "Sub" ? -1 : 1;
    if (op == "Add" || op == "Sub") {
        return Polynomial{a[0] + sign * b[0], a[1] + sign * b[1], a[2] + sign * b[2],
                          a[3] + sign * b[3]};
    }
    if (op == "Mul") {
        return multiply(a, b);
    }
    if (op == "Div" && is_number(b) && b[0] != 0) {
        return multiply(a, {1 / b[0]});
    }
    return op == "Pow" ? power(a, b) : std::nullopt;
}

std::optional<Polynomial> polynomial(Match& match, int value, int x, int depth) {
    if (value == x) {
        return Polynomial{0, 1};
    }
    if (const auto scalar = number(match.edit(), value)) {
        return std::isfinite(*scalar) ? std::optional(Polynomial{*scalar}) : std::nullopt;
    }
    const Node* node = match.edit().producer(value);
    if (depth == 0 || node == nullptr || !node->domain.empty() || node->inputs.size() != 2 ||
        !is_float(match.edit(), value) ||
        match.edit().tensor(value).dims != match.edit().tensor(x).dims) {
        return std::nullopt;
    }
    const auto a = polynomial(match, node->inputs[0], x, depth - 1);
    const auto b = a ? polynomial(match, node->inputs[1], x, depth - 1) : std::nullopt;
    const auto result = b ? combine(node->op_type, *a, *b) : std::nullopt;
    if (result) {
        match.add(*node);
    }
    return result;
}

void product(Match& match, int value, bool top, int depth, Product& result) {
    const Node* node = match.edit().producer(value);
    const bool multiplies = is_op(node, "Mul") || is_op(node, "Div");
    if (depth == 0 || !multiplies || !is_float(match.edit(), value) ||
        (!top && match.edit().only_reader(value) == nullptr)) {
        result.terms.push_back(value);
        return;
    }
    const auto operand = scalar_operand(match.edit(), *node);
    const bool divides = node->op_type == "Div";
    if (divides && (!operand || operand->scalar_first || operand->scalar == 0)) {
        result.terms.push_back(value);
        return;
    }
    match.add(*node);
    if (operand) {
        result.factor *= divides ? 1 / operand->scalar : operand->scalar;
        product(match, operand->other, false, depth - 1, result);
    } else {
        product(match, node->inputs[0], false, depth - 1, result);
        product(match, node->inputs[1], false, depth - 1, result);
    }
}

}  // namespace

std::optional<Polynomial> take_polynomial(Match& match, int value, int x) {
    return polynomial(match, value, x, kMaxDepth);
}

Product take_product(Match& match, int value) {
    Product result;
    product(match, value, true, kMaxDepth, result);
    return result;
}

bool is_view(const Node* node) {
    return is_op(node, "Reshape") || is_op(node, "Squeeze") || is_op(node, "Unsqueeze") ||
           is_op(node, "Flatten") || is_op(node, "Identity");
}

int take_views(Match& match, int value) {
    for (int depth = 0; depth < kMaxDepth && is_view(match.edit().producer(value)); ++depth) {
        const Node* view = match.edit().producer(value);
        match.add(*view);
        value = view->inputs[0];
    }
    return value;
}

std::optional<std::vector<bool>> reduced_axes(GraphEdit& edit, const Node& node) {
    const auto rank = static_cast<std::int64_t>(edit.tensor(node.inputs[0]).dims.size());
    std::vector<std::int64_t> axes = ints_attribute(node, "axes");
    if (node.inputs.size() > 1 && node.inputs[1] >= 0) {
        const int list = node.inputs[1];
        if (!edit.is_constant(list) || edit.tensor(list).type != ElemType::kInt64) {
            return std::nullopt;
        }
        const auto* data = as<std::int64_t>(edit.value(list).constant->data());
        axes.assign(data, data + edit.tensor(list).count());
    }
    const bool all = axes.empty() && int_attribute(node, "noop_with_empty_axes", 0) == 0;
    std::vector<bool> reduced(static_cast<std::size_t>(rank), all);
    for (const std::int64_t axis : axes) {
        const std::int64_t at = axis < 0 ? axis + rank : axis;
        if (at < 0 || at >= rank) {
            return std::nullopt;
        }
        reduced[static_cast<std::size_t>(at)] = true;
    }
    return reduced;
}

Shape kept_shape(const Shape& dims, const std::vector<bool>& reduced) {
    Shape kept = dims;
    for (std::size_t i = 0; i < kept.size(); ++i) {
        kept[i] = reduced[i] ? 1 : kept[i];
    }
    return kept;
}

qaicrt::Error pass_out_of_memory() {
    return {qaicrt::Errc::kNoMemory,
            "there is no memory for the constants that lowering makes; use a smaller batch or "
            "raise the limit"};
}

}  // namespace qaicnet
