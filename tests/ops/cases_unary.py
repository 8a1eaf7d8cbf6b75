# SPDX-License-Identifier: Apache-2.0
"""Cases of functions of one argument: roots, exponentials, rounding, activations, LogSoftmax.

Each is compared with the function in float64, rounded once: exact where IEEE arithmetic is (Abs, Neg, Sqrt, Reciprocal,
Floor, Ceil, Round), otherwise within the units in the last place that emu/net/vector_math.hpp promises. FLOAT16 is
computed in FP32 and rounded once, so one unit of its own is enough. onnxruntime's approximations have absolute errors
of a few units of 1.
"""

import math

import numpy as np

from case import F16, F32, F64, FLOATS, INF, INTS, NAN, NEWEST, Case, Const, any_bits, specials, ulp, ulps, values
from cases_math import RANKS, near_one

erf64 = np.vectorize(math.erf, otypes=[F64])
EVERY_HALF = np.arange(65536, dtype=np.uint32).astype(np.uint16).view(F16)


def one_way(inputs):
    return inputs[0].astype(F64)


def of_double(function):
    """`function` in float64, then rounded to the type of the input."""

    def exact(inputs):
        with np.errstate(all="ignore"):
            return function(one_way(inputs))

    return exact


def exact_function(op, function, since=7, low=-8.0, high=8.0):
    """Correctly rounded operators: every bit."""
    exact, none = of_double(function), ulps(0)

    def case(label, array, opset=NEWEST):
        return Case(op, label, [array], {}, opset, "ieee", None, exact, none)

    opsets = [opset for opset in (7, 11, 13, NEWEST, NEWEST) if opset >= since]
    cases = [
        case(f"float {list(shape)}", values(F32, shape, op, low=low, high=high), opsets[i % len(opsets)])
        for i, shape in enumerate(RANKS)
    ]
    for dtype in FLOATS:
        name = np.dtype(dtype).name
        cases += [
            case(f"{name} specials", specials(dtype)),
            case(f"{name} random", values(dtype, (9, 37), op, low=low, high=high)),
            case(f"{name} any bits", any_bits(dtype, (600,), op)),
            case(f"{name} empty", values(dtype, (3, 0), op)),
        ]
    ties = np.array([-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 0.49999997, 4503599627370497.5, 8388609.0, 1e30, -1e-30])
    cases += [case(f"{np.dtype(dtype).name} ties", ties.astype(dtype)) for dtype in FLOATS]
    cases += [
        case("float16 every value", EVERY_HALF),
        Case(op, "constant", [Const(values(F32, (5,), op, low=low, high=high))], check="ieee"),
    ]
    return cases


def integers(op, opset=NEWEST, dtypes=INTS):
    return [Case(op, np.dtype(dtype).name, [any_bits(dtype, (3, 31), op)], opset=opset) for dtype in dtypes]


def signed_integers(op, opset):
    kinds = [dtype for dtype in INTS if np.issubdtype(dtype, np.signedinteger)]
    least = [
        Case(
            op,
            f"{np.dtype(dtype).name} least",
            [np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)],
            oracle="reference",
            reason="the smallest integer has no opposite; NumPy wraps, C++ leaves it open",
        )
        for dtype in kinds
    ]
    return integers(op, opset, kinds) + least


def smooth_function(op, function, attrs=({},), since=7, units=4, low=-9.0, high=9.0, absolute=0.0):
    """Functions with an error of `units` in the last place, or of `absolute` units of 1 where the result cancels."""
    cases = []

    def add(label, array, chosen, opset=NEWEST):
        def bound(inputs, expected):
            own = (1.02 if expected.dtype == F16 else units) * ulp(expected.dtype, expected)
            precision = float(np.finfo(F32 if expected.dtype == F16 else expected.dtype).eps)
            return own + absolute * precision * np.maximum(1, np.abs(np.nan_to_num(one_way(inputs), posinf=1, neginf=1)))

        def loose(inputs, expected):
            return np.maximum(near_one(inputs, expected), 8 * ulp(expected.dtype, expected)) + bound(inputs, expected)

        exact = of_double(lambda x: function(x, **chosen))
        case = Case(op, label, [array], chosen, opset, "tol", loose, exact, bound)
        if array.dtype == F64 and chosen.get("approximate"):
            case.oracle, case.reason = "float64", "onnxruntime has FP32 constants in its FP64 kernel"
        cases.append(case)

    for index, shape in enumerate(RANKS):
        for opset in (max(since, (7, 13)[index % 2]), NEWEST):
            add(f"float {list(shape)}", values(F32, shape, op, low=low, high=high), attrs[index % len(attrs)], opset)
    for chosen in attrs:
        shown = " ".join(f"{key} {value}" for key, value in chosen.items())
        for dtype in FLOATS:
            name = np.dtype(dtype).name
            add(f"{name} random {shown}", values(dtype, (7, 41), op, low=low, high=high), chosen)
            add(f"{name} specials {shown}", np.delete(specials(dtype), [9, 10]), chosen)
            add(f"{name} near zero {shown}", np.array([1e-7, -1e-7, 3e-5, -3e-5, 1e-3, -1e-3, 0.0, -0.0], dtype), chosen)
        add(f"float tails {shown}", np.array([-104, -90, -87, -50, -20, -10, 10, 20, 50, 87], F32), chosen)
        add(f"float16 every value {shown}", EVERY_HALF, chosen)
    return cases


def elu(x, alpha=1.0):
    return np.where(x < 0, np.float32(alpha) * np.expm1(np.minimum(x, 0)), x)


def leaky(x, alpha=0.01):
    return np.where(x < 0, F64(np.float32(alpha)) * x, x)


def hard_sigmoid(x, alpha=0.2, beta=0.5):
    return np.clip(F64(np.float32(alpha)) * x + F64(np.float32(beta)), 0, 1)


def gelu(x, approximate="none"):
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    # erfc keeps the small values of the left side.
    return (
        0.5
        * x
        * np.where(np.isnan(x), NAN, np.vectorize(math.erfc, otypes=[F64])(-np.nan_to_num(x, nan=0.0) / math.sqrt(2)))
    )


def erf_integers():
    return [
        Case("Erf", f"{np.dtype(dtype).name}", [values(dtype, (40,), "erf")], opset=opset, oracle="reference")
        for dtype in INTS
        for opset in (9, 13)
    ]


def log_softmax64(axis, coerce):
    def function(inputs):
        x = one_way(inputs)
        if not x.size:
            return x
        flat = x.reshape(int(np.prod(x.shape[: axis % x.ndim])), -1) if coerce else x
        over = -1 if coerce else axis
        with np.errstate(all="ignore"):
            shifted = flat - flat.max(axis=over, keepdims=True)
            return (shifted - np.log(np.exp(shifted).sum(axis=over, keepdims=True))).reshape(x.shape)

    return function


def log_softmax():
    def case(label, array, axis=None, opset=NEWEST):
        used = (1 if opset < 13 else -1) if axis is None else axis

        def bound(inputs, expected):
            # x - max and the logarithm are each rounded at the size of the spread; the sum is a random walk.
            x = inputs[0][np.isfinite(inputs[0])].astype(F64)
            spread = float(x.max() - x.min()) if x.size else 0.0
            unit = float(np.finfo(F32 if expected.dtype == F16 else expected.dtype).eps)
            own = ulp(F16, expected) if expected.dtype == F16 else 0
            return own + unit * (2 * spread + 4 + np.sqrt(inputs[0].size)) + np.zeros(expected.shape)

        attrs = {} if axis is None else {"axis": axis}
        return Case("LogSoftmax", label, [array], attrs, opset, "tol", bound, log_softmax64(used, opset < 13), bound)

    cases = []
    for shape in ((5,), (3, 4), (2, 3, 4), (2, 3, 2, 3), (1, 2, 3, 2, 2)):
        for axis in (0, -1, len(shape) // 2):
            cases.append(case(f"float {list(shape)} axis {axis}", values(F32, shape, "lsm"), axis))
    for opset in (7, 11, 12):
        for axis in (None, 0, 1, 2):
            cases.append(
                case(f"opset {opset} rank 3 axis {axis} is coerced to rows", values(F32, (2, 3, 4), "lsm"), axis, opset)
            )
    for dtype in (F16, F64):
        cases += [
            case(f"{np.dtype(dtype).name} rows", values(dtype, (4, 50), "lsm")),
            case(f"{np.dtype(dtype).name} axis 1", values(dtype, (6, 5, 4), "lsm"), 1),
        ]
    cases += [
        case("large values", values(F32, (3, 8), "lsm", low=-1e4, high=1e4)),
        case("one element", values(F32, (3, 1), "lsm")),
        case("long rows", values(F32, (2, 1000), "lsm")),
        case("minus infinity masks", np.array([[0, -INF, 1], [-INF, 2, 3]], F32)),
        case("NaN poisons its row only", np.array([[0, NAN, 1], [1, 2, 3]], F32)),
        case("empty", values(F32, (0, 4), "lsm")),
    ]
    return cases


def table():
    """Operator -> its cases."""
    return {
        "Sqrt": exact_function("Sqrt", np.sqrt, low=0),
        "Abs": exact_function("Abs", np.abs) + signed_integers("Abs", 13),
        "Neg": exact_function("Neg", np.negative) + signed_integers("Neg", 13),
        "Reciprocal": exact_function("Reciprocal", lambda x: 1 / x, low=0.1),
        "Floor": exact_function("Floor", np.floor),
        "Ceil": exact_function("Ceil", np.ceil),
        "Round": exact_function("Round", np.rint, 11),
        "Exp": smooth_function("Exp", np.exp, low=-80, high=80),
        "Log": smooth_function("Log", np.log, low=1e-3, high=100, absolute=0.5),
        "Erf": smooth_function("Erf", lambda x: np.where(np.isnan(x), NAN, erf64(np.nan_to_num(x, nan=0.0))), since=9)
        + erf_integers(),
        "Gelu": smooth_function("Gelu", gelu, ({}, {"approximate": "tanh"}), 20, absolute=2),
        "LeakyRelu": smooth_function("LeakyRelu", leaky, ({}, {"alpha": 0.3}, {"alpha": -1.5}), 7, units=1),
        "Elu": smooth_function("Elu", elu, ({}, {"alpha": 0.5}), 7, absolute=2),
        "HardSigmoid": smooth_function(
            "HardSigmoid", hard_sigmoid, ({}, {"alpha": 0.5, "beta": 0.25}), 7, units=1, absolute=1
        ),
        "HardSwish": smooth_function("HardSwish", lambda x: x * np.clip(x / 6 + 0.5, 0, 1), since=14, units=2, absolute=1),
        "LogSoftmax": log_softmax(),
    }
