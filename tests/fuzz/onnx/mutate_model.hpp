// SPDX-License-Identifier: Apache-2.0
/// Changes to ONNX models that leave them models: most results still load, so kernels see them.
#pragma once

#include "tests/fuzz/onnx/random.hpp"

namespace onnx {
class ModelProto;
}

namespace fuzzing {

/// One to four changes: attributes, dimensions, element types, connections, values, operators,
/// nodes copied, removed or moved into a branch.
void mutate(onnx::ModelProto& model, Random& random);

/// The nodes of `other` after those of `model`, some of its inputs fed by results of `model`.
void append(onnx::ModelProto& model, const onnx::ModelProto& other, Random& random);

}  // namespace fuzzing
