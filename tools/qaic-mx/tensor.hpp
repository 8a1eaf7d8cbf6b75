// SPDX-License-Identifier: Apache-2.0
/// FP32 tensors from and to .npy files.
#pragma once

#include <qaicrt/result.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace qaicmxtool {

struct Tensor {
    std::vector<std::int64_t> dims;
    std::vector<float> values;
};

/// Errors: those of read_npy, and kUnsupported when the file is not float32.
qaicrt::Result<Tensor> read_tensor(const std::string& path);
qaicrt::Status write_tensor(const std::string& path, const Tensor& tensor);

/// `axes`, or the last axis when it is empty; names the file in the message of a bad axis.
qaicrt::Result<std::vector<int>> axes_of(const Tensor& tensor, const std::vector<int>& axes,
                                         const std::string& path);

}  // namespace qaicmxtool
