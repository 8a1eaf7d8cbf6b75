# SPDX-License-Identifier: Apache-2.0
"""A page of text to read: drawn, so that what it says is known."""

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 640, 416  # text detection works on multiples of 32
# One line stands on its head: text direction has something to find.
LINES = (("Open the card and read", False), ("Sixteen cores, one page", False), ("Standing on its head", True),
         ("Room for 2048 tokens", False), ("No card was needed.", False))


def draw_line(text, upside_down=False, size=30):
    """One line as a white picture that fits it, with a small margin. Words stand well apart: a blank is what is lost
    first."""
    text = text.replace(" ", "  ")
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    line = Image.new("RGB", (int(right - left) + 6, int(bottom - top) + 10), "white")
    ImageDraw.Draw(line).text((3 - left, 5 - top), text, font=font, fill="black")
    return line.rotate(180) if upside_down else line


def draw_page(lines=LINES):
    page = Image.new("RGB", (WIDTH, HEIGHT), "white")
    for index, (text, upside_down) in enumerate(lines):
        page.paste(draw_line(text, upside_down), (40 + 12 * index, 32 + 72 * index))
    return page
