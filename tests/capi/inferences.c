// SPDX-License-Identifier: Apache-2.0
/* Inferences through the C API: blocking, with callbacks, with the completion descriptor. */
#include "check.h"

#include <errno.h>
#include <poll.h>

static void ones_give_9_5(void) {
    struct bench bench;
    qaicrt_inference* inference = NULL;
    struct qaicrt_inference_times times = QAICRT_INFERENCE_TIMES_INIT;
    REQUIRE(bench_open(&bench, "question", 0) == 0);
    CHECK(qaicrt_activation_depth(bench.activation) == 10);
    REQUIRE(qaicrt_inference_create(bench.activation, &inference) == 0);
    CHECK(fill_with_ones(inference) == 0);
    CHECK(qaicrt_inference_run(inference, 60000) == 0);
    CHECK(first_output(inference) == 9.5F);
    CHECK(qaicrt_inference_get_times(inference, &times) == 0);
    /* The handle keeps the activation, the device and the card alive. */
    bench_close(&bench);
    CHECK(qaicrt_inference_run(inference, -1) == 0);
    CHECK(first_output(inference) == 9.5F);
    qaicrt_inference_destroy(inference);
}

static void input_sizes_are_exact(void) {
    struct bench bench;
    qaicrt_inference* inference = NULL;
    float ones[33];
    void* data = NULL;
    for (int i = 0; i < 33; ++i) {
        ones[i] = 1.0F;
    }
    REQUIRE(bench_open(&bench, "question", 0) == 0);
    REQUIRE(qaicrt_inference_create(bench.activation, &inference) == 0);
    CHECK(qaicrt_inference_set_input(inference, 0, ones, 128) == 0);
    CHECK(qaicrt_inference_set_input(inference, 0, ones, 127) == -EINVAL);
    CHECK(strstr(qaicrt_last_error_message(), "127") != NULL);
    CHECK(strstr(qaicrt_last_error_message(), "128") != NULL);
    CHECK(qaicrt_inference_set_input(inference, 0, ones, 132) == -EINVAL);
    CHECK(qaicrt_inference_set_input(inference, 1, ones, 128) == -EINVAL);
    CHECK(qaicrt_inference_input(inference, 1, &data, NULL) == -EINVAL && data == NULL);
    CHECK(qaicrt_inference_output(inference, 1, (const void**)&data, NULL) == -EINVAL);
    CHECK(qaicrt_inference_run(inference, 60000) == 0 && first_output(inference) == 9.5F);
    qaicrt_inference_destroy(inference);
    bench_close(&bench);
}

struct seen {
    int calls, status;
    float output;
    qaicrt_inference* inference;
};

static void note_result(qaicrt_inference* inference, int status, void* user) {
    struct seen* seen = user;
    ++seen->calls;
    seen->status = status;
    seen->inference = inference;
    seen->output = first_output(inference);
}

static void callbacks_run_inside_poll(void) {
    struct bench bench;
    struct seen seen[3] = {{0, 1, 0, NULL}};
    qaicrt_inference* inferences[3] = {NULL};
    int rounds = 0;
    REQUIRE(bench_open(&bench, "question", 3) == 0);
    for (int i = 0; i < 3; ++i) {
        REQUIRE(qaicrt_inference_create(bench.activation, &inferences[i]) == 0);
        CHECK(fill_with_ones(inferences[i]) == 0);
        CHECK(qaicrt_inference_submit_callback(inferences[i], note_result, &seen[i]) == 0);
        CHECK(seen[i].calls == 0);
    }
    while (seen[0].calls + seen[1].calls + seen[2].calls < 3 && rounds < 1000) {
        size_t finished = 0;
        CHECK(qaicrt_activation_poll(bench.activation, 1000, &finished) == 0);
        ++rounds;
    }
    for (int i = 0; i < 3; ++i) {
        CHECK(seen[i].calls == 1 && seen[i].status == 0 && seen[i].output == 9.5F);
        CHECK(seen[i].inference == inferences[i]);
        CHECK(qaicrt_inference_in_flight(inferences[i]) == 0);
        qaicrt_inference_destroy(inferences[i]);
    }
    bench_close(&bench);
}

static void a_refused_submit_keeps_the_first_callback(void) {
    struct bench bench;
    struct seen first = {0, 1, 0, NULL};
    struct seen second = {0, 1, 0, NULL};
    qaicrt_inference* inference = NULL;
    REQUIRE(bench_open(&bench, "slow", 0) == 0);
    REQUIRE(qaicrt_inference_create(bench.activation, &inference) == 0);
    CHECK(qaicrt_inference_submit_callback(inference, note_result, &first) == 0);
    CHECK(qaicrt_inference_in_flight(inference) == 1);
    CHECK(qaicrt_inference_submit_callback(inference, note_result, &second) == -EAGAIN);
    CHECK(qaicrt_last_error_class() == QAICRT_ERRC_BUSY);
    CHECK(qaicrt_inference_wait(inference, 60000) == 0);
    CHECK(first.calls == 1 && first.status == 0 && second.calls == 0);
    qaicrt_inference_destroy(inference);
    bench_close(&bench);
}

static void a_wait_that_is_too_short_leaves_the_run_in_flight(void) {
    struct bench bench;
    qaicrt_inference* inference = NULL;
    REQUIRE(bench_open(&bench, "slow", 0) == 0);
    REQUIRE(qaicrt_inference_create(bench.activation, &inference) == 0);
    CHECK(qaicrt_inference_submit(inference) == 0);
    if (qaicrt_inference_wait(inference, 0) != 0) {
        CHECK(qaicrt_last_error_class() == QAICRT_ERRC_TIMEOUT);
        CHECK(qaicrt_inference_in_flight(inference) == 1);
    }
    CHECK(qaicrt_inference_wait(inference, -1) == 0);
    CHECK(qaicrt_inference_in_flight(inference) == 0);
    qaicrt_inference_destroy(inference);
    bench_close(&bench);
}

static void the_descriptor_is_readable_when_there_is_something_to_take(void) {
    struct bench bench;
    struct pollfd descriptor = {-1, POLLIN, 0};
    qaicrt_inference* inference = NULL;
    size_t finished = 9;
    REQUIRE(bench_open(&bench, "question", 0) == 0);
    REQUIRE(qaicrt_activation_completion_fd(bench.activation, &descriptor.fd) == 0);
    CHECK(poll(&descriptor, 1, 0) == 0);
    CHECK(qaicrt_activation_poll(bench.activation, 0, &finished) == 0 && finished == 0);
    REQUIRE(qaicrt_inference_create(bench.activation, &inference) == 0);
    CHECK(fill_with_ones(inference) == 0);
    for (int i = 0; i < 5; ++i) {
        CHECK(qaicrt_inference_submit(inference) == 0);
        do { /* the first of an inference's transfers may wake us up too */
            CHECK(poll(&descriptor, 1, 60000) == 1 && (descriptor.revents & POLLIN) != 0);
            CHECK(qaicrt_activation_poll(bench.activation, 0, &finished) == 0 && finished <= 1);
        } while (finished == 0 && failures == 0);
        CHECK(poll(&descriptor, 1, 0) == 0);
        CHECK(qaicrt_inference_wait(inference, 0) == 0 && first_output(inference) == 9.5F);
    }
    qaicrt_inference_destroy(inference);
    bench_close(&bench);
}

static void a_failing_workload_is_eio_with_the_cards_code(void) {
    struct bench bench;
    qaicrt_inference* inference = NULL;
    int64_t* index = NULL;
    struct seen seen = {0, 1, 0, NULL};
    REQUIRE(bench_open(&bench, "gather", 0) == 0);
    REQUIRE(qaicrt_inference_create(bench.activation, &inference) == 0);
    REQUIRE(qaicrt_inference_input(inference, 1, (void**)&index, NULL) == 0);
    index[0] = 1000;
    CHECK(qaicrt_inference_submit_callback(inference, note_result, &seen) == 0);
    CHECK(qaicrt_inference_wait(inference, 60000) == -EIO);
    CHECK(seen.calls == 1 && seen.status == -EIO);
    CHECK(qaicrt_last_error_class() == QAICRT_ERRC_DEVICE);
    CHECK(qaicrt_last_error_device_status() != 0);
    /* The workload lives on. */
    index[0] = 1;
    CHECK(qaicrt_inference_run(inference, 60000) == 0);
    qaicrt_inference_destroy(inference);
    bench_close(&bench);
}

static void deactivation_cancels_what_is_in_flight(void) {
    struct bench bench;
    qaicrt_inference* inferences[4] = {NULL};
    int cancelled = 0;
    REQUIRE(bench_open(&bench, "slow", 4) == 0);
    for (int i = 0; i < 4; ++i) {
        REQUIRE(qaicrt_inference_create(bench.activation, &inferences[i]) == 0);
        CHECK(qaicrt_inference_submit(inferences[i]) == 0);
    }
    CHECK(qaicrt_activation_deactivate(bench.activation) == 0);
    for (int i = 0; i < 4; ++i) {
        const int status = qaicrt_inference_wait(inferences[i], 60000);
        CHECK(status == 0 || status == -ECANCELED);
        cancelled += status == -ECANCELED;
        CHECK(qaicrt_inference_in_flight(inferences[i]) == 0);
    }
    CHECK(cancelled > 0);
    CHECK(qaicrt_inference_submit(inferences[0]) < 0);
    for (int i = 0; i < 4; ++i) {
        qaicrt_inference_destroy(inferences[i]);
    }
    bench_close(&bench);
}

static void destroying_an_inference_in_flight_waits_and_reports(void) {
    struct bench bench;
    struct seen seen = {0, 1, 0, NULL};
    qaicrt_inference* inference = NULL;
    REQUIRE(bench_open(&bench, "slow", 0) == 0);
    REQUIRE(qaicrt_inference_create(bench.activation, &inference) == 0);
    CHECK(qaicrt_inference_submit_callback(inference, note_result, &seen) == 0);
    qaicrt_inference_destroy(inference);
    CHECK(seen.calls == 1 && seen.status == 0);
    REQUIRE(qaicrt_inference_create(bench.activation, &inference) == 0);
    CHECK(qaicrt_inference_run(inference, 60000) == 0);
    qaicrt_inference_destroy(inference);
    bench_close(&bench);
}

const struct test_case inference_cases[] = {
    {"ones_give_9_5", ones_give_9_5},
    {"input_sizes_are_exact", input_sizes_are_exact},
    {"callbacks_run_inside_poll", callbacks_run_inside_poll},
    {"a_refused_submit_keeps_the_first_callback", a_refused_submit_keeps_the_first_callback},
    {"a_wait_that_is_too_short_leaves_the_run_in_flight",
     a_wait_that_is_too_short_leaves_the_run_in_flight},
    {"the_descriptor_is_readable_when_there_is_something_to_take",
     the_descriptor_is_readable_when_there_is_something_to_take},
    {"a_failing_workload_is_eio_with_the_cards_code",
     a_failing_workload_is_eio_with_the_cards_code},
    {"deactivation_cancels_what_is_in_flight", deactivation_cancels_what_is_in_flight},
    {"destroying_an_inference_in_flight_waits_and_reports",
     destroying_an_inference_in_flight_waits_and_reports},
    {NULL, NULL}};
