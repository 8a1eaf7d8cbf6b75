#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs libFuzzer targets on their committed corpus; new inputs go to build-fuzz/found, findings to build-fuzz/crash.
# Targets that take ONNX models also start from ONNX's node tests (Debian's libonnx-testdata).
# usage: scripts/fuzz.sh [--quick] [--seconds N] [TARGET…]     default: every target, 600 s each; --quick: 60 s
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$QAIC_SRC"
seconds=600
found=found
targets=()
while [ $# -gt 0 ]; do
    case "$1" in
        # From the seeds alone: reading what long runs found can take the whole minute.
        --quick) seconds=60 found=found-quick ;;
        --seconds) seconds="$2" && shift ;;
        -*) die "usage: scripts/fuzz.sh [--quick] [--seconds N] [TARGET…]" ;;
        *) targets+=("$1") ;;
    esac
    shift
done
dir="$QAIC_SRC/build-fuzz"
quiet "$dir/log/configure.log" cmake --preset fuzz
if [ ${#targets[@]} -eq 0 ]; then
    quiet "$dir/log/build.log" cmake --build "$dir" --parallel "$QAIC_JOBS"
    for program in "$dir"/fuzz/fuzz_*; do
        targets+=("$(basename "$program")")
    done
else
    quiet "$dir/log/build.log" cmake --build "$dir" --parallel "$QAIC_JOBS" --target "${targets[@]}"
fi
for target in "${targets[@]}"; do
    name="${target#fuzz_}"
    [ "$found" = found ] || rm -rf "${dir:?}/$found/$name"
    mkdir -p "$dir/$found/$name" "$dir/crash"
    seeds=("$QAIC_SRC/tests/fuzz/corpus/$name")
    case "$target" in
        fuzz_net | fuzz_onnx_compile)
            "$dir/tests/fuzz/onnx_seeds" "$dir/seeds/onnx" /usr/share/libonnx-testdata/data/node
            seeds+=("$dir/seeds/onnx")
            ;;
    esac
    "$dir/fuzz/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 -print_funcs=0 \
        -artifact_prefix="$dir/crash/$target-" "$dir/$found/$name" "${seeds[@]}"
done
