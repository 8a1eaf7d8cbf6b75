// SPDX-License-Identifier: Apache-2.0
#include "python/src/native_section.hpp"

#include <sched.h>
#include <unistd.h>

#include <atomic>

namespace qaicpy {
namespace {

// State of the process, not of an object: Python has one interpreter and one end.
std::atomic<bool> closed{false};
std::atomic<unsigned> returning{0};  ///< threads between "not closed yet" and holding the GIL

[[noreturn]] void sleep_until_the_process_ends() {
    while (true)
        pause();
}

}  // namespace

bool in_main_thread() {
    return gettid() == getpid();
}

bool sections_closed() {
    return closed.load();
}

NativeSection::NativeSection() : state_(PyEval_SaveThread()) {
    if (closed.load() && !in_main_thread())
        sleep_until_the_process_ends();
}

NativeSection::~NativeSection() {
    // Either this thread sees `closed`, or close_sections() sees it returning and waits: both are
    // sequentially consistent.
    ++returning;
    if (closed.load() && !in_main_thread()) {
        --returning;
        sleep_until_the_process_ends();
    }
    PyEval_RestoreThread(state_);
    --returning;
}

void close_sections() {
    closed = true;
    PyThreadState* state = PyEval_SaveThread();
    while (returning.load() != 0)
        sched_yield();
    PyEval_RestoreThread(state);
}

void forget_other_threads() {
    returning = 0;
}

}  // namespace qaicpy
