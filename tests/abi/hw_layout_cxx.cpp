// SPDX-License-Identifier: Apache-2.0
// The same table, seen by the C++ compiler.
#include "hw_layout.c"
