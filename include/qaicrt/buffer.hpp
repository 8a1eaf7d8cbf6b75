// SPDX-License-Identifier: Apache-2.0
/// Buffer: card-visible host memory of its own (a BO and its mapping), for callers who place data
/// themselves.
#pragma once

#include <qaicrt/device.hpp>
#include <qaicrt/export.hpp>
#include <qaicrt/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace qaicrt {

/// Move only. Zero filled at creation.
class QAICRT_API Buffer {
  public:
    /// Errors: kInvalidArgument (size 0), kNoMemory.
    static Result<Buffer> create(const Device& device, std::uint64_t bytes);
    Buffer(Buffer&&) noexcept;
    Buffer& operator=(Buffer&&) noexcept;
    ~Buffer();

    std::span<std::byte> data() noexcept;
    std::span<const std::byte> data() const noexcept;
    /// A dma-buf descriptor that the caller closes; kUnsupported on the emulator.
    Result<int> export_dma_buf() const;

    struct Impl;

  private:
    explicit Buffer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace qaicrt
