// SPDX-License-Identifier: Apache-2.0
/// The lowered graph as ONNX: what the runner is about to prepare kernels for.
#pragma once

#include "emu/net/graph.hpp"
#include "emu/net/tensor.hpp"

#include <qaicrt/result.hpp>

namespace onnx {
class ModelProto;
}

namespace qaicnet {

/// Replaces `model`. Inputs and outputs keep their names and order, other names are made unique;
/// constants that a node reads become initializers, everything has its type and shape. Operators of
/// ai.qaic.emu come with functions (export_functions.hpp), nodes of older opsets take the form of
/// the newest one in the graph (export_opset.hpp). A branch that the sizes of the network do not
/// fit fails when the condition takes it, as it does in the runner. The same graph gives the same
/// bytes. Errors: kUnsupported (more than 2 GiB; a node that ONNX cannot say), kNoMemory.
qaicrt::Status export_model(const Graph& graph, Budget& budget, onnx::ModelProto& model);

}  // namespace qaicnet
