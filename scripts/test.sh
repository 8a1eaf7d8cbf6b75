#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs, builds and runs every test through ctest; ends with ctest's summary.
# --quick leaves out the sanitizer builds and the fuzzers (they are ctest entries of their own).
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$QAIC_SRC"
exclude=()
[ "${1:-}" != --quick ] || exclude=(-LE slow)

"$QAIC_SRC/scripts/install-deps.sh" --test
say "building …"
"$QAIC_SRC/scripts/build.sh"
"$QAIC_SRC/scripts/setup-venv.sh" --test
"$QAIC_SRC/scripts/install-python.sh"
say "testing …"
ctest --test-dir "$QAIC_BUILD_DIR" --output-on-failure --parallel "$QAIC_JOBS" "${exclude[@]}"
