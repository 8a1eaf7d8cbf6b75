# SPDX-License-Identifier: Apache-2.0
"""Reads a page: where lines are, which way up each is, what it says. Three networks, one emulated card."""

import sys

import qaic
from models import metadata, model_file
from page import HEIGHT, LINES, WIDTH, draw_page
from reading import DIRECTION_SIZE, LINE_SIZE, alphabet, find_lines, is_upside_down, line_input, picture_input, text_of


def network(name, width, height):
    """A function from the network's input to its output. Shapes are fixed when compiling."""
    session = qaic.Session(model_file(name), input_shape={"x": [1, 3, height, width]}, aic_num_cores=2)
    (output,) = session.model_output_shape_dict
    return lambda pixels: session.run({"x": pixels})[output]


detect = network("text_detection", WIDTH, HEIGHT)
direction = network("text_direction", *DIRECTION_SIZE)
recognise = network("text_recognition", *LINE_SIZE)
letters = alphabet(metadata(model_file("text_recognition")))

page = draw_page()
if len(sys.argv) > 1:
    try:
        page.save(sys.argv[1])
    except (OSError, ValueError) as error:  # ValueError: an ending that Pillow does not know
        sys.exit(f"read_page.py: {sys.argv[1]} cannot be written: {error}.")
text = []
for box in find_lines(detect(picture_input(page))):
    line = page.crop(box)
    if is_upside_down(direction(line_input(line, DIRECTION_SIZE))):
        line = line.rotate(180)
    text.append(text_of(recognise(line_input(line, LINE_SIZE)), letters))

print("\n".join(text))
drawn = [line for line, _ in LINES]
if text != drawn:
    sys.exit(f"read_page.py: the page says {drawn}")
