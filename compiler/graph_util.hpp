// SPDX-License-Identifier: Apache-2.0
/// Small look-ups over an ONNX graph that several passes need.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace qaicc {

/// Every tensor name of a graph and of those inside it, and names that are not taken yet.
class TensorNames {
  public:
    explicit TensorNames(const onnx::GraphProto& graph);
    /// `wanted`, or `wanted` with a number; the name is taken afterwards.
    std::string fresh(const std::string& wanted);

  private:
    void take(const onnx::GraphProto& graph);
    std::unordered_set<std::string> taken_;
};

/// The pointers stay valid as long as the graph's fields do not shrink: protobuf allocates elements
/// one by one.
using TensorByName = std::unordered_map<std::string, onnx::TensorProto*>;
TensorByName initializers_by_name(onnx::GraphProto& graph);

/// Calls `visit` on the graphs inside a node (the branches of an If).
template <class Node, class Visit>
void for_each_subgraph(Node& node, Visit visit) {
    if constexpr (std::is_const_v<Node>) {
        for (const auto& attribute : node.attribute()) {
            if (attribute.has_g()) {
                visit(attribute.g());
            }
            for (const auto& graph : attribute.graphs()) {
                visit(graph);
            }
        }
    } else {
        for (auto& attribute : *node.mutable_attribute()) {
            if (attribute.has_g()) {
                visit(*attribute.mutable_g());
            }
            for (auto& graph : *attribute.mutable_graphs()) {
                visit(graph);
            }
        }
    }
}

/// Adds the names that a node reads, those in its subgraphs included: they may name tensors of the
/// graph around.
void add_names_read(const onnx::NodeProto& node, std::vector<std::string>& names);

/// Which node makes a tensor; nodes by index.
std::unordered_map<std::string, int> producers(const onnx::GraphProto& graph);

/// True for operators of ONNX's own domain.
bool is_onnx_op(const onnx::NodeProto& node, std::string_view op_type);

const onnx::AttributeProto* find_attribute(const onnx::NodeProto& node, std::string_view name);
onnx::AttributeProto* find_attribute(onnx::NodeProto& node, std::string_view name);
std::int64_t int_attribute(const onnx::NodeProto& node, std::string_view name,
                           std::int64_t initial);
void set_int(onnx::NodeProto& node, const std::string& name, std::int64_t value);
void set_ints(onnx::NodeProto& node, const std::string& name,
              const std::vector<std::int64_t>& values);
void set_string(onnx::NodeProto& node, const std::string& name, const std::string& value);

/// Makes an empty node a Cast to an ONNX type, named after the tensor that the model has.
void make_cast(onnx::NodeProto& node, const std::string& from, const std::string& to,
               std::int32_t type);

/// Puts `first` before all nodes of the graph; `first` is empty afterwards.
void prepend_nodes(onnx::GraphProto& graph,
                   google::protobuf::RepeatedPtrField<onnx::NodeProto>& first);

/// Removes the elements for which `drop` is true, keeping the order of the others.
template <class Element, class Drop>
void erase_if(google::protobuf::RepeatedPtrField<Element>& field, Drop drop) {
    int kept = 0;
    for (int i = 0; i < field.size(); ++i) {
        if (!drop(field.Get(i))) {
            if (kept != i) {
                field.SwapElements(kept, i);
            }
            ++kept;
        }
    }
    field.DeleteSubrange(kept, field.size() - kept);
}

}  // namespace qaicc
