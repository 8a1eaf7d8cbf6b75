// SPDX-License-Identifier: Apache-2.0
#include "vcard/vfio_user/fault_guard.hpp"

#include <csetjmp>
#include <csignal>
#include <cstring>
#include <mutex>

namespace qaicvcard::vfio_user {
namespace {

/// Where the thread's guarded access goes when it faults; null outside of one.
thread_local sigjmp_buf* volatile g_landing = nullptr;
struct sigaction g_previous {};

void on_fault(int signal, siginfo_t* info, void* context) {
    if (sigjmp_buf* landing = g_landing) {
        siglongjmp(*landing, 1);
    }
    if ((g_previous.sa_flags & SA_SIGINFO) != 0 && g_previous.sa_sigaction != nullptr) {
        g_previous.sa_sigaction(signal, info, context);
        return;
    }
    // Nobody else wants it: the default action, at the instruction that faulted.
    ::signal(signal, SIG_DFL);
}

/// Runs the access; false if it faulted. Nothing with a destructor may live in `access`.
template <class Access>
bool guarded(Access access) noexcept {
    sigjmp_buf landing;
    if (sigsetjmp(landing, 0) != 0) {
        g_landing = nullptr;
        return false;
    }
    g_landing = &landing;
    access();
    g_landing = nullptr;
    return true;
}

}  // namespace

void install_fault_guard() {
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction action {};
        action.sa_sigaction = on_fault;
        // SA_NODEFER: the handler leaves by a jump, which does not restore the mask.
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        ::sigemptyset(&action.sa_mask);
        ::sigaction(SIGBUS, &action, &g_previous);
    });
}

bool guarded_copy(std::byte* target, const std::byte* source, std::size_t bytes) noexcept {
    return guarded([=] { std::memcpy(target, source, bytes); });
}

bool guarded_store_u32(std::byte* target, std::uint32_t value) noexcept {
    return guarded([=] {
        __atomic_store_n(reinterpret_cast<std::uint32_t*>(target), value, __ATOMIC_RELEASE);
    });
}

}  // namespace qaicvcard::vfio_user
