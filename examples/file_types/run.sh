#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes ten files of ten kinds and tells their kinds with magika's network on the emulated card; fails when one is wrong.
. "$(dirname "${BASH_SOURCE[0]}")/../prepare.sh"
exec "$python" "$QAIC_SRC/examples/file_types/label_files.py" "$@"
