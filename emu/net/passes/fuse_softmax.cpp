// SPDX-License-Identifier: Apache-2.0
/// Softmax and Gemm from their parts.
#include "emu/net/passes/match.hpp"
#include "emu/net/passes/patterns.hpp"

#include <algorithm>
#include <utility>

namespace qaicnet {

using qaicrt::Result;

namespace {

/// Whether `value` is that reduction of `x` along `axes`, with size-1 axes where they were.
bool take_reduction(Match& match, int value, const char* op_type, int x,
                    const std::vector<bool>* axes, std::vector<bool>* found) {
    GraphEdit& edit = match.edit();
    const Node* node = match.take(take_views(match, value), op_type);
    if (node == nullptr || node->inputs[0] != x) {
        return false;
    }
    const auto reduced = reduced_axes(edit, *node);
    if (!reduced || edit.tensor(value).dims != kept_shape(edit.tensor(x).dims, *reduced) ||
        (axes != nullptr && *axes != *reduced)) {
        return false;
    }
    *found = *reduced;
    return true;
}

/// a / b, or a * (1 / b).
struct Quotient {
    int numerator = -1, denominator = -1;
};
std::optional<Quotient> take_quotient(Match& match, const Node& last) {
    if (is_op(&last, "Div")) {
        return Quotient{last.inputs[0], last.inputs[1]};
    }
    for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
        if (is_op(&last, "Mul") && is_op(match.edit().producer(last.inputs[i]), "Reciprocal")) {
            const Node* inverse = match.take(last.inputs[i], "Reciprocal");
            return inverse != nullptr
                       ? std::optional(Quotient{last.inputs[1 - i], inverse->inputs[0]})
                       : std::nullopt;
        }
    }
    return std::nullopt;
}

bool is_row(const Shape& dims, std::int64_t columns) {
    return !dims.empty() && dims.size() <= 2 && dims.back() == columns &&
           (dims.size() == 1 || dims[0] == 1);
}

}  // namespace

Result<bool> fuse_softmax(GraphEdit& edit, std::size_t node) {
    const Node& last = edit.node(static_cast<int>(node));
    Match match(edit, last);
    const auto quotient = take_quotient(match, last);
    const Node* exp = quotient ? match.take(quotient->numerator, "Exp") : nullptr;
    const Node* sub = exp != nullptr ? match.take(exp->inputs[0], "Sub") : nullptr;
    if (sub == nullptr) {
        return false;
    }
    const int x = sub->inputs[0];
    std::vector<bool> axes;
    if (!take_reduction(match, sub->inputs[1], "ReduceMax", x, nullptr, &axes) ||
        !take_reduction(match, quotient->denominator, "ReduceSum", quotient->numerator, &axes,
                        &axes) ||
        std::count(axes.begin(), axes.end(), true) != 1 || !match.is_closed()) {
        return false;
    }
    const std::int64_t axis = std::find(axes.begin(), axes.end(), true) - axes.begin();
    Node made = make_node("", "Softmax", kMaxOpset, "", {x}, {});
    set_attribute(made, "axis", axis);
    match.replace_by(std::move(made));
    return true;
}

Result<bool> fuse_gemm(GraphEdit& edit, std::size_t node) {
    const Node& last = edit.node(static_cast<int>(node));
    for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
        if (!is_op(&last, "Add") || !is_op(edit.producer(last.inputs[i]), "MatMul") ||
            !edit.is_constant(last.inputs[1 - i])) {
            continue;
        }
        Match match(edit, last);
        const Node* product = match.take(last.inputs[i], "MatMul");
        if (product == nullptr) {
            continue;
        }
        const int a = product->inputs[0];
        const int b = product->inputs[1];
        const int row = last.inputs[1 - i];
        const Shape& dims = edit.tensor(last.outputs[0]).dims;
        if (edit.tensor(a).dims.size() != 2 || edit.tensor(b).dims.size() != 2 ||
            dims.size() != 2 || !is_row(edit.tensor(row).dims, dims[1]) || !match.is_closed()) {
            continue;
        }
        match.replace_by(make_node("", "Gemm", kMaxOpset, "", {a, b, row}, {}));
        return true;
    }
    return false;
}

}  // namespace qaicnet
