// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-run/stop_signal.hpp"

#include <ctime>

namespace qaicrun {
namespace {

// A signal handler can reach nothing but a global.
volatile sig_atomic_t arrived = 0;

void note(int number) {
    arrived = number;
}

constexpr int kSignals[] = {SIGINT, SIGTERM};

}  // namespace

StopSignal::StopSignal() {
    arrived = 0;
    sigset_t blocked;
    sigemptyset(&blocked);
    for (const int number : kSignals) {
        sigaddset(&blocked, number);
        struct sigaction action = {};
        action.sa_handler = note;
        // The second signal meets the default action.
        action.sa_flags = static_cast<int>(SA_RESETHAND);
        sigaction(number, &action, nullptr);
    }
    pthread_sigmask(SIG_BLOCK, &blocked, &previous_mask_);
}

StopSignal::~StopSignal() {
    pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
}

int StopSignal::requested() const noexcept {
    return arrived;
}

void StopSignal::wait(std::span<pollfd> descriptors, std::chrono::nanoseconds timeout) const {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
    const timespec limit = {static_cast<time_t>(seconds.count()),
                            static_cast<long>((timeout - seconds).count())};
    // Errors: EINTR is the point; nothing else can happen to descriptors that the runtime keeps.
    ::ppoll(descriptors.data(), descriptors.size(), timeout.count() < 0 ? nullptr : &limit,
            &previous_mask_);
}

}  // namespace qaicrun
