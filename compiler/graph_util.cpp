// SPDX-License-Identifier: Apache-2.0
#include "compiler/graph_util.hpp"

namespace qaicc {

TensorNames::TensorNames(const onnx::GraphProto& graph) {
    take(graph);
}

void TensorNames::take(const onnx::GraphProto& graph) {
    for (const auto& input : graph.input()) {
        taken_.insert(input.name());
    }
    for (const auto& output : graph.output()) {
        taken_.insert(output.name());
    }
    for (const auto& tensor : graph.initializer()) {
        taken_.insert(tensor.name());
    }
    for (const auto& node : graph.node()) {
        taken_.insert(node.input().begin(), node.input().end());
        taken_.insert(node.output().begin(), node.output().end());
        for_each_subgraph(node, [this](const onnx::GraphProto& inner) { take(inner); });
    }
}

std::string TensorNames::fresh(const std::string& wanted) {
    std::string name = wanted;
    for (int number = 2; !taken_.insert(name).second; ++number) {
        name = wanted + "/" + std::to_string(number);
    }
    return name;
}

TensorByName initializers_by_name(onnx::GraphProto& graph) {
    TensorByName tensors;
    for (auto& tensor : *graph.mutable_initializer()) {
        tensors.emplace(tensor.name(), &tensor);
    }
    return tensors;
}

void add_names_read(const onnx::NodeProto& node, std::vector<std::string>& names) {
    names.insert(names.end(), node.input().begin(), node.input().end());
    for_each_subgraph(node, [&names](const onnx::GraphProto& graph) {
        for (const auto& inner : graph.node()) {
            add_names_read(inner, names);
        }
        for (const auto& output : graph.output()) {
            names.push_back(output.name());
        }
    });
}

std::unordered_map<std::string, int> producers(const onnx::GraphProto& graph) {
    std::unordered_map<std::string, int> made_by;
    for (int i = 0; i < graph.node_size(); ++i) {
        for (const auto& output : graph.node(i).output()) {
            if (!output.empty()) {
                made_by.emplace(output, i);
            }
        }
    }
    return made_by;
}

bool is_onnx_op(const onnx::NodeProto& node, std::string_view op_type) {
    return node.op_type() == op_type && (node.domain().empty() || node.domain() == "ai.onnx");
}

const onnx::AttributeProto* find_attribute(const onnx::NodeProto& node, std::string_view name) {
    for (const auto& attribute : node.attribute()) {
        if (attribute.name() == name) {
            return &attribute;
        }
    }
    return nullptr;
}

onnx::AttributeProto* find_attribute(onnx::NodeProto& node, std::string_view name) {
    return const_cast<onnx::AttributeProto*>(
        find_attribute(static_cast<const onnx::NodeProto&>(node), name));
}

std::int64_t int_attribute(const onnx::NodeProto& node, std::string_view name,
                           std::int64_t initial) {
    const auto* attribute = find_attribute(node, name);
    return attribute == nullptr ? initial : attribute->i();
}

void set_int(onnx::NodeProto& node, const std::string& name, std::int64_t value) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::INT);
    attribute->set_i(value);
}

void set_ints(onnx::NodeProto& node, const std::string& name,
              const std::vector<std::int64_t>& values) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::INTS);
    attribute->mutable_ints()->Add(values.begin(), values.end());
}

void set_string(onnx::NodeProto& node, const std::string& name, const std::string& value) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::STRING);
    attribute->set_s(value);
}

void make_cast(onnx::NodeProto& node, const std::string& from, const std::string& to,
               std::int32_t type) {
    node.set_op_type("Cast");
    node.set_name((type == onnx::TensorProto::FLOAT ? to : from) + "/Cast");
    node.add_input(from);
    node.add_output(to);
    set_int(node, "to", type);
}

void prepend_nodes(onnx::GraphProto& graph,
                   google::protobuf::RepeatedPtrField<onnx::NodeProto>& first) {
    for (auto& node : *graph.mutable_node()) {
        first.Add()->Swap(&node);
    }
    graph.mutable_node()->Swap(&first);
    first.Clear();
}

}  // namespace qaicc
