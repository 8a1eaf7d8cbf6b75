#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Our FP32 kernels against oneDNN's on shapes of real networks, same machine, same run, one thread each: time of a call
# and heap allocations per call.
# usage: bench/kernels.sh --json [PART-OF-A-NAME]    a line per kernel on standard error; exit 1 when a bar is missed
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"
[ "${1:-}" = --json ] || die "usage: bench/kernels.sh --json [PART-OF-A-NAME]"
shift
cd "$QAIC_SRC"
{
    scripts/install-deps.sh --test
    cmake -S . -B "$QAIC_BUILD_DIR" -G Ninja -DCMAKE_BUILD_TYPE=Release -DQAIC_BENCH=ON
    scripts/build.sh bench_kernels
} >&2
exec "$QAIC_BUILD_DIR/bench/bench_kernels" "$@"
