// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/support/sys_error.hpp"

#include <cerrno>
#include <utility>

namespace qaicrt {

Errc errc_of_errno(int sys_errno) noexcept {
    switch (sys_errno) {
        case EINVAL:
        case EFAULT:
        case EOVERFLOW:
            return Errc::kInvalidArgument;
        case ENOENT:
            return Errc::kNotFound;
        case ENOMEM:
            return Errc::kNoMemory;
        case ENOSPC:
        case EMFILE:
        case ENFILE:
            return Errc::kExhausted;
        case EAGAIN:
        case EBUSY:
            return Errc::kBusy;
        case ETIMEDOUT:
            return Errc::kTimeout;
        case ECANCELED:
            return Errc::kCancelled;
        case EPIPE:
        case EPROTO:
            return Errc::kProtocol;
        case EPERM:
        case EACCES:
            return Errc::kPermission;
        case ENODEV:
            return Errc::kNoDevice;
        case EOPNOTSUPP:
            return Errc::kUnsupported;
        default:
            return Errc::kIo;
    }
}

Error sys_error(int sys_errno, std::string message) {
    return Error{errc_of_errno(sys_errno), std::move(message), sys_errno};
}

}  // namespace qaicrt
