// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-run/engine.hpp"

#include <poll.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace qaicrun {
namespace {

using Clock = std::chrono::steady_clock;
using qaicrt::Errc;
using qaicrt::Error;

class Engine;

/// One activation and its queue.
struct Lane {
    unsigned index = 0;
    unsigned depth = 0;
    int completion_fd = -1;
    std::uint64_t next = 0;
    Engine* engine = nullptr;
    std::optional<qaicrt::Queue> queue;
};

class Engine {
  public:
    Engine(const Inputs& inputs, const EngineOptions& options, const StopSignal& stop)
        : inputs_(inputs), options_(options), stop_(stop) {}

    qaicrt::Status open(std::span<const qaicrt::Activation> activations);
    qaicrt::Status run();
    RunResult take_result() { return std::move(result_); }

  private:
    void finished(Lane& lane, const qaicrt::QueueResult& job);
    qaicrt::Status fill(Lane& lane);
    bool may_start_more(const Lane& lane) const;
    std::size_t in_flight() const;
    qaicrt::Status collect();
    void sleep();
    qaicrt::Status check_stall();

    const Inputs& inputs_;
    const EngineOptions& options_;
    const StopSignal& stop_;
    std::vector<std::unique_ptr<Lane>> lanes_;  // callbacks point at them
    std::vector<pollfd> descriptors_;
    RunResult result_;
    std::optional<Error> failure_;  // of an inference or of on_output, seen inside a callback
    Clock::time_point start_, last_completion_, last_tick_;
};

qaicrt::Status Engine::open(std::span<const qaicrt::Activation> activations) {
    for (const auto& activation : activations) {
        auto lane = std::make_unique<Lane>();
        lane->index = static_cast<unsigned>(lanes_.size());
        lane->depth = activation.depth();
        lane->engine = this;
        QAICRT_TRY(lane->completion_fd, activation.completion_fd());
        QAICRT_TRY(auto queue, qaicrt::Queue::create(
                                   activation, [raw = lane.get()](const qaicrt::QueueResult& job) {
                                       raw->engine->finished(*raw, job);
                                   }));
        lane->queue.emplace(std::move(queue));
        lanes_.push_back(std::move(lane));
    }
    return {};
}

void Engine::finished(Lane& lane, const qaicrt::QueueResult& job) {
    last_completion_ = Clock::now();
    if (!job.status) {
        if (!failure_) {
            failure_ = job.status.error();
            failure_->message = "inference " + std::to_string(job.cookie) + " of activation " +
                                std::to_string(lane.index) + " failed: " + failure_->message;
        }
        return;
    }
    ++result_.inferences;
    result_.latencies.add(job.latency);
    if (options_.on_output && !failure_) {
        if (auto written = options_.on_output(lane.index, job.cookie, job.outputs); !written) {
            failure_ = std::move(written).error();
        }
    }
}

bool Engine::may_start_more(const Lane& lane) const {
    if (failure_ || stop_.requested() != 0) {
        return false;
    }
    return options_.duration ? Clock::now() - start_ < *options_.duration
                             : lane.next < options_.iterations;
}

qaicrt::Status Engine::fill(Lane& lane) {
    while (lane.queue->in_flight() < lane.depth && may_start_more(lane)) {
        const InputSet& set = inputs_.sets[lane.next % inputs_.sets.size()];
        const auto queued = lane.queue->enqueue(lane.next, set.views());
        if (!queued && queued.error().code == Errc::kBusy && lane.queue->in_flight() != 0) {
            return {};  // the DMA channel is full: a completion makes room
        }
        QAICRT_CHECK(queued);
        ++lane.next;
    }
    return {};
}

std::size_t Engine::in_flight() const {
    std::size_t sum = 0;
    for (const auto& lane : lanes_) {
        sum += lane->queue->in_flight();
    }
    return sum;
}

qaicrt::Status Engine::collect() {
    for (auto& lane : lanes_) {
        if (lane->queue->in_flight() != 0) {
            QAICRT_TRY([[maybe_unused]] const auto count,
                       lane->queue->poll(std::chrono::milliseconds{0}));
        }
    }
    return {};
}

void Engine::sleep() {
    descriptors_.clear();
    for (const auto& lane : lanes_) {
        if (lane->queue->in_flight() != 0) {
            descriptors_.push_back({lane->completion_fd, POLLIN, 0});
        }
    }
    stop_.wait(descriptors_, options_.tick);
}

qaicrt::Status Engine::check_stall() {
    const auto now = Clock::now();
    if (options_.on_tick && now - last_tick_ >= options_.tick) {
        last_tick_ = now;
        options_.on_tick(result_.inferences, now - start_);
    }
    if (now - last_completion_ > options_.stall_limit) {
        return Error(
            Errc::kTimeout,
            "nothing completed for " + std::to_string(options_.stall_limit.count()) +
                " ms; if the program is whole and only slow, allow more with --submit-timeout");
    }
    return {};
}

qaicrt::Status Engine::run() {
    start_ = last_completion_ = last_tick_ = Clock::now();
    while (true) {
        for (auto& lane : lanes_) {
            QAICRT_CHECK(fill(*lane));
        }
        if (in_flight() == 0) {
            break;
        }
        sleep();
        QAICRT_CHECK(collect());
        QAICRT_CHECK(check_stall());
    }
    result_.elapsed = last_completion_ - start_;
    result_.interrupted = stop_.requested() != 0;
    if (failure_) {
        return *std::move(failure_);
    }
    return {};
}

}  // namespace

qaicrt::Result<RunResult> run_inferences(std::span<const qaicrt::Activation> activations,
                                         const Inputs& inputs, const EngineOptions& options,
                                         const StopSignal& stop) {
    Engine engine(inputs, options, stop);
    QAICRT_CHECK(engine.open(activations));
    QAICRT_CHECK(engine.run());
    return engine.take_result();
}

}  // namespace qaicrun
