// SPDX-License-Identifier: Apache-2.0
/// Values that a model keeps in files beside it.
#pragma once

#include <qaicrt/result.hpp>

#include <string>

namespace onnx {
class ModelProto;
}

namespace qaicc {

/// Reads the values of every tensor with external data (initializers and Constant nodes, functions
/// included) into raw_data. A file must lie in the folder of the model (links followed, both for
/// the model and for the file). Errors: kFormat (bad location, offset or size), kNotFound, kIo,
/// kPermission; all name the tensor.
qaicrt::Status load_external_data(onnx::ModelProto& model, const std::string& model_path);

}  // namespace qaicc
