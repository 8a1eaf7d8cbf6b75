// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/api/activation_impl.hpp"
#include "libqaicrt/api/guard.hpp"
#include "libqaicrt/support/text.hpp"

#include <qaicrt/queue.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace qaicrt {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kSlotPatience{60000};

struct Job {
    Inference inference;
    bool busy = false;
    std::uint64_t cookie = 0;
    Clock::time_point enqueued{};
};

/// Sets a flag for as long as it lives.
struct Mark {
    explicit Mark(bool& which) : flag(which) { flag = true; }
    ~Mark() { flag = false; }
    Mark(const Mark&) = delete;
    Mark& operator=(const Mark&) = delete;
    bool& flag;
};

}  // namespace

struct Queue::Impl {
    Impl(const Activation& on, Callback callback) : activation(on), on_done(std::move(callback)) {}

    Status wait_for_one(std::chrono::milliseconds timeout, bool& finished);
    std::size_t deliver_finished();
    Job* first_finished();
    Job* free_job();
    Status check_inputs(std::span<const std::span<const std::byte>> inputs) const;

    Activation activation;
    Callback on_done;
    std::vector<Job> jobs;
    std::vector<Run*> waiting;  // scratch of wait_for_one, capacity of all jobs
    std::vector<std::span<const std::byte>> outputs;  // of the job being delivered
    std::size_t busy = 0;
    bool delivering = false;
};

Queue::Queue(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Queue::Queue(Queue&&) noexcept = default;
Queue& Queue::operator=(Queue&&) noexcept = default;
Queue::~Queue() = default;

Result<Queue> Queue::create(const Activation& activation, Callback on_done) {
    return guarded("make the queue's buffers", [&]() -> Result<Queue> {
        auto impl = std::make_unique<Impl>(activation, std::move(on_done));
        impl->jobs.reserve(activation.depth());
        impl->waiting.reserve(activation.depth());
        impl->outputs.resize(activation.program().outputs().size());
        for (unsigned i = 0; i < activation.depth(); ++i) {
            QAICRT_TRY(Inference inference, activation.create_inference());
            impl->jobs.push_back({std::move(inference)});
        }
        return Queue(std::move(impl));
    });
}

Status Queue::Impl::check_inputs(std::span<const std::span<const std::byte>> inputs) const {
    const auto tensors = activation.program().inputs();
    if (inputs.size() != tensors.size()) {
        return Error{Errc::kInvalidArgument, "the program has " + std::to_string(tensors.size()) +
                                                 " inputs and " + std::to_string(inputs.size()) +
                                                 " were given"};
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (inputs[i].size() != tensors[i].bytes) {
            return Error{Errc::kInvalidArgument,
                         "input " + quoted(tensors[i].name) + " has " +
                             std::to_string(tensors[i].bytes) + " bytes and " +
                             std::to_string(inputs[i].size()) + " were given"};
        }
    }
    return {};
}

Job* Queue::Impl::free_job() {
    const auto job = std::find_if(jobs.begin(), jobs.end(), [](const Job& j) { return !j.busy; });
    return job == jobs.end() ? nullptr : &*job;
}

Job* Queue::Impl::first_finished() {
    Job* first = nullptr;
    std::uint64_t first_number = 0;
    for (Job& job : jobs) {
        if (!job.busy || job.inference.in_flight()) {
            continue;
        }
        // Not in flight: its run is not written any more.
        const std::uint64_t number = InferenceAccess::impl(job.inference).run.finish_number;
        if (first == nullptr || number < first_number) {
            first = &job;
            first_number = number;
        }
    }
    return first;
}

std::size_t Queue::Impl::deliver_finished() {
    std::size_t count = 0;
    for (Job* job = first_finished(); job != nullptr && !delivering; job = first_finished()) {
        const Run& run = InferenceAccess::impl(job->inference).run;
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            outputs[i] = job->inference.output(i);
        }
        const QueueResult result{job->cookie, run.result, outputs, run.finished_at - job->enqueued};
        if (on_done) {
            const Mark mark(delivering);
            on_done(result);
        }
        job->busy = false;
        --busy;
        ++count;
    }
    return count;
}

Status Queue::Impl::wait_for_one(std::chrono::milliseconds timeout, bool& finished) {
    waiting.clear();
    for (Job& job : jobs) {
        if (job.busy) {
            waiting.push_back(&InferenceAccess::impl(job.inference).run);
        }
    }
    QAICRT_TRY(finished, activation.impl()->hub->wait_any(waiting, timeout));
    return {};
}

Status Queue::enqueue(std::uint64_t cookie, std::span<const std::span<const std::byte>> inputs) {
    QAICRT_CHECK(impl_->check_inputs(inputs));
    Job* job = impl_->free_job();
    while (job == nullptr) {
        if (impl_->delivering) {
            return Error{Errc::kBusy,
                         "every place of the queue is taken; enqueue after the callback"};
        }
        QAICRT_TRY(const std::size_t delivered, poll(kSlotPatience));
        job = impl_->free_job();
        if (delivered == 0 && job == nullptr) {
            return Error{Errc::kTimeout, "no inference of the queue finished within a minute"};
        }
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        QAICRT_CHECK(job->inference.set_input(i, inputs[i]));
    }
    job->cookie = cookie;
    job->enqueued = Clock::now();
    QAICRT_CHECK(job->inference.submit());
    job->busy = true;
    ++impl_->busy;
    return {};
}

Result<std::size_t> Queue::poll(std::chrono::milliseconds timeout) {
    if (impl_->busy == 0) {
        return std::size_t{0};
    }
    return guarded("take finished inferences", [&]() -> Result<std::size_t> {
        bool finished = false;
        QAICRT_CHECK(impl_->wait_for_one(timeout, finished));
        return finished ? impl_->deliver_finished() : std::size_t{0};
    });
}

Status Queue::drain(std::chrono::milliseconds timeout) {
    const auto deadline = Clock::now() + timeout;
    while (impl_->busy > 0) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        QAICRT_TRY(const std::size_t delivered, poll(std::max(left, std::chrono::milliseconds{0})));
        if (delivered == 0 && left <= std::chrono::milliseconds{0}) {
            return Error{Errc::kTimeout, std::to_string(impl_->busy) +
                                             " inferences of the queue are still in flight"};
        }
    }
    return {};
}

std::size_t Queue::in_flight() const noexcept {
    return impl_->busy;
}

}  // namespace qaicrt
