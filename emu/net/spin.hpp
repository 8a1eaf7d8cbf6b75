// SPDX-License-Identifier: Apache-2.0
/// Looking again for a short time before a thread sleeps: a sleep and a wake-up take longer than
/// many steps of a network, and small networks as a whole.
#pragma once

#include <chrono>

namespace qaicnet {

inline constexpr std::chrono::microseconds kSpin{50};

/// True as soon as `ready` is, false after kSpin.
template <class Ready>
bool spin_until(Ready&& ready) {
    const auto end = std::chrono::steady_clock::now() + kSpin;
    do {
        for (int i = 0; i < 64; ++i) {
            if (ready()) {
                return true;
            }
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
    } while (std::chrono::steady_clock::now() < end);
    return false;
}

}  // namespace qaicnet
