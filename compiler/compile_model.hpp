// SPDX-License-Identifier: Apache-2.0
/// The compiler without files: a model in memory to the bytes of a QPC. For tests and fuzzing.
#pragma once

#include "compiler/compile.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace qaicc {

/// As compile_model_to_bytes, of a model that is given as bytes and has no external data. `source`
/// names it in messages; the model's tensors may take at most `max_bytes`.
qaicrt::Result<std::vector<std::byte>> compile_model_bytes(
    std::span<const std::byte> model, const std::string& source, const CompileOptions& options,
    CompileReport* report = nullptr, std::uint64_t max_bytes = std::uint64_t{64} << 30);

}  // namespace qaicc
