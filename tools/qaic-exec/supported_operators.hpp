// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qaicrt/result.hpp>

#include <functional>
#include <string>

namespace qaicexec {

/// -operators-supported=onnx: OnnxSupportedOperators.txt in the working directory. Errors: kIo.
qaicrt::Status write_supported_operators(const std::function<void(const std::string&)>& print);

}  // namespace qaicexec
