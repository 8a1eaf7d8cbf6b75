// SPDX-License-Identifier: Apache-2.0
/// Output files that appear complete or not at all.
#pragma once

#include <qaicrt/result.hpp>

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>

namespace qaictools {

/// Writes the parts one after the other to a new file beside `path` and renames it; after an error
/// neither a new file nor a changed one is left. A path that exists and is no regular file (a pipe,
/// /dev/null) is written to directly. A symbolic link keeps pointing where it did. Errors: kIo with
/// errno.
qaicrt::Status write_file_atomically(const std::string& path,
                                     std::initializer_list<std::span<const std::byte>> parts);

}  // namespace qaictools
