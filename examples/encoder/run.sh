#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A transformer's encoder block from the command line: symbolic axes bound, compiled in three precisions, run with
# qaic-run, compared with PyTorch's output; fails when FP32 is not PyTorch's.
. "$(dirname "${BASH_SOURCE[0]}")/../prepare.sh"
models="$QAIC_SRC/tests/models"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

compile() { # compile NAME FLAGS…
    local name="$1"
    shift
    "$tools/qaic-exec" -m="$models/encoder_block.onnx" -aic-hw -onnx-define-symbol=batch,2 -onnx-define-symbol=sequence,16 \
        -aic-num-cores=2 -compile-only -aic-binary-dir="$work/$name" "$@" >"$work/$name.log"
    "$tools/qaic-run" -t "$work/$name" -n 1 -i "$models/encoder_block_x.npy" --write-output-dir "$work/out-$name" \
        >>"$work/$name.log"
}
compile fp32
compile fp16 -convert-to-fp16
compile mxfp6 -convert-to-fp16 -mxfp6-matmul

"$python" - "$models/encoder_block_y.npy" "$work" <<'END'
import pathlib, sys
import numpy
expected = numpy.load(sys.argv[1])
for name, limit in (("fp32", 2e-6), ("fp16", 1e-2), ("mxfp6", 1)):
    (file,) = pathlib.Path(sys.argv[2], f"out-{name}").iterdir()
    difference = numpy.abs(numpy.fromfile(file, numpy.float32).reshape(expected.shape) - expected).max()
    print(f"{name:<6} largest difference to PyTorch {difference:.1e}, of values up to {numpy.abs(expected).max():.1f}")
    if difference > limit:
        sys.exit(f"{name} should be within {limit}")
END
