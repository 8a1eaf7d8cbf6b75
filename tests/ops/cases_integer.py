# SPDX-License-Identifier: Apache-2.0
"""Cases of quantised products: sums of 8-bit integers are exact, so every bit counts."""

import itertools

import numpy as np

from case import F32, Case, Const, any_bits, rng_of, values

BYTES = (np.uint8, np.int8)
PAIRS = tuple(itertools.product(BYTES, BYTES))


def zero(dtype, value):
    return np.array(value, dtype)


def right_of(left, dtype, shape, *key):
    """A right operand. onnxruntime saturates pairs of products of UINT8 and INT8 on 16 bits on some machines, so INT8 beside UINT8 has 7 bits."""
    array = any_bits(dtype, shape, *key)
    return (array >> 1).astype(dtype) if left == np.uint8 and dtype == np.int8 else array


def name(*dtypes):
    return " ".join(np.dtype(dtype).name for dtype in dtypes)


def dynamic_quantise():
    cases = []
    for dims in ((), (1,), (7,), (3, 5), (2, 3, 4), (1000,), (4, 1, 30)):
        cases.append(Case("DynamicQuantizeLinear", f"shape {dims}", [values(F32, dims, "dynamic")], outputs=3))
    for low, high in ((0, 1), (1, 5), (-5, -1), (-1e-3, 1e-3), (-1e30, 1e30), (-200, 3), (0, 255), (-128, 127), (-0.1, 7.3)):
        cases.append(Case("DynamicQuantizeLinear", f"from {low} to {high}", [values(F32, (257,), "dynamic", low=low, high=high)], outputs=3))
    for index in range(6):
        cases.append(Case("DynamicQuantizeLinear", f"numbers {index}", [values(F32, (64,), "dynamic", index, low=-index - 1, high=3)], outputs=3, opset=11 + 2 * index))
    cases.append(Case("DynamicQuantizeLinear", "zeros", [np.zeros((2, 3), F32)], outputs=3))
    return cases


def matmul_integer():
    cases = []
    for a, b in PAIRS:
        for dims in (((4, 5), (5, 3)), ((1, 33), (33, 9)), ((2, 3, 17), (17, 6)), ((2, 3, 4), (2, 4, 5))):
            arrays = [any_bits(a, dims[0], "mmi", b), right_of(a, b, dims[1], "mmi", a)]
            cases.append(Case("MatMulInteger", f"{name(a, b)} {dims} zero points", arrays + [zero(a, 3), zero(b, 5)], opset=10))
        arrays = [any_bits(a, (6, 64), "mmi", b), right_of(a, b, (64, 10), "mmi", a)]
        cases.append(Case("MatMulInteger", f"{name(a, b)} no zero points", arrays, opset=13))
        cases.append(Case("MatMulInteger", f"{name(a, b)} constant", [arrays[0], Const(arrays[1]), None, Const(zero(b, 9))], opset=21))
        cases.append(Case("MatMulInteger", f"{name(a, b)} columns", [arrays[0], Const(arrays[1]), zero(a, 1), Const(any_bits(b, (10,), "mmi zero"))], opset=21))
    cases.append(Case("MatMulInteger", "batches", [any_bits(np.uint8, (3, 1, 4, 5), "mmi"), any_bits(np.uint8, (2, 5, 6), "mmi"), zero(np.uint8, 100), zero(np.uint8, 128)], opset=10))
    cases.append(Case("MatMulInteger", "long sums", [np.full((2, 5000), 255, np.uint8), Const(np.full((5000, 5), 127, np.int8))], opset=10,
                      oracle="reference", reason="onnxruntime saturates pairs of products on some machines"))
    cases.append(Case("MatMulInteger", "do not fit", [any_bits(np.uint8, (4, 5), "mmi"), any_bits(np.uint8, (4, 5), "mmi")], opset=10, kind="load_error"))
    return cases


WINDOWS = (
    ("plain", (2, 4, 7, 6), (6, 4, 3, 3), {}),
    ("padded", (1, 4, 7, 6), (6, 4, 3, 3), {"pads": [1, 2, 0, 1], "strides": [2, 1]}),
    ("dilated", (1, 4, 9, 8), (5, 4, 3, 2), {"dilations": [2, 3]}),
    ("groups", (2, 4, 6, 6), (6, 2, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
    ("depthwise", (1, 5, 8, 8), (5, 1, 3, 3), {"group": 5, "pads": [1, 1, 1, 1]}),
    ("pointwise", (2, 8, 5, 5), (9, 8, 1, 1), {}),
    ("line", (2, 4, 20), (6, 4, 3), {"strides": [2]}),
    ("same", (1, 3, 7, 7), (4, 3, 3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
)


def conv_integer():
    cases = []
    for label, dims, weights, attrs in WINDOWS:
        for zeros in (True, False):
            arrays = [any_bits(np.uint8, dims, "convi"), any_bits(np.uint8, weights, "convi")]
            more = [zero(np.uint8, 120), zero(np.uint8, 7)] if zeros else []
            cases.append(Case("ConvInteger", f"{label} zero points {zeros}", arrays + more, attrs, 10))
        arrays = [any_bits(np.uint8, dims, "convi"), Const(right_of(np.uint8, np.int8, weights, "convi")), zero(np.uint8, 99)]
        cases.append(Case("ConvInteger", f"{label} int8 constant weights", arrays, attrs, 13))
    return cases


def scale(value):
    return Const(np.array(value, F32))


def linear_matmul():
    cases = []
    for a, b in ((np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)):
        for dims, step, constant in itertools.product((((4, 5), (5, 3)), ((7, 130), (130, 9)), ((2, 3, 17), (17, 6))), (0.01, 0.0473), (False, True)):
            right = right_of(a, b, dims[1], "qmm", a)
            inputs = [any_bits(a, dims[0], "qmm", b), scale(0.02), Const(zero(a, 7)), Const(right) if constant else right, scale(step), Const(zero(b, 4)),
                      scale(0.3), Const(zero(a, 11))]
            cases.append(Case("QLinearMatMul", f"{name(a, b)} {dims} by {step} constant {constant}", inputs, opset=21 if constant else 10))
        columns = np.abs(values(F32, (9,), "qmm", low=0.001, high=0.05))
        inputs = [any_bits(a, (6, 40), "qmm", b), scale(0.02), Const(zero(a, 7)), Const(right_of(a, b, (40, 9), "qmm")), Const(columns),
                  Const(np.zeros(9, b)), scale(0.2), Const(zero(a, 11))]
        cases.append(Case("QLinearMatMul", f"{name(a, b)} columns", inputs, opset=10))
    return cases


def linear_conv():
    cases = []
    for label, dims, weights, attrs in WINDOWS:
        for kind in BYTES:
            inputs = [any_bits(kind, dims, "qconv"), scale(0.02), Const(zero(kind, 12)), Const(any_bits(kind, weights, "qconv")), scale(0.013),
                      Const(zero(kind, 0 if kind == np.int8 else 130)), scale(0.4), Const(zero(kind, 5))]
            cases.append(Case("QLinearConv", f"{label} {name(kind)}", inputs, attrs, 10))
        inputs = [any_bits(np.uint8, dims, "qconv"), scale(0.02), Const(zero(np.uint8, 128)), Const(right_of(np.uint8, np.int8, weights, "qconv")),
                  Const(values(F32, (weights[0],), "qconv", low=0.001, high=0.02)), Const(np.zeros(weights[0], np.int8)), scale(0.3), Const(zero(np.uint8, 127)),
                  Const(rng_of("qconv bias", label).randint(-9000, 9000, (weights[0],)).astype(np.int32))]
        cases.append(Case("QLinearConv", f"{label} by channel with bias", inputs, attrs, 13))
    return cases


def table():
    """Operator -> its cases."""
    return {"DynamicQuantizeLinear": dynamic_quantise(), "MatMulInteger": matmul_integer(), "ConvInteger": conv_integer(),
            "QLinearMatMul": linear_matmul(), "QLinearConv": linear_conv()}
