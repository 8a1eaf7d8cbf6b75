// SPDX-License-Identifier: Apache-2.0
/* Errors: what is returned, what the getters say, and that nothing is written on failure. */
#include "check.h"

#include <errno.h>
#include <pthread.h>

static void null_arguments_are_refused_by_name(void) {
    qaicrt_context* context = NULL;
    size_t count = 7;
    CHECK(qaicrt_context_create(NULL, NULL) == -EINVAL);
    CHECK(strstr(qaicrt_last_error_message(), "qaicrt_context_create: context is null") != NULL);
    CHECK(qaicrt_last_error_class() == QAICRT_ERRC_INVALID_ARGUMENT);
    CHECK(qaicrt_context_device_count(NULL, &count) == -EINVAL && count == 7);
    CHECK(qaicrt_device_open(NULL, 0, NULL) == -EINVAL);
    CHECK(qaicrt_program_load(NULL, NULL) == -EINVAL);
    CHECK(qaicrt_program_input_info(NULL, 0, NULL) == -EINVAL);
    CHECK(qaicrt_activation_create(NULL, NULL, NULL, NULL) == -EINVAL);
    CHECK(qaicrt_activation_poll(NULL, 0, NULL) == -EINVAL);
    CHECK(qaicrt_inference_create(NULL, NULL) == -EINVAL);
    CHECK(qaicrt_inference_submit(NULL) == -EINVAL);
    CHECK(qaicrt_inference_wait(NULL, 0) == -EINVAL);
    CHECK(qaicrt_queue_create(NULL, NULL, NULL, NULL) == -EINVAL);
    CHECK(qaicrt_buffer_create(NULL, 1, NULL) == -EINVAL);
    CHECK(qaicrt_context_create("emu", &context) == 0);
    CHECK(qaicrt_context_device_count(context, NULL) == -EINVAL);
    qaicrt_context_destroy(context);
}

static void releasing_null_is_allowed(void) {
    qaicrt_context_destroy(NULL);
    qaicrt_device_close(NULL);
    qaicrt_program_unload(NULL);
    qaicrt_activation_destroy(NULL);
    qaicrt_inference_destroy(NULL);
    qaicrt_queue_destroy(NULL);
    qaicrt_buffer_destroy(NULL);
    CHECK(qaicrt_program_input_count(NULL) == 0 && qaicrt_program_output_count(NULL) == 0);
    CHECK(strcmp(qaicrt_program_name(NULL), "") == 0);
    CHECK(qaicrt_inference_in_flight(NULL) == 0 && qaicrt_queue_in_flight(NULL) == 0);
}

static void unknown_kind_of_card_is_not_found(void) {
    qaicrt_context* context = NULL;
    CHECK(qaicrt_context_create("no-such-card", &context) == -ENOENT);
    CHECK(context == NULL);
    CHECK(qaicrt_last_error_class() == QAICRT_ERRC_NOT_FOUND);
}

static void unknown_qid_lists_the_ones_that_exist(void) {
    qaicrt_context* context = NULL;
    qaicrt_device* device = NULL;
    REQUIRE(qaicrt_context_create("emu", &context) == 0);
    CHECK(qaicrt_device_open(context, 17, &device) == -ENOENT);
    CHECK(device == NULL);
    CHECK(strchr(qaicrt_last_error_message(), '0') != NULL);
    qaicrt_context_destroy(context);
}

static void file_errors_keep_the_errno(void) {
    qaicrt_program* program = NULL;
    CHECK(qaicrt_program_load("/nonexistent/x", &program) == -ENOENT);
    CHECK(program == NULL);
    CHECK(qaicrt_last_error_errno() == ENOENT);
    CHECK(strstr(qaicrt_last_error_message(), "/nonexistent/x") != NULL);
}

static void a_successful_call_leaves_the_last_error_alone(void) {
    qaicrt_program* program = NULL;
    qaicrt_context* context = NULL;
    CHECK(qaicrt_program_load("/nonexistent/x", &program) == -ENOENT);
    CHECK(qaicrt_context_create("emu", &context) == 0);
    CHECK(qaicrt_last_error_class() == QAICRT_ERRC_NOT_FOUND);
    qaicrt_context_destroy(context);
}

static void* fail_in_thread(void* message_was_empty) {
    *(int*)message_was_empty = qaicrt_last_error_message()[0] == '\0';
    (void)qaicrt_context_create(NULL, NULL);
    return NULL;
}

static void each_thread_has_its_own_last_error(void) {
    qaicrt_program* program = NULL;
    pthread_t thread;
    int was_empty = 0;
    CHECK(qaicrt_program_load("/nonexistent/x", &program) == -ENOENT);
    REQUIRE(pthread_create(&thread, NULL, fail_in_thread, &was_empty) == 0);
    pthread_join(thread, NULL);
    CHECK(was_empty);
    CHECK(qaicrt_last_error_class() == QAICRT_ERRC_NOT_FOUND);
}

static void structures_may_be_older_or_newer_than_the_library(void) {
    struct {
        struct qaicrt_device_status known;
        unsigned char later[16];
    } grown;
    struct qaicrt_device_status status = QAICRT_DEVICE_STATUS_INIT;
    qaicrt_context* context = NULL;
    qaicrt_device* device = NULL;
    REQUIRE(qaicrt_context_create("emu", &context) == 0);
    REQUIRE(qaicrt_device_open(context, 0, &device) == 0);

    memset(&grown, 0xff, sizeof(grown));
    grown.known.size = sizeof(grown);
    CHECK(qaicrt_device_get_status(device, &grown.known) == 0);
    CHECK(grown.known.size == sizeof(grown) && grown.known.nsp_total == 16);
    CHECK(grown.later[0] == 0 && grown.later[15] == 0);

    memset(&status, 0xff, sizeof(status));
    status.size = offsetof(struct qaicrt_device_status, dbc_total);
    CHECK(qaicrt_device_get_status(device, &status) == 0);
    CHECK(status.nsp_total == 16 && status.dbc_total == 0xffffffffU);

    status.size = 0;
    CHECK(qaicrt_device_get_status(device, &status) == -EINVAL);
    qaicrt_device_close(device);
    qaicrt_context_destroy(context);
}

static void options_of_a_newer_caller_are_refused_unless_zero(void) {
    struct {
        struct qaicrt_activation_options known;
        unsigned char later[8];
    } grown = {QAICRT_ACTIVATION_OPTIONS_INIT, {0}};
    struct bench bench;
    qaicrt_activation* activation = NULL;
    REQUIRE(bench_open(&bench, "question", 0) == 0);
    grown.known.size = sizeof(grown);
    CHECK(qaicrt_activation_create(bench.device, bench.program, &grown.known, &activation) == 0);
    qaicrt_activation_destroy(activation);
    activation = NULL;
    grown.later[3] = 1;
    CHECK(qaicrt_activation_create(bench.device, bench.program, &grown.known, &activation) ==
          -E2BIG);
    CHECK(activation == NULL);
    grown.later[3] = 0;
    grown.known.reserved = 1;
    CHECK(qaicrt_activation_create(bench.device, bench.program, &grown.known, &activation) ==
          -EINVAL);
    bench_close(&bench);
}

static void names_of_classes_are_words(void) {
    CHECK(strcmp(qaicrt_errc_name(QAICRT_OK), "unknown") != 0);
    for (int i = QAICRT_ERRC_INVALID_ARGUMENT; i <= QAICRT_ERRC_INTERNAL; ++i) {
        CHECK(strlen(qaicrt_errc_name((enum qaicrt_errc)i)) > 1);
        CHECK(strcmp(qaicrt_errc_name((enum qaicrt_errc)i), "unknown") != 0);
    }
    CHECK(strcmp(qaicrt_errc_name((enum qaicrt_errc)999), "unknown") == 0);
}

static void version_text_and_number_agree(void) {
    char text[32];
    const uint32_t version = qaicrt_version();
    snprintf(text, sizeof(text), "%u.%u.%u", (unsigned)(version >> 16),
             (unsigned)(version >> 8 & 0xff), (unsigned)(version & 0xff));
    CHECK(strcmp(text, qaicrt_version_string()) == 0);
}

const struct test_case error_cases[] = {
    {"null_arguments_are_refused_by_name", null_arguments_are_refused_by_name},
    {"releasing_null_is_allowed", releasing_null_is_allowed},
    {"unknown_kind_of_card_is_not_found", unknown_kind_of_card_is_not_found},
    {"unknown_qid_lists_the_ones_that_exist", unknown_qid_lists_the_ones_that_exist},
    {"file_errors_keep_the_errno", file_errors_keep_the_errno},
    {"a_successful_call_leaves_the_last_error_alone",
     a_successful_call_leaves_the_last_error_alone},
    {"each_thread_has_its_own_last_error", each_thread_has_its_own_last_error},
    {"structures_may_be_older_or_newer_than_the_library",
     structures_may_be_older_or_newer_than_the_library},
    {"options_of_a_newer_caller_are_refused_unless_zero",
     options_of_a_newer_caller_are_refused_unless_zero},
    {"names_of_classes_are_words", names_of_classes_are_words},
    {"version_text_and_number_agree", version_text_and_number_agree},
    {NULL, NULL}};
