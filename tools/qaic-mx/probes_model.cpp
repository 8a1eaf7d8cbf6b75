// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-mx/probes.hpp"

#include <onnx/onnx_pb.h>

#include <cstring>

namespace qaicmxtool {
namespace {

void set_type(onnx::ValueInfoProto* info, const std::string& name, std::size_t rows,
              std::size_t columns) {
    info->set_name(name);
    onnx::TypeProto_Tensor* type = info->mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto_DataType_FLOAT);
    type->mutable_shape()->add_dim()->set_dim_value(static_cast<std::int64_t>(rows));
    type->mutable_shape()->add_dim()->set_dim_value(static_cast<std::int64_t>(columns));
}

void add_weights(onnx::GraphProto* graph, const std::string& name, const qaicmx::Probe& probe) {
    onnx::TensorProto* weights = graph->add_initializer();
    weights->set_name(name);
    weights->set_data_type(onnx::TensorProto_DataType_FLOAT);
    weights->add_dims(static_cast<std::int64_t>(probe.outputs));
    weights->add_dims(static_cast<std::int64_t>(probe.inputs.size()));
    weights->set_raw_data(probe.weights.data(), probe.weights.size() * sizeof(float));
}

/// A Linear layer as PyTorch exports it: Gemm with the weight as (out, in), transposed.
void add_layer(onnx::GraphProto* graph, const ProbePlan& plan, const ProbeLayer& layer) {
    const ProbeInput& input = plan.inputs[layer.input];
    const std::string weight_name = std::string(layer.probe.id) + ".weight";
    add_weights(graph, weight_name, layer.probe);
    onnx::NodeProto* node = graph->add_node();
    node->set_op_type("Gemm");
    node->set_name("linear_" + std::string(layer.probe.id));
    node->add_input(input.name);
    node->add_input(weight_name);
    node->add_output(layer.output);
    onnx::AttributeProto* transposed = node->add_attribute();
    transposed->set_name("transB");
    transposed->set_type(onnx::AttributeProto_AttributeType_INT);
    transposed->set_i(1);
    set_type(graph->add_output(), layer.output, input.rows.size(), layer.probe.outputs);
}

}  // namespace

qaicrt::Result<std::string> probe_model(const ProbePlan& plan) {
    onnx::ModelProto model;
    model.set_ir_version(8);
    model.set_producer_name("qaic-mx");
    onnx::OperatorSetIdProto* opset = model.add_opset_import();
    opset->set_domain("");
    opset->set_version(13);
    onnx::GraphProto* graph = model.mutable_graph();
    graph->set_name("mx_probes");
    for (const ProbeInput& input : plan.inputs) {
        set_type(graph->add_input(), input.name, input.rows.size(), input.k);
    }
    for (const ProbeLayer& layer : plan.layers) {
        add_layer(graph, plan, layer);
    }
    std::string bytes;
    if (!model.SerializeToString(&bytes)) {
        return qaicrt::Error(qaicrt::Errc::kInternal, "The probe model cannot be serialised.");
    }
    return bytes;
}

}  // namespace qaicmxtool
