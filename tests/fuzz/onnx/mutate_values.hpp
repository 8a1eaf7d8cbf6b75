// SPDX-License-Identifier: Apache-2.0
/// The leaves of a model: numbers, strings, attributes and tensors.
#pragma once

#include "tests/fuzz/onnx/random.hpp"

#include <cstdint>
#include <string>

namespace onnx {
class AttributeProto;
class NodeProto;
class TensorProto;
class TensorShapeProto;
}  // namespace onnx

namespace fuzzing {

/// Near `value`, or one of the numbers at which arithmetic goes wrong.
std::int64_t other_int(std::int64_t value, Random& random);
float other_float(Random& random);
/// One of the element types that the runner has or, rarely, of those that it lacks.
int other_type(Random& random);
/// A size: mostly small, sometimes 0, negative or absurd.
std::int64_t other_size(std::int64_t value, Random& random);

void mutate_attribute(onnx::AttributeProto& attribute, Random& random);
/// An attribute of an ONNX operator that this one may or may not have.
void add_attribute(onnx::NodeProto& node, Random& random);
/// Dimensions, type or values; mostly the number of values follows the shape.
void mutate_tensor(onnx::TensorProto& tensor, Random& random);
/// Gives the tensor values that fit its type and shape.
void refill(onnx::TensorProto& tensor, Random& random);
void mutate_shape(onnx::TensorShapeProto& shape, Random& random);

}  // namespace fuzzing
