// SPDX-License-Identifier: Apache-2.0
/// From a path to a model in memory, every way in which that can fail in one sentence.
#pragma once

#include <qaicrt/result.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace onnx {
class ModelProto;
}

namespace qaicc {

/// Reads FILE.onnx and the external data beside it. Errors: kInvalidArgument (not a .onnx path),
/// kNotFound, kIo, kPermission (sys_errno), kFormat, kUnsupported (2 GiB and more), kNoMemory.
qaicrt::Result<std::unique_ptr<onnx::ModelProto>> read_model_file(const std::string& path);

/// A model without external data. `source` names it in messages.
qaicrt::Result<std::unique_ptr<onnx::ModelProto>> parse_model_bytes(
    std::span<const std::byte> bytes, const std::string& source);

}  // namespace qaicc
