// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/backend/emu/dbc_signal.hpp"

#include "libqaicrt/support/sys_error.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

namespace qaicrt::backend::emu {

Result<std::shared_ptr<DbcSignal>> DbcSignal::create() {
    OwnedFd fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (fd.get() < 0) {
        return sys_error(errno, "the process has no descriptor left for a channel's completions");
    }
    return std::make_shared<DbcSignal>(std::move(fd));
}

void DbcSignal::set() noexcept {
    const std::lock_guard lock(mutex_);
    if (!set_) {
        const std::uint64_t one = 1;
        set_ = ::write(fd_.get(), &one, sizeof(one)) == sizeof(one);
    }
}

void DbcSignal::clear() noexcept {
    const std::lock_guard lock(mutex_);
    if (set_) {
        std::uint64_t count = 0;
        set_ = ::read(fd_.get(), &count, sizeof(count)) != sizeof(count);
    }
}

void MsiRouter::raise(unsigned vector) {
    if (vector == 0 || vector > signals_.size()) {
        return;
    }
    const std::lock_guard lock(mutex_);
    if (const auto& signal = signals_[vector - 1]) {
        signal->set();
    }
}

void MsiRouter::connect(unsigned dbc, std::shared_ptr<DbcSignal> signal) {
    const std::lock_guard lock(mutex_);
    signals_.at(dbc) = std::move(signal);
}

void MsiRouter::disconnect(unsigned dbc) {
    const std::lock_guard lock(mutex_);
    signals_.at(dbc).reset();
}

}  // namespace qaicrt::backend::emu
