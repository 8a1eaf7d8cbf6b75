// SPDX-License-Identifier: Apache-2.0
/// Where the card's interrupts end: one descriptor per channel that poll() can wait on.
#pragma once

#include "emu/ports.hpp"
#include "libqaicrt/support/owned.hpp"

#include <hw/aic100_dbc.h>

#include <array>
#include <memory>
#include <mutex>

namespace qaicrt::backend::emu {

/// An eventfd that is readable from set() to clear(). Thread safe.
class DbcSignal {
  public:
    static Result<std::shared_ptr<DbcSignal>> create();
    explicit DbcSignal(OwnedFd fd) noexcept : fd_(std::move(fd)) {}
    void set() noexcept;
    void clear() noexcept;
    int fd() const noexcept { return fd_.get(); }

  private:
    OwnedFd fd_;
    std::mutex mutex_;  // leaf: flag and descriptor change together
    bool set_ = false;  // spares the system call when nothing changes
};

/// The card's interrupt lines: vector n + 1 sets the signal of DBC n. Only signals; the response
/// FIFO is read by reap() on the caller's thread.
class MsiRouter final : public qaicemu::InterruptSink {
  public:
    void raise(unsigned vector) override;
    void connect(unsigned dbc, std::shared_ptr<DbcSignal> signal);
    void disconnect(unsigned dbc);

  private:
    std::mutex mutex_;
    std::array<std::shared_ptr<DbcSignal>, AIC100_DBC_COUNT> signals_;
};

}  // namespace qaicrt::backend::emu
