// SPDX-License-Identifier: Apache-2.0
/// Constants that describe an operation instead of being its data.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <unordered_set>

namespace qaicc {

/// Initializers of a graph that -convert-to-fp16 leaves as they are: statistics of a normalisation
/// (a variance is easily beyond FP16's range) and factors of a size, where nothing else reads them.
std::unordered_set<std::string> float_operands(const onnx::GraphProto& graph);

}  // namespace qaicc
