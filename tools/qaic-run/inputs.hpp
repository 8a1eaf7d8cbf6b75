// SPDX-License-Identifier: Apache-2.0
/// Where the inputs of a run come from: files (raw or .npy), lists of files, or random data.
#pragma once

#include "tools/qaic-run/options.hpp"

#include <qaicrt/result.hpp>
#include <qaicrt/types.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace qaicrun {

/// The bytes of all inputs of one inference, in the program's order, and views of them for
/// Queue::enqueue.
class InputSet {
  public:
    InputSet() = default;
    InputSet(InputSet&&) =
        default;  // the views stay good: they point at heap memory that moves along
    InputSet& operator=(InputSet&&) = default;

    void add(std::vector<std::byte> bytes) {
        views_.emplace_back(buffers_.emplace_back(std::move(bytes)));
    }
    std::span<const std::span<const std::byte>> views() const noexcept { return views_; }

  private:
    std::vector<std::vector<std::byte>> buffers_;
    std::vector<std::span<const std::byte>> views_;
};

struct Inputs {
    std::vector<InputSet> sets;  ///< at least one; inference i uses set i modulo their number
    bool random = false;
    bool batch = false;              ///< from a directory or a list
    std::vector<std::string> files;  ///< in the order they were read
};

/// Reads one input file: .npy when it begins with NumPy's magic (dtype and shape must be the
/// tensor's), raw bytes otherwise (exactly the tensor's size). Errors: kNotFound, kIo,
/// kInvalidArgument (both sizes or shapes named), kFormat, kNoMemory.
qaicrt::Result<std::vector<std::byte>> read_input(const std::string& path,
                                                  const qaicrt::TensorInfo& tensor);

/// Bounded random values: floating point in [-1, 1), quantised types 0 … 127, indices and int8
/// (also bool) 0 or 1, so that any program can take them. `unbounded`: random bytes. The same seed
/// gives the same bytes everywhere.
std::vector<std::byte> random_input(const qaicrt::TensorInfo& tensor, std::uint64_t seed,
                                    bool unbounded);

/// All inputs that the options ask for.
qaicrt::Result<Inputs> collect_inputs(const Options& options,
                                      std::span<const qaicrt::TensorInfo> tensors);

}  // namespace qaicrun
