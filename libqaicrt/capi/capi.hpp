// SPDX-License-Identifier: Apache-2.0
/// What the C functions share: the handles, the last error, and the one try/catch ring of the
/// library.
#pragma once

#include <qaicrt/qaicrt.h>
#include <qaicrt/qaicrt.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>
#include <utility>

struct qaicrt_context {
    qaicrt::Context value;
};
struct qaicrt_device {
    qaicrt::Device value;
};
struct qaicrt_program {
    qaicrt::Program value;
};
struct qaicrt_activation {
    qaicrt::Activation value;
};
struct qaicrt_inference {
    qaicrt::Inference value;
    // Kept here and not in the std::function, so that a submit allocates nothing.
    qaicrt_inference_callback done = nullptr;
    void* user = nullptr;
};
struct qaicrt_buffer {
    qaicrt::Buffer value;
};

namespace qaicrt::capi {

/// Stores the failure for this thread and returns the negative errno of its class. Never allocates.
int fail(const Error& error) noexcept;
int fail(Errc code, std::string_view message) noexcept;
/// A null argument: EINVAL, "<function>: <argument> is null".
int fail_null(const char* function, const char* argument) noexcept;
/// A structure whose size field was not set: EINVAL.
int fail_size(const char* function) noexcept;

/// 0 or the stored failure.
inline int finish(const Status& status) noexcept {
    return status ? 0 : fail(status.error());
}

/// Runs `body` (int()) and turns any exception into an error code: nothing may unwind into C.
template <class Body>
int guard(Body&& body) noexcept {
    try {
        return body();
    } catch (const std::bad_alloc&) {
        return fail(Errc::kNoMemory, "out of memory; free some or use smaller tensors");
    } catch (const std::exception& exception) {
        return fail(Errc::kInternal, exception.what());
    } catch (...) {
        return fail(Errc::kInternal, "an exception of unknown type reached the C API; report it");
    }
}

/// Gives a Result's value to the caller as a new handle.
template <class Handle, class T>
int hand_out(Result<T>&& result, Handle** out) {
    if (!result) {
        return fail(result.error());
    }
    *out = new Handle{std::move(result).value()};
    return 0;
}

/// Fills a caller's structure of any age: the part that both sides know, zeros behind it.
template <class T>
int copy_out(T known, T* out, const char* function) noexcept {
    const std::uint32_t size = out->size;
    if (size < sizeof(out->size)) {
        return fail_size(function);
    }
    known.size = size;
    std::memset(static_cast<void*>(out), 0, size);
    std::memcpy(static_cast<void*>(out), &known, std::min<std::size_t>(size, sizeof(known)));
    return 0;
}

/// Cuts text to a fixed field and terminates it.
template <std::size_t N>
void copy_text(char (&field)[N], std::string_view text) noexcept {
    const std::size_t length = std::min(text.size(), N - 1);
    std::memcpy(field, text.data(), length);
    field[length] = '\0';
}

/// One step of a wait without limit: long enough to cost nothing, far from any clock's overflow.
inline constexpr std::chrono::milliseconds kUnlimitedStep{3'600'000};

/// Calls `attempt` (milliseconds -> bool: still waiting) until it is done; a negative timeout
/// repeats it.
template <class Attempt>
void with_timeout(int timeout_ms, Attempt&& attempt) {
    if (timeout_ms >= 0) {
        attempt(std::chrono::milliseconds{timeout_ms});
        return;
    }
    while (attempt(kUnlimitedStep)) {
    }
}

}  // namespace qaicrt::capi

/// Refuses a null argument of a C function by name.
#define QAICRT_REQUIRE(argument)                                 \
    do {                                                         \
        if ((argument) == nullptr) {                             \
            return qaicrt::capi::fail_null(__func__, #argument); \
        }                                                        \
    } while (0)
