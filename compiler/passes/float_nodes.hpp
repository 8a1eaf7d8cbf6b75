// SPDX-License-Identifier: Apache-2.0
/// Nodes that compute in FLOAT in a network of FLOAT16: ranges and scales of quantised numbers.
#pragma once

#include "compiler/graph_util.hpp"

#include <onnx/onnx_pb.h>

#include <string>
#include <unordered_set>

namespace qaicc {

/// What -convert-to-fp16 must not touch after set_float_nodes_apart.
struct FloatNodes {
    std::unordered_set<std::string> constants;  ///< initializers
    std::unordered_set<std::string> results;    ///< of nodes whose attributes stay
};

/// Puts Casts around the nodes of one graph whose scales FP16 would spoil: Quantize- and
/// DequantizeLinear, DynamicQuantizeLinear, QLinearMatMul and QLinearConv, and what brings the sums
/// of MatMulInteger and ConvInteger back to their scale, since those are beyond FP16's range.
/// Before the other nodes are converted; the graph is valid once they are.
FloatNodes set_float_nodes_apart(onnx::GraphProto& graph, TensorNames& names);

}  // namespace qaicc
