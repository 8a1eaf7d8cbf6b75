// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/passes.hpp"

#include <algorithm>
#include <utility>

namespace qaicnet {

void remove_dead_nodes(Graph& graph) {
    std::vector<bool> needed(graph.values.size(), false);
    for (const int output : graph.outputs) {
        needed[static_cast<std::size_t>(output)] = true;
    }
    std::vector<Node> kept;
    for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
        const bool used = std::any_of(node->outputs.begin(), node->outputs.end(), [&](int v) {
            return v >= 0 && needed[static_cast<std::size_t>(v)];
        });
        if (!used) {
            continue;
        }
        for (const int input : node->inputs) {
            if (input >= 0) {
                needed[static_cast<std::size_t>(input)] = true;
            }
        }
        kept.push_back(std::move(*node));
    }
    std::reverse(kept.begin(), kept.end());
    graph.nodes = std::move(kept);
}

}  // namespace qaicnet
