// SPDX-License-Identifier: Apache-2.0
/// Nodes whose result has the very bytes of an input. Nothing here changes a rounding, so every
/// type is served.
#include "emu/net/half.hpp"
#include "emu/net/passes/match.hpp"
#include "emu/net/passes/passes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

namespace qaicnet {

using qaicrt::Result;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool same_shape(GraphEdit& edit, int a, int b) {
    return edit.tensor(a).dims == edit.tensor(b).dims;
}

/// All integers of an INT32 or INT64 constant; nullopt if it is none.
std::optional<std::vector<std::int64_t>> integers(GraphEdit& edit, int value) {
    if (!edit.is_constant(value)) {
        return std::nullopt;
    }
    const std::byte* data = edit.value(value).constant->data();
    const std::size_t count = edit.tensor(value).count();
    if (edit.tensor(value).type == ElemType::kInt64) {
        return std::vector<std::int64_t>(as<std::int64_t>(data), as<std::int64_t>(data) + count);
    }
    if (edit.tensor(value).type == ElemType::kInt32) {
        return std::vector<std::int64_t>(as<std::int32_t>(data), as<std::int32_t>(data) + count);
    }
    return std::nullopt;
}

template <class T>
bool all_are(const std::byte* data, std::size_t count, double wanted) {
    return std::all_of(as<T>(data), as<T>(data) + count, [&](T element) {
        double x = 0;
        if constexpr (std::is_same_v<T, Half>) {
            x = half_to_float(element);
        } else {
            x = static_cast<double>(element);
        }
        return x == wanted && (std::is_integral_v<T> || std::signbit(x) == std::signbit(wanted));
    });
}

/// A constant all of whose elements are that number; the sign of a zero counts.
bool is_filled_with(GraphEdit& edit, int value, double wanted) {
    if (!edit.is_constant(value) || edit.tensor(value).count() == 0) {
        return false;
    }
    const std::byte* data = edit.value(value).constant->data();
    const std::size_t count = edit.tensor(value).count();
    switch (edit.tensor(value).type) {
        case ElemType::kFloat:
            return all_are<float>(data, count, wanted);
        case ElemType::kFloat16:
            return all_are<Half>(data, count, wanted);
        case ElemType::kDouble:
            return all_are<double>(data, count, wanted);
        case ElemType::kInt32:
            return all_are<std::int32_t>(data, count, wanted);
        case ElemType::kInt64:
            return all_are<std::int64_t>(data, count, wanted);
        default:
            return false;
    }
}

bool slice_is_whole(GraphEdit& edit, const Node& node) {
    if (!same_shape(edit, node.inputs[0], node.outputs[0])) {
        return false;
    }
    if (node.inputs.size() < 5 || node.inputs[4] < 0) {
        return true;
    }
    const auto steps = integers(edit, node.inputs[4]);
    return steps && std::all_of(steps->begin(), steps->end(), [](auto step) { return step > 0; });
}

bool pads_nothing(GraphEdit& edit, const Node& node) {
    std::vector<std::int64_t> pads = ints_attribute(node, "pads");
    if (node.inputs.size() > 1) {
        const auto given = integers(edit, node.inputs[1]);
        if (!given) {
            return false;
        }
        pads = *given;
    }
    return same_shape(edit, node.inputs[0], node.outputs[0]) &&
           std::all_of(pads.begin(), pads.end(), [](auto pad) { return pad == 0; });
}

/// The axes that are not 1 stay in order.
bool moves_only_ones(GraphEdit& edit, const Node& node) {
    const Shape& dims = edit.tensor(node.inputs[0]).dims;
    std::vector<std::int64_t> perm = ints_attribute(node, "perm");
    if (perm.empty()) {
        for (std::size_t i = dims.size(); i-- > 0;) {
            perm.push_back(static_cast<std::int64_t>(i));
        }
    }
    std::erase_if(perm, [&](auto axis) { return dims[static_cast<std::size_t>(axis)] == 1; });
    return std::is_sorted(perm.begin(), perm.end());
}

/// The number that changes nothing as the second operand, and as the first where `commutes`.
/// Adding +0 would turn -0 into +0, so it is not there.
struct Neutral {
    const char* op_type;
    double number;
    bool commutes;
};
constexpr Neutral kNeutral[] = {
    {"Mul", 1, true},    {"Div", 1, false},         {"Add", -0.0, true},
    {"Sub", 0.0, false}, {"Max", -kInfinity, true}, {"Min", kInfinity, true},
};

/// Which operand of two is the result, because the other one is neutral.
std::optional<std::size_t> neutral_result(GraphEdit& edit, const Node& node) {
    const auto* known = std::find_if(std::begin(kNeutral), std::end(kNeutral),
                                     [&](const Neutral& n) { return n.op_type == node.op_type; });
    if (known == std::end(kNeutral) || node.inputs.size() != 2) {
        return std::nullopt;
    }
    for (const std::size_t kept : {std::size_t{0}, std::size_t{1}}) {
        if ((kept == 0 || known->commutes) &&
            is_filled_with(edit, node.inputs[1 - kept], known->number) &&
            same_shape(edit, node.inputs[kept], node.outputs[0])) {
            return kept;
        }
    }
    return std::nullopt;
}

/// The input whose bytes the result has, whatever its shape.
std::optional<std::size_t> unchanged_input(GraphEdit& edit, const Node& node) {
    if (!node.domain.empty() || node.inputs.empty() || node.inputs[0] < 0 || node.outputs.empty() ||
        node.outputs[0] < 0) {
        return std::nullopt;
    }
    const std::string& op = node.op_type;
    const int in = node.inputs[0];
    const int out = node.outputs[0];
    const bool combines =
        op == "Concat" || op == "Sum" || op == "Max" || op == "Min" || op == "Mean";
    // A Dropout may be there for its mask alone.
    const bool drops = op == "Dropout" && (!edit.readers(out).empty() || edit.value(out).is_output);
    const bool same = is_view(&node) || drops || (combines && node.inputs.size() == 1) ||
                      (op == "Cast" && edit.tensor(in).type == edit.tensor(out).type) ||
                      ((op == "Expand" || op == "Tile") && same_shape(edit, in, out)) ||
                      (op == "Slice" && slice_is_whole(edit, node)) ||
                      (op == "Pad" && pads_nothing(edit, node)) ||
                      (op == "Transpose" && moves_only_ones(edit, node));
    return same ? std::optional<std::size_t>(0) : neutral_result(edit, node);
}

/// The value at the upper end of a chain of views.
int behind_views(GraphEdit& edit, int value) {
    while (is_view(edit.producer(value))) {
        value = edit.producer(value)->inputs[0];
    }
    return value;
}

Result<bool> simplify(GraphEdit& edit, const Node& node) {
    const auto unchanged = unchanged_input(edit, node);
    if (!unchanged) {
        return false;
    }
    const int out = node.outputs[0];
    const int source = behind_views(edit, node.inputs[*unchanged]);
    if (same_shape(edit, source, out)) {
        const bool is_done = is_op(&node, "Identity") && node.inputs[0] == source &&
                             edit.readers(out).empty() && edit.value(out).is_output;
        edit.replace_value(out, source, kMaxOpset);
        return !is_done;
    }
    if (is_op(&node, "Reshape") && node.inputs[0] == source) {
        return false;
    }
    const Shape dims = edit.tensor(out).dims;
    const auto list = edit.add_constant(edit.value(out).name + "/shape", dims);
    if (!list) {
        return pass_out_of_memory();
    }
    Node view = make_node("", "Reshape", kMaxOpset, node.label, {source, *list}, {out});
    if (std::find(dims.begin(), dims.end(), 0) != dims.end()) {
        set_attribute(view, "allowzero", std::int64_t{1});  // which Reshape has from opset 14 on
    }
    edit.replace_node(edit.index_of(node), std::move(view));
    return true;
}

}  // namespace

Result<bool> simplify_reshapes(GraphEdit& edit) {
    bool changed = false;
    for (std::size_t n = 0; n < edit.graph().nodes.size(); ++n) {
        QAICRT_TRY(const bool one, simplify(edit, edit.graph().nodes[n]));
        changed = changed || one;
    }
    return changed;
}

}  // namespace qaicnet
