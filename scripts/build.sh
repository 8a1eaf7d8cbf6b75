#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Configures and builds the release preset in build/. Arguments are build targets; none means everything.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
configure=(cmake -S "$QAIC_SRC" -B "$QAIC_BUILD_DIR" -G Ninja -DCMAKE_BUILD_TYPE=Release)
if [ ! -f "$QAIC_BUILD_DIR/build.ninja" ]; then
    quiet "$QAIC_BUILD_DIR/log/configure.log" "${configure[@]}"
fi
build=(cmake --build "$QAIC_BUILD_DIR" --parallel "$QAIC_JOBS")
[ $# -eq 0 ] || build+=(--target "$@")
quiet "$QAIC_BUILD_DIR/log/build.log" "${build[@]}"
