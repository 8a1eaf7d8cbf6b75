#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Draws a page, reads it with three networks on the emulated card and prints its text; fails when that is not what was drawn.
# usage: examples/ocr/run.sh [PICTURE]      PICTURE: a new file, .png or another kind that Pillow writes, that keeps the page
refuse() { printf 'ocr/run.sh: %s\n' "$1" >&2; exit 2; }
case "${1:-}" in -*) refuse "unknown option $1; the only argument is the file for the page." ;; esac
[ $# -le 1 ] || refuse "$# arguments are given; the only one is the file for the page."
[ ! -e "${1:-}" ] || refuse "$1 exists already and stays as it is; give the name of a new file."
. "$(dirname "${BASH_SOURCE[0]}")/../prepare.sh"
exec "$python" "$QAIC_SRC/examples/ocr/read_page.py" "$@"
