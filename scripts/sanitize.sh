#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a sanitizer preset in its own directory and runs the tests that make sense there.
# usage: scripts/sanitize.sh [--quick] asan-ubsan|tsan
# --quick (CI): ASan on what reads files and computes, TSan on what has threads; the tools and, for ASan, the runtime are
# left to the whole run.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$QAIC_SRC"
quick=no
[ "${1:-}" != --quick ] || { quick=yes && shift; }
case "${1:-}" in
    asan-ubsan) dir="$QAIC_SRC/build-asan" filter='^((mx|qpc|net|card|compiler|exec|runtime|capi|run|corpus|ops)\.|python\.runner)' ;;
    tsan) dir="$QAIC_SRC/build-tsan" filter='^((net|card|runtime|capi)\.|python\.runner)' ;;
    *) die "usage: scripts/sanitize.sh [--quick] asan-ubsan|tsan" ;;
esac
if [ $quick = yes ]; then
    case "$1" in
        asan-ubsan) filter='^(mx\.(formats|oracle|profiles|rounding)|(qpc|net|card|corpus|ops)\.)' ;;
        tsan) filter='^(net\.(threads|memory|channels_last)|(card|runtime|capi)\.)' ;;
    esac
fi
quiet "$dir/log/configure.log" cmake --preset "$1"
# Only the programs that the chosen tests run: the rest of the tree is not worth an instrumented build. Names stand in
# brackets or quotes in ctest's files, paths in quotes; "programs" makes the programs that other tests load.
programs=$(grep -rhE '^add_test\(' --include=CTestTestfile.cmake "$dir" | sed -E 's/^add_test\((\[=*\[|")?//' |
    grep -E "$filter|^programs\." | grep -oE "\"$dir/[^\"]+\"" | tr -d '"' | sed "s|^$dir/||" | sort -u)
known=$(ninja -C "$dir" -t targets all | cut -d: -f1 | sort -u)
mapfile -t targets < <(comm -12 <(printf '%s\n' "$programs") <(printf '%s\n' "$known"))
# Tests that are scripts find the tools by their place.
[ "$1" = tsan ] || [ $quick = yes ] || targets+=(qaic-exec qaic-run qaic-mx)
[ ${#targets[@]} -gt 0 ] || die "no test program matches $filter in $dir"
quiet "$dir/log/build.log" cmake --build "$dir" --parallel "$QAIC_JOBS" --target "${targets[@]}"
# The tests that count allocations replace some forms of operator new and not others.
export ASAN_OPTIONS="alloc_dealloc_mismatch=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
# exec.hostile limits the address space, of which ASan wants terabytes.
ctest --test-dir "$dir" --output-on-failure --parallel "$QAIC_JOBS" -R "$filter" -E '^exec\.hostile$'
