# SPDX-License-Identifier: Apache-2.0
"""Ten files of ten kinds, made here, by the label that they should get."""

import csv
import io
import json
import pathlib
import sys
import time
import zipfile

from PIL import Image, ImageDraw

C_SOURCE = """#include <stdio.h>
#include <stdlib.h>

struct point { int x, y; };

static int area(const struct point *a, const struct point *b) {
    return abs((a->x - b->x) * (a->y - b->y));
}

int main(int argc, char **argv) {
    struct point from = {0, 0}, to = {argc, 7};
    for (int i = 1; i < argc; ++i) {
        printf("%s\\n", argv[i]);
    }
    printf("area %d\\n", area(&from, &to));
    return EXIT_SUCCESS;
}
"""
HTML = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>A page</title><style>p { color: black; }</style></head>
<body><h1>Files of ten kinds</h1><p>One of them is a <a href="page.html">page</a>.</p>
<ul><li>first</li><li>second</li></ul></body>
</html>
"""
SHELL = """#!/bin/bash
set -euo pipefail
for file in "$@"; do
    if [ -f "$file" ]; then
        echo "$file: $(wc -c <"$file") bytes"
    else
        echo "$file is missing" >&2
        exit 1
    fi
done
"""


WHEN = time.gmtime(1_700_000_000)  # files that carry a date are the same every time


def _picture(kind, **options):
    picture, data = Image.new("RGB", (96, 64), "white"), io.BytesIO()
    ImageDraw.Draw(picture).ellipse((8, 8, 88, 56), fill="teal", outline="black")
    picture.save(data, kind, **options)
    return data.getvalue()


def _archive():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in (("notes.txt", "some text to pack\n" * 40), ("more/numbers.txt", "\n".join(map(str, range(200))))):
            archive.writestr(zipfile.ZipInfo(name, WHEN[:6]), text, zipfile.ZIP_DEFLATED)
    return data.getvalue()


def _table():
    data = io.StringIO()
    rows = [(day, f"sensor {day % 3}", round(20 + day * 0.37, 2), day % 2 == 0) for day in range(1, 40)]
    csv.writer(data).writerows([("day", "name", "temperature", "valid"), *rows])
    return data.getvalue().encode()


def _object():
    value = {"name": "card", "nsps": 16, "dma": [{"channel": index, "free": index % 2 == 0} for index in range(12)]}
    return json.dumps(value, indent=2).encode()


def samples():
    """label -> bytes."""
    return {
        "python": pathlib.Path(__file__).read_bytes(),
        "c": C_SOURCE.encode(),
        "html": HTML.encode(),
        "json": _object(),
        "png": _picture("png"),
        "zip": _archive(),
        "elf": pathlib.Path(sys.executable).resolve().read_bytes(),
        "pdf": _picture("pdf", creationDate=WHEN, modDate=WHEN),
        "csv": _table(),
        "shell": SHELL.encode(),
    }
