#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The probe model on the emulated card: compiled with one profile, its answers must name that rule and no other.
#   probe_card.sh TOOLS_DIR PROFILE HYPOTHESIS
set -eu
tools="$1" profile="$2" hypothesis="$3"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
"$tools/qaic-mx" probes .
"$tools/qaic-exec" -m=mx_probes.onnx -aic-hw -aic-hw-version=2.0 -convert-to-fp16 -mxfp6-matmul -mx-profile="$profile" \
    -compile-only -aic-binary-dir=qpc
mkdir out
"$tools/qaic-run" -t qpc -i x32.raw -i x64.raw -n 1 --write-output-dir out
"$tools/qaic-mx" probes . --read out | tee verdict
grep -qx "the outputs fit $hypothesis." verdict
