#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: build-with-cmake.sh CMAKE PREFIX BUILD_DIR
set -euo pipefail
rm -rf "$3"
"$1" -S "$(dirname "$0")" -B "$3" -DCMAKE_PREFIX_PATH="$2" -DCMAKE_BUILD_TYPE=Release
"$1" --build "$3"
"$3/hello_cpp"
"$3/hello_c"
