// SPDX-License-Identifier: Apache-2.0
/// A model imports one version of ONNX's operators, and a graph may hold nodes of several:
/// functions bring their own, passes make operators that are newer than the model.
#pragma once

#include "emu/net/graph.hpp"
#include "emu/net/tensor.hpp"

#include <qaicrt/result.hpp>

#include <cstdint>

namespace qaicnet {

/// The model's opset, or the oldest newer one that has all forms that nodes newer than the model
/// have, those inside the branches of If too, and what the functions of ai.qaic.emu are written
/// with.
std::int64_t common_opset(const Graph& graph);

/// A copy without the nodes whose results are constants, each other node in the form that `opset`
/// gives it: attributes that became inputs are constants of the copy, and where the opset has no
/// FLOAT16 a node stands between Casts. Branches stay as they are.
/// Errors: kUnsupported for a node that has no such form, kNoMemory.
qaicrt::Result<Graph> with_opset(const Graph& graph, std::int64_t opset, Budget& budget);

/// True when nothing of the node is left to compute.
bool is_folded(const Graph& graph, const Node& node);

}  // namespace qaicnet
