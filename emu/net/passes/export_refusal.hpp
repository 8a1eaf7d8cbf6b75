// SPDX-License-Identifier: Apache-2.0
/// A branch of an If that the sizes of the network do not fit, as ONNX.
#pragma once

#include "emu/net/graph.hpp"
#include "emu/net/subgraph.hpp"
#include "emu/net/tensor.hpp"

#include <qaicrt/result.hpp>

#include <cstdint>

namespace qaicnet {

/// A branch with the types of the node's results that fails whenever it runs, as the runner does:
/// it gathers behind the end of a tensor, at a place that depends on the condition, so that nobody
/// can fold it. Error: kNoMemory.
qaicrt::Result<Subgraph> refused_branch(const Graph& graph, const Node& node, bool is_then,
                                        std::int64_t opset, Budget& budget);

}  // namespace qaicnet
