# SPDX-License-Identifier: Apache-2.0
"""Finds speech in a recording and draws both: how loud it is, how likely it is speech."""

import sys

import numpy as np
import qaic
from models import model_file
from sound import CHUNK, CONTEXT, RATE, recording, segments, speech_probabilities

BARS = " ▁▂▃▄▅▆▇█"
COLUMNS = 77


def picture(values):
    """The largest value (0 to 1) of each column as a bar."""
    peaks = (part.max() for part in np.array_split(values, COLUMNS))
    return "".join(BARS[round(peak * (len(BARS) - 1))] for peak in peaks)


session = qaic.Session(model_file("speech"), input_shape={"input": [1, CHUNK + CONTEXT], "state": [2, 1, 128]})
samples, spoken = recording()
probabilities = speech_probabilities(session.run, samples)
found = segments(probabilities)

print(f"sound  {picture(np.abs(samples) / np.abs(samples).max())}")
print(f"speech {picture(probabilities)}")
print(f"       {'0 s':<{COLUMNS - 6}}{len(samples) / RATE:.1f} s")
for start, end in found:
    print(f"speech from {start:.2f} s to {end:.2f} s")
# espeak-ng is silent at both ends of a sentence: a segment lies inside what was made for it, and is most of it.
right = len(found) == len(spoken) and all(
    begin - 0.1 <= start < end <= finish + 0.1 and end - start > 0.7 * (finish - begin)
    for (start, end), (begin, finish) in zip(found, spoken))
sys.exit(0 if right else f"find_speech.py: the sentences are at {spoken}")
