#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a sanitizer preset in its own directory and runs the tests that make sense there.
# usage: scripts/sanitize.sh asan-ubsan|tsan
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$QAIC_SRC"
case "${1:-}" in
    asan-ubsan) dir="$QAIC_SRC/build-asan" filter='^(mx|qpc|net|card|compiler|exec|runtime|capi|run|corpus)\.' ;;
    tsan) dir="$QAIC_SRC/build-tsan" filter='^(net|card|runtime|capi)\.' ;;
    *) die "usage: scripts/sanitize.sh asan-ubsan|tsan" ;;
esac
quiet "$dir/log/configure.log" cmake --preset "$1"
quiet "$dir/log/build.log" cmake --build "$dir" --parallel "$QAIC_JOBS"
ctest --test-dir "$dir" --output-on-failure --parallel "$QAIC_JOBS" -R "$filter"
