// SPDX-License-Identifier: Apache-2.0
/// Executable order of nodes; a file may list them in any order.
#include "emu/net/import.hpp"
#include "emu/net/op.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Status;

Status sort_nodes(Graph& graph) {
    const std::size_t n = graph.nodes.size();
    std::vector<int> producer(graph.values.size(), -1);
    for (std::size_t i = 0; i < n; ++i) {
        for (const int value : graph.nodes[i].outputs) {
            if (value >= 0) {
                producer[static_cast<std::size_t>(value)] = static_cast<int>(i);
            }
        }
    }
    std::vector<std::size_t> waits(n, 0);
    std::vector<std::vector<std::size_t>> users(n);
    for (std::size_t i = 0; i < n; ++i) {
        for (const int value : graph.nodes[i].inputs) {
            if (value >= 0 && producer[static_cast<std::size_t>(value)] >= 0) {
                users[static_cast<std::size_t>(producer[static_cast<std::size_t>(value)])]
                    .push_back(i);
                ++waits[i];
            }
        }
    }
    // Smallest index first keeps the file's order wherever that order is already executable.
    std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
    for (std::size_t i = 0; i < n; ++i) {
        if (waits[i] == 0) {
            ready.push(i);
        }
    }
    std::vector<Node> sorted;
    sorted.reserve(n);
    while (!ready.empty()) {
        const std::size_t i = ready.top();
        ready.pop();
        for (const std::size_t user : users[i]) {
            if (--waits[user] == 0) {
                ready.push(user);
            }
        }
        sorted.push_back(std::move(graph.nodes[i]));
    }
    if (sorted.size() != n) {
        const auto stuck =
            std::find_if(waits.begin(), waits.end(), [](std::size_t w) { return w != 0; });
        const Node& node = graph.nodes[static_cast<std::size_t>(stuck - waits.begin())];
        return Error(
            Errc::kFormat,
            fmt::format("the graph has a cycle: {} is one of {} nodes that would have to run "
                        "before themselves or after such a node",
                        node_text(node), n - sorted.size()));
    }
    graph.nodes = std::move(sorted);
    return {};
}

}  // namespace qaicnet
