// SPDX-License-Identifier: Apache-2.0
#include "vcard/vfio_user/msi_lines.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>

namespace qaicvcard::vfio_user {

bool is_eventfd(int fd) {
    std::array<char, 64> text;
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    const ssize_t length = ::readlink(link.c_str(), text.data(), text.size());
    return length > 0 && std::string_view(text.data(), static_cast<std::size_t>(length)) ==
                             "anon_inode:[eventfd]";
}

int MsiLines::connect(unsigned first, std::span<qaicrt::OwnedFd> fds) {
    if (first > kVectors || fds.size() > kVectors - first) {
        return EINVAL;
    }
    for (const qaicrt::OwnedFd& fd : fds) {
        // Without blocking: a client that lets its counter run full must not stop the card.
        if (!is_eventfd(fd.get()) ||
            ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK) != 0) {
            return EINVAL;
        }
    }
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < fds.size(); ++i) {
        const auto vector = static_cast<unsigned>(first + i);
        qaicrt::OwnedFd old = std::move(fds_[vector]);
        fds_[vector] = std::move(fds[i]);
        if ((pending_ >> vector & 1U) != 0 && vector < std::max(enabled_, 1U)) {
            fire(vector);
        }
    }
    return 0;
}

int MsiLines::disconnect(unsigned first, unsigned count) {
    if (first > kVectors || count > kVectors - first) {
        return EINVAL;
    }
    const std::lock_guard lock(mutex_);
    for (unsigned i = first; i < first + count; ++i) {
        const qaicrt::OwnedFd gone = std::move(fds_[i]);
    }
    return 0;
}

void MsiLines::clear() {
    (void)disconnect(0, kVectors);
    const std::lock_guard lock(mutex_);
    pending_ = 0;
    enabled_ = 0;
}

void MsiLines::drop_pending() {
    const std::lock_guard lock(mutex_);
    pending_ = 0;
}

void MsiLines::set_enabled(unsigned count) {
    const std::lock_guard lock(mutex_);
    enabled_ = std::min(count, kVectors);
    if (enabled_ == 1 && pending_ != 0) {
        pending_ = 1;
        fire(0);
    }
}

void MsiLines::raise(unsigned vector) {
    if (vector >= kVectors) {
        return;
    }
    const std::lock_guard lock(mutex_);
    // Fewer vectors than the card has sources: the guest then reads everything on vector 0.
    fire(enabled_ != 0 && vector >= enabled_ ? 0 : vector);
}

void MsiLines::fire(unsigned vector) {
    const std::uint64_t one = 1;
    const bool sent = enabled_ != 0 && fds_[vector].get() >= 0 &&
                      (::write(fds_[vector].get(), &one, sizeof(one)) == sizeof(one) ||
                       errno == EAGAIN);  // a full counter is an interrupt that is still to be seen
    pending_ = sent ? pending_ & ~(1U << vector) : pending_ | 1U << vector;
}

}  // namespace qaicvcard::vfio_user
