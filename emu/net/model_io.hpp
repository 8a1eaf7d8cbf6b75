// SPDX-License-Identifier: Apache-2.0
/// Reading ONNX files: the protobuf itself and the data that it keeps in other files.
#pragma once

#include <qaicrt/result.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace onnx {
class ModelProto;
}

namespace qaicnet {

/// Parses a serialised ModelProto of up to 2 GiB, nested at most 64 messages deep.
/// Errors: kFormat for anything that is not a complete model with a graph, kNoMemory.
qaicrt::Result<std::unique_ptr<onnx::ModelProto>> parse_model(std::span<const std::byte> bytes);

/// Copies external data of initializers and of tensors in attributes (functions included) into the
/// model. Only regular files inside `model_dir` are read: absolute paths, "..", and symbolic links
/// that lead out are refused. Errors: kFormat (path, offset or length), kNotFound and kIo (with
/// sys_errno), kNoMemory.
qaicrt::Status resolve_external_data(onnx::ModelProto& model, const std::string& model_dir);

}  // namespace qaicnet
