// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/capi/capi.hpp"

#include <utility>

using qaicrt::Errc;
using qaicrt::capi::fail;
using qaicrt::capi::finish;
using qaicrt::capi::guard;

namespace {

constexpr int kDestroyPatienceMs = 5000;

int no_such_tensor(const char* function) noexcept {
    return fail(Errc::kInvalidArgument,
                function == std::string_view("qaicrt_inference_input")
                    ? "qaicrt_inference_input: the program has no input with this index"
                    : "qaicrt_inference_output: the program has no output with this index");
}

int wait_for(qaicrt_inference& inference, int timeout_ms) {
    int status = 0;
    qaicrt::capi::with_timeout(timeout_ms, [&](std::chrono::milliseconds timeout) {
        const auto result = inference.value.wait(timeout);
        status = finish(result);
        return !result && result.error().code == Errc::kTimeout;
    });
    return status;
}

}  // namespace

int qaicrt_inference_create(const qaicrt_activation* activation, qaicrt_inference** inference) {
    QAICRT_REQUIRE(activation);
    QAICRT_REQUIRE(inference);
    return guard(
        [&] { return qaicrt::capi::hand_out(activation->value.create_inference(), inference); });
}

void qaicrt_inference_destroy(qaicrt_inference* inference) {
    if (qaicrt_inference_in_flight(inference) != 0) {
        // Here and not in the destructor, so that the callback still finds a whole object.
        (void)qaicrt_inference_wait(inference, kDestroyPatienceMs);
    }
    delete inference;
}

int qaicrt_inference_input(qaicrt_inference* inference, size_t index, void** data, size_t* bytes) {
    QAICRT_REQUIRE(inference);
    QAICRT_REQUIRE(data);
    const auto memory = inference->value.input(index);
    if (memory.data() == nullptr) {
        return no_such_tensor(__func__);
    }
    *data = memory.data();
    if (bytes != nullptr) {
        *bytes = memory.size();
    }
    return 0;
}

int qaicrt_inference_output(const qaicrt_inference* inference, size_t index, const void** data,
                            size_t* bytes) {
    QAICRT_REQUIRE(inference);
    QAICRT_REQUIRE(data);
    const auto memory = inference->value.output(index);
    if (memory.data() == nullptr) {
        return no_such_tensor(__func__);
    }
    *data = memory.data();
    if (bytes != nullptr) {
        *bytes = memory.size();
    }
    return 0;
}

int qaicrt_inference_set_input(qaicrt_inference* inference, size_t index, const void* data,
                               size_t bytes) {
    QAICRT_REQUIRE(inference);
    QAICRT_REQUIRE(data);
    return guard([&] {
        return finish(
            inference->value.set_input(index, {static_cast<const std::byte*>(data), bytes}));
    });
}

int qaicrt_inference_submit(qaicrt_inference* inference) {
    QAICRT_REQUIRE(inference);
    return guard([&] { return finish(inference->value.submit()); });
}

int qaicrt_inference_submit_callback(qaicrt_inference* inference, qaicrt_inference_callback done,
                                     void* user) {
    QAICRT_REQUIRE(inference);
    QAICRT_REQUIRE(done);
    return guard([&] {
        // A refused submit must leave the callback of the run in flight alone.
        const auto previous_done = std::exchange(inference->done, done);
        auto* const previous_user = std::exchange(inference->user, user);
        const auto status = inference->value.submit([inference](const qaicrt::Status& result) {
            inference->done(inference, finish(result), inference->user);
        });
        if (!status) {
            inference->done = previous_done;
            inference->user = previous_user;
        }
        return finish(status);
    });
}

int qaicrt_inference_in_flight(const qaicrt_inference* inference) {
    return inference != nullptr && inference->value.in_flight() ? 1 : 0;
}

int qaicrt_inference_wait(qaicrt_inference* inference, int timeout_ms) {
    QAICRT_REQUIRE(inference);
    return guard([&] { return wait_for(*inference, timeout_ms); });
}

int qaicrt_inference_run(qaicrt_inference* inference, int timeout_ms) {
    QAICRT_REQUIRE(inference);
    return guard([&] {
        const int status = finish(inference->value.submit());
        return status != 0 ? status : wait_for(*inference, timeout_ms);
    });
}

int qaicrt_inference_get_times(const qaicrt_inference* inference,
                               struct qaicrt_inference_times* times) {
    QAICRT_REQUIRE(inference);
    QAICRT_REQUIRE(times);
    return guard([&] {
        const auto measured = inference->value.times();
        if (!measured) {
            return fail(measured.error());
        }
        qaicrt_inference_times out = QAICRT_INFERENCE_TIMES_INIT;
        out.submit_us = measured->submit_us;
        out.device_us = measured->device_us;
        out.queue_level_before = measured->queue_level_before;
        return qaicrt::capi::copy_out(out, times, "qaicrt_inference_get_times");
    });
}
