// SPDX-License-Identifier: Apache-2.0
/// Counts heap allocations of the whole process, C and C++ libraries included.
#pragma once

/// Calls of malloc and its relatives since the process began; operator new ends there too.
long heap_allocations() noexcept;
