#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes ten files of ten kinds and tells their kinds with magika's network on the emulated card; fails when one is wrong.
# usage: examples/file_types/run.sh [FILE]…      FILE: tells the kinds of these files instead
for file in "$@"; do
    if [ ! -f "$file" ] || [ ! -r "$file" ]; then
        printf 'file_types/run.sh: %s is not a file that can be read; the arguments are files.\n' "$file" >&2
        exit 2
    fi
done
. "$(dirname "${BASH_SOURCE[0]}")/../prepare.sh"
exec "$python" "$QAIC_SRC/examples/file_types/label_files.py" "$@"
