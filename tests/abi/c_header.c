// SPDX-License-Identifier: Apache-2.0
/* qaicrt.h alone, as strict C11: the macros initialise, and the layouts that callers compile in
 * stay. */
#include <qaicrt/qaicrt.h>

#define LAYOUT(type, bytes, last, offset)                             \
    _Static_assert(sizeof(struct type) == (bytes), "size of " #type); \
    _Static_assert(offsetof(struct type, last) == (offset), "offset of " #type "." #last)

LAYOUT(qaicrt_device_info, 272, description, 80);
LAYOUT(qaicrt_device_status, 304, board_serial, 240);
LAYOUT(qaicrt_tensor_info, 48, offset, 44);
LAYOUT(qaicrt_activation_options, 16, reserved, 12);
LAYOUT(qaicrt_inference_times, 16, queue_level_before, 12);
LAYOUT(qaicrt_bytes, 16, bytes, 8);
LAYOUT(qaicrt_queue_result, 40, reserved, 36);
_Static_assert(QAICRT_ERRC_INTERNAL == 15 && QAICRT_INT8 == 8, "enums are append only");

extern const struct qaicrt_device_info device_info_init;
extern const struct qaicrt_device_status device_status_init;
extern const struct qaicrt_tensor_info tensor_info_init;
extern const struct qaicrt_activation_options activation_options_init;
extern const struct qaicrt_inference_times inference_times_init;
const struct qaicrt_device_info device_info_init = QAICRT_DEVICE_INFO_INIT;
const struct qaicrt_device_status device_status_init = QAICRT_DEVICE_STATUS_INIT;
const struct qaicrt_tensor_info tensor_info_init = QAICRT_TENSOR_INFO_INIT;
const struct qaicrt_activation_options activation_options_init = QAICRT_ACTIVATION_OPTIONS_INIT;
const struct qaicrt_inference_times inference_times_init = QAICRT_INFERENCE_TIMES_INIT;
