// SPDX-License-Identifier: Apache-2.0
/// Waiting for the runs of one activation, by any number of threads, without a thread of our own.
///
/// One of the threads that wait is the *reaper*: it alone sits in CompletionSource::reap(), without
/// the hub's lock. What it takes is booked under the lock, everybody is woken, and whoever still
/// waits may become the next reaper. All state changes under the lock and waiters test it under the
/// lock, so no wake-up can be lost.
#pragma once

#include "libqaicrt/backend/backend.hpp"

#include <qaicrt/result.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <unordered_map>
#include <vector>

namespace qaicrt {

using RunCallback = std::function<void(const Status&)>;

/// One inference as the hub sees it. Lives in the inference; all fields belong to the hub's lock.
struct Run {
    std::vector<backend::BoHandle> bos;
    bool submitted_before = false;
    bool in_flight = false;
    std::size_t outstanding = 0;  ///< BOs that the card still works on
    std::int32_t device_status = 0;
    int sys_errno = 0;
    Status result;
    RunCallback done;
    Run* next_ready = nullptr;        ///< list of runs whose callback is due
    std::uint64_t finish_number = 0;  ///< order of completion in the activation
    std::chrono::steady_clock::time_point finished_at;
};

/// Thread safe. Runs must be added before use and removed before they die.
class CompletionHub {
  public:
    CompletionHub(backend::Backend& backend, std::uint32_t dbc,
                  std::shared_ptr<backend::CompletionSource> source, unsigned depth);

    /// After an exception (no memory) remove() still takes back what was added.
    void add(Run& run);
    /// Waits until no other thread is in the run's callback. The caller has made sure that it is
    /// not in flight (or given up on it).
    void remove(Run& run);

    /// kBusy: `depth` runs in flight, this one in flight, queue full. kCancelled: the activation
    /// has ended. Allocates nothing.
    Status submit(Run& run, std::span<const backend::ExecuteEntry> entries, RunCallback done);
    /// The run's result; kTimeout leaves it in flight.
    Status wait(Run& run, std::chrono::milliseconds timeout);
    /// Waits for the first run to finish after the call started; how many did. Runs that finished
    /// before and whose callbacks are still due count too.
    Result<std::size_t> poll(std::chrono::milliseconds timeout);
    /// True as soon as one of `runs` is not in flight; false at the time limit.
    Result<bool> wait_any(std::span<Run* const> runs, std::chrono::milliseconds timeout);
    bool in_flight(const Run& run);
    /// The reason why nothing can run any more, if there is one.
    Status usable();

    /// Readable while a run may have finished; see CompletionSource::fd().
    Result<int> fd() { return source_->fd(); }
    /// The channel is gone: takes what is left of it, cancels the rest, refuses more.
    void close();

  private:
    using Clock = std::chrono::steady_clock;
    using Lock = std::unique_lock<std::mutex>;
    struct BoState {
        Run* run = nullptr;
        bool pending = false;
    };
    /// A callback under way, on the stack of the thread that runs it.
    struct Delivery {
        const Run* run = nullptr;
        std::thread::id thread;
        Delivery* next = nullptr;
    };
    class DeliveryScope;

    template <class Predicate>
    Result<bool> wait_until(Lock& lock, Clock::time_point deadline, Predicate done);
    Status reap_once(Lock& lock, Clock::time_point deadline);
    void book(const backend::Completion& completion);
    void finish(Run& run, Status result);
    void lose_all(const Error& reason);
    /// Runs the callbacks that are due, without the lock; how many were of runs up to number
    /// `until`.
    std::size_t deliver(Lock& lock, std::uint64_t until);
    bool delivered_elsewhere(const Run& run) const;
    Status result_of(const Run& run) const;

    backend::Backend& backend_;
    const std::uint32_t dbc_;
    const std::shared_ptr<backend::CompletionSource> source_;
    const unsigned depth_;

    std::mutex mutex_;  // order: this, then the backend's locks
    std::condition_variable changed_;
    bool reaping_ = false;
    std::optional<Error> closed_;  ///< why nothing can run any more
    unsigned in_flight_ = 0;
    std::uint64_t finished_ = 0;
    std::vector<Run*> runs_;
    std::unordered_map<std::uint32_t, BoState> bos_;
    Run* first_ready_ = nullptr;
    Run* last_ready_ = nullptr;
    Delivery* deliveries_ = nullptr;
};

}  // namespace qaicrt
