// SPDX-License-Identifier: Apache-2.0
/* Opens the emulated card through the installed C API and asks how it is. */
#include <qaicrt/qaicrt.h>

#include <errno.h>
#include <stdio.h>

int main(void) {
    struct qaicrt_device_status status = QAICRT_DEVICE_STATUS_INIT;
    qaicrt_context* context = NULL;
    qaicrt_device* device = NULL;
    qaicrt_program* program = NULL;

    if (qaicrt_context_create("emu", &context) != 0 ||
        qaicrt_device_open(context, 0, &device) != 0 ||
        qaicrt_device_get_status(device, &status) != 0) {
        printf("%s\n", qaicrt_last_error_message());
        return 1;
    }
    if (status.emulated != 1 || status.nsp_free != status.nsp_total) {
        puts("the idle emulated card does not report all NSPs as free");
        return 1;
    }
    if (qaicrt_program_load("/nonexistent", &program) != -ENOENT || program != NULL) {
        return 1;
    }
    printf("libqaicrt %s: %u NSPs\n", qaicrt_version_string(), (unsigned)status.nsp_total);
    qaicrt_device_close(device);
    qaicrt_context_destroy(context);
    return 0;
}
