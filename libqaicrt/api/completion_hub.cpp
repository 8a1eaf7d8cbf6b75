// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/api/completion_hub.hpp"

#include <hw/aic100_dbc.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <utility>

namespace qaicrt {
namespace {

constexpr std::size_t kReapBatch = 64;
constexpr std::chrono::hours kLongest{24 * 365};  // keeps deadline arithmetic away from its limits

std::chrono::steady_clock::time_point deadline_after(std::chrono::milliseconds timeout) {
    using std::chrono::milliseconds;
    const milliseconds bounded = std::clamp<milliseconds>(
        timeout, milliseconds{0}, std::chrono::duration_cast<milliseconds>(kLongest));
    return std::chrono::steady_clock::now() + bounded;
}

Error cancelled(const char* why, int sys_errno = ECANCELED) {
    return Error{Errc::kCancelled, why, sys_errno};
}

/// The emulated card's codes in words; a real card's are not public.
const char* completion_words(std::int32_t status) {
    switch (status) {
        case AIC100_RSP_BAD_REQUEST:
            return "a DMA request is malformed";
        case AIC100_RSP_BAD_CARD_ADDR:
            return "a DMA request leaves the activation's memory on the card";
        case AIC100_RSP_BAD_HOST_ADDR:
            return "a DMA request leaves the buffer's memory on the host";
        case AIC100_RSP_ABORTED:
            return "the channel was torn down";
        case AIC100_RSP_WORKLOAD:
            return "the program failed on the card";
        default:
            return "the card reports a failure";
    }
}

}  // namespace

CompletionHub::CompletionHub(backend::Backend& backend, std::uint32_t dbc,
                             std::shared_ptr<backend::CompletionSource> source, unsigned depth)
    : backend_(backend), dbc_(dbc), source_(std::move(source)), depth_(depth) {}

void CompletionHub::add(Run& run) {
    const Lock lock(mutex_);
    runs_.push_back(&run);
    for (const backend::BoHandle bo : run.bos) {
        bos_[bo.value] = {&run, false};
    }
}

void CompletionHub::remove(Run& run) {
    Lock lock(mutex_);
    changed_.wait(lock, [&] { return !delivered_elsewhere(run); });
    // A callback may destroy its own inference: nothing may look at it afterwards.
    for (Delivery* delivery = deliveries_; delivery != nullptr; delivery = delivery->next) {
        if (delivery->run == &run) {
            delivery->run = nullptr;
        }
    }
    for (Run **link = &first_ready_, *previous = nullptr; *link != nullptr;
         previous = *link, link = &(*link)->next_ready) {
        if (*link == &run) {
            *link = run.next_ready;
            last_ready_ = last_ready_ == &run ? previous : last_ready_;
            break;
        }
    }
    if (std::exchange(run.in_flight, false)) {
        --in_flight_;
    }
    for (const backend::BoHandle bo : run.bos) {
        bos_.erase(bo.value);
    }
    std::erase(runs_, &run);
}

Status CompletionHub::submit(Run& run, std::span<const backend::ExecuteEntry> entries,
                             RunCallback done) {
    {
        const Lock lock(mutex_);
        if (closed_) {
            return *closed_;
        }
        if (run.in_flight || delivered_elsewhere(run)) {
            return Error{Errc::kBusy, "the inference is still in flight; wait for it first", EBUSY};
        }
        if (in_flight_ >= depth_) {
            return Error{Errc::kBusy,
                         "as many inferences as the activation's depth are in flight; wait for one",
                         EAGAIN};
        }
        // Booked before it is queued: another thread may reap it before submit() returns.
        run.in_flight = run.submitted_before = true;
        run.outstanding = run.bos.size();
        run.device_status = 0;
        run.sys_errno = 0;
        run.result = Status{};
        run.done = std::move(done);
        for (const backend::BoHandle bo : run.bos) {
            bos_.find(bo.value)->second.pending = true;
        }
        ++in_flight_;
    }
    auto queued = backend_.submit(dbc_, entries);
    if (queued) {
        return queued;
    }
    const Lock lock(mutex_);
    if (!run.in_flight) {
        return {};  // cancelled meanwhile: that is its result
    }
    run.in_flight = false;
    run.done = nullptr;
    --in_flight_;
    for (const backend::BoHandle bo : run.bos) {
        bos_.find(bo.value)->second.pending = false;
    }
    if (closed_) {
        return *closed_;
    }
    Error& error = queued.error();
    if (error.code == Errc::kPermission) {
        return cancelled("the activation is ending", error.sys_errno);
    }
    if (error.sys_errno == EAGAIN) {
        error.message = "the channel's queue is full; wait for an inference first";
    }
    return queued;
}

Status CompletionHub::wait(Run& run, std::chrono::milliseconds timeout) {
    Lock lock(mutex_);
    if (!run.submitted_before) {
        return Error{Errc::kInvalidArgument,
                     "the inference was never submitted; call submit() first"};
    }
    QAICRT_TRY(const bool finished, wait_until(lock, deadline_after(timeout), [&] {
                   return !run.in_flight && !delivered_elsewhere(run);
               }));
    if (!finished) {
        return Error{Errc::kTimeout,
                     "the inference did not finish in " + std::to_string(timeout.count()) +
                         " ms; it is still in flight",
                     ETIMEDOUT};
    }
    return run.result;
}

Result<std::size_t> CompletionHub::poll(std::chrono::milliseconds timeout) {
    Lock lock(mutex_);
    const std::uint64_t before = finished_;
    // Runs that finished earlier, cancelled ones for example, whose callbacks nobody has called
    // yet.
    const std::size_t late = deliver(lock, before);
    if (late == 0) {
        QAICRT_CHECK(
            wait_until(lock, deadline_after(timeout), [&] { return finished_ != before; }));
    }
    return late + static_cast<std::size_t>(finished_ - before);
}

Result<bool> CompletionHub::wait_any(std::span<Run* const> runs,
                                     std::chrono::milliseconds timeout) {
    Lock lock(mutex_);
    return wait_until(lock, deadline_after(timeout), [&] {
        return std::any_of(runs.begin(), runs.end(),
                           [](const Run* run) { return !run->in_flight; });
    });
}

bool CompletionHub::in_flight(const Run& run) {
    const Lock lock(mutex_);
    return run.in_flight;
}

Status CompletionHub::usable() {
    const Lock lock(mutex_);
    return closed_ ? Status{*closed_} : Status{};
}

template <class Predicate>
Result<bool> CompletionHub::wait_until(Lock& lock, Clock::time_point deadline, Predicate done) {
    bool looked = false;
    while (true) {
        deliver(lock, finished_);
        if (done()) {
            return true;
        }
        if (closed_) {
            return *closed_;
        }
        if (looked && Clock::now() >= deadline) {
            return false;
        }
        looked = true;
        if (reaping_) {
            changed_.wait_until(lock, deadline);
        } else {
            QAICRT_CHECK(reap_once(lock, deadline));
        }
    }
}

Status CompletionHub::reap_once(Lock& lock, Clock::time_point deadline) {
    std::array<backend::Completion, kReapBatch> completions;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    reaping_ = true;
    lock.unlock();
    auto count = source_->reap(completions, std::max(left, std::chrono::milliseconds{0}));
    lock.lock();
    reaping_ = false;
    changed_.notify_all();  // even for nothing: someone else must become the reaper
    if (count) {
        for (std::size_t i = 0; i < std::min(*count, completions.size()); ++i) {
            book(completions[i]);
        }
        return {};
    }
    const Error& error = count.error();
    if (error.code == Errc::kNoDevice || error.code == Errc::kPermission) {
        // The channel is no longer ours: nothing in flight will ever come back.
        lose_all(error.code == Errc::kNoDevice
                     ? error
                     : cancelled("the activation has ended", error.sys_errno));
        return {};
    }
    return std::move(count).error();
}

void CompletionHub::book(const backend::Completion& completion) {
    const auto found = bos_.find(completion.bo.value);
    // A card or backend that reports a buffer twice, or one that never ran, must not finish
    // anything.
    if (found == bos_.end() || !found->second.pending) {
        return;
    }
    found->second.pending = false;
    Run& run = *found->second.run;
    if (!run.in_flight) {
        return;
    }
    run.device_status = run.device_status != 0 ? run.device_status : completion.status;
    run.sys_errno = run.sys_errno != 0 ? run.sys_errno : completion.sys_errno;
    if (--run.outstanding == 0) {
        finish(run, result_of(run));
    }
}

Status CompletionHub::result_of(const Run& run) const {
    if (run.sys_errno != 0) {
        return Error{Errc::kCancelled, "the inference was cancelled: its channel went away",
                     run.sys_errno, run.device_status};
    }
    if (run.device_status == 0) {
        return {};
    }
    std::string text = std::string("the inference failed: ") + completion_words(run.device_status) +
                       " (completion code " + std::to_string(run.device_status) + ")";
    if (const std::string words = backend_.workload_error(dbc_); !words.empty()) {
        text += ": " + words;
    }
    return Error{Errc::kDevice, std::move(text), 0, run.device_status};
}

void CompletionHub::finish(Run& run, Status result) {
    run.in_flight = false;
    run.result = std::move(result);
    run.finish_number = ++finished_;
    run.finished_at = Clock::now();
    --in_flight_;
    if (run.done) {
        run.next_ready = nullptr;
        (last_ready_ == nullptr ? first_ready_ : last_ready_->next_ready) = &run;
        last_ready_ = &run;
    }
}

void CompletionHub::lose_all(const Error& reason) {
    closed_ = closed_ ? closed_ : std::optional<Error>{reason};
    for (Run* run : runs_) {
        if (run->in_flight) {
            finish(*run, Status{reason});
        }
    }
}

/// Books a callback for as long as it runs, however it ends. Gives the lock back to its caller.
class CompletionHub::DeliveryScope {
  public:
    DeliveryScope(CompletionHub& hub, Lock& lock, const Run& run)
        : hub_(hub), lock_(lock), delivery_{&run, std::this_thread::get_id(), hub.deliveries_} {
        hub_.deliveries_ = &delivery_;
    }
    ~DeliveryScope() {
        lock_.lock();
        Delivery** link = &hub_.deliveries_;
        while (*link != &delivery_) {
            link = &(*link)->next;
        }
        *link = delivery_.next;
        hub_.changed_.notify_all();
    }
    DeliveryScope(const DeliveryScope&) = delete;
    DeliveryScope& operator=(const DeliveryScope&) = delete;

  private:
    CompletionHub& hub_;
    Lock& lock_;
    Delivery delivery_;
};

std::size_t CompletionHub::deliver(Lock& lock, std::uint64_t until) {
    std::size_t counted = 0;
    while (first_ready_ != nullptr) {
        Run& run = *first_ready_;
        first_ready_ = run.next_ready;
        last_ready_ = first_ready_ == nullptr ? nullptr : last_ready_;
        const RunCallback callback = std::exchange(run.done, nullptr);
        const Status result = run.result;
        counted += run.finish_number <= until ? 1 : 0;
        DeliveryScope scope(*this, lock, run);
        lock.unlock();
        callback(result);
    }
    return counted;
}

bool CompletionHub::delivered_elsewhere(const Run& run) const {
    const auto self = std::this_thread::get_id();
    for (const Delivery* delivery = deliveries_; delivery != nullptr; delivery = delivery->next) {
        if (delivery->run == &run && delivery->thread != self) {
            return true;
        }
    }
    return false;
}

void CompletionHub::close() {
    Lock lock(mutex_);
    std::array<backend::Completion, kReapBatch> completions;
    while (true) {
        const auto count = source_->reap(completions, std::chrono::milliseconds{0});
        if (!count || *count == 0) {
            break;
        }
        for (std::size_t i = 0; i < std::min(*count, completions.size()); ++i) {
            book(completions[i]);
        }
    }
    lose_all(cancelled("the activation has ended"));
    changed_.notify_all();
}

}  // namespace qaicrt
