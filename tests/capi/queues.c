// SPDX-License-Identifier: Apache-2.0
/* The queue: many jobs with the caller's own tensors. */
#include "check.h"

#include <errno.h>

#define JOBS 200

struct results {
    int count, failed, wrong;
    unsigned char seen[JOBS];
};

static void note_job(const struct qaicrt_queue_result* result, void* user) {
    struct results* results = user;
    float value = 0;
    ++results->count;
    if (result->status != 0) {
        ++results->failed;
        results->wrong += result->output_count != 0;
        return;
    }
    if (result->output_count == 1 && result->outputs[0].bytes == sizeof(value)) {
        memcpy(&value, result->outputs[0].data, sizeof(value));
    }
    /* Job i has i in element 7, whose weight is 8; everything else is zero. */
    results->wrong += value != 8.0F * (float)result->cookie;
    results->wrong += result->cookie >= JOBS || results->seen[result->cookie]++ != 0;
}

static void every_job_is_reported_once_with_its_own_result(void) {
    struct bench bench;
    struct results results = {0};
    qaicrt_queue* queue = NULL;
    REQUIRE(bench_open(&bench, "question", 5) == 0);
    REQUIRE(qaicrt_queue_create(bench.activation, note_job, &results, &queue) == 0);
    for (uint64_t i = 0; i < JOBS; ++i) {
        float input[32] = {0};
        const struct qaicrt_bytes bytes = {input, sizeof(input)};
        input[7] = (float)i;
        CHECK(qaicrt_queue_enqueue(queue, i, &bytes, 1) == 0);
        CHECK(qaicrt_queue_in_flight(queue) <= 5);
    }
    CHECK(qaicrt_queue_drain(queue, 60000) == 0);
    CHECK(qaicrt_queue_in_flight(queue) == 0);
    CHECK(results.count == JOBS && results.failed == 0 && results.wrong == 0);
    qaicrt_queue_destroy(queue);
    bench_close(&bench);
}

static void wrong_inputs_queue_nothing(void) {
    struct bench bench;
    struct results results = {0};
    qaicrt_queue* queue = NULL;
    float input[32] = {0};
    struct qaicrt_bytes bytes[2] = {{input, 127}, {input, 128}};
    size_t finished = 5;
    REQUIRE(bench_open(&bench, "question", 0) == 0);
    REQUIRE(qaicrt_queue_create(bench.activation, note_job, &results, &queue) == 0);
    CHECK(qaicrt_queue_enqueue(queue, 0, bytes, 1) == -EINVAL);
    CHECK(qaicrt_queue_enqueue(queue, 0, bytes, 2) == -EINVAL);
    CHECK(qaicrt_queue_enqueue(queue, 0, NULL, 1) == -EINVAL);
    bytes[0].data = NULL;
    CHECK(qaicrt_queue_enqueue(queue, 0, bytes, 1) == -EINVAL);
    CHECK(qaicrt_queue_in_flight(queue) == 0);
    CHECK(qaicrt_queue_poll(queue, -1, &finished) == 0 && finished == 0);
    CHECK(results.count == 0);
    qaicrt_queue_destroy(queue);
    bench_close(&bench);
}

static void a_failed_job_is_reported_without_outputs(void) {
    struct bench bench;
    struct results results = {0};
    qaicrt_queue* queue = NULL;
    float data[8] = {0};
    int64_t index[2] = {0, 1000};
    const struct qaicrt_bytes bytes[2] = {{data, sizeof(data)}, {index, sizeof(index)}};
    REQUIRE(bench_open(&bench, "gather", 0) == 0);
    REQUIRE(qaicrt_queue_create(bench.activation, note_job, &results, &queue) == 0);
    CHECK(qaicrt_queue_enqueue(queue, 0, bytes, 2) == 0);
    (void)qaicrt_queue_drain(queue, 60000);
    CHECK(results.count == 1 && results.failed == 1 && results.wrong == 0);
    qaicrt_queue_destroy(queue);
    bench_close(&bench);
}

const struct test_case queue_cases[] = {
    {"every_job_is_reported_once_with_its_own_result",
     every_job_is_reported_once_with_its_own_result},
    {"wrong_inputs_queue_nothing", wrong_inputs_queue_nothing},
    {"a_failed_job_is_reported_without_outputs", a_failed_job_is_reported_without_outputs},
    {NULL, NULL}};
