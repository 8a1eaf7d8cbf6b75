// SPDX-License-Identifier: Apache-2.0
/* Cards and programs as the C API shows them. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

static void lists_the_emulated_card(void) {
    struct qaicrt_device_info info = QAICRT_DEVICE_INFO_INIT;
    qaicrt_context* context = NULL;
    qaicrt_device* device = NULL;
    size_t count = 0;
    REQUIRE(qaicrt_context_create("emu", &context) == 0);
    CHECK(qaicrt_context_device_count(context, &count) == 0 && count == 1);
    CHECK(qaicrt_context_device_info(context, 0, &info) == 0);
    CHECK(info.qid == 0 && info.emulated == 1 && strcmp(info.name, "emu:0") == 0);
    CHECK(strlen(info.description) > 0);
    CHECK(qaicrt_context_device_info(context, count, &info) == -EINVAL);
    REQUIRE(qaicrt_device_open(context, 0, &device) == 0);
    memset(info.name, 0, sizeof(info.name));
    CHECK(qaicrt_device_get_info(device, &info) == 0 && strcmp(info.name, "emu:0") == 0);
    qaicrt_device_close(device);
    qaicrt_context_destroy(context);
}

static void status_counts_what_an_activation_takes(void) {
    struct qaicrt_device_status during = QAICRT_DEVICE_STATUS_INIT;
    struct qaicrt_device_status after = QAICRT_DEVICE_STATUS_INIT;
    struct bench bench;
    qaicrt_device* watcher = NULL;
    REQUIRE(bench_open(&bench, "question", 0) == 0);
    REQUIRE(qaicrt_device_open(bench.context, 0, &watcher) == 0);
    CHECK(qaicrt_device_get_status(watcher, &during) == 0);
    CHECK(during.nsp_total - during.nsp_free == qaicrt_program_num_nsps(bench.program));
    CHECK(during.dbc_total - during.dbc_free == 1 && during.networks_active == 1);
    CHECK(during.emulated == 1 && during.hw_version >> 16 == 2 && during.fw_version[0] != '\0');
    CHECK(__builtin_popcount(qaicrt_activation_nsp_mask(bench.activation)) == 4);
    CHECK(qaicrt_activation_dbc(bench.activation) < during.dbc_total);
    bench_close(&bench);
    CHECK(qaicrt_device_get_status(watcher, &after) == 0);
    CHECK(after.nsp_free == after.nsp_total && after.networks_active == 0);
    qaicrt_device_close(watcher);
}

static void describes_tensors(void) {
    struct qaicrt_tensor_info info = QAICRT_TENSOR_INFO_INIT;
    qaicrt_program* program = NULL;
    size_t index = 99;
    REQUIRE(load_program("question", &program) == 0);
    CHECK(qaicrt_program_input_count(program) == 1 && qaicrt_program_output_count(program) == 1);
    CHECK(qaicrt_program_input_info(program, 0, &info) == 0);
    CHECK(strcmp(info.name, "input") == 0 && info.type == QAICRT_FLOAT && info.bytes == 128);
    CHECK(info.rank == 2 && info.dims[0] == 1 && info.dims[1] == 32);
    CHECK(qaicrt_program_output_info(program, 0, &info) == 0 && strcmp(info.name, "output") == 0);
    CHECK(qaicrt_program_input_index(program, "input", &index) == 0 && index == 0);
    CHECK(qaicrt_program_output_index(program, "output", &index) == 0 && index == 0);
    CHECK(qaicrt_program_input_index(program, "inptu", &index) == -ENOENT);
    CHECK(strstr(qaicrt_last_error_message(), "input") != NULL);
    CHECK(qaicrt_program_input_info(program, 1, &info) == -EINVAL);
    CHECK(qaicrt_program_num_nsps(program) == 4 && qaicrt_program_batch_size(program) == 1);
    CHECK(qaicrt_program_made_for_emulator(program) == 1);
    CHECK(strlen(qaicrt_program_name(program)) > 0);
    qaicrt_program_unload(program);
}

static void names_and_sizes_of_types(void) {
    CHECK(qaicrt_data_type_bytes(QAICRT_FLOAT) == 4 && qaicrt_data_type_bytes(QAICRT_INT64I) == 8);
    CHECK(strcmp(qaicrt_data_type_name(QAICRT_FLOAT16), "Float16Ty") == 0);
    CHECK(qaicrt_data_type_bytes((enum qaicrt_data_type)0x100) == 0);
    CHECK(strcmp(qaicrt_data_type_name((enum qaicrt_data_type)0x101), "InvalidTy") == 0);
}

/* The whole QPC in memory; the caller frees. */
static unsigned char* read_qpc(const char* name, size_t* bytes) {
    char path[4096];
    unsigned char* data = NULL;
    FILE* file;
    long end;
    snprintf(path, sizeof(path), "%s/%s/programqpc.bin", programs, name);
    file = fopen(path, "rb");
    if (file != NULL && fseek(file, 0, SEEK_END) == 0 && (end = ftell(file)) > 0) {
        data = malloc((size_t)end);
        rewind(file);
        *bytes = fread(data, 1, (size_t)end, file);
    }
    if (file != NULL) {
        fclose(file);
    }
    return data;
}

static void loads_from_memory_and_refuses_damage(void) {
    size_t bytes = 0;
    unsigned char* data = read_qpc("question", &bytes);
    qaicrt_program* program = NULL;
    REQUIRE(data != NULL);
    CHECK(qaicrt_program_load_bytes(data, bytes, &program) == 0);
    CHECK(qaicrt_program_input_count(program) == 1);
    qaicrt_program_unload(program);
    program = NULL;
    CHECK(qaicrt_program_load_bytes(data, bytes / 2, &program) == -EBADMSG);
    CHECK(qaicrt_program_load_bytes(data, 0, &program) == -EBADMSG);
    data[0] ^= 0xff;
    CHECK(qaicrt_program_load_bytes(data, bytes, &program) == -EBADMSG);
    CHECK(program == NULL && qaicrt_last_error_class() == QAICRT_ERRC_FORMAT);
    free(data);
}

static void a_program_for_silicon_is_refused_in_words(void) {
    struct bench bench;
    qaicrt_program* program = NULL;
    REQUIRE(load_program("silicon", &program) == 0);
    CHECK(qaicrt_program_made_for_emulator(program) == 0);
    qaicrt_program_unload(program);
    CHECK(bench_open(&bench, "silicon", 0) == -EOPNOTSUPP);
    CHECK(strstr(qaicrt_last_error_message(), "run it on a card") != NULL);
}

static void too_many_activations_are_no_space(void) {
    struct bench bench;
    qaicrt_activation* more[8] = {NULL};
    int status = 0;
    size_t made = 0;
    REQUIRE(bench_open(&bench, "question", 0) == 0);
    while (made < 8 && status == 0) {
        status = qaicrt_activation_create(bench.device, bench.program, NULL, &more[made]);
        made += status == 0;
    }
    CHECK(status == -ENOSPC && made == 3); /* 16 NSPs, 4 each, one activation was there */
    CHECK(qaicrt_last_error_class() == QAICRT_ERRC_EXHAUSTED);
    CHECK(qaicrt_last_error_device_status() != 0);
    for (size_t i = 0; i < made; ++i) {
        qaicrt_activation_destroy(more[i]);
    }
    bench_close(&bench);
}

static void buffers_are_zero_filled_memory(void) {
    qaicrt_context* context = NULL;
    qaicrt_device* device = NULL;
    qaicrt_buffer* buffer = NULL;
    void* data = NULL;
    size_t bytes = 0;
    int fd = -7;
    REQUIRE(qaicrt_context_create("emu", &context) == 0);
    REQUIRE(qaicrt_device_open(context, 0, &device) == 0);
    CHECK(qaicrt_buffer_create(device, 0, &buffer) == -EINVAL && buffer == NULL);
    REQUIRE(qaicrt_buffer_create(device, 10000, &buffer) == 0);
    CHECK(qaicrt_buffer_data(buffer, &data, &bytes) == 0 && bytes == 10000);
    CHECK(((unsigned char*)data)[0] == 0 && ((unsigned char*)data)[9999] == 0);
    memset(data, 0x5a, bytes);
    CHECK(qaicrt_buffer_export_dma_buf(buffer, &fd) == -EOPNOTSUPP && fd == -7);
    qaicrt_context_destroy(context);
    qaicrt_device_close(device);
    CHECK(((unsigned char*)data)[9999] == 0x5a);
    qaicrt_buffer_destroy(buffer);
}

const struct test_case program_cases[] = {
    {"lists_the_emulated_card", lists_the_emulated_card},
    {"status_counts_what_an_activation_takes", status_counts_what_an_activation_takes},
    {"describes_tensors", describes_tensors},
    {"names_and_sizes_of_types", names_and_sizes_of_types},
    {"loads_from_memory_and_refuses_damage", loads_from_memory_and_refuses_damage},
    {"a_program_for_silicon_is_refused_in_words", a_program_for_silicon_is_refused_in_words},
    {"too_many_activations_are_no_space", too_many_activations_are_no_space},
    {"buffers_are_zero_filled_memory", buffers_are_zero_filled_memory},
    {NULL, NULL}};
