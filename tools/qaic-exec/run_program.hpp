// SPDX-License-Identifier: Apache-2.0
/// The run after compiling: random or given inputs, the vendor's statistics line.
#pragma once

#include "compiler/compile.hpp"

#include <qaicrt/program.hpp>
#include <qaicrt/result.hpp>

#include <functional>
#include <string>

namespace qaicexec {

/// Runs a program as qaic-exec does without -compile-only and reports on `print`.
/// Errors: those of the runtime; kIo, kInvalidArgument for input and output files.
qaicrt::Status run_program(const qaicrt::Program& program, const qaicc::RunOptions& options,
                           const std::function<void(const std::string&)>& print);

}  // namespace qaicexec
