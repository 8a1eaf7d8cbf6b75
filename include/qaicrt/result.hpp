// SPDX-License-Identifier: Apache-2.0
/// Errors of the runtime and of every library below it: a value or one Error, never an exception.
///
/// The original code is never folded away: `sys_errno` keeps the kernel's errno and `device_status`
/// the card's NNC status (or DMA completion code) next to our own class of error.
#pragma once

#include <qaicrt/export.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace qaicrt {

/// What kind of failure this is. The numbers are part of the C API (`qaicrt_errc`): append only.
enum class Errc : std::uint16_t {
    kOk = 0,
    kInvalidArgument = 1,  ///< the caller's mistake: a size, a name, an option
    kFormat = 2,           ///< a file or message is damaged; `message` names the offset or field
    kUnsupported = 3,      ///< well-formed, but this version or this backend cannot do it
    kNotFound = 4,         ///< no such file, device, tensor
    kIo = 5,               ///< reading or writing a file failed; see sys_errno
    kNoMemory = 6,         ///< host memory
    kExhausted = 7,        ///< a card resource (NSP, DBC, DDR, semaphore, queue space) is used up
    kBusy = 8,             ///< queue full or object in use; try again after a completion
    kTimeout = 9,
    kCancelled = 10,  ///< aborted by deactivation, restart or reset
    kDevice = 11,     ///< the card reported a failure; see device_status
    kProtocol = 12,   ///< the card's answer does not follow the protocol
    kPermission = 13,
    kNoDevice = 14,  ///< the card is gone or offline
    kInternal = 15,  ///< a bug of ours
};

/// Short lower-case word for an error class, e.g. "format"; a static string.
QAICRT_API const char* errc_name(Errc code) noexcept;

/// One failure. `message` is one sentence: what, where, what to do.
struct [[nodiscard]] Error {
    Errc code = Errc::kInternal;
    std::string message;
    int sys_errno = 0;               ///< errno of the failing system call, 0 if none
    std::int32_t device_status = 0;  ///< NNC status or completion code of the card, 0 if none

    Error() = default;
    Error(Errc c, std::string text, int sys = 0, std::int32_t status = 0)
        : code(c), message(std::move(text)), sys_errno(sys), device_status(status) {}
};

/// A T or an Error. Reading the wrong side is a programming error (undefined), as with
/// std::expected.
template <class T>
class [[nodiscard]] Result {
  public:
    using value_type = T;
    Result(T value)
        : state_(std::in_place_index<0>, std::move(value)) {
    }  // NOLINT(google-explicit-constructor)
    Result(Error error)
        : state_(std::in_place_index<1>, std::move(error)) {
    }  // NOLINT(google-explicit-constructor)

    bool has_value() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }
    T& value() & { return *std::get_if<0>(&state_); }
    const T& value() const& { return *std::get_if<0>(&state_); }
    T&& value() && { return std::move(*std::get_if<0>(&state_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return std::get_if<0>(&state_); }
    const T* operator->() const { return std::get_if<0>(&state_); }
    Error& error() & { return *std::get_if<1>(&state_); }
    const Error& error() const& { return *std::get_if<1>(&state_); }
    Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

  private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    using value_type = void;
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

    bool has_value() const noexcept { return !error_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }
    Error& error() & { return *error_; }
    const Error& error() const& { return *error_; }
    Error&& error() && { return std::move(*error_); }

  private:
    std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace qaicrt

#define QAICRT_CONCAT_(a, b) a##b
#define QAICRT_CONCAT(a, b) QAICRT_CONCAT_(a, b)

/// Evaluates a Result expression and returns its Error from the enclosing function when it failed.
#define QAICRT_CHECK(expr)                                 \
    do {                                                   \
        if (auto qaicrt_check_ = (expr); !qaicrt_check_) { \
            return std::move(qaicrt_check_).error();       \
        }                                                  \
    } while (0)

/// Like QAICRT_CHECK, and binds the value: QAICRT_TRY(auto view, parse(bytes));
#define QAICRT_TRY(decl, expr) QAICRT_TRY_(decl, expr, QAICRT_CONCAT(qaicrt_try_, __LINE__))
#define QAICRT_TRY_(decl, expr, tmp)   \
    auto tmp = (expr);                 \
    if (!tmp) {                        \
        return std::move(tmp).error(); \
    }                                  \
    decl = std::move(tmp).value()
