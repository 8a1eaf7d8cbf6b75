// SPDX-License-Identifier: Apache-2.0
/// Functions that exist once for each width of vectors; the machine's best is called. Without
/// contraction (the build's default) all of them give the same bits.
#pragma once

#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define QAICNET_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define QAICNET_WIDE
#endif
