/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C API of libqaicrt: run QPC programs on AI 100 cards. C11 and C++.
 *
 *   context -> device -> activation(program) -> inference -> submit / wait
 *
 * Return values: functions that can fail return 0 or a negative errno (which one: enum
 * qaicrt_errc). The words, the class, the system's own errno and the card's status of the calling
 * thread's last failure are in qaicrt_last_error_*(). A null handle or result pointer is -EINVAL,
 * never a crash.
 *
 * Ownership: *_create, *_open and *_load give a handle that *_destroy, *_close or *_unload
 * releases; these accept NULL. Handles keep alive what they were made from: release in any order.
 * Result pointers are written only on success. Text and dims live as long as the handle they came
 * from.
 *
 * Threads: context, device, program and activation may be used by any thread at any time;
 * inference, queue and buffer by one thread at a time each, different ones in parallel. The library
 * starts no thread. Releasing a handle while another thread uses it is the caller's mistake.
 *
 * Callbacks run inside qaicrt_activation_poll(), qaicrt_inference_wait() and the queue's calls, on
 * the thread that made the call. They must not release that call's object or the one they report,
 * and must not throw.
 *
 * Structures with a `size` field grow at the end: set it to sizeof (the *_INIT macros do). Options
 * that the library does not know must be zero (-E2BIG), those that the caller does not know keep
 * their default; in results, fields that the library does not know are set to zero.
 */
#ifndef QAICRT_H
#define QAICRT_H

#include <stddef.h>
#include <stdint.h>

#ifndef QAICRT_API /* as in export.hpp */
#define QAICRT_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- version and errors ---- */

/* Version of the library that is loaded: major << 16 | minor << 8 | patch. */
QAICRT_API uint32_t qaicrt_version(void);
/* The same as text, for example "0.1.0"; static. */
QAICRT_API const char* qaicrt_version_string(void);

/* Class of a failure, and the errno that calls return for it. Numbers are fixed; new ones are
 * appended. */
enum qaicrt_errc {
    QAICRT_OK = 0,
    QAICRT_ERRC_INVALID_ARGUMENT = 1, /* EINVAL: the caller's mistake */
    QAICRT_ERRC_FORMAT = 2,           /* EBADMSG: a file or message is damaged */
    QAICRT_ERRC_UNSUPPORTED = 3,      /* EOPNOTSUPP: not possible here */
    QAICRT_ERRC_NOT_FOUND = 4,        /* ENOENT: no such file, device, tensor */
    QAICRT_ERRC_IO = 5,               /* the system call's own errno */
    QAICRT_ERRC_NO_MEMORY = 6,        /* ENOMEM: host memory */
    QAICRT_ERRC_EXHAUSTED = 7,        /* ENOSPC: NSPs, channels, DDR, ... used up */
    QAICRT_ERRC_BUSY = 8,             /* EAGAIN: full or in use, try again later */
    QAICRT_ERRC_TIMEOUT = 9,          /* ETIMEDOUT */
    QAICRT_ERRC_CANCELLED = 10,       /* ECANCELED: deactivation, restart, reset */
    QAICRT_ERRC_DEVICE = 11,          /* EIO: the card failed, see device status */
    QAICRT_ERRC_PROTOCOL = 12,        /* EPROTO: the card broke the protocol */
    QAICRT_ERRC_PERMISSION = 13,      /* EACCES */
    QAICRT_ERRC_NO_DEVICE = 14,       /* ENODEV: the card is gone or offline */
    QAICRT_ERRC_INTERNAL = 15         /* ENOTRECOVERABLE: a bug of the library */
};

/*
 * The calling thread's last failed call. Successful calls leave it alone; before a callback runs
 * with a non-zero result, it describes that result. Text: one sentence, valid until this thread's
 * next failed call.
 */
QAICRT_API const char* qaicrt_last_error_message(void);
QAICRT_API enum qaicrt_errc qaicrt_last_error_class(void);
/* errno of the system call that failed, 0 if none did. */
QAICRT_API int qaicrt_last_error_errno(void);
/* NNC status or DMA completion code of the card, 0 if none. */
QAICRT_API int32_t qaicrt_last_error_device_status(void);
/* Short word for a class ("format"); static. "unknown" for a number outside the enum. */
QAICRT_API const char* qaicrt_errc_name(enum qaicrt_errc code);

/* ---- handles ---- */

/* The cards of this process. */
typedef struct qaicrt_context qaicrt_context;
/* One user of one card. */
typedef struct qaicrt_device qaicrt_device;
/* A parsed QPC. */
typedef struct qaicrt_program qaicrt_program;
/* A program placed on NSPs, with its DMA bridge channel. */
typedef struct qaicrt_activation qaicrt_activation;
/* One set of buffers. */
typedef struct qaicrt_inference qaicrt_inference;
/* Keeps an activation busy for callers who own their tensors. */
typedef struct qaicrt_queue qaicrt_queue;
/* Card-visible host memory. */
typedef struct qaicrt_buffer qaicrt_buffer;

/* ---- cards ---- */

struct qaicrt_device_info {
    uint32_t size; /* in: sizeof(struct qaicrt_device_info) */
    int32_t qid;
    uint32_t emulated; /* 0 or 1 */
    uint32_t reserved;
    char name[64];         /* "emu:0" */
    char description[192]; /* for people; cut to fit, always terminated */
};
#define QAICRT_DEVICE_INFO_INIT \
    { sizeof(struct qaicrt_device_info), 0, 0, 0, "", "" }

/* What QSM, the card's management firmware, answers to a status query. */
struct qaicrt_device_status {
    uint32_t size; /* in: sizeof(struct qaicrt_device_status) */
    uint32_t emulated;
    uint32_t hw_version;
    uint32_t nsp_total, nsp_free;
    uint32_t dbc_total, dbc_free;
    uint32_t mcid_total, mcid_free;
    uint32_t semaphore_total, semaphore_free;
    uint32_t networks_loaded, networks_active;
    uint32_t constants_loaded, constants_in_use;
    uint32_t reserved;
    uint64_t dram_total_bytes, dram_free_bytes;
    char fw_version[32];
    char fw_image_version[64];
    char fw_variant[32];
    char serial[32];
    char board_serial[64];
};
#define QAICRT_DEVICE_STATUS_INIT                                                               \
    {                                                                                           \
        sizeof(struct qaicrt_device_status), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
            "", "", "", "", ""                                                                  \
    }

/*
 * devices  which cards to look for: "emu", "emu:nsp=8,threads=2"; NULL or "" reads QAIC_DEVICES,
 * then "emu". Errors: EINVAL, ENOENT (unknown kind of card), ENOMEM.
 */
QAICRT_API int qaicrt_context_create(const char* devices, qaicrt_context** context);
QAICRT_API void qaicrt_context_destroy(qaicrt_context* context);
/* Errors: EINVAL. */
QAICRT_API int qaicrt_context_device_count(const qaicrt_context* context, size_t* count);
/* index from 0 to the count - 1. Errors: EINVAL (no such index). */
QAICRT_API int qaicrt_context_device_info(const qaicrt_context* context, size_t index,
                                          struct qaicrt_device_info* info);

/* Opens the card with this QID: a new user of it. Errors: ENOENT (the message lists the QIDs),
 * ENODEV, ENOMEM. */
QAICRT_API int qaicrt_device_open(const qaicrt_context* context, int qid, qaicrt_device** device);
QAICRT_API void qaicrt_device_close(qaicrt_device* device);
/* Errors: EINVAL. */
QAICRT_API int qaicrt_device_get_info(const qaicrt_device* device, struct qaicrt_device_info* info);
/* Asks the card. Errors: EINVAL, EIO, EPROTO, ETIMEDOUT, ENODEV. */
QAICRT_API int qaicrt_device_get_status(const qaicrt_device* device,
                                        struct qaicrt_device_status* status);

/* ---- programs ---- */

/* Element type at a program's edge; numbers of networkdesc.bin. */
enum qaicrt_data_type {
    QAICRT_FLOAT = 0,
    QAICRT_FLOAT16 = 1,
    QAICRT_INT8Q = 2,
    QAICRT_UINT8Q = 3,
    QAICRT_INT16Q = 4,
    QAICRT_INT32Q = 5,
    QAICRT_INT32I = 6,
    QAICRT_INT64I = 7,
    QAICRT_INT8 = 8
};
/* Bytes of one element; 0 for a number outside the enum. */
QAICRT_API size_t qaicrt_data_type_bytes(enum qaicrt_data_type type);
/* The vendor's name ("FloatTy"); static. */
QAICRT_API const char* qaicrt_data_type_name(enum qaicrt_data_type type);

struct qaicrt_tensor_info {
    uint32_t size;       /* in: sizeof(struct qaicrt_tensor_info) */
    uint32_t type;       /* enum qaicrt_data_type */
    const char* name;    /* owned by the program */
    const int64_t* dims; /* row-major, `rank` numbers, owned by the program; not null */
    size_t rank;         /* 0 for a scalar */
    size_t bytes;        /* of the whole tensor */
    float scale;         /* quantised types: value = (code - offset) * scale */
    int32_t offset;
};
#define QAICRT_TENSOR_INFO_INIT \
    { sizeof(struct qaicrt_tensor_info), 0, NULL, NULL, 0, 0, 0, 0 }

/*
 * path  a QPC file, or a directory that holds programqpc.bin.
 * Errors: ENOENT, another errno of the file system, ENOMEM, EBADMSG (damaged), EOPNOTSUPP.
 */
QAICRT_API int qaicrt_program_load(const char* path, qaicrt_program** program);
/* Copies `bytes` bytes at `data`. Errors: EINVAL, ENOMEM, EBADMSG, EOPNOTSUPP. */
QAICRT_API int qaicrt_program_load_bytes(const void* data, size_t bytes, qaicrt_program** program);
QAICRT_API void qaicrt_program_unload(qaicrt_program* program);
/* Name inside the QPC; "" for NULL. */
QAICRT_API const char* qaicrt_program_name(const qaicrt_program* program);
/* 0 for NULL. */
QAICRT_API uint32_t qaicrt_program_num_nsps(const qaicrt_program* program);
QAICRT_API int32_t qaicrt_program_batch_size(const qaicrt_program* program);
/* 1 for a program that the emulated card runs; 0 for one that only silicon runs, and for NULL. */
QAICRT_API int qaicrt_program_made_for_emulator(const qaicrt_program* program);
/* Tensors in binding order; 0 for NULL. */
QAICRT_API size_t qaicrt_program_input_count(const qaicrt_program* program);
QAICRT_API size_t qaicrt_program_output_count(const qaicrt_program* program);
/* Errors: EINVAL (no such index). */
QAICRT_API int qaicrt_program_input_info(const qaicrt_program* program, size_t index,
                                         struct qaicrt_tensor_info* info);
QAICRT_API int qaicrt_program_output_info(const qaicrt_program* program, size_t index,
                                          struct qaicrt_tensor_info* info);
/* Errors: ENOENT (the message lists the names), EINVAL. */
QAICRT_API int qaicrt_program_input_index(const qaicrt_program* program, const char* name,
                                          size_t* index);
QAICRT_API int qaicrt_program_output_index(const qaicrt_program* program, const char* name,
                                           size_t* index);

/* ---- activations ---- */

struct qaicrt_activation_options {
    uint32_t size;                /* sizeof(struct qaicrt_activation_options) */
    uint32_t depth;               /* inferences that may be queued at once; 0: 10 */
    uint32_t activate_timeout_ms; /* 0: 5000 */
    uint32_t reserved;            /* 0 */
};
#define QAICRT_ACTIVATION_OPTIONS_INIT \
    { sizeof(struct qaicrt_activation_options), 0, 0, 0 }

/*
 * Loads the program on the card unless this device has it already, and starts it on NSPs.
 * options  NULL: the defaults.
 * Errors: EINVAL, E2BIG, EOPNOTSUPP (a program for the other kind of card: nothing was sent),
 * ENOSPC, EIO, EPROTO, ETIMEDOUT, ENODEV, ENOMEM.
 */
QAICRT_API int qaicrt_activation_create(const qaicrt_device* device, const qaicrt_program* program,
                                        const struct qaicrt_activation_options* options,
                                        qaicrt_activation** activation);
/* The workload ends when its inferences and queues are gone too. */
QAICRT_API void qaicrt_activation_destroy(qaicrt_activation* activation);
/* Ends the workload now: runs in flight finish with ECANCELED. Errors: EINVAL, EIO, EPROTO. */
QAICRT_API int qaicrt_activation_deactivate(qaicrt_activation* activation);
/* 0 for NULL. */
QAICRT_API uint32_t qaicrt_activation_depth(const qaicrt_activation* activation);
QAICRT_API uint32_t qaicrt_activation_dbc(const qaicrt_activation* activation);
/* Bit n: physical NSP n runs it. */
QAICRT_API uint32_t qaicrt_activation_nsp_mask(const qaicrt_activation* activation);
/*
 * Takes finished inferences and runs their callbacks; waits up to timeout_ms for the first one (0:
 * does not wait, negative: no limit). finished  how many; may be NULL. None in time is not an
 * error. Errors: EINVAL, ECANCELED, ENODEV.
 */
QAICRT_API int qaicrt_activation_poll(const qaicrt_activation* activation, int timeout_ms,
                                      size_t* finished);
/*
 * A descriptor for poll(2), readable while qaicrt_activation_poll() has something to take. It may
 * also wake up early, for a part of an inference: then that call finds 0 finished. The activation
 * keeps it. Errors: EINVAL, ECANCELED.
 */
QAICRT_API int qaicrt_activation_completion_fd(const qaicrt_activation* activation, int* fd);

/* ---- inferences ---- */

struct qaicrt_inference_times {
    uint32_t size;               /* in: sizeof(struct qaicrt_inference_times) */
    uint32_t submit_us;          /* entry of submit to the doorbell */
    uint32_t device_us;          /* doorbell to the last completion */
    uint32_t queue_level_before; /* requests that were queued before it */
};
#define QAICRT_INFERENCE_TIMES_INIT \
    { sizeof(struct qaicrt_inference_times), 0, 0, 0 }

/* status  0 or the negative errno of the run. */
typedef void (*qaicrt_inference_callback)(qaicrt_inference* inference, int status, void* user);

/* Allocates and attaches all buffers; nothing is allocated per run. Errors: EINVAL, ENOMEM,
 * ECANCELED, ENODEV. */
QAICRT_API int qaicrt_inference_create(const qaicrt_activation* activation,
                                       qaicrt_inference** inference);
/* Waits for a run in flight, at most 5 s, and then ends the workload; the run's callback is called.
 */
QAICRT_API void qaicrt_inference_destroy(qaicrt_inference* inference);
/*
 * The tensor's memory, shared with the card, row-major and little endian, valid as long as the
 * inference: write inputs before submit, read outputs after the run is over. Errors: EINVAL.
 */
QAICRT_API int qaicrt_inference_input(qaicrt_inference* inference, size_t index, void** data,
                                      size_t* bytes);
QAICRT_API int qaicrt_inference_output(const qaicrt_inference* inference, size_t index,
                                       const void** data, size_t* bytes);
/* Copies into the input; `bytes` must be the tensor's exact size. Errors: EINVAL. */
QAICRT_API int qaicrt_inference_set_input(qaicrt_inference* inference, size_t index,
                                          const void* data, size_t bytes);
/* Queues the run. Errors: EAGAIN (depth runs are queued, or this one is in flight), EINVAL,
 * ECANCELED, ENODEV. */
QAICRT_API int qaicrt_inference_submit(qaicrt_inference* inference);
/* As above; `done` is called once, with `user`, inside a later poll or wait. Not called when this
 * call fails. */
QAICRT_API int qaicrt_inference_submit_callback(qaicrt_inference* inference,
                                                qaicrt_inference_callback done, void* user);
/* 1 between a successful submit and its end; 0 otherwise and for NULL. */
QAICRT_API int qaicrt_inference_in_flight(const qaicrt_inference* inference);
/*
 * Result of the last submitted run. timeout_ms  0: only asks, negative: no limit.
 * Errors: ETIMEDOUT (still in flight), EIO (the card failed: device status, message), ECANCELED,
 * EINVAL, ENODEV.
 */
QAICRT_API int qaicrt_inference_wait(qaicrt_inference* inference, int timeout_ms);
/* submit and wait. */
QAICRT_API int qaicrt_inference_run(qaicrt_inference* inference, int timeout_ms);
/* Of the last finished run. Errors: EINVAL, EAGAIN (none has finished). */
QAICRT_API int qaicrt_inference_get_times(const qaicrt_inference* inference,
                                          struct qaicrt_inference_times* times);

/* ---- queues ---- */

struct qaicrt_bytes {
    const void* data;
    size_t bytes;
};

/* One finished job; `outputs` and what it points to are valid until the callback returns. */
struct qaicrt_queue_result {
    uint64_t cookie;
    uint64_t latency_ns; /* enqueue to completion seen */
    const struct qaicrt_bytes* outputs;
    size_t output_count; /* 0 when the job failed */
    int32_t status;      /* 0 or a negative errno */
    uint32_t reserved;
};
typedef void (*qaicrt_queue_callback)(const struct qaicrt_queue_result* result, void* user);

/* Makes as many inferences as the activation is deep. Errors: as qaicrt_inference_create. */
QAICRT_API int qaicrt_queue_create(const qaicrt_activation* activation, qaicrt_queue_callback done,
                                   void* user, qaicrt_queue** queue);
/* Waits for jobs in flight; their callbacks may still run. */
QAICRT_API void qaicrt_queue_destroy(qaicrt_queue* queue);
/*
 * Copies the inputs (one entry per program input, in order, exact sizes) and submits; waits for a
 * free place. Errors: EINVAL (nothing was queued), and those of submit.
 */
QAICRT_API int qaicrt_queue_enqueue(qaicrt_queue* queue, uint64_t cookie,
                                    const struct qaicrt_bytes* inputs, size_t input_count);
/* As qaicrt_activation_poll(). */
QAICRT_API int qaicrt_queue_poll(qaicrt_queue* queue, int timeout_ms, size_t* finished);
/* Waits for all jobs; every callback has run when it returns 0. Errors: ETIMEDOUT, ECANCELED,
 * ENODEV. */
QAICRT_API int qaicrt_queue_drain(qaicrt_queue* queue, int timeout_ms);
/* 0 for NULL. */
QAICRT_API size_t qaicrt_queue_in_flight(const qaicrt_queue* queue);

/* ---- buffers ---- */

/* Zero filled. Errors: EINVAL (no bytes), ENOMEM, ENODEV. */
QAICRT_API int qaicrt_buffer_create(const qaicrt_device* device, uint64_t bytes,
                                    qaicrt_buffer** buffer);
QAICRT_API void qaicrt_buffer_destroy(qaicrt_buffer* buffer);
/* Valid as long as the buffer. Errors: EINVAL. */
QAICRT_API int qaicrt_buffer_data(qaicrt_buffer* buffer, void** data, size_t* bytes);
/* A dma-buf descriptor that the caller closes. Errors: EINVAL, EOPNOTSUPP (emulated card). */
QAICRT_API int qaicrt_buffer_export_dma_buf(const qaicrt_buffer* buffer, int* fd);

#ifdef __cplusplus
}
#endif

#endif /* QAICRT_H */
