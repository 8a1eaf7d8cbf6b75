# SPDX-License-Identifier: Apache-2.0
"""The networks' files, inside the PyPI packages that scripts/setup-venv.sh --networks installs."""

import importlib.util
import pathlib

# name -> (package, file inside it)
FILES = {
    "text_detection": ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx"),
    "text_direction": ("rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx"),
    "text_recognition": ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx"),
    "file_type": ("magika", "models/standard_v3_3/model.onnx"),
    "file_type_labels": ("magika", "models/standard_v3_3/config.min.json"),
    "speech": ("silero_vad", "data/silero_vad.onnx"),
    "speech_16k": ("silero_vad", "data/silero_vad_16k_op15.onnx"),
    "speech_half": ("silero_vad", "data/silero_vad_half.onnx"),
    "speech_without_if": ("silero_vad", "data/silero_vad_op18_ifless.onnx"),
}


def model_file(name):
    """Path of a file of the table. The package is looked up, not imported: what it needs is not installed."""
    package, inside = FILES[name]
    spec = importlib.util.find_spec(package)
    path = pathlib.Path(spec.submodule_search_locations[0], inside) if spec else None
    if path is None or not path.is_file():
        raise SystemExit(f"{inside} of the package {package} is missing; run: scripts/setup-venv.sh --networks")
    return path


def _fields(message):
    """(number, value) of a protobuf message's fields; what is not text or a message is skipped."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    while at < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            varint()
        elif kind == 2:
            size = varint()
            yield number, message[at:at + size]
            at += size
        else:
            at += 8 if kind == 1 else 4


def metadata(path):
    """The key-value pairs that an ONNX file carries besides its graph (field 14 of ModelProto)."""
    with open(path, "rb") as file:
        pairs = [dict(_fields(value)) for number, value in _fields(memoryview(file.read())) if number == 14]
    return {str(pair[1], "utf-8"): str(pair[2], "utf-8") for pair in pairs}
