// SPDX-License-Identifier: Apache-2.0
/* Runs the cases of one group, or lists the groups. usage: test_capi PROGRAMS_DIR GROUP */
#include "check.h"

#include <errno.h>

int failures;
const char* programs;

int load_program(const char* name, qaicrt_program** program) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", programs, name);
    return qaicrt_program_load(path, program);
}

int bench_open(struct bench* bench, const char* program, unsigned depth) {
    struct qaicrt_activation_options options = QAICRT_ACTIVATION_OPTIONS_INIT;
    int status;

    memset(bench, 0, sizeof(*bench));
    options.depth = depth;
    status = qaicrt_context_create("emu", &bench->context);
    if (status == 0) {
        status = qaicrt_device_open(bench->context, 0, &bench->device);
    }
    if (status == 0) {
        status = load_program(program, &bench->program);
    }
    if (status == 0) {
        status =
            qaicrt_activation_create(bench->device, bench->program, &options, &bench->activation);
    }
    if (status != 0) {
        bench_close(bench);
    }
    return status;
}

void bench_close(struct bench* bench) {
    /* On purpose not the reverse of the order of creation: any order is allowed. */
    qaicrt_context_destroy(bench->context);
    qaicrt_device_close(bench->device);
    qaicrt_activation_destroy(bench->activation);
    qaicrt_program_unload(bench->program);
    memset(bench, 0, sizeof(*bench));
}

int fill_with_ones(qaicrt_inference* inference) {
    void* data = NULL;
    size_t bytes = 0;
    const int status = qaicrt_inference_input(inference, 0, &data, &bytes);
    if (status == 0) {
        for (size_t i = 0; i < bytes / sizeof(float); ++i) {
            ((float*)data)[i] = 1.0F;
        }
    }
    return status;
}

float first_output(const qaicrt_inference* inference) {
    const void* data = NULL;
    size_t bytes = 0;
    float value = -1.0F;
    if (qaicrt_inference_output(inference, 0, &data, &bytes) == 0 && bytes >= sizeof(value)) {
        memcpy(&value, data, sizeof(value));
    }
    return value;
}

int main(int argc, char** argv) {
    const struct {
        const char* name;
        const struct test_case* cases;
    } groups[] = {{"errors", error_cases},
                  {"programs", program_cases},
                  {"inferences", inference_cases},
                  {"queues", queue_cases}};
    int count = 0;

    if (argc != 3) {
        fputs("usage: test_capi PROGRAMS_DIR GROUP\n", stderr);
        return 2;
    }
    programs = argv[1];
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); ++g) {
        if (strcmp(groups[g].name, argv[2]) != 0) {
            continue;
        }
        for (const struct test_case* test = groups[g].cases; test->name != NULL; ++test) {
            const int before = failures;
            test->run();
            printf("%s %s\n", failures == before ? "ok  " : "FAIL", test->name);
            ++count;
        }
    }
    printf("%d cases, %d failed checks\n", count, failures);
    return failures != 0 || count == 0;
}
