// SPDX-License-Identifier: Apache-2.0
/// Program: a parsed and checked QPC. Immutable; cheap to copy (copies share the bytes); thread
/// safe.
#pragma once

#include <qaicrt/export.hpp>
#include <qaicrt/result.hpp>
#include <qaicrt/types.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qaicrt {

class QAICRT_API Program {
  public:
    /// `path` is a QPC file or a directory that holds `programqpc.bin`.
    /// Errors: kNotFound, kIo (sys_errno), kNoMemory, kFormat (segment, offset, rule),
    /// kUnsupported.
    static Result<Program> from_file(const std::string& path);
    /// Takes the bytes over.
    static Result<Program> from_bytes(std::vector<std::byte> bytes);

    const std::string& name() const noexcept;
    std::span<const TensorInfo> inputs() const noexcept;  ///< in binding order
    std::span<const TensorInfo> outputs() const noexcept;
    /// Index of a tensor in inputs() or outputs(); kNotFound names the ones that exist.
    Result<std::size_t> input_index(std::string_view tensor) const;
    Result<std::size_t> output_index(std::string_view tensor) const;
    unsigned num_nsps() const noexcept;
    std::int32_t batch_size() const noexcept;
    /// False for a program compiled for the card's NSPs: only silicon runs it.
    bool made_for_emulator() const noexcept;
    std::span<const std::byte> bytes() const noexcept;

    struct Impl;  ///< internal
    const Impl& impl() const noexcept { return *impl_; }

  private:
    explicit Program(std::shared_ptr<const Impl> impl);
    std::shared_ptr<const Impl> impl_;  // shared by copies and by activations that outlive them
};

}  // namespace qaicrt
