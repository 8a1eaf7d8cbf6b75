// SPDX-License-Identifier: Apache-2.0
/// Sizes that a graph computes in floating point.
#pragma once

#include <onnx/onnx_pb.h>

#include <unordered_set>

namespace qaicc {

/// Nodes that compute sizes from sizes in FLOAT: from a Cast of a Shape's numbers to a Cast back to
/// integers, or to the factors of a Resize. -convert-to-fp16 leaves them as they are, because FP16
/// does not hold every whole number beyond 2048. A constant that other nodes read too is copied for
/// them. Pointers into the graph's nodes, which stay valid while none are removed.
std::unordered_set<const onnx::NodeProto*> float_shape_arithmetic(onnx::GraphProto& graph);

}  // namespace qaicc
