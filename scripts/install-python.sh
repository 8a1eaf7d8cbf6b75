#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the built Python module qaic into the build's environment, build/venv.
#
#   scripts/install-python.sh [BUILD_DIR]     (default: QAIC_BUILD_DIR, or build in this repository)
set -euo pipefail

readonly source_dir="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly build_dir="${1:-${QAIC_BUILD_DIR:-$source_dir/build}}"

fail() {
  echo "install-python.sh: $1" >&2
  exit 1
}

ls "$build_dir"/python/qaic/_qaic*.so >/dev/null 2>&1 || fail "$build_dir has no built module; run: cmake --build $build_dir"
QAIC_BUILD_DIR="$build_dir" "$source_dir/scripts/setup-venv.sh"
if ! output="$(cmake --install "$build_dir" --component python --prefix "$build_dir/venv" 2>&1)"; then
  fail "cmake --install failed: $output"
fi
# From a directory that holds no package of that name, so that the installed one is what is imported.
(cd / && PYTHONPATH='' "$build_dir/venv/bin/python" -c 'import qaic') || fail "the installed module cannot be imported"
