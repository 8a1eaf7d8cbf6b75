// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-exec/supported_operators.hpp"

#include "compiler/compile.hpp"
#include "tools/common/atomic_file.hpp"

#include <fmt/format.h>

#include <span>

namespace qaicexec {

qaicrt::Status write_supported_operators(const std::function<void(const std::string&)>& print) {
    constexpr const char* kFile = "OnnxSupportedOperators.txt";
    const std::string text = qaicc::supported_operators_text();
    QAICRT_CHECK(qaictools::write_file_atomically(kFile, {std::as_bytes(std::span(text))}));
    print(fmt::format("Supported operators are listed in {}", kFile));
    return {};
}

}  // namespace qaicexec
