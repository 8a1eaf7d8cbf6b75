// SPDX-License-Identifier: Apache-2.0
/// The files of an ONNX backend test case, and its model with shapes that the runner can know at
/// load.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace onnx {
class ModelProto;
class TensorProto;
}  // namespace onnx

namespace conformance {

using Bytes = std::vector<std::byte>;

/// Thrown: why a case did not pass.
struct Failure {
    std::string stage, reason;  ///< as in Outcome
};

/// input_0.pb, input_1.pb … of a data set; `kind` is "input" or "output". Throws Failure for a file
/// that holds no tensor.
std::vector<onnx::TensorProto> read_tensors(const std::filesystem::path& folder, const char* kind);

/// A tensor's elements as the runner has them, from whichever field holds them.
Bytes tensor_bytes(const onnx::TensorProto& tensor);

/// The model with sizes from the data set, and with shape inputs turned into initializers. `left`
/// gets the indices of the inputs that are still fed.
onnx::ModelProto bind_shape_inputs(const onnx::ModelProto& model,
                                   const std::vector<onnx::TensorProto>& inputs,
                                   std::vector<std::size_t>& left);

}  // namespace conformance
