// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/capi/capi.hpp"

#include <cerrno>
#include <cstdio>

namespace {

/// Plain data, so that recording "out of memory" needs no memory.
struct LastError {
    char message[1024];
    qaicrt::Errc code;
    int sys_errno;
    std::int32_t device_status;
};
constinit thread_local LastError last_error{"", qaicrt::Errc::kOk, 0, 0};

struct ClassRow {
    qaicrt::Errc code;
    int number;
};
constexpr ClassRow kErrnoOfClass[] = {
    {qaicrt::Errc::kOk, 0},
    {qaicrt::Errc::kInvalidArgument, EINVAL},
    {qaicrt::Errc::kFormat, EBADMSG},
    {qaicrt::Errc::kUnsupported, EOPNOTSUPP},
    {qaicrt::Errc::kNotFound, ENOENT},
    {qaicrt::Errc::kIo, EIO},
    {qaicrt::Errc::kNoMemory, ENOMEM},
    {qaicrt::Errc::kExhausted, ENOSPC},
    {qaicrt::Errc::kBusy, EAGAIN},
    {qaicrt::Errc::kTimeout, ETIMEDOUT},
    {qaicrt::Errc::kCancelled, ECANCELED},
    {qaicrt::Errc::kDevice, EIO},
    {qaicrt::Errc::kProtocol, EPROTO},
    {qaicrt::Errc::kPermission, EACCES},
    {qaicrt::Errc::kNoDevice, ENODEV},
    {qaicrt::Errc::kInternal, ENOTRECOVERABLE},
};

int errno_of(qaicrt::Errc code, int sys_errno) noexcept {
    // File errors are too many for one class: there the caller gets the system's own number.
    if (code == qaicrt::Errc::kIo && sys_errno > 0) {
        return sys_errno;
    }
    for (const ClassRow& row : kErrnoOfClass) {
        if (row.code == code) {
            return row.number;
        }
    }
    return ENOTRECOVERABLE;
}

int record(qaicrt::Errc code, std::string_view message, int sys_errno, std::int32_t device_status) {
    qaicrt::capi::copy_text(last_error.message, message);
    last_error.code = code;
    last_error.sys_errno = sys_errno;
    last_error.device_status = device_status;
    return -errno_of(code, sys_errno);
}

}  // namespace

namespace qaicrt::capi {

int fail(const Error& error) noexcept {
    return record(error.code, error.message, error.sys_errno, error.device_status);
}

int fail(Errc code, std::string_view message) noexcept {
    return record(code, message, 0, 0);
}

int fail_null(const char* function, const char* argument) noexcept {
    char text[160];
    std::snprintf(text, sizeof(text), "%s: %s is null; pass a valid pointer", function, argument);
    return record(Errc::kInvalidArgument, text, 0, 0);
}

int fail_size(const char* function) noexcept {
    char text[160];
    std::snprintf(text, sizeof(text),
                  "%s: the structure's size field is not set; start from its *_INIT macro",
                  function);
    return record(Errc::kInvalidArgument, text, 0, 0);
}

}  // namespace qaicrt::capi

uint32_t qaicrt_version(void) {
    unsigned major = 0;
    unsigned minor = 0;
    unsigned patch = 0;
    std::sscanf(QAIC_VERSION, "%u.%u.%u", &major, &minor, &patch);
    return major << 16 | minor << 8 | patch;
}

const char* qaicrt_version_string(void) {
    return QAIC_VERSION;
}

const char* qaicrt_last_error_message(void) {
    return last_error.message;
}

enum qaicrt_errc qaicrt_last_error_class(void) {
    return static_cast<enum qaicrt_errc>(last_error.code);
}

int qaicrt_last_error_errno(void) {
    return last_error.sys_errno;
}

int32_t qaicrt_last_error_device_status(void) {
    return last_error.device_status;
}

const char* qaicrt_errc_name(enum qaicrt_errc code) {
    const auto number = static_cast<unsigned>(code);
    return number < std::size(kErrnoOfClass) ? qaicrt::errc_name(static_cast<qaicrt::Errc>(number))
                                             : "unknown";
}
