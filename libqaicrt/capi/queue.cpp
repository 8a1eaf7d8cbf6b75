// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/capi/capi.hpp"

#include <memory>
#include <optional>
#include <vector>

using qaicrt::Errc;
using qaicrt::capi::fail;
using qaicrt::capi::finish;
using qaicrt::capi::guard;

struct qaicrt_queue {
    qaicrt_queue_callback done = nullptr;
    void* user = nullptr;
    std::vector<qaicrt_bytes> outputs;               // of the job that is being reported
    std::vector<std::span<const std::byte>> inputs;  // of the job that is being queued
    std::optional<qaicrt::Queue> value;              // last: its end may still report jobs
};

namespace {

void report(qaicrt_queue& queue, const qaicrt::QueueResult& result) {
    queue.outputs.clear();
    if (result.status) {
        for (const auto& output : result.outputs) {
            queue.outputs.push_back({output.data(), output.size()});
        }
    }
    qaicrt_queue_result out = {};
    out.cookie = result.cookie;
    out.latency_ns = static_cast<std::uint64_t>(std::max<std::int64_t>(0, result.latency.count()));
    out.outputs = queue.outputs.data();
    out.output_count = queue.outputs.size();
    out.status = finish(result.status);
    queue.done(&out, queue.user);
}

}  // namespace

int qaicrt_queue_create(const qaicrt_activation* activation, qaicrt_queue_callback done, void* user,
                        qaicrt_queue** queue) {
    QAICRT_REQUIRE(activation);
    QAICRT_REQUIRE(done);
    QAICRT_REQUIRE(queue);
    return guard([&] {
        auto handle = std::make_unique<qaicrt_queue>();
        handle->done = done;
        handle->user = user;
        handle->outputs.reserve(activation->value.program().outputs().size());
        handle->inputs.reserve(activation->value.program().inputs().size());
        auto made = qaicrt::Queue::create(
            activation->value,
            [raw = handle.get()](const qaicrt::QueueResult& result) { report(*raw, result); });
        if (!made) {
            return fail(made.error());
        }
        handle->value.emplace(std::move(made).value());
        *queue = handle.release();
        return 0;
    });
}

void qaicrt_queue_destroy(qaicrt_queue* queue) {
    delete queue;
}

int qaicrt_queue_enqueue(qaicrt_queue* queue, uint64_t cookie, const struct qaicrt_bytes* inputs,
                         size_t input_count) {
    QAICRT_REQUIRE(queue);
    if (input_count != 0) {
        QAICRT_REQUIRE(inputs);
    }
    return guard([&] {
        queue->inputs.clear();
        for (size_t i = 0; i < input_count; ++i) {
            if (inputs[i].data == nullptr && inputs[i].bytes != 0) {
                return fail(Errc::kInvalidArgument, "qaicrt_queue_enqueue: the data of input " +
                                                        std::to_string(i) + " is null");
            }
            queue->inputs.emplace_back(static_cast<const std::byte*>(inputs[i].data),
                                       inputs[i].bytes);
        }
        return finish(queue->value->enqueue(cookie, queue->inputs));
    });
}

int qaicrt_queue_poll(qaicrt_queue* queue, int timeout_ms, size_t* finished) {
    QAICRT_REQUIRE(queue);
    return guard([&] {
        int status = 0;
        qaicrt::capi::with_timeout(timeout_ms, [&](std::chrono::milliseconds timeout) {
            const auto taken = queue->value->poll(timeout);
            if (!taken) {
                status = fail(taken.error());
                return false;
            }
            if (finished != nullptr) {
                *finished = *taken;
            }
            // With nothing in flight an unlimited wait would never end.
            return *taken == 0 && queue->value->in_flight() != 0;
        });
        return status;
    });
}

int qaicrt_queue_drain(qaicrt_queue* queue, int timeout_ms) {
    QAICRT_REQUIRE(queue);
    return guard([&] {
        int status = 0;
        qaicrt::capi::with_timeout(timeout_ms, [&](std::chrono::milliseconds timeout) {
            const auto result = queue->value->drain(timeout);
            status = finish(result);
            return !result && result.error().code == Errc::kTimeout;
        });
        return status;
    });
}

size_t qaicrt_queue_in_flight(const qaicrt_queue* queue) {
    return queue != nullptr ? queue->value->in_flight() : 0;
}
