// SPDX-License-Identifier: Apache-2.0
/// Branches whose condition is known become part of the graph around them.
#include "emu/net/subgraph.hpp"

#include "emu/net/op.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

bool is_if(const Node& node) {
    return node.domain.empty() && node.op_type == "If";
}

/// Name of the branch that a known condition takes; null while it is unknown.
const char* known_branch(const Graph& graph, const Node& node) {
    if (!is_if(node) || node.inputs.empty() || node.inputs[0] < 0) {
        return nullptr;
    }
    const Value& condition = graph.values[static_cast<std::size_t>(node.inputs[0])];
    if (!condition.constant || condition.tensor.type != ElemType::kBool ||
        condition.tensor.count() != 1) {
        return nullptr;  // infer says what is wrong with the type
    }
    return *condition.constant->data() != std::byte{0} ? "then_branch" : "else_branch";
}

/// Moves one branch into the graph around it.
class Inliner {
  public:
    Inliner(Graph& outer, Node& node, const char* branch)
        : outer_(outer), node_(node), branch_(branch) {}

    Result<std::vector<Node>> run() {
        QAICRT_TRY(Subgraph* const subgraph, find());
        if (subgraph->failure) {
            return *subgraph->failure;
        }
        Graph& inner = subgraph->graph;
        if (inner.outputs.size() != node_.outputs.size()) {
            return Error(Errc::kFormat,
                         fmt::format("{}: its {} has {} outputs and the node {}", node_text(node_),
                                     branch_, inner.outputs.size(), node_.outputs.size()));
        }
        map_values(*subgraph);
        for (Node& node : inner.nodes) {
            remap(node.inputs);
            remap(node.outputs);
        }
        std::vector<Node> nodes = std::move(inner.nodes);
        add_copies(inner, nodes);
        return nodes;
    }

  private:
    Result<Subgraph*> find() {
        for (const Attribute& attribute : node_.attributes) {
            if (attribute.name == branch_ && attribute.kind == Attribute::Kind::kGraph) {
                return attribute.graph.get();
            }
        }
        return Error(Errc::kFormat, fmt::format("{}: it has no {}", node_text(node_), branch_));
    }

    /// Captures are values of the graph around, results of the branch are the node's own; what is
    /// left is added.
    void map_values(Subgraph& subgraph) {
        Graph& inner = subgraph.graph;
        map_.assign(inner.values.size(), -1);
        for (const Capture& capture : subgraph.captures) {
            map_[static_cast<std::size_t>(capture.inner)] = node_.inputs[capture.input];
        }
        std::vector<bool> made(inner.values.size(), false);
        for (const Node& node : inner.nodes) {
            for (const int output : node.outputs) {
                if (output >= 0) {
                    made[static_cast<std::size_t>(output)] = true;
                }
            }
        }
        for (std::size_t i = 0; i < inner.outputs.size(); ++i) {
            const auto result = static_cast<std::size_t>(inner.outputs[i]);
            if (node_.outputs[i] >= 0 && made[result] && map_[result] < 0) {
                map_[result] = node_.outputs[i];
            }
        }
        for (std::size_t v = 0; v < inner.values.size(); ++v) {
            if (map_[v] < 0) {
                map_[v] = static_cast<int>(outer_.values.size());
                Value& added = outer_.values.emplace_back(std::move(inner.values[v]));
                added.name = fmt::format("{}/{}/{}", node_.label, branch_, added.name);
                added.is_output = false;
                added.declared_type = 0;
            }
        }
    }

    void remap(std::vector<int>& indices) const {
        for (int& index : indices) {
            index = index >= 0 ? map_[static_cast<std::size_t>(index)] : -1;
        }
    }

    /// Results that no node of the branch makes under that name: captures, constants, one result
    /// given twice.
    void add_copies(const Graph& inner, std::vector<Node>& nodes) const {
        for (std::size_t i = 0; i < inner.outputs.size(); ++i) {
            const int result = map_[static_cast<std::size_t>(inner.outputs[i])];
            if (node_.outputs[i] < 0 || result == node_.outputs[i]) {
                continue;
            }
            Node& copy = nodes.emplace_back();
            copy.label = fmt::format("{}/{}/output {}", node_.label, branch_, i);
            copy.op_type = "Identity";
            copy.opset = node_.opset;
            copy.op = find_op("", "Identity", node_.opset);
            copy.inputs = {result};
            copy.outputs = {node_.outputs[i]};
        }
    }

    Graph& outer_;
    Node& node_;
    const char* branch_;
    std::vector<int> map_;  ///< from the branch's values to the graph's
};

}  // namespace

Status infer_in_order(Graph& graph, const std::function<Status(Node&)>& infer) {
    std::vector<Node> waiting = std::move(graph.nodes);
    std::reverse(waiting.begin(), waiting.end());
    graph.nodes.clear();
    while (!waiting.empty()) {
        Node node = std::move(waiting.back());
        waiting.pop_back();
        if (const char* branch = known_branch(graph, node)) {
            QAICRT_TRY(std::vector<Node> nodes, Inliner(graph, node, branch).run());
            std::move(nodes.rbegin(), nodes.rend(), std::back_inserter(waiting));
            continue;
        }
        QAICRT_CHECK(infer(node));
        graph.nodes.push_back(std::move(node));
    }
    return {};
}

}  // namespace qaicnet
