# SPDX-License-Identifier: Apache-2.0
"""Cases of LayerNormalization, InstanceNormalization and BatchNormalization.

Mean and variance are sums of n terms, so the bound is a random walk of n roundings of what is normalised, times the
scale. A mean that is large beside the deviation cancels: the bound grows with their ratio.
"""

import numpy as np

from case import F16, F32, F64, FLOATS, NEWEST, Case, Const, ulp, values, with_double


def normalised_bound(terms, axes):
    def bound(inputs, expected):
        x = inputs[0].astype(F64)
        unit = float(np.finfo(F32 if expected.dtype == F16 else expected.dtype).eps)
        size = float(np.abs(x).max()) if x.size else 0.0
        with np.errstate(all="ignore"):
            deviation = np.sqrt(np.var(x, axis=axes, keepdims=True) + 1e-5) if x.size else np.ones(1)
            scale = float(np.abs(inputs[1].astype(F64)).max()) if inputs[1].size else 0.0
            relative = unit * (4 + np.sqrt(terms)) * scale * size / deviation
        relative = relative if expected.shape == x.shape else np.max(relative, initial=0.0) * np.ones(1)
        # The scale is multiplied into the deviation first: FLOAT16 is still rounded once.
        return np.broadcast_to(relative, expected.shape) * (1 + np.abs(expected.astype(F64))) + 2 * ulp(
            expected.dtype, expected
        )

    return bound


def layer():
    cases = []

    def add(label, dtype, dims, axis, bias=True, opset=NEWEST, outputs=1, spread=4.0, middle=0.0, **attrs):
        axes = tuple(range(axis % len(dims), len(dims)))
        shape = [dims[i] for i in axes]
        inputs = [(values(dtype, dims, "layer") * spread / 4 + middle).astype(dtype), values(dtype, shape, "layer", 1)]
        inputs += [values(dtype, shape, "layer", 2)] if bias else []
        case = Case("LayerNormalization", label, inputs, {"axis": axis, **attrs}, opset, "tol", None, outputs=outputs)
        case.tolerance = normalised_bound(int(np.prod(shape)), axes)
        cases.append(with_double(case, case.tolerance))

    for dims, axis in (
        ((3, 8), -1),
        ((3, 8), 1),
        ((3, 8), 0),
        ((2, 3, 7), -1),
        ((2, 3, 7), 1),
        ((2, 3, 4, 5), 2),
        ((2, 3, 4, 5), -3),
        ((5,), 0),
        ((4, 1), -1),
        ((2, 300), 1),
    ):
        for bias in (True, False):
            add(f"float {list(dims)} axis {axis} bias {bias}", F32, dims, axis, bias, 17 if bias else NEWEST)
        add(f"float {list(dims)} axis {axis} moments", F32, dims, axis, outputs=3)
    for dtype in (F64, F16):
        for dims, axis in (((3, 8), -1), ((2, 3, 7), 1), ((2, 40), -1)):
            add(f"{np.dtype(dtype).name} {list(dims)} axis {axis}", dtype, dims, axis)
    add("small deviation", F32, (4, 16), -1, spread=1e-3)
    add("large mean", F32, (4, 16), -1, middle=100.0)
    add("epsilon", F32, (4, 16), -1, epsilon=0.1)
    add("equal values", F32, (4, 16), -1, spread=0.0, middle=2.0)
    add("no rows", F32, (0, 8), -1)
    return cases


def instance():
    cases = []
    for index, dims in enumerate(((2, 3, 8), (1, 4, 5, 6), (2, 3, 4, 3, 2), (1, 1, 7), (3, 2, 1), (2, 3, 40, 9))):
        for dtype in FLOATS:
            for constant in (False, True):
                wrap = Const if constant else (lambda array: array)
                inputs = [
                    values(dtype, dims, "instance"),
                    wrap(values(dtype, (dims[1],), "instance", 1)),
                    wrap(values(dtype, (dims[1],), "instance", 2)),
                ]
                case = Case(
                    "InstanceNormalization",
                    f"{np.dtype(dtype).name} {list(dims)} constant {constant}",
                    inputs,
                    {} if index % 2 else {"epsilon": 1e-3},
                    (7, 13, 22, NEWEST)[index % 4],
                    "tol",
                    normalised_bound(int(np.prod(dims[2:])), tuple(range(2, len(dims)))),
                )
                cases.append(with_double(case, case.tolerance))
    return cases


def batch_bound(inputs, expected):
    x, scale, bias, mean, variance = (array.astype(F64) for array in inputs)
    shape = (1, -1) + (1,) * (x.ndim - 2) if scale.ndim == 1 else (1, *scale.shape)
    factor = np.abs(scale) / np.sqrt(variance + 1e-5)
    unit = float(np.finfo(F32 if expected.dtype == F16 else expected.dtype).eps)
    size = np.abs(x) * factor.reshape(shape) + (np.abs(mean) * factor + np.abs(bias)).reshape(shape)
    return 4 * unit * size + 1.02 * ulp(expected.dtype, expected)


def batch64(epsilon):
    """ONNX's evaluator takes the moments of the data before opset 14."""

    def exact(inputs):
        x, scale, bias, mean, variance = (array.astype(F64) for array in inputs)
        shape = (1, -1) + (1,) * (x.ndim - 2) if scale.ndim == 1 else (1, *scale.shape)
        factor = scale / np.sqrt(variance + F64(np.float32(epsilon)))
        return x * factor.reshape(shape) + (bias - mean * factor).reshape(shape)

    return exact


def batch():
    cases = []

    def add(label, types, dims, opset=NEWEST, constant=False, outputs=1, **attrs):
        wrap = Const if constant else (lambda array: array)
        channels = dims[1:] if attrs.get("spatial") == 0 else (dims[1],)
        x, s, m = types
        inputs = [
            values(x, dims, "batch"),
            values(s, channels, "batch", 1),
            values(s, channels, "batch", 2),
            values(m, channels, "batch", 3),
            values(m, channels, "batch", 4, low=0.1),
        ]
        case = Case(
            "BatchNormalization",
            label,
            [inputs[0], *map(wrap, inputs[1:])],
            attrs,
            opset,
            "tol",
            batch_bound,
            outputs=outputs,
        )
        if outputs == 1:
            case.exact, case.exact_tolerance = batch64(attrs.get("epsilon", 1e-5)), batch_bound
        if outputs == 3:
            case.tolerance = normalised_bound(int(np.prod(dims)) // dims[1], tuple(i for i in range(len(dims)) if i != 1))
        cases.append(case)

    for index, dims in enumerate(((2, 3), (2, 3, 5), (1, 4, 3, 5), (2, 3, 2, 3, 2), (1, 1, 1), (0, 3, 4))):
        for opset in (7, 9, 14, NEWEST):
            for constant in (False, True):
                add(
                    f"float {list(dims)} opset {opset} constant {constant}",
                    (F32,) * 3,
                    dims,
                    opset,
                    constant,
                    epsilon=1e-5 if index % 2 else 1e-3,
                )
    for types in ((F64,) * 3, (F16,) * 3, (F16, F32, F32), (F16, F16, F32), (F32, F32, F64)):
        add(" ".join(np.dtype(t).name for t in types), types, (2, 3, 4, 5), 15)
    for dims in ((2, 3, 4, 5), (3, 2, 7), (4, 3)):
        add(f"training {list(dims)}", (F32,) * 3, dims, 15, outputs=3, training_mode=1, momentum=0.7)
    for dims in ((2, 3, 4), (2, 3)):
        add(f"by element {list(dims)}", (F32,) * 3, dims, 7, spatial=0)
    return cases


def table():
    """Operator -> its cases."""
    return {"LayerNormalization": layer(), "InstanceNormalization": instance(), "BatchNormalization": batch()}
