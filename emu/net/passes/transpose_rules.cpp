// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/transpose_rules.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qaicnet {

namespace {

struct Rule {
    std::string_view op_type;
    TransposeRule rule;
};

constexpr auto kUnary = TransposeRule::kUnary;
constexpr auto kBroadcast = TransposeRule::kBroadcast;
constexpr auto kReduce = TransposeRule::kReduce;
constexpr std::array kRules{
    Rule{"Abs", kUnary},
    Rule{"Cast", kUnary},
    Rule{"CastLike", kUnary},
    Rule{"Ceil", kUnary},
    Rule{"Celu", kUnary},
    Rule{"Clip", kUnary},
    Rule{"DynamicQuantizeLinear", kUnary},
    Rule{"Elu", kUnary},
    Rule{"Erf", kUnary},
    Rule{"Exp", kUnary},
    Rule{"Floor", kUnary},
    Rule{"Gelu", kUnary},
    Rule{"HardSigmoid", kUnary},
    Rule{"HardSwish", kUnary},
    Rule{"Identity", kUnary},
    Rule{"LeakyRelu", kUnary},
    Rule{"Log", kUnary},
    Rule{"Mish", kUnary},
    Rule{"Neg", kUnary},
    Rule{"Not", kUnary},
    Rule{"Reciprocal", kUnary},
    Rule{"Relu", kUnary},
    Rule{"Round", kUnary},
    Rule{"Selu", kUnary},
    Rule{"Sigmoid", kUnary},
    Rule{"Sign", kUnary},
    Rule{"Softplus", kUnary},
    Rule{"Softsign", kUnary},
    Rule{"Sqrt", kUnary},
    Rule{"Swish", kUnary},
    Rule{"Tanh", kUnary},
    Rule{"ThresholdedRelu", kUnary},
    Rule{"Add", kBroadcast},
    Rule{"And", kBroadcast},
    Rule{"Div", kBroadcast},
    Rule{"Equal", kBroadcast},
    Rule{"Greater", kBroadcast},
    Rule{"GreaterOrEqual", kBroadcast},
    Rule{"Less", kBroadcast},
    Rule{"LessOrEqual", kBroadcast},
    Rule{"Max", kBroadcast},
    Rule{"Mean", kBroadcast},
    Rule{"Min", kBroadcast},
    Rule{"Mul", kBroadcast},
    Rule{"Or", kBroadcast},
    Rule{"PRelu", kBroadcast},
    Rule{"Pow", kBroadcast},
    Rule{"Sub", kBroadcast},
    Rule{"Sum", kBroadcast},
    Rule{"Where", kBroadcast},
    Rule{"Concat", TransposeRule::kConcat},
    Rule{"Split", TransposeRule::kAxis},
    Rule{"Softmax", TransposeRule::kAxis},
    Rule{"LogSoftmax", TransposeRule::kAxis},
    Rule{"Hardmax", TransposeRule::kAxis},
    Rule{"LpNormalization", TransposeRule::kAxis},
    Rule{"ReduceL1", kReduce},
    Rule{"ReduceL2", kReduce},
    Rule{"ReduceMax", kReduce},
    Rule{"ReduceMean", kReduce},
    Rule{"ReduceMin", kReduce},
    Rule{"ReduceSum", kReduce},
    Rule{"Pad", TransposeRule::kPad},
    Rule{"Resize", TransposeRule::kResize},
    Rule{"Upsample", TransposeRule::kResize},
    Rule{"Slice", TransposeRule::kSlice},
    Rule{"QuantizeLinear", TransposeRule::kQuantize},
    Rule{"DequantizeLinear", TransposeRule::kQuantize},
};

using Ints = std::vector<std::int64_t>;

/// A list that is known at load.
std::optional<Ints> constant_list(GraphEdit& edit, const Node& node, std::size_t i) {
    if (i >= node.inputs.size() || !edit.is_constant(node.inputs[i])) {
        return std::nullopt;
    }
    const Value& value = edit.value(node.inputs[i]);
    Ints out;
    for (std::size_t k = 0; k < value.tensor.count(); ++k) {
        if (value.tensor.type == ElemType::kInt64) {
            out.push_back(as<std::int64_t>(value.constant->data())[k]);
        } else if (value.tensor.type == ElemType::kInt32) {
            out.push_back(as<std::int32_t>(value.constant->data())[k]);
        } else {
            return std::nullopt;
        }
    }
    return out;
}

bool has_input(const Node& node, std::size_t i) {
    return i < node.inputs.size() && node.inputs[i] >= 0;
}

bool replace_list(GraphEdit& edit, Node& node, std::size_t i, const Ints& list) {
    const auto added =
        edit.add_constant(node.label + "/" + std::to_string(i) + "/channels last", list);
    if (!added) {
        return false;
    }
    node.inputs.resize(std::max(node.inputs.size(), i + 1), -1);
    node.inputs[i] = *added;
    return true;
}

/// The same axes before the Transpose; false when one is out of range.
bool map_axes(const Permutation& perm, Ints& axes) {
    const auto rank = static_cast<std::int64_t>(perm.size());
    for (std::int64_t& axis : axes) {
        if (axis < -rank || axis >= rank) {
            return false;
        }
        axis = perm[static_cast<std::size_t>(axis < 0 ? axis + rank : axis)];
    }
    return true;
}

bool move_axis(const Permutation& perm, Node& node) {
    const bool softmax = node.op_type != "Split" && node.op_type != "Concat";  // and its kin
    if (softmax && node.opset < 13) {
        return false;  // flattens the axes behind it
    }
    Ints axis{int_attribute(node, "axis", softmax ? -1 : 0)};
    if (!map_axes(perm, axis)) {
        return false;
    }
    set_attribute(node, "axis", axis[0]);
    return true;
}

/// One scale for everything has no axis.
bool move_scale(GraphEdit& edit, const Permutation& perm, Node& node) {
    if (edit.tensor(node.inputs[1]).count() == 1) {
        return int_attribute(node, "block_size", 0) == 0;
    }
    Ints axis{int_attribute(node, "axis", 1)};
    if (node.opset < 13 || int_attribute(node, "block_size", 0) != 0 || !map_axes(perm, axis)) {
        return false;
    }
    set_attribute(node, "axis", axis[0]);
    return true;
}

/// Axes that go must be those between the first and the channels: what is left is then in order.
bool keeps_order(const Permutation& perm, const Ints& moved, const Node& node) {
    if (int_attribute(node, "keepdims", 1) != 0) {
        return true;
    }
    Ints sorted = moved;
    std::sort(sorted.begin(), sorted.end());
    Ints spatial;
    for (std::size_t i = 1; i + 1 < perm.size(); ++i) {
        spatial.push_back(static_cast<std::int64_t>(i));
    }
    return sorted == spatial;
}

bool move_reduction(GraphEdit& edit, const Permutation& perm, Node& node) {
    const bool as_input = has_input(node, 1);
    Ints axes = ints_attribute(node, "axes");
    if (as_input) {
        auto list = constant_list(edit, node, 1);
        if (!list) {
            return false;
        }
        axes = std::move(*list);
    }
    if (axes.empty() || !map_axes(perm, axes) || !keeps_order(perm, axes, node)) {
        return false;
    }
    if (as_input) {
        return replace_list(edit, node, 1, axes);
    }
    set_attribute(node, "axes", axes);
    return true;
}

bool move_pads(GraphEdit& edit, const Permutation& perm, Node& node) {
    const std::size_t rank = perm.size();
    const auto pads = has_input(node, 1) ? constant_list(edit, node, 1)
                                         : std::optional(ints_attribute(node, "pads"));
    if (!pads || pads->size() != 2 * rank || has_input(node, 3)) {
        return false;
    }
    Ints moved(2 * rank);
    for (std::size_t a = 0; a < rank; ++a) {
        const auto to = static_cast<std::size_t>(perm[a]);
        moved[to] = (*pads)[a];
        moved[rank + to] = (*pads)[rank + a];
    }
    if (has_input(node, 1)) {
        return replace_list(edit, node, 1, moved);
    }
    set_attribute(node, "pads", moved);
    return true;
}

bool move_scales(GraphEdit& edit, const Permutation& perm, Node& node, std::size_t i) {
    const auto scales = edit.floats(node.inputs[i]);
    if (scales.size() != perm.size()) {
        return false;
    }
    std::vector<float> moved(perm.size());
    for (std::size_t a = 0; a < perm.size(); ++a) {
        moved[static_cast<std::size_t>(perm[a])] = scales[a];
    }
    const auto added = edit.add_constant(node.label + "/scales/channels last",
                                         {static_cast<std::int64_t>(moved.size())}, moved);
    if (added) {
        node.inputs[i] = *added;
    }
    return added.has_value();
}

bool move_resize(GraphEdit& edit, const Permutation& perm, Node& node) {
    if (find_attribute(node, "axes") != nullptr || find_attribute(node, "scales") != nullptr) {
        return false;
    }
    if (node.op_type == "Upsample" || node.opset < 11) {
        return has_input(node, 1) && move_scales(edit, perm, node, 1);
    }
    // A region of interest counts only where it is asked for.
    if (string_attribute(node, "coordinate_transformation_mode", "") == "tf_crop_and_resize") {
        return false;
    }
    if (has_input(node, 3)) {
        const auto sizes = constant_list(edit, node, 3);
        if (!sizes || sizes->size() != perm.size()) {
            return false;
        }
        Ints moved(perm.size());
        for (std::size_t a = 0; a < perm.size(); ++a) {
            moved[static_cast<std::size_t>(perm[a])] = (*sizes)[a];
        }
        return replace_list(edit, node, 3, moved);
    }
    return has_input(node, 2) && move_scales(edit, perm, node, 2);
}

bool move_slice(GraphEdit& edit, const Permutation& perm, Node& node) {
    if (node.opset < 10) {
        Ints axes = ints_attribute(node, "axes");
        if (axes.empty() || !map_axes(perm, axes)) {
            return false;
        }
        set_attribute(node, "axes", axes);
        return true;
    }
    const auto starts = constant_list(edit, node, 1);
    if (!starts) {
        return false;
    }
    Ints axes;
    if (has_input(node, 3)) {
        auto list = constant_list(edit, node, 3);
        if (!list) {
            return false;
        }
        axes = std::move(*list);
    } else {
        for (std::size_t i = 0; i < starts->size(); ++i) {
            axes.push_back(static_cast<std::int64_t>(i));
        }
    }
    return map_axes(perm, axes) && replace_list(edit, node, 3, axes);
}

}  // namespace

TransposeRule find_rule(const Node& node) {
    if (!node.domain.empty()) {
        return TransposeRule::kNone;
    }
    const auto found = std::find_if(kRules.begin(), kRules.end(),
                                    [&](const Rule& rule) { return rule.op_type == node.op_type; });
    return found != kRules.end() ? found->rule : TransposeRule::kNone;
}

bool move_axes(GraphEdit& edit, TransposeRule rule, const Permutation& perm, Node& node) {
    switch (rule) {
        case TransposeRule::kNone:
            return false;
        case TransposeRule::kUnary:
        case TransposeRule::kBroadcast:
            return true;
        case TransposeRule::kConcat:
        case TransposeRule::kAxis:
            return move_axis(perm, node);
        case TransposeRule::kReduce:
            return move_reduction(edit, perm, node);
        case TransposeRule::kQuantize:
            return move_scale(edit, perm, node);
        case TransposeRule::kPad:
            return move_pads(edit, perm, node);
        case TransposeRule::kResize:
            return move_resize(edit, perm, node);
        case TransposeRule::kSlice:
            return move_slice(edit, perm, node);
    }
    return false;
}

}  // namespace qaicnet
