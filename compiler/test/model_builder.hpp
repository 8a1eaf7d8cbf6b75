// SPDX-License-Identifier: Apache-2.0
/// Small ONNX models for tests, written as one reads them.
#pragma once

#include "compiler/graph_util.hpp"

#include <onnx/onnx_pb.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <variant>
#include <vector>

namespace qaicc::test {

/// A size, or the name of a symbolic one ("" for neither).
using Dim = std::variant<std::int64_t, std::string>;
using Type = onnx::TensorProto::DataType;

inline constexpr Type kFloat = onnx::TensorProto::FLOAT;
inline constexpr Type kHalf = onnx::TensorProto::FLOAT16;
inline constexpr Type kInt64 = onnx::TensorProto::INT64;

class ModelBuilder {
  public:
    explicit ModelBuilder(std::int64_t opset = 17, std::int64_t ir_version = 8) {
        model_.set_ir_version(ir_version);
        model_.set_producer_name("test");
        auto* import = model_.add_opset_import();
        import->set_domain("");
        import->set_version(opset);
        model_.mutable_graph()->set_name("graph");
    }

    onnx::ModelProto& model() { return model_; }
    onnx::GraphProto& graph() { return *model_.mutable_graph(); }

    ModelBuilder& input(const std::string& name, const std::vector<Dim>& dims, Type type = kFloat) {
        describe(*graph().add_input(), name, dims, type);
        return *this;
    }
    ModelBuilder& output(const std::string& name, const std::vector<Dim>& dims,
                         Type type = kFloat) {
        describe(*graph().add_output(), name, dims, type);
        return *this;
    }
    ModelBuilder& floats(const std::string& name, const std::vector<std::int64_t>& dims,
                         const std::vector<float>& values) {
        auto& tensor = constant(name, dims, kFloat);
        tensor.mutable_float_data()->Add(values.begin(), values.end());
        return *this;
    }
    ModelBuilder& ints(const std::string& name, const std::vector<std::int64_t>& dims,
                       const std::vector<std::int64_t>& values) {
        auto& tensor = constant(name, dims, kInt64);
        tensor.mutable_int64_data()->Add(values.begin(), values.end());
        return *this;
    }
    onnx::TensorProto& constant(const std::string& name, const std::vector<std::int64_t>& dims,
                                Type type) {
        auto& tensor = *graph().add_initializer();
        tensor.set_name(name);
        tensor.set_data_type(type);
        tensor.mutable_dims()->Add(dims.begin(), dims.end());
        return tensor;
    }
    /// The node's name is its first output's, with "node_" before it.
    onnx::NodeProto& node(const std::string& op_type, const std::vector<std::string>& inputs,
                          const std::vector<std::string>& outputs) {
        auto& node = *graph().add_node();
        node.set_op_type(op_type);
        node.set_name("node_" + outputs.at(0));
        for (const auto& name : inputs) {
            node.add_input(name);
        }
        for (const auto& name : outputs) {
            node.add_output(name);
        }
        return node;
    }

    std::vector<std::byte> bytes() const {
        const std::string text = model_.SerializeAsString();
        std::vector<std::byte> out(text.size());
        std::memcpy(out.data(), text.data(), text.size());
        return out;
    }

  private:
    static void describe(onnx::ValueInfoProto& value, const std::string& name,
                         const std::vector<Dim>& dims, Type type) {
        value.set_name(name);
        auto* tensor = value.mutable_type()->mutable_tensor_type();
        tensor->set_elem_type(type);
        tensor->mutable_shape();
        for (const Dim& dim : dims) {
            auto* out = tensor->mutable_shape()->add_dim();
            if (const auto* size = std::get_if<std::int64_t>(&dim)) {
                out->set_dim_value(*size);
            } else if (!std::get<std::string>(dim).empty()) {
                out->set_dim_param(std::get<std::string>(dim));
            }
        }
    }

    onnx::ModelProto model_;
};

/// "Op(in, in) -> out; …" in the order of the graph: what before/after tests compare.
inline std::string shown(const onnx::GraphProto& graph) {
    std::string text;
    for (const auto& node : graph.node()) {
        text += text.empty() ? "" : "; ";
        text += node.op_type() + "(";
        for (int i = 0; i < node.input_size(); ++i) {
            text += (i == 0 ? "" : ", ") + node.input(i);
        }
        text += ") -> ";
        for (int i = 0; i < node.output_size(); ++i) {
            text += (i == 0 ? "" : ", ") + node.output(i);
        }
    }
    return text;
}

inline const onnx::TensorProto* find_tensor(const onnx::GraphProto& graph,
                                            const std::string& name) {
    for (const auto& tensor : graph.initializer()) {
        if (tensor.name() == name) {
            return &tensor;
        }
    }
    return nullptr;
}

inline const onnx::NodeProto* find_node(const onnx::GraphProto& graph, const std::string& op_type) {
    for (const auto& node : graph.node()) {
        if (node.op_type() == op_type) {
            return &node;
        }
    }
    return nullptr;
}

}  // namespace qaicc::test
