# SPDX-License-Identifier: Apache-2.0
"""Cases of Pow, Min, Max, comparisons, logic, Where and PRelu. All but Pow are exact: every bit counts."""

import numpy as np

from case import (
    ALL,
    F16,
    F32,
    F64,
    FLOATS,
    INF,
    INTS,
    NAN,
    NEWEST,
    Case,
    Const,
    any_bits,
    special_pairs,
    specials,
    ulps,
    values,
)
from cases_math import BROADCASTS


def pow64(inputs):
    with np.errstate(all="ignore"):  # NumPy takes a root where the exponent is one number of 0.5
        return np.power(inputs[0].astype(F64), inputs[1].astype(F64))


def power():
    cases = []

    def add(label, base, exponent, opset=NEWEST, **more):
        if np.issubdtype(base.dtype, np.floating):
            more = {"check": "tol", "tolerance": ulps(2), "exact": pow64, "exact_tolerance": ulps(1), **more}
        cases.append(Case("Pow", label, [base, exponent], opset=opset, **more))

    for index, (left, right) in enumerate(BROADCASTS):
        add(
            f"float {list(left)} {list(right)}",
            values(F32, left, "pow", low=0.1),
            values(F32, right, "pow", 2),
            (7, 12, 13, 15, NEWEST)[index % 5],
        )
    for dtype in FLOATS:
        a, b = special_pairs(dtype)
        add(f"{np.dtype(dtype).name} specials", a, b)
        add(f"{np.dtype(dtype).name} random", values(dtype, (50,), "pow", low=0.01), values(dtype, (50,), "pow", 3))
        for exponent in (0.0, 0.5, -0.5, 1.0, -1.0, 2.0, 3.0, 4.0, -2.0):
            base = np.concatenate([specials(dtype), values(dtype, (40,), "pow", 5)])
            power_of = np.array(exponent, dtype)
            add(
                f"{np.dtype(dtype).name} constant {exponent}",
                base,
                Const(power_of),
                exact=lambda inputs, e=exponent: pow64([inputs[0], np.full(inputs[0].shape, e)]),
            )
    for dtype in (np.int32, np.int64):
        for other in INTS + FLOATS:
            base = values(dtype, (30,), "pow", 7)
            exponent = np.abs(values(other, (30,), "pow", 8)).astype(other) % other(6)
            add(
                f"{np.dtype(dtype).name} to {np.dtype(other).name}",
                base,
                np.floor(exponent).astype(other),
                (12, 15, NEWEST)[INTS.index(other) % 3] if other in INTS else 13,
            )
        wide = np.array([2, -2, 3, 10, 7, -1, 0, 1], dtype)
        add(
            f"{np.dtype(dtype).name} wraps",
            wide,
            np.array([31, 63, 41, 20, 30, 9, 0, 64], dtype),
            oracle="reference",
            reason="onnxruntime goes through FP64",
        )
        add(
            f"{np.dtype(dtype).name} negative exponents",
            np.array([2, -1, 1, -1, -3], dtype),
            np.array([-1, -3, -5, -2, -1], dtype),
        )
        add(f"{np.dtype(dtype).name} zero to a negative", np.array([0], dtype), np.array([-1], dtype), kind="survive")
    for dtype in FLOATS:
        for other in INTS:
            add(
                f"{np.dtype(dtype).name} to {np.dtype(other).name}",
                values(dtype, (20,), "pow", 9, low=0.5),
                values(other, (20,), "pow", 10),
                13,
            )
    cases.append(
        Case(
            "Pow", "shapes that do not broadcast", [values(F32, (2, 3), "pow"), values(F32, (4,), "pow")], kind="load_error"
        )
    )
    return cases


def extreme(op):
    cases = []
    for index, (left, right) in enumerate(BROADCASTS):
        cases.append(
            Case(
                op,
                f"float {list(left)} {list(right)}",
                [values(F32, left, op, 1), values(F32, right, op, 2)],
                opset=(8, 12, 13, NEWEST)[index % 4],
                check="value",
            )
        )
    cases.append(Case(op, "opset 7 equal shapes", [values(F32, (2, 3), op, i) for i in range(3)], opset=7, check="value"))
    for count in (1, 3, 7):
        cases.append(
            Case(
                op,
                f"{count} inputs",
                [values(F32, (1 + i % 2, 4), op, i) if i % 2 == 0 else values(F32, (2, 4), op, i) for i in range(count)],
                check="value",
            )
        )
    cases.append(
        Case(op, "three ranks", [values(F32, (4,), op), values(F32, (3, 1), op), values(F32, (2, 1, 1), op)], check="value")
    )
    for dtype in FLOATS:
        a, b = special_pairs(dtype)
        numbers = ~(np.isnan(a) | np.isnan(b))
        cases.append(Case(op, f"{np.dtype(dtype).name} specials", [a[numbers], b[numbers]], check="value"))
        cases.append(
            Case(
                op,
                f"{np.dtype(dtype).name} NaN on either side",
                [a[~numbers], b[~numbers]],
                check="ieee",
                oracle="reference",
                reason="onnxruntime's kernels differ by type in which NaN they keep",
            )
        )
        cases.append(
            Case(
                op,
                f"{np.dtype(dtype).name} random",
                [values(dtype, (5, 40), op, 3), values(dtype, (40,), op, 4)],
                check="value",
            )
        )
    for dtype in INTS:
        cases.append(
            Case(op, np.dtype(dtype).name, [any_bits(dtype, (3, 21), op, 5), any_bits(dtype, (21,), op, 6)], opset=12)
        )
    cases.append(Case(op, "constant side", [values(F32, (2, 3), op, 8), Const(values(F32, (3,), op, 9))], check="value"))
    cases.append(
        Case(op, "shapes that do not broadcast", [values(F32, (2, 3), op), values(F32, (4,), op)], kind="load_error")
    )
    return cases


def comparison(op):
    cases = []
    for index, (left, right) in enumerate(BROADCASTS):
        opset = (7, 9, 11, 13, NEWEST)[index % 5]
        dtype = np.int64 if op == "Equal" and opset < 11 else F32
        cases.append(
            Case(
                op,
                f"{np.dtype(dtype).name} {list(left)} {list(right)}",
                [values(dtype, left, op, 1), values(dtype, right, op, 2)],
                opset=opset,
                declare_shape=index % 2 == 0,
            )
        )
    for dtype in FLOATS:
        cases.append(Case(op, f"{np.dtype(dtype).name} specials", list(special_pairs(dtype))))
    for dtype in INTS + ((np.bool_,) if op == "Equal" else ()):
        cases.append(
            Case(op, f"{np.dtype(dtype).name}", [values(dtype, (6, 30), op, 3), values(dtype, (30,), op, 4)], opset=13)
        )
        if dtype != np.bool_:
            ends = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max, 0, 1], dtype)
            cases.append(Case(op, f"{np.dtype(dtype).name} ends", [np.repeat(ends, 4), np.tile(ends, 4)]))
    cases.append(Case(op, "constant side", [values(F32, (2, 3), op, 8), Const(values(F32, (3,), op, 9))]))
    return cases


def logic(op):
    return [
        Case(
            op,
            f"{list(left)} {list(right)} opset {opset}",
            [values(np.bool_, left, op, 1), values(np.bool_, right, op, 2)],
            opset=opset,
        )
        for left, right in BROADCASTS
        for opset in (7, NEWEST)
    ]


def negation():
    return [
        Case("Not", f"{list(shape)} opset {opset}", [values(np.bool_, shape, "not")], opset=opset)
        for shape in ((), (1,), (7,), (3, 4), (2, 3, 4), (0, 3), (257,))
        for opset in (7, 13, NEWEST)
    ]


def where():
    shapes = (
        ((2, 3), (2, 3), (2, 3)),
        ((3,), (2, 3), ()),
        ((2, 1), (1, 3), (2, 3)),
        ((), (4,), (4,)),
        ((4, 1, 1), (3, 1), (2,)),
        ((1,), (1,), (1,)),
        ((0, 3), (1, 3), (3,)),
        ((2, 2, 2, 2, 2), (2,), (2, 1, 1)),
        ((1, 64), (33, 64), (33, 1)),
    )
    cases = [
        Case(
            "Where",
            f"{list(c)} {list(a)} {list(b)}",
            [values(np.bool_, c, "where"), any_bits(F32, a, "where", 1), any_bits(F32, b, "where", 2)],
            opset=(9, 16, NEWEST)[i % 3],
        )
        for i, (c, a, b) in enumerate(shapes)
    ]
    for dtype in ALL:
        cases.append(
            Case(
                "Where",
                np.dtype(dtype).name,
                [values(np.bool_, (5, 7), "where"), any_bits(dtype, (5, 7), "where", 3), any_bits(dtype, (7,), "where", 4)],
            )
        )
    cases.append(
        Case(
            "Where",
            "both are infinities",
            [values(np.bool_, (8,), "where"), Const(np.array(INF, F32)), Const(np.array(-INF, F32))],
        )
    )
    cases.append(
        Case(
            "Where",
            "constant condition",
            [Const(values(np.bool_, (3, 4), "where")), values(F32, (3, 4), "where"), values(F32, (4,), "where")],
        )
    )
    cases.append(
        Case(
            "Where",
            "constants on both sides",
            [values(np.bool_, (3, 4), "where"), Const(np.array(1, F32)), Const(np.array(-INF, F32))],
        )
    )
    cases.append(
        Case(
            "Where",
            "shapes that do not broadcast",
            [values(np.bool_, (2,), "where"), values(F32, (3,), "where"), values(F32, (3,), "where")],
            kind="load_error",
        )
    )
    return cases


def prelu64(inputs):
    x, slope = (array.astype(F64) for array in inputs)
    with np.errstate(all="ignore"):
        return np.where(x < 0, x * slope, x)


def prelu():
    shapes = (
        ((3, 4), (4,)),
        ((2, 3, 4, 5), (3, 1, 1)),
        ((2, 3), (2, 3)),
        ((2, 3), ()),
        ((2, 3, 4), (1,)),
        ((2, 3, 4), (1, 3, 1)),
        ((0, 3), (3,)),
        ((7,), (7,)),
    )
    cases = [
        Case(
            "PRelu",
            f"{list(x)} slope {list(slope)} opset {opset}",
            [values(F32, x, "prelu"), values(F32, slope, "prelu", 1)],
            opset=opset,
            check="ieee",
        )
        for x, slope in shapes
        for opset in (7, 9, 16, NEWEST)
    ]
    for dtype in FLOATS:
        a, b = special_pairs(dtype)
        cases.append(
            Case(
                "PRelu",
                f"{np.dtype(dtype).name} specials",
                [a, b],
                exact=prelu64,
                exact_tolerance=ulps(0),
                oracle="float64",
                reason="onnxruntime and ONNX's evaluator multiply a zero by the slope: NaN for infinity",
            )
        )
        cases.append(
            Case(
                "PRelu",
                f"{np.dtype(dtype).name}",
                [values(dtype, (3, 30), "prelu"), values(dtype, (30,), "prelu", 1)],
                check="ieee",
            )
        )
    for dtype in (np.int32, np.int64, np.uint32, np.uint64):
        cases.append(
            Case(
                "PRelu",
                np.dtype(dtype).name,
                [values(dtype, (4, 5), "prelu"), values(dtype, (5,), "prelu", 1)],
                oracle="reference",
                reason="onnxruntime has no kernel for integers",
            )
        )
    cases.append(
        Case("PRelu", "slope larger than x", [values(F32, (3,), "prelu"), values(F32, (2, 3), "prelu")], kind="survive")
    )
    return cases


def table():
    """Operator -> its cases."""
    return {
        "Pow": power(),
        "Min": extreme("Min"),
        "Max": extreme("Max"),
        "Equal": comparison("Equal"),
        "Greater": comparison("Greater"),
        "Less": comparison("Less"),
        "And": logic("And"),
        "Or": logic("Or"),
        "Not": negation(),
        "Where": where(),
        "PRelu": prelu(),
    }
