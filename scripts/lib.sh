# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts: sourced, never run.
set -euo pipefail
QAIC_SRC="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
QAIC_BUILD_DIR="${QAIC_BUILD_DIR:-$QAIC_SRC/build}"
QAIC_JOBS="${QAIC_JOBS:-$(nproc)}"
export QAIC_BUILD_DIR

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# quiet LOG COMMAND…: runs it with its output in LOG; shows the end of LOG only when it fails.
quiet() {
    local log="$1"
    shift
    mkdir -p "$(dirname "$log")"
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        die "'$*' failed; the whole output is in $log"
    fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "'$*' needs root: run as root or install sudo"
    fi
}
