// SPDX-License-Identifier: Apache-2.0
/// Owners of system objects: a file descriptor, whole pages of memory.
#pragma once

#include <qaicrt/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace qaicrt {

inline constexpr std::uint64_t kHostPageBytes = 4096;

class OwnedFd {
  public:
    OwnedFd() = default;
    explicit OwnedFd(int fd) noexcept : fd_(fd) {}
    OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    OwnedFd& operator=(OwnedFd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~OwnedFd();
    int get() const noexcept { return fd_; }

  private:
    int fd_ = -1;
};

/// Zero-filled memory in whole pages of its own, so that nothing else shares a page with it.
class HostPages {
  public:
    /// `bytes` is rounded up to pages. Errors: ENOMEM (also for a size that wraps), EINVAL for 0.
    static Result<HostPages> create(std::uint64_t bytes);
    HostPages() = default;
    HostPages(HostPages&& other) noexcept : data_(std::exchange(other.data_, {})) {}
    HostPages& operator=(HostPages&& other) noexcept {
        std::swap(data_, other.data_);
        return *this;
    }
    ~HostPages();
    std::span<std::byte> data() const noexcept { return data_; }

  private:
    explicit HostPages(std::span<std::byte> data) noexcept : data_(data) {}
    std::span<std::byte> data_;
};

}  // namespace qaicrt
