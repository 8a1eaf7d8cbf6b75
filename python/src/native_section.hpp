// SPDX-License-Identifier: Apache-2.0
/// NativeSection: code that runs without the GIL and comes back to it safely, also while the
/// interpreter ends.
///
/// A daemon thread that asks for the GIL after the interpreter began to end is killed by
/// pthread_exit(), which must not unwind C++ frames. So close_sections(), called at exit while the
/// GIL is held, makes every thread that comes back later sleep for the rest of the process instead.
#pragma once

#include <Python.h>

namespace qaicpy {

class NativeSection {
  public:
    NativeSection();
    /// Takes the GIL again; does not return in a thread that comes back after close_sections().
    ~NativeSection();
    NativeSection(const NativeSection&) = delete;
    NativeSection& operator=(const NativeSection&) = delete;

  private:
    PyThreadState* state_;
};

/// From now on only the calling thread (the main thread, at exit) may enter and leave sections.
/// Returns when no other thread is on its way back to the GIL. Needs the GIL.
void close_sections();
/// In a child made by fork(): forgets threads that exist in the parent only.
void forget_other_threads();
/// True in the thread that may run Python's signal handlers.
bool in_main_thread();
/// True after close_sections(); then objects of other threads are left to the end of the process.
bool sections_closed();

}  // namespace qaicpy
