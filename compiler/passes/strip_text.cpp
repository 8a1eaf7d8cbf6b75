// SPDX-License-Identifier: Apache-2.0
/// What the card does not read does not travel: documentation, training data, fields of newer
/// schemas.
#include "compiler/graph_util.hpp"
#include "compiler/passes/passes.hpp"

namespace qaicc {

void strip_text(Lowering& lowering) {
    onnx::ModelProto& model = lowering.model;
    model.clear_doc_string();
    model.clear_metadata_props();
    model.clear_training_info();
    model.clear_domain();
    model.clear_model_version();
    onnx::GraphProto& graph = *model.mutable_graph();
    graph.clear_doc_string();
    graph.clear_value_info();
    graph.clear_quantization_annotation();
    for (auto& node : *graph.mutable_node()) {
        node.clear_doc_string();
        for (auto& attribute : *node.mutable_attribute()) {
            attribute.clear_doc_string();
        }
    }
    for (auto& tensor : *graph.mutable_initializer()) {
        tensor.clear_doc_string();
    }
    for (auto* values : {graph.mutable_input(), graph.mutable_output()}) {
        for (auto& value : *values) {
            value.clear_doc_string();
        }
    }
    // Unknown fields would be copied as they came, junk of a hostile file included.
    model.DiscardUnknownFields();
}

}  // namespace qaicc
