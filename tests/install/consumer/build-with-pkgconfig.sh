#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: build-with-pkgconfig.sh PREFIX LIBDIR BUILD_DIR
set -euo pipefail
source_dir="$(cd "$(dirname "$0")" && pwd)"
rm -rf "$3"
mkdir -p "$3"
cd "$3"
export PKG_CONFIG_PATH="$1/$2/pkgconfig" LD_LIBRARY_PATH="$1/$2"
make -f "$source_dir/Makefile" SRC="$source_dir"
./hello_cpp
./hello_c
