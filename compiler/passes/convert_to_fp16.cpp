// SPDX-License-Identifier: Apache-2.0
/// -convert-to-fp16: every FLOAT tensor inside the graph becomes FLOAT16. Callers still see the
/// model's types: a Cast follows each FLOAT input and precedes each FLOAT output, so the card
/// converts, not the host. Operands that describe an operation instead of being data stay FLOAT.
#include "compiler/graph_util.hpp"
#include "compiler/passes/passes.hpp"
#include "compiler/tensor_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace qaicc {
namespace {

using onnx::GraphProto;
using onnx::NodeProto;
using onnx::TensorProto;
using onnx::ValueInfoProto;
using qaicrt::Status;
using Renames = std::unordered_map<std::string, std::string>;

bool is_float(const ValueInfoProto& value) {
    return value.type().tensor_type().elem_type() == TensorProto::FLOAT;
}

void convert_tensor(Lowering& lowering, TensorProto& tensor, const std::string& name) {
    if (tensor.data_type() != TensorProto::FLOAT) {
        return;
    }
    const std::vector<float> values = real_values(tensor);
    const Fp16Losses losses = fp16_losses(values);
    const auto source = lowering.made_from.find(name);
    lowering.warn_fp16_losses(source == lowering.made_from.end() ? name : source->second,
                              losses.underflow, losses.overflow);
    store_float16(tensor, values);
}

/// Operands that stay FLOAT, because the operator reads them so: statistics of a normalisation
/// (a variance is easily beyond FP16's range) and factors of a size. Each row is one operator's
/// operands of equal type, -1 for none.
struct FloatOperands {
    const char* op_type;
    int inputs[2];
};
constexpr FloatOperands kFloatOperands[] = {{"BatchNormalization", {1, 2}},
                                            {"BatchNormalization", {3, 4}},
                                            {"Resize", {1, -1}},
                                            {"Resize", {2, -1}},
                                            {"Upsample", {1, -1}}};

/// Calls `visit` with the names of each row of operands that the node has.
template <class Visit>
void for_each_float_operands(const NodeProto& node, Visit visit) {
    for (const FloatOperands& row : kFloatOperands) {
        if (!is_onnx_op(node, row.op_type)) {
            continue;
        }
        std::vector<std::string> names;
        for (const int input : row.inputs) {
            if (input >= 0 && input < node.input_size()) {
                names.push_back(node.input(input));
            }
        }
        visit(names);
    }
}

/// Initializers of a graph that are read as such operands and as nothing else.
std::unordered_set<std::string> kept_in_fp32(const GraphProto& graph) {
    std::unordered_set<std::string> operands;
    std::unordered_map<std::string, int> others;  // reads that are no such operand
    for (const auto& node : graph.node()) {
        std::vector<std::string> read;
        add_names_read(node, read);
        for (const std::string& name : read) {
            ++others[name];
        }
        for_each_float_operands(node, [&](const std::vector<std::string>& names) {
            for (const std::string& name : names) {
                --others[name];
                operands.insert(name);
            }
        });
    }
    for (const auto& output : graph.output()) {
        ++others[output.name()];
    }
    std::unordered_set<std::string> kept;
    for (const auto& tensor : graph.initializer()) {
        if (operands.contains(tensor.name()) && others[tensor.name()] == 0) {
            kept.insert(tensor.name());
        }
    }
    // Operands of equal type are kept together or not at all.
    for (bool changed = true; changed;) {
        changed = false;
        for (const auto& node : graph.node()) {
            for_each_float_operands(node, [&](const std::vector<std::string>& names) {
                const auto is_kept = [&](const std::string& name) { return kept.contains(name); };
                if (!std::all_of(names.begin(), names.end(), is_kept)) {
                    for (const std::string& name : names) {
                        changed |= kept.erase(name) > 0;
                    }
                }
            });
        }
    }
    return kept;
}

Status convert_constants(Lowering& lowering, GraphProto& graph);

/// Attributes that name or hold a type: Cast's `to`, a Constant's `value`, the branches of an If.
Status convert_attributes(Lowering& lowering, NodeProto& node) {
    if (is_onnx_op(node, "ConstantOfShape") && find_attribute(node, "value") == nullptr) {
        auto* value = node.add_attribute();  // without one it fills with FLOAT zeros
        value->set_name("value");
        value->set_type(onnx::AttributeProto::TENSOR);
        value->mutable_t()->set_data_type(TensorProto::FLOAT);
        value->mutable_t()->add_dims(1);
        value->mutable_t()->add_float_data(0);
    }
    for (auto& attribute : *node.mutable_attribute()) {
        const bool names_type = attribute.name() == "to" || attribute.name() == "dtype" ||
                                attribute.name() == "output_dtype";
        if (names_type && attribute.i() == TensorProto::FLOAT) {
            attribute.set_i(TensorProto::FLOAT16);
        } else if (attribute.has_t()) {
            QAICRT_CHECK(normalise_tensor(*attribute.mutable_t()));
            const std::string name = node.output_size() > 0 ? node.output(0) : attribute.t().name();
            convert_tensor(lowering, *attribute.mutable_t(), name);
        }
    }
    Status inside;
    for_each_subgraph(node, [&](GraphProto& graph) {
        if (!inside) {
            return;
        }
        graph.clear_value_info();
        for (auto* values : {graph.mutable_input(), graph.mutable_output()}) {
            for (auto& value : *values) {
                if (is_float(value)) {
                    value.mutable_type()->mutable_tensor_type()->set_elem_type(
                        TensorProto::FLOAT16);
                }
            }
        }
        inside = convert_constants(lowering, graph);
    });
    return inside;
}

Status convert_constants(Lowering& lowering, GraphProto& graph) {
    const auto kept = kept_in_fp32(graph);
    for (auto& tensor : *graph.mutable_initializer()) {
        if (!kept.contains(tensor.name())) {
            convert_tensor(lowering, tensor, tensor.name());
        }
    }
    for (auto& node : *graph.mutable_node()) {
        QAICRT_CHECK(convert_attributes(lowering, node));
    }
    return {};
}

/// Casts of the FLOAT inputs that some node reads; `renames` gets their FP16 names.
google::protobuf::RepeatedPtrField<NodeProto> cast_inputs(GraphProto& graph, TensorNames& names,
                                                          Renames& renames) {
    std::vector<std::string> names_read;
    for (const auto& node : graph.node()) {
        add_names_read(node, names_read);
    }
    const std::unordered_set<std::string> read(names_read.begin(), names_read.end());
    google::protobuf::RepeatedPtrField<NodeProto> casts;
    for (const auto& input : graph.input()) {
        if (is_float(input) && read.contains(input.name())) {
            const std::string half = names.fresh(input.name() + "/fp16");
            renames.emplace(input.name(), half);
            make_cast(*casts.Add(), input.name(), half, TensorProto::FLOAT16);
        }
    }
    return casts;
}

/// FP16 names for FLOAT outputs. An output that is an input itself needs no conversion.
void rename_outputs(const GraphProto& graph, TensorNames& names, Renames& renames) {
    std::unordered_set<std::string> inputs;
    for (const auto& input : graph.input()) {
        inputs.insert(input.name());
    }
    for (const auto& output : graph.output()) {
        if (is_float(output) && !inputs.contains(output.name())) {
            renames.emplace(output.name(), names.fresh(output.name() + "/fp16"));
        }
    }
}

void rename(google::protobuf::RepeatedPtrField<std::string>& tensors, const Renames& renames) {
    for (auto& tensor : tensors) {
        if (const auto it = renames.find(tensor); it != renames.end()) {
            tensor = it->second;
        }
    }
}

/// Names of the graph around, in a branch; those that the branch defines itself are its own.
void rename_captures(GraphProto& branch, Renames renames) {
    for (const auto& tensor : branch.initializer()) {
        renames.erase(tensor.name());
    }
    for (const auto& input : branch.input()) {
        renames.erase(input.name());
    }
    for (const auto& node : branch.node()) {
        for (const std::string& output : node.output()) {
            renames.erase(output);
        }
    }
    for (auto& node : *branch.mutable_node()) {
        rename(*node.mutable_input(), renames);
        for_each_subgraph(node, [&](GraphProto& inner) { rename_captures(inner, renames); });
    }
    for (auto& output : *branch.mutable_output()) {
        if (const auto it = renames.find(output.name()); it != renames.end()) {
            output.set_name(it->second);
        }
    }
}

}  // namespace

Status convert_to_fp16(Lowering& lowering) {
    GraphProto& graph = *lowering.model.mutable_graph();
    QAICRT_CHECK(convert_constants(lowering, graph));
    TensorNames names(graph);
    Renames read_as;
    auto casts = cast_inputs(graph, names, read_as);
    Renames made_as;
    rename_outputs(graph, names, made_as);
    read_as.insert(made_as.begin(), made_as.end());
    for (auto& node : *graph.mutable_node()) {
        rename(*node.mutable_input(), read_as);
        rename(*node.mutable_output(), made_as);
        for_each_subgraph(node, [&](GraphProto& inner) { rename_captures(inner, read_as); });
    }
    for (auto& tensor : *graph.mutable_initializer()) {
        if (const auto it = made_as.find(tensor.name()); it != made_as.end()) {
            tensor.set_name(it->second);
        }
    }
    for (const auto& output : graph.output()) {
        if (const auto it = made_as.find(output.name()); it != made_as.end()) {
            make_cast(*graph.add_node(), it->second, output.name(), TensorProto::FLOAT);
        }
    }
    lowering.say(2, fmt::format("fp16: {} inputs and {} outputs converted at the edge",
                                casts.size(), made_as.size()));
    prepend_nodes(graph, casts);
    return {};
}

}  // namespace qaicc
