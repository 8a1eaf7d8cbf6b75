// SPDX-License-Identifier: Apache-2.0
/// Output tensors as files with the names that scripts around the vendor's runner expect.
#pragma once

#include <qaicrt/result.hpp>
#include <qaicrt/types.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace qaicrun {

/// A tensor's name as part of a file name: '/' and control characters become '_'. It never names
/// another directory, because something is always appended to it.
std::string flat_name(const std::string& tensor);

/// flat_name of each tensor; tensors whose flat names would be equal get their index appended
/// ("a_b.1").
std::vector<std::string> flat_names(std::span<const qaicrt::TensorInfo> tensors);

/// Writes files into one directory, each complete or not at all. One thread at a time.
class OutputFiles {
  public:
    /// A missing directory is made with the first file. Errors: kIo (not a directory, not
    /// writable).
    static qaicrt::Result<OutputFiles> open(const std::string& directory,
                                            std::span<const qaicrt::TensorInfo> outputs,
                                            std::function<void(const std::string&)> say);

    /// <tensor>-activation-<a>-inf-<i>.bin for every output, with a line about each. Errors: kIo.
    qaicrt::Status write(unsigned activation, std::uint64_t inference,
                         std::span<const std::span<const std::byte>> outputs);
    qaicrt::Status write_file(const std::string& name, std::span<const std::byte> bytes);

  private:
    std::string directory_;
    bool made_ = false;
    std::vector<std::string> names_;
    std::function<void(const std::string&)> say_;
};

}  // namespace qaicrun
