// SPDX-License-Identifier: Apache-2.0
/// Ctrl-C as a request: the run ends in order. A second one ends the process at once.
#pragma once

#include <poll.h>
#include <signal.h>

#include <chrono>
#include <span>

namespace qaicrun {

/// From its construction on SIGINT and SIGTERM are blocked in this thread and in those started
/// later; they are delivered only inside wait(). One object per process, in main(); made before the
/// card's threads.
class StopSignal {
  public:
    StopSignal();
    ~StopSignal();
    StopSignal(const StopSignal&) = delete;
    StopSignal& operator=(const StopSignal&) = delete;

    /// 0, or the number of the signal that arrived.
    int requested() const noexcept;
    /// poll(2) that a signal ends; no signal is lost before it. Negative timeout: no limit.
    void wait(std::span<pollfd> descriptors, std::chrono::nanoseconds timeout) const;

  private:
    sigset_t previous_mask_;
};

}  // namespace qaicrun
