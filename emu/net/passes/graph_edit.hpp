// SPDX-License-Identifier: Apache-2.0
/// What passes share: who makes and who reads a value, and the changes that they make.
///
/// A pass changes nodes and adds values; it never removes a value (indices stay right) and need not
/// remove nodes whose results nobody reads any more. After each pass the loader drops dead nodes
/// and infers again, so that types, shapes, views and folded constants of what was added come by
/// themselves; a value that keeps its index must keep its type and shape.
#pragma once

#include "emu/net/op.hpp"

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qaicnet {

class GraphEdit {
  public:
    GraphEdit(Graph& graph, Budget& budget) : graph_(graph), budget_(budget) { index(); }

    Graph& graph() noexcept { return graph_; }
    Value& value(int index) { return graph_.values[static_cast<std::size_t>(index)]; }
    const TensorType& tensor(int index) { return value(index).tensor; }
    bool is_constant(int index) { return index >= 0 && value(index).constant != nullptr; }

    /// The node that makes a value; null for inputs and constants. Valid until the nodes are
    /// replaced as a whole.
    Node* producer(int value);
    /// Indices of the nodes that read a value, one entry for each input that does. Valid until the
    /// next change.
    std::span<const int> readers(int value) const;
    /// The only node that reads the value, once; null when others do or the graph gives it out.
    Node* only_reader(int value);
    Node& node(int index) { return graph_.nodes[static_cast<std::size_t>(index)]; }

    /// A new value of the graph, without a producer yet.
    int add_value(std::string name, ElemType type, Shape dims);
    /// A new FLOAT constant; nullopt without memory.
    std::optional<int> add_constant(std::string name, Shape dims, std::span<const float> data);
    std::optional<int> add_constant(std::string name, std::span<const std::int64_t> data);
    /// FLOAT elements of a constant; empty if it is none or of another type.
    std::span<const float> floats(int value);
    /// The one element of a FLOAT constant of any rank.
    std::optional<float> scalar(int value);

    /// Everyone who read `from` reads `to`. The node that made `from` goes; where the graph gives
    /// `from` out, it becomes an Identity of `to` (a view, which costs nothing).
    void replace_value(int from, int to, std::int64_t opset);

    /// Puts another node in the place of one.
    void replace_node(int index, Node node);
    /// Nothing finds the node any more; its place stays empty until the pass is over.
    void remove_node(int index) { replace_node(index, {}); }
    int index_of(const Node& node) const { return static_cast<int>(&node - graph_.nodes.data()); }
    /// Counts readers and producers again; call after changing inputs or outputs of nodes by hand.
    void index();

  private:
    Graph& graph_;
    Budget& budget_;
    std::vector<int> producer_;              ///< by value: node or -1
    std::vector<std::vector<int>> readers_;  ///< by value
};

/// True for an operator of ONNX's own domain.
inline bool is_op(const Node* node, std::string_view op_type) {
    return node != nullptr && node->domain.empty() && node->op_type == op_type;
}
inline bool is_emu_op(const Node* node, std::string_view op_type) {
    return node != nullptr && node->domain == kEmuDomain && node->op_type == op_type;
}

const Attribute* find_attribute(const Node& node, std::string_view name);
std::int64_t int_attribute(const Node& node, std::string_view name, std::int64_t fallback);
float float_attribute(const Node& node, std::string_view name, float fallback);
std::string string_attribute(const Node& node, std::string_view name, std::string_view fallback);
std::vector<std::int64_t> ints_attribute(const Node& node, std::string_view name);
/// Replaces or adds.
void set_attribute(Node& node, std::string_view name, std::int64_t value);
void set_attribute(Node& node, std::string_view name, float value);
void set_attribute(Node& node, std::string_view name, std::string value);
void set_attribute(Node& node, std::string_view name, std::vector<std::int64_t> value);
void remove_attribute(Node& node, std::string_view name);

/// A node of ONNX's domain (with that opset) or of ours; `op` is found in the registry.
Node make_node(std::string_view domain, std::string_view op_type, std::int64_t opset,
               std::string label, std::vector<int> inputs, std::vector<int> outputs);

}  // namespace qaicnet
