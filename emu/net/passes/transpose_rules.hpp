// SPDX-License-Identifier: Apache-2.0
/// What a Transpose in front of a node means for it, so that it can move behind the node.
#pragma once

#include "emu/net/passes/graph_edit.hpp"
#include "emu/net/passes/layout.hpp"

#include <cstdint>

namespace qaicnet {

enum class TransposeRule : std::uint8_t {
    kNone,       ///< the node wants the order that it has
    kUnary,      ///< element by element; inputs behind the first are scalars
    kBroadcast,  ///< element by element of several inputs
    kConcat,
    kAxis,    ///< one attribute `axis`: Split, Softmax, LogSoftmax
    kReduce,  ///< a list of axes
    kQuantize,
    kPad,
    kResize,
    kSlice,
};

TransposeRule find_rule(const Node& node);

/// Rewrites the axes that the node names: its inputs are now those of before `perm` (result axis a
/// is axis perm[a]). False when they are not known; the node must then be left as it was.
bool move_axes(GraphEdit& edit, TransposeRule rule, const Permutation& perm, Node& node);

}  // namespace qaicnet
