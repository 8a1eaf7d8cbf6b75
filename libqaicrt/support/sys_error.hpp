// SPDX-License-Identifier: Apache-2.0
/// Errors that carry an errno, as the kernel's ioctls give them.
#pragma once

#include <qaicrt/result.hpp>

#include <string>

namespace qaicrt {

/// The class that an errno belongs to when nothing more is known about the call.
Errc errc_of_errno(int sys_errno) noexcept;

/// Error with `sys_errno` kept and its class derived from it.
Error sys_error(int sys_errno, std::string message);

}  // namespace qaicrt
