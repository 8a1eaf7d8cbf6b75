// SPDX-License-Identifier: Apache-2.0
/// Only what an output depends on is kept, and compiled.
#include "compiler/graph_util.hpp"
#include "compiler/passes/passes.hpp"

#include <fmt/format.h>

#include <string>
#include <unordered_set>
#include <vector>

namespace qaicc {
namespace {

using onnx::GraphProto;
using onnx::NodeProto;

/// Names that a node reads, those in its subgraphs included (they may name tensors of this graph).
void add_inputs(const NodeProto& node, std::vector<std::string>& names) {
    names.insert(names.end(), node.input().begin(), node.input().end());
    for (const auto& attribute : node.attribute()) {
        const auto add_graph = [&names](const GraphProto& graph) {
            for (const auto& inner : graph.node()) {
                add_inputs(inner, names);
            }
            for (const auto& output : graph.output()) {
                names.push_back(output.name());
            }
        };
        if (attribute.has_g()) {
            add_graph(attribute.g());
        }
        for (const auto& graph : attribute.graphs()) {
            add_graph(graph);
        }
    }
}

}  // namespace

void remove_dead_code(Lowering& lowering) {
    GraphProto& graph = *lowering.model.mutable_graph();
    const auto made_by = producers(graph);
    std::vector<bool> live(static_cast<std::size_t>(graph.node_size()), false);
    std::unordered_set<std::string> used;
    std::vector<std::string> pending;
    for (const auto& output : graph.output()) {
        pending.push_back(output.name());
    }
    while (!pending.empty()) {
        const std::string name = std::move(pending.back());
        pending.pop_back();
        if (name.empty() || !used.insert(name).second) {
            continue;
        }
        const auto maker = made_by.find(name);
        if (maker != made_by.end() && !live[static_cast<std::size_t>(maker->second)]) {
            live[static_cast<std::size_t>(maker->second)] = true;
            add_inputs(graph.node(maker->second), pending);
        }
    }
    const int before = graph.node_size();
    std::size_t index = 0;
    erase_if(*graph.mutable_node(), [&](const NodeProto&) { return !live[index++]; });
    erase_if(*graph.mutable_initializer(),
             [&](const onnx::TensorProto& tensor) { return !used.contains(tensor.name()); });
    if (graph.node_size() != before) {
        lowering.say(2, fmt::format("dead code: {} of {} nodes removed", before - graph.node_size(),
                                    before));
    }
}

}  // namespace qaicc
