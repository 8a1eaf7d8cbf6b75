// SPDX-License-Identifier: Apache-2.0
/// The passes over a graph whose types and shapes are known (docs/design/net-lowering.md), one file
/// each. Every pass keeps what the graph computes; where it changes a rounding, its comment says
/// so.
#pragma once

#include "emu/net/passes/graph_edit.hpp"

#include <qaicrt/result.hpp>

#include <span>

namespace qaicnet {

/// True when it changed something: the graph is then inferred again before the next pass.
using Pass = qaicrt::Result<bool> (*)(GraphEdit& edit);
struct NamedPass {
    const char* name;
    Pass run;
};

/// In the order in which they run.
std::span<const NamedPass> passes();

/// Nodes whose results nobody needs go. Not in the list: it runs around every pass.
void remove_dead_nodes(Graph& graph);

/// Chains of Reshape, Squeeze, Unsqueeze, Flatten, Identity become one view; Cast, Slice, Pad,
/// Expand, Transpose and arithmetic with neutral constants that change nothing go.
qaicrt::Result<bool> simplify_reshapes(GraphEdit& edit);
/// Several nodes that spell one operator (HardSwish, HardSigmoid, Gelu, Sigmoid gates,
/// LayerNormalization) become that operator.
qaicrt::Result<bool> fuse_patterns(GraphEdit& edit);
/// Conv followed by BatchNormalization, or by Mul and Add with constants by channel, becomes a Conv
/// with other weights.
qaicrt::Result<bool> fuse_batch_norm(GraphEdit& edit);
/// Conv and ConvTranspose with what follows them (bias, a sum, an activation) become FusedConv.
qaicrt::Result<bool> fuse_bias_and_activation(GraphEdit& edit);
/// Convolutions and pools work on channels last, with Transposes at the edges of each region.
qaicrt::Result<bool> choose_layout(GraphEdit& edit);
/// Transposes move through elementwise operators and cancel.
qaicrt::Result<bool> simplify_transposes(GraphEdit& edit);

}  // namespace qaicnet
