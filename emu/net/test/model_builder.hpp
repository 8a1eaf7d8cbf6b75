// SPDX-License-Identifier: Apache-2.0
/// Builds small ONNX models for tests, and runs them on typed vectors.
#pragma once

#include "emu/net/half.hpp"
#include "emu/net/network.hpp"

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace qaicnet::test {

using Dims = std::vector<std::int64_t>;

template <class T>
constexpr ElemType elem_type_of() {
    if constexpr (std::is_same_v<T, float>)
        return ElemType::kFloat;
    if constexpr (std::is_same_v<T, double>)
        return ElemType::kDouble;
    if constexpr (std::is_same_v<T, Half>)
        return ElemType::kFloat16;
    if constexpr (std::is_same_v<T, std::int8_t>)
        return ElemType::kInt8;
    if constexpr (std::is_same_v<T, std::int16_t>)
        return ElemType::kInt16;
    if constexpr (std::is_same_v<T, std::int32_t>)
        return ElemType::kInt32;
    if constexpr (std::is_same_v<T, std::int64_t>)
        return ElemType::kInt64;
    if constexpr (std::is_same_v<T, std::uint8_t>)
        return ElemType::kUInt8;
    if constexpr (std::is_same_v<T, std::uint16_t>)
        return ElemType::kUInt16;
    if constexpr (std::is_same_v<T, std::uint32_t>)
        return ElemType::kUInt32;
    if constexpr (std::is_same_v<T, std::uint64_t>)
        return ElemType::kUInt64;
}

class NodeBuilder {
  public:
    explicit NodeBuilder(onnx::NodeProto* node) : node_(node) {}
    NodeBuilder& attr(const std::string& name, std::int64_t value) {
        auto* a = add(name, onnx::AttributeProto::INT);
        a->set_i(value);
        return *this;
    }
    NodeBuilder& attr(const std::string& name, int value) {
        return attr(name, std::int64_t{value});
    }
    NodeBuilder& attr(const std::string& name, float value) {
        add(name, onnx::AttributeProto::FLOAT)->set_f(value);
        return *this;
    }
    NodeBuilder& attr(const std::string& name, const char* value) {
        add(name, onnx::AttributeProto::STRING)->set_s(value);
        return *this;
    }
    NodeBuilder& attr(const std::string& name, const Dims& values) {
        auto* a = add(name, onnx::AttributeProto::INTS);
        for (const auto v : values) {
            a->add_ints(v);
        }
        return *this;
    }
    onnx::AttributeProto* add(const std::string& name, onnx::AttributeProto::AttributeType type) {
        auto* a = node_->add_attribute();
        a->set_name(name);
        a->set_type(type);
        return a;
    }
    onnx::NodeProto* proto() { return node_; }

  private:
    onnx::NodeProto* node_;
};

class ModelBuilder {
  public:
    explicit ModelBuilder(std::int64_t opset = 17) {
        model.set_ir_version(8);
        auto* import = model.add_opset_import();
        import->set_domain("");
        import->set_version(opset);
    }
    ModelBuilder& import_domain(const std::string& domain, std::int64_t version) {
        auto* import = model.add_opset_import();
        import->set_domain(domain);
        import->set_version(version);
        return *this;
    }
    onnx::TensorShapeProto* input(const std::string& name, ElemType type, const Dims& dims) {
        auto* value = model.mutable_graph()->add_input();
        value->set_name(name);
        auto* tensor = value->mutable_type()->mutable_tensor_type();
        tensor->set_elem_type(static_cast<int>(type));
        for (const auto dim : dims) {
            tensor->mutable_shape()->add_dim()->set_dim_value(dim);
        }
        return tensor->mutable_shape();
    }
    ModelBuilder& output(const std::string& name) {
        model.mutable_graph()->add_output()->set_name(name);
        return *this;
    }
    NodeBuilder node(const std::string& op, const std::vector<std::string>& in,
                     const std::vector<std::string>& out, const std::string& name = "") {
        auto* n = model.mutable_graph()->add_node();
        n->set_op_type(op);
        n->set_name(name.empty() ? "n_" + op : name);
        for (const auto& i : in) {
            n->add_input(i);
        }
        for (const auto& o : out) {
            n->add_output(o);
        }
        return NodeBuilder(n);
    }
    template <class T>
    onnx::TensorProto* constant(const std::string& name, const Dims& dims,
                                const std::vector<T>& values) {
        auto* t = model.mutable_graph()->add_initializer();
        fill(t, name, dims, values);
        return t;
    }
    template <class T>
    static void fill(onnx::TensorProto* t, const std::string& name, const Dims& dims,
                     const std::vector<T>& values) {
        t->set_name(name);
        t->set_data_type(static_cast<int>(elem_type_of<T>()));
        for (const auto dim : dims) {
            t->add_dims(dim);
        }
        t->set_raw_data(values.data(), values.size() * sizeof(T));
    }

    onnx::ModelProto model;
};

inline qaicrt::Result<std::unique_ptr<Network>> load(const ModelBuilder& builder,
                                                     const LoadOptions& options = {},
                                                     std::span<const std::byte> constants = {}) {
    return Network::load(builder.model, constants, options);
}

/// The error's sentence; "" when the model loads.
inline std::string load_error(const ModelBuilder& builder, const LoadOptions& options = {},
                              std::span<const std::byte> constants = {}) {
    auto network = load(builder, options, constants);
    return network ? "" : network.error().message;
}

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
    return std::as_bytes(std::span(values));
}

/// Runs a network whose inputs are given as bytes; outputs come back as bytes.
inline qaicrt::Result<std::vector<std::vector<std::byte>>> run_bytes(
    Network& network, const std::vector<std::span<const std::byte>>& inputs, unsigned threads = 1) {
    std::vector<std::vector<std::byte>> outputs;
    std::vector<std::span<std::byte>> spans;
    for (const ValueInfo& info : network.outputs()) {
        outputs.emplace_back(info.bytes());
    }
    for (auto& output : outputs) {
        spans.emplace_back(output);
    }
    const auto workers = make_workers(threads);
    QAICRT_CHECK(network.run(inputs, spans, *workers));
    return outputs;
}

template <class T>
std::vector<T> as_vector(const std::vector<std::byte>& bytes) {
    std::vector<T> values(bytes.size() / sizeof(T));
    if (!bytes.empty()) {
        std::memcpy(values.data(), bytes.data(), bytes.size());
    }
    return values;
}

/// Loads, runs and returns the first output; fails the test with the sentence on any error.
template <class Out>
std::vector<Out> run(const ModelBuilder& builder,
                     const std::vector<std::span<const std::byte>>& inputs, Dims* dims = nullptr) {
    auto network = load(builder);
    if (!network) {
        ADD_FAILURE() << network.error().message;
        return {};
    }
    auto outputs = run_bytes(**network, inputs);
    if (!outputs) {
        ADD_FAILURE() << outputs.error().message;
        return {};
    }
    EXPECT_EQ((*network)->outputs()[0].type, elem_type_of<Out>());
    if (dims != nullptr) {
        *dims = (*network)->outputs()[0].dims;
    }
    return as_vector<Out>((*outputs)[0]);
}

}  // namespace qaicnet::test
