// SPDX-License-Identifier: Apache-2.0
/// The branches of If: graphs inside a node that read values of the graphs around them.
///
/// A condition that is known while shapes are inferred makes the branch part of the graph
/// (take_branch); the other branch is forgotten unseen. A condition computed at run time keeps both
/// as networks of their own inside the node (ops_control.cpp).
#pragma once

#include "emu/net/graph.hpp"
#include "emu/net/network_impl.hpp"

#include <qaicrt/result.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace qaicnet {

/// A value of the graph around that a branch reads.
struct Capture {
    int inner = -1;         ///< the value inside the branch that stands for it
    int outer = -1;         ///< the value in the graph around; stale once passes renumber
    std::size_t input = 0;  ///< which input of the node it is: that stays right
};

struct Subgraph {
    Graph graph;
    std::vector<Capture> captures;
    /// Why the branch cannot be used at all (an unsupported operator, a name without a value);
    /// matters only if the branch is.
    std::optional<qaicrt::Error> failure;
    /// Made by the node's infer, used up by its prepare: the branch as a network whose inputs are
    /// the node's inputs `fed`, or why these sizes do not fit it.
    std::unique_ptr<Network::Impl> network;
    std::vector<std::size_t> fed;
    std::optional<qaicrt::Error> misfit;
    /// What the network was made from (Graph::keep_lowered); belongs to it, wherever it moves.
    const Graph* lowered = nullptr;
};

/// Calls `infer` on every node in order, which may change it and the graph's values. An If whose
/// condition is known by then is replaced by the nodes of its branch.
qaicrt::Status infer_in_order(Graph& graph, const std::function<qaicrt::Status(Node&)>& infer);

}  // namespace qaicnet
