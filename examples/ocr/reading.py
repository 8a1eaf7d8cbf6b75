# SPDX-License-Identifier: Apache-2.0
"""What surrounds PaddleOCR's three networks: pictures to arrays, probabilities to boxes and text."""

import numpy as np
from PIL import Image

DIRECTION_SIZE = (192, 48)  # width, height that the network was trained with
LINE_SIZE = (480, 48)       # room for some 25 letters; shorter lines are padded
LIKELY = 0.3                # from here on a pixel belongs to text
LINE_SCORE = 0.5            # what a region's pixels must reach on average


def picture_input(picture):
    """1 x 3 x height x width in blue, green, red; black is -1, white 1."""
    pixels = np.asarray(picture, np.float32)[:, :, ::-1].transpose(2, 0, 1)
    return np.ascontiguousarray(pixels[None] / 127.5 - 1)


def line_input(line, size):
    """A line's picture scaled to the height, squeezed if it is too wide, padded with grey on the right."""
    width, height = size
    scaled = line.resize((min(width, round(line.width * height / line.height)), height), Image.Resampling.BILINEAR)
    padded = np.zeros((1, 3, height, width), np.float32)
    padded[:, :, :, :scaled.width] = picture_input(scaled)
    return padded


def _regions(mask):
    """Bounds (left, top, right, bottom) of each group of neighbouring pixels."""
    todo = mask.copy()
    for start in np.argwhere(mask):
        if not todo[tuple(start)]:
            continue
        todo[tuple(start)] = False
        stack, rows, columns = [tuple(start)], [], []
        while stack:
            y, x = stack.pop()
            rows.append(y)
            columns.append(x)
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= near[0] < mask.shape[0] and 0 <= near[1] < mask.shape[1] and todo[near]:
                    todo[near] = False
                    stack.append(near)
        yield int(min(columns)), int(min(rows)), int(max(columns)) + 1, int(max(rows)) + 1


def find_lines(probability):
    """Boxes of lines, top to bottom. `probability`: 1 x 1 x height x width. The network marks the core of a line, so
    boxes grow by 1.6 x area / circumference, as its training shrank them."""
    page, boxes = probability[0, 0], []
    for left, top, right, bottom in _regions(page > LIKELY):
        width, height = right - left, bottom - top
        if min(width, height) < 3 or page[top:bottom, left:right].mean() < LINE_SCORE:
            continue
        grow = round(1.6 * width * height / (2 * (width + height)))
        boxes.append((max(left - grow, 0), max(top - grow, 0), min(right + grow, page.shape[1]), min(bottom + grow, page.shape[0])))
    return sorted(boxes, key=lambda box: (box[1], box[0]))


def is_upside_down(probability):
    """`probability`: 1 x 2, for 0 and 180 degrees; a line is only turned when that is nearly sure."""
    return bool(probability[0, 1] > 0.9)


def alphabet(metadata):
    """What the recognition network's classes stand for: nothing, the characters that the file lists, a blank."""
    return ["", *metadata["character"].splitlines(), " "]


def text_of(probability, letters):
    """CTC: the best class of each step; the same class in a row counts once, class 0 says nothing."""
    best = probability[0].argmax(axis=1)
    first = np.concatenate([[True], best[1:] != best[:-1]])
    return "".join(letters[index] for index in best[first])
