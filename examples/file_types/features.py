# SPDX-License-Identifier: Apache-2.0
"""What surrounds magika's network: a file's bytes to numbers, probabilities to a label."""

import json

import numpy as np

EDGE = 1024      # bytes from the beginning, and as many from the end
BLOCK = 4096     # blanks are trimmed inside this much of each side
PADDING = 256    # stands where a file has no byte


def features(data):
    """1 x 2048 INT32: the first bytes without leading blanks, the last ones without trailing blanks."""
    begin, end = data[:BLOCK].lstrip()[:EDGE], data[-BLOCK:].rstrip()[-EDGE:]
    values = np.full((1, 2 * EDGE), PADDING, np.int32)
    values[0, :len(begin)] = list(begin)
    values[0, 2 * EDGE - len(end):] = list(end)
    return values


def read_labels(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)["target_labels_space"]
