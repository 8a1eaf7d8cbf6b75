#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Draws a page, reads it with three networks on the emulated card and prints its text; fails when that is not what was drawn.
. "$(dirname "${BASH_SOURCE[0]}")/../prepare.sh"
exec "$python" "$QAIC_SRC/examples/ocr/read_page.py" "$@"
