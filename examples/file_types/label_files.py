# SPDX-License-Identifier: Apache-2.0
"""Tells what kind of file some bytes are; with paths as arguments, what kinds those files are."""

import pathlib
import sys

import qaic
from features import EDGE, features, read_labels
from models import model_file
from samples import samples

session = qaic.Session(model_file("file_type"), input_shape={"bytes": [1, 2 * EDGE]})
labels = read_labels(model_file("file_type_labels"))


def kind(data):
    """(label, probability)."""
    probability = session.run({"bytes": features(data)})["target_label"][0]
    return labels[probability.argmax()], probability.max()


if sys.argv[1:]:
    for path in sys.argv[1:]:
        print("{}: {} ({:.0%})".format(path, *kind(pathlib.Path(path).read_bytes())))
    sys.exit()
wrong = 0
for made, data in samples().items():
    found, probability = kind(data)
    wrong += found != made
    print(f"{made:<8} {len(data):>8} bytes  ->  {found} ({probability:.0%})")
sys.exit(f"label_files.py: {wrong} of them are wrong" if wrong else 0)
