#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the node tests of the installed onnx package as folders, one for each case.

usage: write_cases.py TARGET

The package holds them as code, not as files. Cases with something else than tensors at the graph's edge are written
without data: the runner cannot be asked, and the page says so.
"""
import pathlib
import shutil
import sys

import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests


def is_tensor(value):
    return value.type.HasField("tensor_type")


def write_values(folder, kind, values, declared):
    for i, (value, info) in enumerate(zip(values, declared)):
        tensor = value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(value, info.name)
        (folder / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString(deterministic=True))


def write_case(case, target):
    folder = target / case.name
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString(deterministic=True))
    graph = case.model.graph
    if not all(is_tensor(value) for value in [*graph.input, *graph.output]):
        return
    for i, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{i}"
        data.mkdir()
        write_values(data, "input", inputs, graph.input)
        write_values(data, "output", outputs, graph.output)


def main():
    target = pathlib.Path(sys.argv[1])
    version = target / "version"
    if version.exists() and version.read_text() == onnx.__version__:
        return
    shutil.rmtree(target, ignore_errors=True)
    for case in load_model_tests(kind="node"):
        write_case(case, target / "node")
    version.write_text(onnx.__version__)


if __name__ == "__main__":
    main()
