/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest test harness that C needs: CHECK counts and names failures, CASE lists a test. */
#ifndef QAIC_TESTS_CAPI_CHECK_H
#define QAIC_TESTS_CAPI_CHECK_H

#include <qaicrt/qaicrt.h>

#include <stdio.h>
#include <string.h>

extern int failures;
/* Directory with the programs of tests/programs. */
extern const char* programs;

#define CHECK_AS(holds, text)                                                         \
    do {                                                                              \
        if (!(holds)) {                                                               \
            printf("%s:%d: %s is false (last error: %s)\n", __FILE__, __LINE__, text, \
                   qaicrt_last_error_message());                                      \
            ++failures;                                                               \
        }                                                                             \
    } while (0)
#define CHECK(condition) CHECK_AS(condition, #condition)

/* As CHECK, and leaves the test: what follows would make no sense. Evaluates once: conditions open
 * things. */
#define REQUIRE(condition)                      \
    do {                                        \
        const int holds_ = (condition) ? 1 : 0; \
        CHECK_AS(holds_, #condition);           \
        if (!holds_) {                          \
            return;                             \
        }                                       \
    } while (0)

struct test_case {
    const char* name;
    void (*run)(void);
};
extern const struct test_case error_cases[];
extern const struct test_case program_cases[];
extern const struct test_case inference_cases[];
extern const struct test_case queue_cases[];

/* A context, the emulated card and a program of tests/programs, ready to run. */
struct bench {
    qaicrt_context* context;
    qaicrt_device* device;
    qaicrt_program* program;
    qaicrt_activation* activation;
};
/* 0 on success; depth 0: the default. */
int bench_open(struct bench* bench, const char* program, unsigned depth);
void bench_close(struct bench* bench);
int load_program(const char* name, qaicrt_program** program);
/* Fills all inputs with 1.0F (the question's program answers 9.5). */
int fill_with_ones(qaicrt_inference* inference);
float first_output(const qaicrt_inference* inference);

#endif
