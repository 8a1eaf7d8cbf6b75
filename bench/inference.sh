#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Cost of one inference on the in-process card besides arithmetic, as counts: heap allocations and system calls per
# inference, and the rate against onnxruntime on one MLP, both in one run.
# usage: bench/inference.sh --json
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"
[ "${1:-}" = --json ] || die "usage: bench/inference.sh --json"
cd "$QAIC_SRC"
command -v strace >/dev/null || quiet "$QAIC_BUILD_DIR/log/apt.log" as_root apt-get -q -y --no-install-recommends install strace
{
    scripts/install-deps.sh --test
    cmake -S . -B "$QAIC_BUILD_DIR" -G Ninja -DCMAKE_BUILD_TYPE=Release -DQAIC_BENCH=ON
    scripts/build.sh bench_inference_counts _qaic
    scripts/setup-venv.sh --test
    scripts/install-python.sh
} >&2

program="$QAIC_BUILD_DIR/bench/bench_inference_counts"
model="$QAIC_SRC/tests/models/my_model_a.onnx"
flags=(-convert-to-fp16 -mxfp6-matmul)
syscalls() { # system calls of a whole process that makes $1 inferences
    strace -f -qq -c -o "$QAIC_BUILD_DIR/strace.txt" "$program" "$model" "$1" "${flags[@]}" >/dev/null
    awk '$NF == "total" {print $4}' "$QAIC_BUILD_DIR/strace.txt"
}
few=$(syscalls 1000)
many=$(syscalls 3000)
allocations=$("$program" "$model" 1000 "${flags[@]}")
say "system calls: $few for 1000 runs, $many for 3000; allocations in 1000 runs: $allocations"
"$QAIC_BUILD_DIR/venv/bin/python" "$QAIC_SRC/bench/inference.py" "$few" "$many" "$allocations"
