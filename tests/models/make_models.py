# SPDX-License-Identifier: Apache-2.0
"""Writes the small ONNX models that the tests use.

    make_models.py           writes them beside this file
    make_models.py --check   fails when a committed file is not what this script writes

Weights are exact binary fractions made from integers, so the bytes depend on nothing but this file and the
pinned onnx package. `my_model_a.onnx` is PyTorch's own output and is only read here.
"""

import argparse
import os
import pathlib
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
NEWEST_OPSET = onnx.defs.onnx_opset_version()
FLOAT, FLOAT16, DOUBLE = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE
INT8, UINT8, BOOL = TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL
INT32, INT64 = TensorProto.INT32, TensorProto.INT64


def weights(*shape, step=7919):
    """Values k/256 with |k| <= 128: exact in FP16, spread over nine binades, no two rows alike."""
    count = int(np.prod(shape))
    codes = (np.arange(count, dtype=np.int64) * step) % 257 - 128
    return (codes.astype(np.float32) / 256).reshape(shape)


def value(name, elem_type, dims):
    return helper.make_tensor_value_info(name, elem_type, dims)


def model(name, nodes, inputs, outputs, initializers=(), opset=17, ir_version=8, domains=()):
    tensors = [numpy_helper.from_array(array, key) for key, array in dict(initializers).items()]
    graph = helper.make_graph(nodes, name, inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(domain, 1) for domain in domains]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version, producer_name="qaic-tests")


def my_model_a_current():
    """The question's model as a present-day exporter would write it: newest IR and opset, weights beside it."""
    old = onnx.load(HERE / "my_model_a.onnx")
    new = onnx.version_converter.convert_version(old, NEWEST_OPSET)
    new.ir_version = onnx.IR_VERSION
    offset, blob = 0, b""
    for tensor in new.graph.initializer:
        raw = numpy_helper.to_array(tensor).tobytes()
        plain = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=list(tensor.dims))
        plain.data_location = TensorProto.EXTERNAL
        for key, text in (("location", "my_model_a_current.data"), ("offset", offset), ("length", len(raw))):
            plain.external_data.add(key=key, value=str(text))
        tensor.CopyFrom(plain)
        # Exporters align each tensor; the gap shows that offsets are honoured.
        blob += raw + b"\0" * (-len(raw) % 64)
        offset = len(blob)
    return new, blob


def mlp():
    """Three layers with a softmax: [4, 64] -> [4, 10]."""
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h1"], "fc1", transB=1),
        helper.make_node("Relu", ["h1"], ["a1"], "relu1"),
        helper.make_node("MatMul", ["a1", "w2"], ["h2"], "fc2"),
        helper.make_node("Add", ["h2", "b2"], ["a2"], "bias2"),
        helper.make_node("Softmax", ["a2"], ["y"], "softmax", axis=-1),
    ]
    tensors = {"w1": weights(32, 64), "b1": weights(32, step=31), "w2": weights(32, 10, step=101), "b2": weights(10, step=5)}
    return model("mlp", nodes, [value("x", FLOAT, [4, 64])], [value("y", FLOAT, [4, 10])], tensors)


def matmul_chain():
    """Eight products of [192, 192] matrices and no weights: an inference that takes milliseconds."""
    nodes, last = [], "x"
    for index in range(8):
        nodes.append(helper.make_node("MatMul", [last, "x"], [f"p{index}"], f"matmul{index}"))
        nodes.append(helper.make_node("Tanh", [f"p{index}"], [f"t{index}"], f"tanh{index}"))
        last = f"t{index}"
    nodes.append(helper.make_node("Identity", [last], ["y"], "last"))
    return model("matmul_chain", nodes, [value("x", FLOAT, [192, 192])], [value("y", FLOAT, [192, 192])])


def multi_io():
    """Two inputs of different types, three outputs; the second output is also used inside."""
    nodes = [
        helper.make_node("Cast", ["count"], ["count_f"], "to_float", to=FLOAT),
        helper.make_node("Mul", ["image", "count_f"], ["scaled"], "scale"),
        helper.make_node("Transpose", ["scaled"], ["turned"], "turn", perm=[1, 0]),
        helper.make_node("Add", ["count", "one"], ["next"], "increment"),
    ]
    return model("multi_io", nodes,
                 [value("image", FLOAT, [2, 3]), value("count", INT64, [1])],
                 [value("turned", FLOAT, [3, 2]), value("scaled", FLOAT, [2, 3]), value("next", INT64, [1])],
                 {"one": np.array([1], np.int64)})


def edge_types():
    """Every element type that may stand at a graph's edge, passed through."""
    kinds = [("f32", FLOAT), ("f16", FLOAT16), ("i8", INT8), ("b", BOOL), ("u8", UINT8), ("i32", INT32), ("i64", INT64)]
    nodes = [helper.make_node("Identity", [f"in_{name}"], [f"out_{name}"], f"pass_{name}") for name, _ in kinds]
    return model("edge_types", nodes, [value(f"in_{name}", kind, [2, 4]) for name, kind in kinds],
                 [value(f"out_{name}", kind, [2, 4]) for name, kind in kinds])


def edge_double():
    """A DOUBLE input: it cannot stand at the edge of a program."""
    nodes = [helper.make_node("Cast", ["wide"], ["y"], "narrow", to=FLOAT)]
    return model("edge_double", nodes, [value("wide", DOUBLE, [4])], [value("y", FLOAT, [4])])


def symbolic_dims():
    """Two open dimensions, `batch` and `width`."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"], "project"),
             helper.make_node("Add", ["p", "shift"], ["y"], "shift")]
    return model("symbolic_dims", nodes,
                 [value("x", FLOAT, ["batch", 8]), value("shift", FLOAT, ["batch", "width"])],
                 [value("y", FLOAT, ["batch", "width"])], {"w": weights(8, 4)})


def unsupported_ops():
    """Three operators that the runner lacks, random ones on purpose: one twice, one without a name, one of a foreign domain."""
    nodes = [
        helper.make_node("Bernoulli", ["x"], ["e1"], "dropout/Bernoulli"),
        helper.make_node("Bernoulli", ["e1"], ["e2"], "dropout/Bernoulli_1"),
        helper.make_node("Relu", ["e2"], ["r"], "relu"),
        helper.make_node("RandomNormalLike", ["r"], ["s"]),
        helper.make_node("Frobnicate", ["s"], ["y"], "custom", domain="com.example"),
    ]
    return model("unsupported_ops", nodes, [value("x", FLOAT, [2, 2])], [value("y", FLOAT, [2, 2])], domains=["com.example"])


def scalar_edge():
    """Rank 0 at both edges."""
    nodes = [helper.make_node("Add", ["x", "x"], ["y"], "twice")]
    return model("scalar_edge", nodes, [value("x", FLOAT, [])], [value("y", FLOAT, [])])


def zero_dim():
    """An empty tensor at both edges."""
    nodes = [helper.make_node("Relu", ["x"], ["y"], "relu")]
    return model("zero_dim", nodes, [value("x", FLOAT, [0, 4])], [value("y", FLOAT, [0, 4])])


def zero_dim_inside():
    """An empty tensor between nodes: a slice of nothing, joined to the input again."""
    nodes = [helper.make_node("Slice", ["x", "start", "end", "axes"], ["none"], "nothing"),
             helper.make_node("Concat", ["none", "x"], ["y"], "join", axis=0)]
    tensors = {"start": np.array([2], np.int64), "end": np.array([2], np.int64), "axes": np.array([0], np.int64)}
    return model("zero_dim_inside", nodes, [value("x", FLOAT, [3, 4])], [value("y", FLOAT, [3, 4])], tensors)


def fp16_range():
    """Weights beyond FP16 at both ends: conversion has to warn and name the tensor."""
    w = np.array([[1.0, 1.0e6, 1.0e-9, 0.5]], np.float32)
    nodes = [helper.make_node("Mul", ["x", "w"], ["y"], "scale")]
    return model("fp16_range", nodes, [value("x", FLOAT, [1, 4])], [value("y", FLOAT, [1, 4])], {"w": w})


def external_escape():
    """External data outside the model's folder: has to be refused."""
    escaping = model("external_escape", [helper.make_node("Add", ["x", "w"], ["y"], "add")],
                     [value("x", FLOAT, [4])], [value("y", FLOAT, [4])], {"w": weights(4)})
    tensor = escaping.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in (("location", "../my_model_a_current.data"), ("offset", "0"), ("length", "16")):
        tensor.external_data.add(key=key, value=text)
    return escaping


PLAIN_MODELS = (mlp, matmul_chain, multi_io, edge_types, edge_double, symbolic_dims, unsupported_ops, scalar_edge,
                zero_dim, zero_dim_inside, fp16_range, external_escape)


def write_all(folder):
    """Writes every generated file into `folder` and returns their names."""
    files = {}
    current, blob = my_model_a_current()
    files["my_model_a_current.onnx"] = current.SerializeToString(deterministic=True)
    files["my_model_a_current.data"] = blob
    for make in PLAIN_MODELS:
        files[f"{make.__name__}.onnx"] = make().SerializeToString(deterministic=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return sorted(files)


def check():
    """Compares the committed files with what this script writes; returns the exit code."""
    stale = []
    with tempfile.TemporaryDirectory() as folder:
        names = write_all(pathlib.Path(folder))
        for name in names:
            committed = HERE / name
            if not committed.exists() or committed.read_bytes() != pathlib.Path(folder, name).read_bytes():
                stale.append(name)
    if stale:
        print(f"tests/models: {', '.join(stale)} differ from what make_models.py writes; run it and commit the result")
        return 1
    print(f"tests/models: {len(names)} files are what make_models.py writes (onnx {onnx.__version__}, "
          f"IR {onnx.IR_VERSION}, opset {NEWEST_OPSET})")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    if parser.parse_args().check:
        return check()
    for name in write_all(HERE):
        print(f"{name}: {os.path.getsize(HERE / name)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
