// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/export_opset.hpp"

#include "emu/net/half.hpp"
#include "emu/net/passes/export_functions.hpp"
#include "emu/net/passes/export_types.hpp"
#include "emu/net/passes/graph_edit.hpp"
#include "emu/net/subgraph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

/// An attribute that changes nothing and need not be said: allowzero of a Reshape to sizes other
/// than 0, which opset 14 brought.
bool is_neutral(const Graph& graph, const Node& node, const Attribute& attribute) {
    if (node.op_type != "Reshape" || attribute.name != "allowzero") {
        return false;
    }
    const Value& shape = graph.values[static_cast<std::size_t>(node.inputs[1])];
    if (!shape.constant || shape.tensor.type != ElemType::kInt64) {
        return false;
    }
    const auto* sizes = as<std::int64_t>(shape.constant->data());
    return std::find(sizes, sizes + shape.tensor.count(), 0) == sizes + shape.tensor.count();
}

bool has_form(const Graph& graph, const Node& node, std::int64_t opset) {
    const OpDef* op = find_op("", node.op_type, opset);
    const std::size_t inputs = node.op_type == "If" ? 1 : node.inputs.size();  // or captured
    return op != nullptr && inputs >= op->min_inputs && inputs <= op->max_inputs &&
           node.outputs.size() <= op->max_outputs &&
           std::all_of(node.attributes.begin(), node.attributes.end(), [&](const Attribute& a) {
               return understands(*op, a.name) || is_neutral(graph, node, a);
           });
}

/// The oldest opset, not below the model's, in which the node means the same. Nodes of the model
/// are older; those of passes may have any opset that has their form.
std::int64_t oldest_opset(const Graph& graph, const Node& node, std::int64_t model) {
    std::int64_t oldest = model;
    if (node.op_type == "Softmax" || node.op_type == "LogSoftmax" || node.op_type == "Hardmax") {
        oldest =
            std::max<std::int64_t>(oldest, node.opset >= 13 ? 13 : 1);  // one form, two meanings
    } else if (node.op_type == "GroupNormalization") {
        oldest = std::max<std::int64_t>(oldest, node.opset >= 21 ? 21 : 1);  // likewise
    } else if (node.op_type == "GridSample") {
        oldest = std::max<std::int64_t>(oldest, node.opset >= 20 ? 20 : 1);  // words for its modes
    } else if (node.op_type == "RoiAlign") {
        oldest = std::max<std::int64_t>(oldest, node.opset >= 16 ? 16 : 1);  // half a pixel apart
    }
    std::int64_t opset = std::max(node.opset, model);
    while (opset > oldest && opset <= node.opset && has_form(graph, node, opset - 1)) {
        --opset;
    }
    return opset;
}

/// Rewrites the nodes of one graph for another opset.
class Converter {
  public:
    Converter(Graph& graph, std::int64_t opset, Budget& budget)
        : graph_(graph), opset_(opset), budget_(budget) {}

    Status run() {
        std::vector<Node> nodes = std::move(graph_.nodes);
        graph_.nodes.clear();
        for (Node& node : nodes) {
            if (is_folded(graph_, node)) {
                continue;
            }
            if (node.domain.empty()) {
                QAICRT_CHECK(convert(node));
            }
            graph_.nodes.push_back(std::move(node));
            std::move(after_.begin(), after_.end(), std::back_inserter(graph_.nodes));
            after_.clear();
        }
        return {};
    }

  private:
    struct Change {
        const char* op_type;
        std::int64_t since;  ///< the first opset that has the new form
        Status (Converter::*apply)(Node&);
    };
    static const std::array<Change, 30> kChanges;

    Status convert(Node& node) {
        for (const Change& change : kChanges) {
            if (node.op_type == change.op_type && node.opset < change.since &&
                opset_ >= change.since) {
                QAICRT_CHECK((this->*change.apply)(node));
            }
        }
        if (!has_form(graph_, node, opset_)) {
            return no_form(node);
        }
        std::erase_if(node.attributes,
                      [&](const Attribute& a) { return is_neutral(graph_, node, a); });
        node.op = find_op("", node.op_type, opset_);
        node.opset = opset_;
        return widen(node);
    }

    /// Where the opset has no FLOAT16, the node computes in FLOAT between Casts, which is what the
    /// card does inside of it. A newer opset would ask more of whoever runs the file.
    Status widen(Node& node) {
        const FloatOnly wide = float_only(graph_, node, opset_);
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            if ((wide.inputs >> i & 1) != 0) {
                QAICRT_TRY(node.inputs[i], widened(node, i));
            }
        }
        for (std::size_t i = 0; i < node.outputs.size(); ++i) {
            if ((wide.outputs >> i & 1) != 0) {
                const int narrow = node.outputs[i];
                node.outputs[i] =
                    add_value(node, "wide", {ElemType::kFloat, value(narrow).tensor.dims});
                after_.push_back(cast(node, node.outputs[i], narrow));
            }
        }
        return {};
    }

    Result<int> widened(const Node& node, std::size_t place) {
        const int narrow = node.inputs[place];
        const TensorType tensor{ElemType::kFloat, value(narrow).tensor.dims};
        const auto constant = value(narrow).constant;
        if (constant != nullptr) {
            const auto* halves = as<Half>(constant->data());
            std::vector<float> floats(tensor.count());
            std::transform(halves, halves + floats.size(), floats.begin(), half_to_float);
            return add_constant(node, "wide", tensor, floats.data());
        }
        const int wide = add_value(node, "wide", tensor);
        graph_.nodes.push_back(cast(node, narrow, wide));
        return wide;
    }

    Node cast(const Node& node, int from, int to) {
        Node made = make_node("", "Cast", opset_, node.label + "/Cast", {from}, {to});
        set_attribute(made, "to", static_cast<std::int64_t>(value(to).tensor.type));
        return made;
    }

    Error no_form(const Node& node) const {
        return {Errc::kUnsupported,
                fmt::format("{} is of opset {} and cannot be said in opset {}, which other nodes "
                            "of the lowered graph need; convert the model to that opset first",
                            node_text(node), node.opset, opset_)};
    }

    // --- pieces

    Value& value(int index) { return graph_.values[static_cast<std::size_t>(index)]; }

    int add_value(const Node& node, const char* what, TensorType tensor) {
        Value& added = graph_.values.emplace_back();
        added.name = fmt::format("{}/{}", node.label, what);
        added.tensor = std::move(tensor);
        return static_cast<int>(graph_.values.size() - 1);
    }

    Result<int> add_constant(const Node& node, const char* what, TensorType tensor,
                             const void* data) {
        const auto bytes = Buffer::allocate(tensor.bytes(), budget_);
        if (!bytes) {
            return Error(Errc::kNoMemory,
                         "writing the lowered graph needs more than the memory "
                         "limit; raise the limit");
        }
        if (tensor.bytes() != 0) {
            std::memcpy(bytes->owned(), data, tensor.bytes());
        }
        const int added = add_value(node, what, std::move(tensor));
        value(added).constant = bytes;
        return added;
    }

    Result<int> add_ints(const Node& node, const char* what,
                         const std::vector<std::int64_t>& list) {
        return add_constant(
            node, what, {ElemType::kInt64, {static_cast<std::int64_t>(list.size())}}, list.data());
    }

    /// One element of the type of the node's first input; operators whose numbers became inputs
    /// took floating-point tensors alone until then.
    Result<int> add_scalar(const Node& node, const char* what, float number) {
        const ElemType type = value(node.inputs[0]).tensor.type;
        const Half half = float_to_half(number);
        const double wide = number;
        switch (type) {
            case ElemType::kFloat:
                return add_constant(node, what, {type, {}}, &number);
            case ElemType::kFloat16:
                return add_constant(node, what, {type, {}}, &half);
            case ElemType::kDouble:
                return add_constant(node, what, {type, {}}, &wide);
            default:
                return no_form(node);
        }
    }

    static void set_input(Node& node, std::size_t place, int index) {
        node.inputs.resize(std::max(node.inputs.size(), place + 1), -1);
        node.inputs[place] = index;
    }

    /// A list that is an attribute no more, if it is there.
    Status list_to_input(Node& node, const char* name, std::size_t place) {
        if (find_attribute(node, name) != nullptr) {
            QAICRT_TRY(const int list, add_ints(node, name, ints_attribute(node, name)));
            set_input(node, place, list);
            remove_attribute(node, name);
        }
        return {};
    }

    Status number_to_input(Node& node, const char* name, std::size_t place) {
        if (find_attribute(node, name) != nullptr) {
            QAICRT_TRY(const int number, add_scalar(node, name, float_attribute(node, name, 0)));
            set_input(node, place, number);
            remove_attribute(node, name);
        }
        return {};
    }

    // --- changes

    Status axes_to_input(Node& node) { return list_to_input(node, "axes", 1); }
    Status split_to_input(Node& node) { return list_to_input(node, "split", 1); }

    Status clip_limits(Node& node) {
        QAICRT_CHECK(number_to_input(node, "min", 1));
        return number_to_input(node, "max", 2);
    }

    Status pad_lists(Node& node) {
        QAICRT_CHECK(list_to_input(node, "pads", 1));
        return number_to_input(node, "value", 2);
    }

    Status slice_lists(Node& node) {
        QAICRT_CHECK(list_to_input(node, "starts", 1));
        QAICRT_CHECK(list_to_input(node, "ends", 2));
        return list_to_input(node, "axes", 3);
    }

    Status top_count(Node& node) {
        QAICRT_TRY(const int count, add_ints(node, "k", {int_attribute(node, "k", 0)}));
        set_input(node, 1, count);
        remove_attribute(node, "k");
        return {};
    }

    Status count_parts(Node& node) {
        if (node.inputs.size() < 2) {
            set_attribute(node, "num_outputs", static_cast<std::int64_t>(node.outputs.size()));
        }
        return {};
    }

    Status batch_by_channel(Node& node) {
        if (int_attribute(node, "spatial", 1) == 1) {
            remove_attribute(node, "spatial");
        }
        return {};
    }

    Status scatter_elements(Node& node) {
        node.op_type = "ScatterElements";
        return {};
    }

    Status upsample_scales(Node& node) {
        const Attribute* scales = find_attribute(node, "scales");
        if (scales == nullptr) {
            return {};
        }
        const auto count = static_cast<std::int64_t>(scales->floats.size());
        QAICRT_TRY(const int list, add_constant(node, "scales", {ElemType::kFloat, {count}},
                                                scales->floats.data()));
        set_input(node, 1, list);
        remove_attribute(node, "scales");
        return {};
    }

    Status upsample_is_resize(Node& node) {
        node.op_type = "Resize";
        return {};
    }

    /// The region that opset 11 put in front of the scales may be empty, but not left out.
    Status resize_coordinates(Node& node) {
        const int scales = node.inputs[1];
        QAICRT_TRY(const int region, add_constant(node, "roi", {ElemType::kFloat, {0}}, nullptr));
        set_input(node, 1, region);
        set_input(node, 2, scales);
        set_attribute(node, "coordinate_transformation_mode", std::string("asymmetric"));
        return nearest_by_scale(node, value(scales));
    }

    /// Opset 10 rounded down where an axis grew and up where it shrank.
    Status nearest_by_scale(Node& node, const Value& scales) {
        const auto* factors = as<float>(scales.constant->data());
        const auto count = scales.tensor.count();
        const bool grows = std::any_of(factors, factors + count, [](float x) { return x > 1; });
        const bool shrinks = std::any_of(factors, factors + count, [](float x) { return x < 1; });
        if (grows && shrinks && string_attribute(node, "mode", "nearest") == "nearest") {
            return no_form(node);
        }
        set_attribute(node, "nearest_mode", std::string(shrinks ? "ceil" : "floor"));
        return {};
    }

    /// Scale and bias by group became scale and bias by channel.
    Status group_norm(Node& node) { return no_form(node); }

    Status grid_modes(Node& node) {
        const std::string mode = string_attribute(node, "mode", "bilinear");
        set_attribute(node, "mode",
                      std::string(mode == "bilinear"  ? "linear"
                                  : mode == "bicubic" ? "cubic"
                                                      : mode));
        return {};
    }
    Status roi_corners(Node& node) {
        set_attribute(node, "coordinate_transformation_mode", std::string("output_half_pixel"));
        return {};
    }
    /// Inference drops nothing, so how much does not matter.
    Status drop_ratio(Node& node) {
        remove_attribute(node, "ratio");
        return {};
    }

    /// Before opset 13 all axes from `axis` on were one.
    Status softmax_axis(Node& node) {
        const Shape dims = value(node.inputs[0]).tensor.dims;
        const auto rank = static_cast<std::int64_t>(dims.size());
        std::int64_t axis = int_attribute(node, "axis", 1);
        axis += axis < 0 ? rank : 0;
        const auto inner = dims.begin() + std::min(axis + 1, rank);
        if (rank == 0) {
            remove_attribute(node, "axis");
            return {};
        }
        const bool one_axis = std::all_of(inner, dims.end(), [](auto dim) { return dim == 1; });
        if ((axis < rank && one_axis) || checked_count(dims).value_or(0) == 0) {
            set_attribute(node, "axis", std::min(axis, rank - 1));
            return {};
        }
        return softmax_of_rows(node, axis);
    }

    Status softmax_of_rows(Node& node, std::int64_t axis) {
        const TensorType whole = value(node.inputs[0]).tensor;
        const auto split = whole.dims.begin() + axis;
        const auto outer = checked_count(Shape(whole.dims.begin(), split)).value_or(0);
        const auto length = checked_count(Shape(split, whole.dims.end())).value_or(0);
        const TensorType rows{
            whole.type, {static_cast<std::int64_t>(outer), static_cast<std::int64_t>(length)}};
        const int in = add_value(node, "rows", rows);
        const int out = add_value(node, "of_rows", rows);
        QAICRT_TRY(const int shape, add_ints(node, "shape", whole.dims));

        Node flatten =
            make_node("", "Flatten", opset_, node.label + "/Flatten", {node.inputs[0]}, {in});
        set_attribute(flatten, "axis", axis);
        Node reshape =
            make_node("", "Reshape", opset_, node.label + "/Reshape", {out, shape}, node.outputs);
        graph_.nodes.push_back(std::move(flatten));
        node.inputs = {in};
        node.outputs = {out};
        set_attribute(node, "axis", std::int64_t{1});
        after_.push_back(std::move(reshape));
        return {};
    }

    Graph& graph_;
    std::int64_t opset_;
    Budget& budget_;
    std::vector<Node> after_;  ///< the node that is being raised
};

/// Forms that differ; by operator from older to newer. What is not here kept its meaning and gained
/// types or attributes.
const std::array<Converter::Change, 30> Converter::kChanges = {{
    {"BatchNormalization", 9, &Converter::batch_by_channel},
    {"Clip", 11, &Converter::clip_limits},
    {"Dropout", 12, &Converter::drop_ratio},
    {"GridSample", 20, &Converter::grid_modes},
    {"GroupNormalization", 21, &Converter::group_norm},
    {"Hardmax", 13, &Converter::softmax_axis},
    {"LogSoftmax", 13, &Converter::softmax_axis},
    {"Pad", 11, &Converter::pad_lists},
    {"ReduceL1", 18, &Converter::axes_to_input},
    {"ReduceL2", 18, &Converter::axes_to_input},
    {"ReduceLogSum", 18, &Converter::axes_to_input},
    {"ReduceLogSumExp", 18, &Converter::axes_to_input},
    {"ReduceMax", 18, &Converter::axes_to_input},
    {"ReduceMean", 18, &Converter::axes_to_input},
    {"ReduceMin", 18, &Converter::axes_to_input},
    {"ReduceProd", 18, &Converter::axes_to_input},
    {"ReduceSum", 13, &Converter::axes_to_input},
    {"ReduceSumSquare", 18, &Converter::axes_to_input},
    {"RoiAlign", 16, &Converter::roi_corners},
    {"Scatter", 11, &Converter::scatter_elements},
    {"Slice", 10, &Converter::slice_lists},
    {"Softmax", 13, &Converter::softmax_axis},
    {"Split", 13, &Converter::split_to_input},
    {"Split", 18, &Converter::count_parts},
    {"Squeeze", 13, &Converter::axes_to_input},
    {"TopK", 10, &Converter::top_count},
    {"Unsqueeze", 13, &Converter::axes_to_input},
    {"Upsample", 9, &Converter::upsample_scales},
    {"Upsample", 10, &Converter::upsample_is_resize},
    {"Resize", 11, &Converter::resize_coordinates},
}};

template <class Visit>
void for_each_node(const Graph& graph, const Visit& visit) {
    for (const Node& node : graph.nodes) {
        if (is_folded(graph, node)) {
            continue;
        }
        visit(graph, node);
        for (const Attribute& attribute : node.attributes) {
            if (attribute.graph != nullptr && attribute.graph->lowered != nullptr) {
                for_each_node(*attribute.graph->lowered, visit);
            }
        }
    }
}

}  // namespace

bool is_folded(const Graph& graph, const Node& node) {
    return std::all_of(node.outputs.begin(), node.outputs.end(), [&](int index) {
        return index < 0 || graph.values[static_cast<std::size_t>(index)].constant != nullptr;
    });
}

std::int64_t common_opset(const Graph& graph) {
    constexpr std::int64_t kUnlessTheModelSays = 13;
    std::int64_t opset = graph.opset == 0 ? kUnlessTheModelSays : graph.opset;
    for_each_node(graph, [&](const Graph& around, const Node& node) {
        opset = node.domain.empty() ? oldest_opset(around, node, opset)
                                    : opset_of_function(node, opset);
        // What stands in for a branch that does not fit needs ConstantOfShape.
        opset = node.op_type == "If" ? std::max<std::int64_t>(opset, 9) : opset;
    });
    return opset;
}

Result<Graph> with_opset(const Graph& graph, std::int64_t opset, Budget& budget) {
    Graph copy = graph;
    QAICRT_CHECK(Converter(copy, opset, budget).run());
    return copy;
}

}  // namespace qaicnet
