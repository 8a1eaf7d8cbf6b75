// SPDX-License-Identifier: Apache-2.0
/// NumPy's .npy files, versions 1 to 3, for the tools. Source: NumPy enhancement proposal 1,
/// format 3.0.
#pragma once

#include <qaicrt/result.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace qaictools {

/// An array in memory: always C order and little endian, whatever the file had.
struct NpyArray {
    std::string dtype;               ///< "<f4", "<f2", "<f8", "|i1", "|u1", "|b1", "<i8", …
    std::vector<std::int64_t> dims;  ///< empty for a single number
    std::vector<std::byte> data;     ///< product(dims) * item size
};

/// Bytes of one element of a dtype such as "<f4"; 0 for one that is not a plain number.
std::size_t npy_item_size(const std::string& dtype) noexcept;

/// Errors: kNotFound, kIo (with errno), kFormat (damaged, with what is wrong), kUnsupported
/// (dtype), kNoMemory. A file whose size does not match its header is damaged; nothing beyond its
/// end is ever allocated for.
qaicrt::Result<NpyArray> read_npy(const std::string& path);

/// Writes version 1.0 (3.0 when the header is too long for it). The file appears complete or not at
/// all: it is written next to its place and renamed (tools/common/atomic_file.hpp). Errors:
/// kInvalidArgument (data does not fit dtype and dims), kIo.
qaicrt::Status write_npy(const std::string& path, const NpyArray& array);

}  // namespace qaictools
