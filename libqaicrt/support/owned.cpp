// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/support/owned.hpp"

#include "libqaicrt/support/sys_error.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

namespace qaicrt {

OwnedFd::~OwnedFd() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Result<HostPages> HostPages::create(std::uint64_t bytes) {
    if (bytes == 0) {
        return sys_error(EINVAL, "memory of 0 bytes was asked for");
    }
    if (bytes > std::numeric_limits<std::uint64_t>::max() - kHostPageBytes) {
        return sys_error(ENOMEM, "the size of the memory asked for wraps around");
    }
    const std::uint64_t rounded = (bytes + kHostPageBytes - 1) & ~(kHostPageBytes - 1);
    void* memory =
        ::mmap(nullptr, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return sys_error(errno,
                         "the host has no " + std::to_string(rounded) + " bytes of memory left");
    }
    return HostPages{{static_cast<std::byte*>(memory), static_cast<std::size_t>(rounded)}};
}

HostPages::~HostPages() {
    if (!data_.empty()) {
        ::munmap(data_.data(), data_.size());
    }
}

}  // namespace qaicrt
