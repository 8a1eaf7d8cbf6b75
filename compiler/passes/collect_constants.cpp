// SPDX-License-Identifier: Apache-2.0
/// One form for constants: initializers with raw_data, so that later passes have one case to
/// handle.
#include "compiler/graph_util.hpp"
#include "compiler/passes/passes.hpp"
#include "compiler/tensor_data.hpp"

#include <fmt/format.h>

#include <string>
#include <unordered_set>

namespace qaicc {
namespace {

using onnx::AttributeProto;
using onnx::GraphProto;
using onnx::NodeProto;
using onnx::TensorProto;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Status;

/// Fills `out` from a Constant node; false for forms without a dense tensor (sparse, strings).
bool constant_value(const NodeProto& node, TensorProto& out) {
    if (node.attribute_size() != 1) {
        return false;
    }
    const AttributeProto& value = node.attribute(0);
    if (value.name() == "value" && value.has_t()) {
        out = value.t();
    } else if (value.name() == "value_float") {
        out.set_data_type(TensorProto::FLOAT);
        out.add_float_data(value.f());
    } else if (value.name() == "value_int") {
        out.set_data_type(TensorProto::INT64);
        out.add_int64_data(value.i());
    } else if (value.name() == "value_floats") {
        out.set_data_type(TensorProto::FLOAT);
        out.add_dims(value.floats_size());
        *out.mutable_float_data() = value.floats();
    } else if (value.name() == "value_ints") {
        out.set_data_type(TensorProto::INT64);
        out.add_dims(value.ints_size());
        *out.mutable_int64_data() = value.ints();
    } else {
        return false;
    }
    return out.data_type() != TensorProto::STRING;
}

/// The one form of a Constant node that has to stay a node.
void set_value(NodeProto& node, TensorProto& value) {
    node.clear_attribute();
    auto* attribute = node.add_attribute();
    attribute->set_name("value");
    attribute->set_type(AttributeProto::TENSOR);
    attribute->mutable_t()->Swap(&value);
}

/// A graph output must come from a node, so those Constants stay.
std::unordered_set<std::string> output_names(const GraphProto& graph) {
    std::unordered_set<std::string> names;
    for (const auto& output : graph.output()) {
        names.insert(output.name());
    }
    return names;
}

/// One graph and those inside it.
Status collect(Lowering& lowering, GraphProto& graph) {
    const auto outputs = output_names(graph);
    erase_if(*graph.mutable_node(), [&](const NodeProto& node) {
        TensorProto value;
        if (!is_onnx_op(node, "Constant") || node.output_size() != 1 ||
            outputs.contains(node.output(0)) || !constant_value(node, value)) {
            return false;
        }
        value.set_name(node.output(0));
        graph.add_initializer()->Swap(&value);
        return true;
    });
    std::unordered_set<std::string> names;
    for (auto& tensor : *graph.mutable_initializer()) {
        QAICRT_CHECK(normalise_tensor(tensor));
        if (tensor.name().empty() || !names.insert(tensor.name()).second) {
            return Error(Errc::kFormat,
                         fmt::format("{} has two constants named '{}', or one without a name.",
                                     lowering.source, tensor.name()));
        }
    }
    // Before IR version 4 every initializer was also an input; a later one makes the input a
    // default.
    erase_if(*graph.mutable_input(),
             [&](const onnx::ValueInfoProto& input) { return names.contains(input.name()); });
    Status inside;
    for (auto& node : *graph.mutable_node()) {
        TensorProto value;
        if (is_onnx_op(node, "Constant") && constant_value(node, value)) {
            set_value(node, value);
        }
        for_each_subgraph(node, [&](GraphProto& inner) {
            if (inside) {
                inside = collect(lowering, inner);
            }
        });
    }
    return inside;
}

}  // namespace

Status collect_constants(Lowering& lowering) {
    GraphProto& graph = *lowering.model.mutable_graph();
    if (graph.sparse_initializer_size() > 0) {
        return Error(Errc::kUnsupported,
                     fmt::format("{} has the sparse initializer '{}': export it as a dense tensor.",
                                 lowering.source, graph.sparse_initializer(0).values().name()));
    }
    return collect(lowering, graph);
}

}  // namespace qaicc
