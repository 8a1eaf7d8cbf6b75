# SPDX-License-Identifier: Apache-2.0
"""What surrounds silero-vad's network: speech from espeak-ng, chunks with context and state, segments."""

import io
import subprocess
import wave

import numpy as np

RATE = 16000
CHUNK, CONTEXT = 512, 64  # new samples of an inference, and those before that are given again
SENTENCES = ("The emulated card listens to every word.", "Nothing was said for a second.")
PAUSE = 1.0


def speak(text):
    """FLOAT samples from -1 to 1 at 16 kHz."""
    done = subprocess.run(["espeak-ng", "-v", "en", "--stdout", text], capture_output=True, check=True)
    with wave.open(io.BytesIO(done.stdout)) as file:
        rate, frames = file.getframerate(), file.readframes(1 << 30)
    samples = np.frombuffer(frames, np.int16) / 32768
    count = len(samples) * RATE // rate
    return np.fft.irfft(np.fft.rfft(samples)[:count // 2 + 1], count) * (count / len(samples))


def recording(sentences=SENTENCES):
    """Faint noise, with a pause before, between and after the sentences. Returns samples and the (start, end) of each
    sentence in seconds."""
    pause, pieces, spoken, at = np.zeros(int(PAUSE * RATE)), [], [], 0
    for sentence in sentences:
        voice = speak(sentence)
        pieces += [pause, voice]
        spoken.append(((at + len(pause)) / RATE, (at + len(pause) + len(voice)) / RATE))
        at += len(pause) + len(voice)
    samples = np.concatenate([*pieces, pause])
    return (samples + np.random.default_rng(0).normal(0, 1e-4, len(samples))).astype(np.float32), spoken


def speech_probabilities(run, samples):
    """Probability of speech for each chunk of 32 ms. `run` is one inference: a dictionary in, a dictionary out. What
    the network remembers goes out of one inference and into the next."""
    state, context, found = np.zeros((2, 1, 128), np.float32), np.zeros(CONTEXT, np.float32), []
    for start in range(0, len(samples) - CHUNK + 1, CHUNK):
        chunk = np.concatenate([context, samples[start:start + CHUNK]])
        outputs = run({"input": chunk[None], "state": state, "sr": np.array(RATE, np.int64)})
        state, context = outputs["stateN"], chunk[-CONTEXT:]
        found.append(float(outputs["output"][0, 0]))
    return np.array(found)


def segments(probabilities, start_at=0.5, stop_at=0.35, bridge=0.2):
    """(start, end) in seconds of speech. A gap shorter than `bridge` seconds belongs to the speech around it."""
    found, speaking = [], False
    for index, probability in enumerate(probabilities):
        now = index * CHUNK / RATE
        if not speaking and probability >= start_at:
            speaking = True
            if found and now - found[-1][1] < bridge:
                found[-1][1] = now
            else:
                found.append([now, now])
        elif speaking and probability < stop_at:
            speaking = False
        if speaking:
            found[-1][1] = now + CHUNK / RATE
    return [tuple(segment) for segment in found]
