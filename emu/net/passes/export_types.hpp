// SPDX-License-Identifier: Apache-2.0
/// The runner takes FLOAT16 in more places than old opsets of ONNX do: -convert-to-fp16 makes such
/// nodes of models that were valid.
#pragma once

#include "emu/net/graph.hpp"

#include <cstdint>

namespace qaicnet {

/// Tensors of a node that the opset wants as FLOAT, though they are FLOAT16.
struct FloatOnly {
    std::uint32_t inputs = 0;   ///< a bit for each
    std::uint32_t outputs = 0;  ///< likewise
};
FloatOnly float_only(const Graph& graph, const Node& node, std::int64_t opset);

}  // namespace qaicnet
