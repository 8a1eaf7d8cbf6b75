// SPDX-License-Identifier: Apache-2.0
/// Helpers around Workers for kernels.
#pragma once

#include "emu/net/network.hpp"

#include <cstddef>
#include <functional>

/// Promises that iterations are independent even where a result overwrites its own input in place.
/// clang finds out at run time instead, and its own promise is an error where a loop cannot be
/// vectorised.
#if defined(__clang__)
#define QAICNET_INDEPENDENT_LOOP
#else
#define QAICNET_INDEPENDENT_LOOP _Pragma("GCC ivdep")
#endif

namespace qaicnet {

/// Workers::parallel_for without the allocation that a large closure in a std::function would cost.
template <class Body>
void parallel_for(Workers& workers, std::size_t n, std::size_t grain, Body&& body) {
    if (n != 0) {
        workers.parallel_for(n, grain, std::ref(body));
    }
}

/// Elements per task of cheap elementwise work.
inline constexpr std::size_t kElementGrain = 16384;

/// How many items of `cost` elementary operations make a task worth handing to another thread.
inline std::size_t grain_for(std::size_t cost) noexcept {
    return cost >= kElementGrain ? 1 : kElementGrain / (cost == 0 ? 1 : cost);
}

}  // namespace qaicnet
