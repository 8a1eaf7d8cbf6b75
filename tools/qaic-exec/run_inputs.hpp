// SPDX-License-Identifier: Apache-2.0
/// What an inference after compiling is fed with.
#pragma once

#include <qaicrt/program.hpp>
#include <qaicrt/result.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace qaicexec {

/// Bytes of every input of one inference, in binding order.
using InputSet = std::vector<std::vector<std::byte>>;

/// Uniform values that every graph can take, the same in each run of the tool: floats in [-1, 1),
/// plain integers over their range, index types 0 or 1.
InputSet random_inputs(const qaicrt::Program& program);

/// -input-list-file: one inference a line, comma separated raw files in binding order; blank lines
/// are skipped. Errors: kIo, kNotFound, kInvalidArgument (count or size) naming file and line.
qaicrt::Result<std::vector<InputSet>> read_input_list(const qaicrt::Program& program,
                                                      const std::string& path);

}  // namespace qaicexec
