// SPDX-License-Identifier: Apache-2.0
/// -convert-to-fp16: every FLOAT tensor inside the graph becomes FLOAT16. Callers still see the
/// model's types: a Cast follows each FLOAT input and precedes each FLOAT output, so the card
/// converts, not the host. What describes an operation instead of being data stays FLOAT:
/// statistics, scales of quantised numbers, and sizes that the graph computes.
#include "compiler/graph_util.hpp"
#include "compiler/passes/float_nodes.hpp"
#include "compiler/passes/float_operands.hpp"
#include "compiler/passes/passes.hpp"
#include "compiler/passes/shape_arithmetic.hpp"
#include "compiler/tensor_data.hpp"

#include <fmt/format.h>

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

Status convert_constants(Lowering& lowering, GraphProto& graph, TensorNames& names);

/// Attributes that name or hold a type: Cast's `to`, a Constant's `value`, the branches of an If.
Status convert_attributes(Lowering& lowering, NodeProto& node, TensorNames& names) {
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
        inside = convert_constants(lowering, graph, names);
    });
    return inside;
}

Status convert_constants(Lowering& lowering, GraphProto& graph, TensorNames& names) {
    const FloatNodes apart = set_float_nodes_apart(graph, names);
    const auto sizes = float_shape_arithmetic(graph);
    auto kept = float_operands(graph);
    kept.insert(apart.constants.begin(), apart.constants.end());
    for (const NodeProto* node : sizes) {
        kept.insert(node->input().begin(), node->input().end());
    }
    for (auto& tensor : *graph.mutable_initializer()) {
        if (!kept.contains(tensor.name())) {
            convert_tensor(lowering, tensor, tensor.name());
        }
    }
    for (auto& node : *graph.mutable_node()) {
        const bool stays = node.output_size() > 0 && apart.results.contains(node.output(0));
        if (!stays && !sizes.contains(&node)) {
            QAICRT_CHECK(convert_attributes(lowering, node, names));
        }
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

/// Names that are new, except those that a branch around the reader defines itself.
struct Scope {
    const Renames& renames;
    const Scope* outer = nullptr;
    std::unordered_set<std::string> own{};

    void apply(std::string& tensor) const {
        const auto it = renames.find(tensor);
        for (const Scope* scope = this; it != renames.end(); scope = scope->outer) {
            if (scope == nullptr) {
                tensor = it->second;
                return;
            }
            if (scope->own.contains(tensor)) {
                return;
            }
        }
    }
    void apply(google::protobuf::RepeatedPtrField<std::string>& tensors) const {
        for (std::string& tensor : tensors) {
            apply(tensor);
        }
    }
};

/// What a branch reads of the graph around it.
void rename_captures(GraphProto& branch, const Scope& outer) {
    Scope scope{outer.renames, &outer};
    for (const auto& tensor : branch.initializer()) {
        scope.own.insert(tensor.name());
    }
    for (const auto& input : branch.input()) {
        scope.own.insert(input.name());
    }
    for (const auto& node : branch.node()) {
        scope.own.insert(node.output().begin(), node.output().end());
    }
    for (auto& node : *branch.mutable_node()) {
        scope.apply(*node.mutable_input());
        for_each_subgraph(node, [&](GraphProto& inner) { rename_captures(inner, scope); });
    }
    for (auto& output : *branch.mutable_output()) {
        scope.apply(*output.mutable_name());
    }
}

}  // namespace

Status convert_to_fp16(Lowering& lowering) {
    GraphProto& graph = *lowering.model.mutable_graph();
    TensorNames names(graph);
    QAICRT_CHECK(convert_constants(lowering, graph, names));
    Renames read_as;
    auto casts = cast_inputs(graph, names, read_as);
    Renames made_as;
    rename_outputs(graph, names, made_as);
    read_as.insert(made_as.begin(), made_as.end());
    const Scope reads{read_as};
    const Scope results{made_as};
    for (auto& node : *graph.mutable_node()) {
        reads.apply(*node.mutable_input());
        results.apply(*node.mutable_output());
        for_each_subgraph(node, [&](GraphProto& inner) { rename_captures(inner, reads); });
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
