// SPDX-License-Identifier: Apache-2.0
/// Events on their way to the host's event ring. What does not fit waits here until the host has
/// made room.
#pragma once

#include "vcard/mhi/ring.hpp"

#include <deque>

namespace qaicvcard::mhi {

/// Not thread safe.
class EventQueue {
  public:
    /// So many events may wait before the endpoint stops taking work that causes more.
    static constexpr std::size_t kMostWaiting = 1024;

    EventQueue(qaicemu::HostMemory& memory, qaicemu::InterruptSink& interrupts)
        : memory_(memory), interrupts_(interrupts) {}

    /// Words about the context, null if it is fine.
    const char* load(std::uint64_t context);
    void forget();

    void post(std::uint64_t pointer, std::uint32_t word0, std::uint32_t word1);
    void post_state(State state);
    void post_exec_env(ExecEnv environment);
    void post_command(std::uint64_t element, Completion code);
    void post_transfer(unsigned channel, std::uint64_t element, Completion code,
                       std::uint32_t length);

    /// The host has consumed up to here; false if that is not an element of the ring.
    bool doorbell(std::uint64_t wp);
    /// Writes what fits, then raises one interrupt for all of it. False when the ring cannot be
    /// written: the host took its memory away.
    bool drain();
    bool congested() const noexcept { return waiting_.size() >= kMostWaiting; }
    bool running() const noexcept { return ring_.loaded(); }

  private:
    qaicemu::HostMemory& memory_;
    qaicemu::InterruptSink& interrupts_;
    Ring ring_;
    std::deque<Element> waiting_;
};

}  // namespace qaicvcard::mhi
