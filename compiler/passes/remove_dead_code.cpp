// SPDX-License-Identifier: Apache-2.0
/// Only what an output depends on is kept, and compiled.
#include "compiler/graph_util.hpp"
#include "compiler/passes/passes.hpp"

#include <fmt/format.h>

#include <string>
#include <unordered_set>
#include <vector>

namespace qaicc {
using onnx::GraphProto;
using onnx::NodeProto;

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
            add_names_read(graph.node(maker->second), pending);
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
