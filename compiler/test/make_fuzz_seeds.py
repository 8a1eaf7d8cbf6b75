# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of fuzz_onnx_compile: one small model for each path through the compiler.

usage: build/venv/bin/python compiler/test/make_fuzz_seeds.py tests/fuzz/corpus/onnx_compile
"""
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def info(name, dims, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, dims)


def const(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def model(nodes, inputs, outputs, constants=(), opset=17, ir=8, functions=(), extra=()):
    graph = helper.make_graph(nodes, "seed", inputs, outputs, list(constants))
    imports = [helper.make_opsetid("", opset), *extra]
    made = helper.make_model(graph, opset_imports=imports, functions=list(functions))
    made.ir_version = ir
    return made


def weights(*dims):
    return (np.arange(np.prod(dims)).reshape(dims) % 13 / 8).astype(np.float32)


def seeds():
    x, y = info("x", [2, 32]), info("y", [2, 3])
    node = helper.make_node
    yield "gemm", model([node("Gemm", ["x", "w", "c"], ["y"], transB=1)], [x], [y],
                        [const("w", weights(3, 32)), const("c", weights(3))])
    yield "transposed", model([node("Identity", ["w"], ["i"]), node("Transpose", ["i"], ["t"], perm=[1, 0]),
                               node("MatMul", ["x", "t"], ["y"])], [x], [y], [const("w", weights(3, 32))])
    yield "left_operand", model([node("MatMul", ["w", "x"], ["y"])], [info("x", [2, 3])], [info("y", [5, 3])],
                                [const("w", weights(5, 2))])
    yield "batched", model([node("MatMul", ["x", "w"], ["y"])], [info("x", ["batch", 2, 40])],
                           [info("y", ["batch", 2, 3])], [const("w", weights(2, 40, 3))])
    yield "symbolic", model([node("Relu", ["x"], ["y"])], [info("x", ["batch", 4])], [info("y", ["batch", 4])])
    yield "constant_nodes", model(
        [node("Constant", [], ["w"], value=const("", weights(32, 3))),
         node("Constant", [], ["s"], value_ints=[3, 2]), node("Constant", [], ["k"], value_float=1e-9),
         node("MatMul", ["x", "w"], ["m"]), node("Mul", ["m", "k"], ["n"]), node("Reshape", ["n", "s"], ["y"])],
        [x], [info("y", [3, 2])])
    yield "casts", model([node("Cast", ["i"], ["f"], to=FLOAT), node("Relu", ["f"], ["r"]),
                          node("Cast", ["r"], ["y"], to=TensorProto.INT64)],
                         [info("i", [2], TensorProto.INT64)], [info("y", [2], TensorProto.INT64)])
    branch = {name: helper.make_graph([node("Constant", [], ["k"], value_float=scale), node("Mul", ["x", "k"], ["r"])], name, [],
                                      [info("r", [2, 32])]) for name, scale in (("then_branch", 2.0), ("else_branch", 0.5))}
    yield "branches", model([node("If", ["c"], ["y"], **branch)], [x, info("c", [], TensorProto.BOOL)], [info("y", [2, 32])])
    yield "means", model([node("ReduceSum", ["x", "axes"], ["s"]), node("Mul", ["s", "k"], ["y"])], [x], [info("y", [2, 1])],
                         [const("axes", np.array([1])), const("k", np.float32(1 / 32))])
    yield "statistics", model([node("BatchNormalization", ["x", "g", "b", "m", "v"], ["y"])], [x], [info("y", [2, 32])],
                              [const(name, weights(32)) for name in "gbmv"])
    yield "unsupported", model([node("NoSuchOp", ["x"], ["a"], name="first"),
                                node("NoSuchOp", ["a"], ["y"], name="second")], [x], [info("y", [2, 32])])
    body = helper.make_function("local", "Swap", ["a"], ["r"],
                                [node("Relu", ["a"], ["t"]), node("Transpose", ["t"], ["r"])],
                                [helper.make_opsetid("", 17)])
    yield "function", model([node("Swap", ["x"], ["y"], domain="local")], [x], [info("y", [32, 2])],
                            functions=[body], extra=[helper.make_opsetid("local", 1)])
    shared = [const("w", weights(32, 32))]
    yield "shared_weight", model([node("MatMul", ["x", "w"], ["a"]), node("Gemm", ["a", "w"], ["b"], transB=1),
                                  node("Gather", ["w", "i"], ["g"]), node("Add", ["b", "g"], ["y"])],
                                 [x, info("i", [2], TensorProto.INT64)], [info("y", [2, 32])], shared)
    yield "old_ir", model([node("Add", ["x", "w"], ["y"])], [x, info("w", [32])], [info("y", [2, 32])],
                          [const("w", weights(32))], opset=7, ir=3)
    yield "edge_types", model([node("Identity", ["b"], ["p"]), node("Identity", ["u"], ["q"])],
                              [info("b", [3], TensorProto.BOOL), info("u", [3], TensorProto.UINT8)],
                              [info("p", [3], TensorProto.BOOL), info("q", [3], TensorProto.UINT8)])


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in seeds():
        data = made.SerializeToString(deterministic=True)
        # The last byte chooses the target's options: an unknown field (number 100) ends with the wanted one.
        for choice in (0, 3, 7, 11):
            (folder / f"{name}_{choice}.onnx").write_bytes(data + b"\xa0\x06" + bytes([choice]))


if __name__ == "__main__":
    main()
