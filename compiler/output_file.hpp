// SPDX-License-Identifier: Apache-2.0
/// The output directory: checked before work starts, written at the end, all or nothing.
#pragma once

#include <qaicrt/result.hpp>

#include <cstddef>
#include <span>
#include <string>

namespace qaicc {

/// File name in the output directory: loaders look for it.
inline constexpr const char* kProgramFile = "programqpc.bin";

/// Refuses a directory that holds anything but our own earlier program, and a file in its place.
/// Errors: kInvalidArgument, kIo (sys_errno).
qaicrt::Status check_output_dir(const std::string& dir);

/// Makes `dir` (with parents) and writes dir/programqpc.bin: a temporary file in the same
/// directory, fsync, rename. On failure the temporary file and every directory that was made are
/// removed again. Returns the file's path. Errors: kIo, kPermission (sys_errno).
qaicrt::Result<std::string> write_program(const std::string& dir, std::span<const std::byte> bytes);

/// Refuses, before work starts, a place where the lowered graph cannot or must not be written: the
/// model itself, the program's directory, which holds the program alone, a folder that is not
/// there, something that is no regular file. Errors: kInvalidArgument, kIo, kPermission
/// (sys_errno).
qaicrt::Status check_graph_file(const std::string& path, const std::string& model_path,
                                const std::string& output_dir);

/// As write_program: a temporary file beside `path`, fsync, rename; a symbolic link keeps pointing
/// where it did. Errors: kIo, kPermission (sys_errno).
qaicrt::Status write_graph_file(const std::string& path, std::span<const std::byte> bytes);

}  // namespace qaicc
