#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Real networks on the emulated card against onnxruntime, same machine, same run, two threads each: FP32 latency, peak
# memory, heap allocations per inference, compile time.
# usage: bench/models.sh [--json] [--only NAME]…    a bar chart without --json; exit 1 when a bar is missed. With --only the
# geometric mean is shown and not judged: its bar is for all networks.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"
cd "$QAIC_SRC"

# Before anything is built: a wrong name is found at once.
names="$(sed -n 's/^    Network("\([a-z0-9_]*\)".*/\1/p' tests/networks/networks.py | tr '\n' ' ')"
refuse() { say "models.sh: $1"; exit 2; }
check_name() {
    case " $names" in *" $1 "*) ;; *) refuse "there is no network '$1'; the networks are: ${names% }." ;; esac
}
for ((i = 1; i <= $#; ++i)); do
    case "${!i}" in
        --json) ;;
        --only) ((++i <= $#)) || refuse "--only needs the name of a network: ${names% }."; check_name "${!i}" ;;
        --only=*) check_name "${!i#--only=}" ;;
        *) refuse "unknown argument '${!i}'; usage: bench/models.sh [--json] [--only NAME]…" ;;
    esac
done
{
    scripts/install-deps.sh --test
    cmake -S . -B "$QAIC_BUILD_DIR" -G Ninja -DCMAKE_BUILD_TYPE=Release -DQAIC_BENCH=ON
    scripts/build.sh bench_inference_counts _qaic
    scripts/setup-venv.sh --test
    scripts/install-python.sh
} >&2
export PYTHONDONTWRITEBYTECODE=1
exec "$QAIC_BUILD_DIR/venv/bin/python" bench/models.py --counter "$QAIC_BUILD_DIR/bench/bench_inference_counts" "$@"
