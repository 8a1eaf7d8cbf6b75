// SPDX-License-Identifier: Apache-2.0
/// Counts every operator new of the process while switched on.
#pragma once

namespace qaicrt::test {

void start_counting_allocations();
/// How many there were since the start; stops counting.
unsigned long stop_counting_allocations();

}  // namespace qaicrt::test
