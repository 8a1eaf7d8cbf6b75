#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Real networks on the emulated card against onnxruntime, same machine, same run, two threads each: FP32 latency, peak
# memory, heap allocations per inference, compile time.
# usage: bench/models.sh [--json] [--only NAME]…    a bar chart without --json; exit 1 when a bar is missed
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"
cd "$QAIC_SRC"
{
    scripts/install-deps.sh --test
    cmake -S . -B "$QAIC_BUILD_DIR" -G Ninja -DCMAKE_BUILD_TYPE=Release -DQAIC_BENCH=ON
    scripts/build.sh bench_inference_counts _qaic
    scripts/setup-venv.sh --test
    scripts/install-python.sh
} >&2
export PYTHONDONTWRITEBYTECODE=1
exec "$QAIC_BUILD_DIR/venv/bin/python" bench/models.py --counter "$QAIC_BUILD_DIR/bench/bench_inference_counts" "$@"
