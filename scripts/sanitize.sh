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
# Only the programs that the chosen tests run: the rest of the tree is not worth an instrumented build.
programs=$(ctest --test-dir "$dir" -N -R "$filter" --show-only=json-v1 | /usr/bin/python3 -c '
import json, os, sys
build = os.path.realpath(sys.argv[1])
found = {word for test in json.load(sys.stdin)["tests"] for word in test.get("command", [])
         if os.path.realpath(word).startswith(build + os.sep) and not os.path.isdir(word)}
print("\n".join(sorted(os.path.relpath(word, build) for word in found)))' "$dir")
known=$(ninja -C "$dir" -t targets all | cut -d: -f1)
mapfile -t targets < <(comm -12 <(sort <<<"$programs") <(sort <<<"$known"))
[ ${#targets[@]} -gt 0 ] || die "no test program matches $filter in $dir"
quiet "$dir/log/build.log" cmake --build "$dir" --parallel "$QAIC_JOBS" --target "${targets[@]}"
ctest --test-dir "$dir" --output-on-failure --parallel "$QAIC_JOBS" -R "$filter"
