// SPDX-License-Identifier: Apache-2.0
/// The ring that keeps exceptions inside the library.
#pragma once

#include <qaicrt/result.hpp>

#include <exception>
#include <new>
#include <string>

namespace qaicrt {

/// Runs `body`, which returns a Result; running out of memory becomes kNoMemory.
template <class Body>
auto guarded(const char* task, Body&& body) noexcept -> decltype(body()) {
    try {
        return body();
    } catch (const std::bad_alloc&) {
        return Error{Errc::kNoMemory, std::string("the host has no memory left to ") + task};
    } catch (const std::exception& error) {
        return Error{Errc::kInternal, std::string("unexpected failure: ") + error.what()};
    }
}

}  // namespace qaicrt
