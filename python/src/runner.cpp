// SPDX-License-Identifier: Apache-2.0
#include "python/src/runner.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

namespace qaicpy {
namespace {

using Clock = std::chrono::steady_clock;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

/// How long a wait lasts before it looks for signals again.
constexpr std::chrono::milliseconds kInterruptPeriod{100};

Error interrupted() {
    return {Errc::kCancelled, "The wait was interrupted by a signal."};
}

/// Waits for submitted runs and looks for signals now and then, also when no single wait is long.
class Waiter {
  public:
    explicit Waiter(const Runner::CheckInterrupt& check_interrupt)
        : check_interrupt_(check_interrupt) {}

    Status wait(qaicrt::Inference& inference) {
        while (true) {
            auto status = inference.wait(kInterruptPeriod);
            if (const auto now = Clock::now(); now - last_look_ >= kInterruptPeriod) {
                last_look_ = now;
                if (!check_interrupt_()) {
                    return interrupted();
                }
            }
            if (status || status.error().code != Errc::kTimeout || !inference.in_flight()) {
                return status;
            }
        }
    }

  private:
    const Runner::CheckInterrupt& check_interrupt_;
    Clock::time_point last_look_ = Clock::now();
};

void copy(std::span<std::byte> to, std::span<const std::byte> from) {
    if (!from.empty())
        std::memcpy(to.data(), from.data(), std::min(to.size(), from.size()));
}

}  // namespace

Result<std::unique_ptr<Runner>> Runner::create(const qaicrt::Context& context,
                                               const qaicrt::Program& program,
                                               const RunnerOptions& options) {
    QAICRT_TRY(auto device, context.open(options.dev_id));
    std::unique_ptr<Runner> runner(new Runner(std::move(device), options));
    qaicrt::ActivationOptions activation_options;
    activation_options.depth = options.set_size;
    for (unsigned i = 0; i < options.num_activations; ++i) {
        QAICRT_TRY(auto activation,
                   qaicrt::Activation::create(runner->device_, program, activation_options));
        runner->lanes_.push_back(Lane{std::move(activation), {}, 0});
    }
    return runner;
}

/// The least busy lane that has a slot left, so that concurrent runs spread over activations first.
std::optional<std::size_t> Runner::free_lane() const {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        if (lanes_[i].busy < options_.set_size && (!best || lanes_[i].busy < lanes_[*best].busy))
            best = i;
    }
    return best;
}

Result<Runner::Slot> Runner::take_slot(const CheckInterrupt& check_interrupt) {
    std::unique_lock lock(mutex_);
    std::optional<std::size_t> lane_index;
    while (!(lane_index = free_lane())) {
        if (slot_freed_.wait_for(lock, kInterruptPeriod) == std::cv_status::no_timeout)
            continue;
        lock.unlock();
        if (!check_interrupt())
            return interrupted();
        lock.lock();
    }
    Lane& lane = lanes_[*lane_index];
    ++lane.busy;
    if (!lane.idle.empty()) {
        Slot slot{*lane_index, std::move(lane.idle.back())};
        lane.idle.pop_back();
        return slot;
    }
    lock.unlock();
    // The lane is counted busy, so nobody else makes this slot meanwhile.
    auto inference = lane.activation.create_inference();
    if (!inference) {
        give_back(Slot{*lane_index, nullptr}, false);
        return std::move(inference).error();
    }
    return Slot{*lane_index, std::make_unique<qaicrt::Inference>(std::move(inference).value())};
}

void Runner::give_back(Slot slot, bool usable) {
    if (!usable)
        slot.inference.reset();  // waits for a run in flight: outside the lock
    {
        const std::lock_guard lock(mutex_);
        Lane& lane = lanes_[slot.lane];
        --lane.busy;
        if (slot.inference)
            lane.idle.push_back(std::move(slot.inference));
    }
    slot_freed_.notify_one();
}

Status Runner::run_in(qaicrt::Inference& inference, std::span<const Bytes> inputs,
                      std::span<const MutableBytes> outputs,
                      const CheckInterrupt& check_interrupt) {
    for (std::size_t i = 0; i < inputs.size(); ++i)
        QAICRT_CHECK(inference.set_input(i, inputs[i]));
    QAICRT_CHECK(inference.submit());
    QAICRT_CHECK(Waiter(check_interrupt).wait(inference));
    for (std::size_t i = 0; i < outputs.size(); ++i)
        copy(outputs[i], inference.output(i));
    return {};
}

Status Runner::run(std::span<const Bytes> inputs, std::span<const MutableBytes> outputs,
                   const CheckInterrupt& check_interrupt) {
    QAICRT_TRY(auto slot, take_slot(check_interrupt));
    auto status = run_in(*slot.inference, inputs, outputs, check_interrupt);
    give_back(std::move(slot), static_cast<bool>(status));
    return status;
}

struct Runner::BenchmarkPlan {
    std::span<const Bytes> inputs;
    std::optional<std::size_t> count;
    Clock::time_point end;
    std::atomic<std::size_t> started{0};
    std::atomic<bool> failed{false};

    /// Claims one more inference; false when enough have been started.
    bool claim() {
        if (failed.load(std::memory_order_relaxed))
            return false;
        if (!count)
            return Clock::now() < end;
        std::size_t seen = started.load(std::memory_order_relaxed);
        while (seen < *count) {
            if (started.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed))
                return true;
        }
        return false;
    }
};

/// Takes idle slots of one lane, makes the missing ones, and fills in the inputs, which then stay
/// the same.
Status Runner::fill_lane(std::size_t lane_index, std::span<const Bytes> inputs, std::size_t wanted,
                         std::vector<Slot>& slots) {
    Lane& lane = lanes_[lane_index];
    for (std::size_t i = 0; i < wanted; ++i) {
        Slot slot{lane_index, nullptr};
        {
            const std::lock_guard lock(mutex_);
            if (lane.busy >= options_.set_size)
                break;
            ++lane.busy;
            if (!lane.idle.empty()) {
                slot.inference = std::move(lane.idle.back());
                lane.idle.pop_back();
            }
        }
        if (!slot.inference) {
            auto inference = lane.activation.create_inference();
            if (!inference) {
                give_back(std::move(slot), false);
                return std::move(inference).error();
            }
            slot.inference = std::make_unique<qaicrt::Inference>(std::move(inference).value());
        }
        slots.push_back(std::move(slot));
        for (std::size_t k = 0; k < inputs.size(); ++k)
            QAICRT_CHECK(slots.back().inference->set_input(k, inputs[k]));
    }
    if (slots.empty()) {
        return Error(
            Errc::kBusy,
            "Every inference slot is taken by run() of other threads; benchmark an idle session.");
    }
    return {};
}

Status Runner::benchmark_lane(BenchmarkPlan& plan, std::size_t lane_index,
                              const CheckInterrupt& check_interrupt,
                              std::vector<double>& latencies) {
    std::vector<Slot> slots;
    auto status = fill_lane(lane_index, plan.inputs, options_.set_size, slots);
    struct Pending {
        bool active = false;
        Clock::time_point submitted;
    };
    std::vector<Pending> pending(slots.size());
    const auto submit = [&](std::size_t i) -> Status {
        pending[i] = {plan.claim(), Clock::now()};
        return pending[i].active ? slots[i].inference->submit() : Status{};
    };
    for (std::size_t i = 0; status && i < slots.size(); ++i)
        status = submit(i);
    // Inferences of one activation finish in the order of submission: the next one round the ring
    // is the oldest.
    Waiter waiter(check_interrupt);
    for (std::size_t i = 0; status && pending[i].active; i = (i + 1) % slots.size()) {
        status = waiter.wait(*slots[i].inference);
        if (!status)
            break;
        latencies.push_back(
            std::chrono::duration<double>(Clock::now() - pending[i].submitted).count());
        status = submit(i);
    }
    if (!status)
        plan.failed = true;
    for (auto& slot : slots) {
        const bool usable = !slot.inference->in_flight();
        give_back(std::move(slot), usable);
    }
    return status;
}

Result<BenchmarkResult> Runner::benchmark(std::span<const Bytes> inputs,
                                          std::optional<std::size_t> count,
                                          std::chrono::nanoseconds duration,
                                          const CheckInterrupt& check_interrupt) {
    BenchmarkPlan plan{inputs, count, Clock::now() + duration, {}, {}};
    std::vector<std::vector<double>> latencies(lanes_.size());
    std::vector<Status> statuses(lanes_.size());
    std::vector<std::thread> threads;
    const auto started = Clock::now();
    try {
        for (std::size_t lane = 1; lane < lanes_.size(); ++lane) {
            threads.emplace_back([&, lane] {
                statuses[lane] = benchmark_lane(
                    plan, lane, [] { return true; }, latencies[lane]);
            });
        }
    } catch (const std::system_error&) {
        // Without a thread of its own a lane stays idle; the others take its share.
    }
    statuses[0] = benchmark_lane(plan, 0, check_interrupt, latencies[0]);
    for (auto& thread : threads)
        thread.join();
    BenchmarkResult result;
    result.elapsed = Clock::now() - started;
    for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
        if (!statuses[lane])
            return std::move(statuses[lane]).error();
        result.latencies.insert(result.latencies.end(), latencies[lane].begin(),
                                latencies[lane].end());
    }
    result.completed = result.latencies.size();
    return result;
}

}  // namespace qaicpy
