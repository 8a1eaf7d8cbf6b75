// SPDX-License-Identifier: Apache-2.0
/// The card's MSI vectors, as eventfds that the client gave us.
#pragma once

#include "emu/ports.hpp"
#include "libqaicrt/support/owned.hpp"

#include <array>
#include <cstdint>
#include <mutex>
#include <span>

namespace qaicvcard::vfio_user {

/// True if `fd` is an eventfd. A write to anything else (a full pipe, a network file) might block.
bool is_eventfd(int fd);

/// Thread safe; nothing here waits for the guest.
class MsiLines final : public qaicemu::InterruptSink {
  public:
    static constexpr unsigned kVectors = 32;

    /// Vector `first` + i gets fds[i]; what was there is closed. A vector that was raised while it
    /// had none is raised now. EINVAL: range, or not an eventfd (then nothing changes).
    int connect(unsigned first, std::span<qaicrt::OwnedFd> fds);
    /// Takes the eventfds away. EINVAL: range.
    int disconnect(unsigned first, unsigned count);
    /// Forgets eventfds and what was raised: the client is gone.
    void clear();
    /// Forgets only what was raised: the device was reset.
    void drop_pending();
    /// How many vectors the guest has switched on in the MSI capability; with one, all sources
    /// share vector 0. 0: MSI is off, and what is raised is remembered.
    void set_enabled(unsigned count);

    void raise(unsigned vector) override;

  private:
    void fire(unsigned vector);  // needs mutex_

    std::mutex mutex_;
    std::array<qaicrt::OwnedFd, kVectors> fds_;
    std::uint32_t pending_ = 0;  ///< one bit for each vector
    unsigned enabled_ = 0;
};

}  // namespace qaicvcard::vfio_user
