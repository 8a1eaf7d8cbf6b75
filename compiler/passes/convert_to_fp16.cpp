// SPDX-License-Identifier: Apache-2.0
/// -convert-to-fp16: every FLOAT tensor inside the graph becomes FLOAT16. Callers still see the
/// model's types: a Cast follows each FLOAT input and precedes each FLOAT output, so the card
/// converts, not the host.
#include "compiler/graph_util.hpp"
#include "compiler/passes/passes.hpp"
#include "compiler/tensor_data.hpp"

#include <fmt/format.h>

#include <string>
#include <unordered_map>
#include <unordered_set>

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

/// Attributes that name or hold a type: Cast's `to`, a Constant's `value`.
Status convert_attributes(Lowering& lowering, NodeProto& node) {
    for (auto& attribute : *node.mutable_attribute()) {
        const bool names_type = attribute.name() == "to" || attribute.name() == "dtype";
        if (names_type && attribute.i() == TensorProto::FLOAT) {
            attribute.set_i(TensorProto::FLOAT16);
        } else if (attribute.has_t()) {
            QAICRT_CHECK(normalise_tensor(*attribute.mutable_t()));
            const std::string name = node.output_size() > 0 ? node.output(0) : attribute.t().name();
            convert_tensor(lowering, *attribute.mutable_t(), name);
        }
    }
    return {};
}

void make_cast(NodeProto& node, const std::string& from, const std::string& to, std::int32_t type) {
    node.set_op_type("Cast");
    node.set_name((type == TensorProto::FLOAT ? to : from) + "/Cast");
    node.add_input(from);
    node.add_output(to);
    set_int(node, "to", type);
}

/// Casts of the FLOAT inputs that some node reads; `renames` gets their FP16 names.
google::protobuf::RepeatedPtrField<NodeProto> cast_inputs(GraphProto& graph, TensorNames& names,
                                                          Renames& renames) {
    std::unordered_set<std::string> read;
    for (const auto& node : graph.node()) {
        read.insert(node.input().begin(), node.input().end());
    }
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

}  // namespace

Status convert_to_fp16(Lowering& lowering) {
    GraphProto& graph = *lowering.model.mutable_graph();
    for (auto& tensor : *graph.mutable_initializer()) {
        convert_tensor(lowering, tensor, tensor.name());
    }
    for (auto& node : *graph.mutable_node()) {
        QAICRT_CHECK(convert_attributes(lowering, node));
    }
    TensorNames names(graph);
    Renames read_as;
    auto casts = cast_inputs(graph, names, read_as);
    Renames made_as;
    rename_outputs(graph, names, made_as);
    read_as.insert(made_as.begin(), made_as.end());
    for (auto& node : *graph.mutable_node()) {
        rename(*node.mutable_input(), read_as);
        rename(*node.mutable_output(), made_as);
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
