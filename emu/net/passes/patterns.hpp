// SPDX-License-Identifier: Apache-2.0
/// The families of fuse_patterns: each looks whether the pattern's last node (or the node that all
/// spellings of the pattern have, for layer norms) is this one, and replaces the pattern if it is.
///
/// Fused operators round less often than what they replace; infinities in between that a fused
/// operator does not run into (exp(x) in log(1 + exp(x))) are not imitated.
#pragma once

#include "emu/net/passes/graph_edit.hpp"

#include <qaicrt/result.hpp>

#include <cstddef>

namespace qaicnet {

/// HardSigmoid and Softplus from their parts.
qaicrt::Result<bool> fuse_ramp(GraphEdit& edit, std::size_t node);
/// x times a gate of x: HardSwish, Swish, Mish, Gelu.
qaicrt::Result<bool> fuse_gate(GraphEdit& edit, std::size_t node);
/// LayerNormalization, RMSNormalization.
qaicrt::Result<bool> fuse_layer_norm(GraphEdit& edit, std::size_t node);
/// exp(x - max) / sum.
qaicrt::Result<bool> fuse_softmax(GraphEdit& edit, std::size_t node);
/// MatMul of a matrix and Add of a row: the same sums as Gemm's, bit for bit.
qaicrt::Result<bool> fuse_gemm(GraphEdit& edit, std::size_t node);

}  // namespace qaicnet
