# SPDX-License-Identifier: Apache-2.0
"""Cases of ReduceMean, Max, Min, Sum, Prod and L2, ArgMax, TopK, CumSum and Trilu.

Sums of n terms in another order differ by about u sqrt(2 n) of the sum of magnitudes; see cases_math.product_tolerance.
Integers wrap in every order; what is chosen, not computed, has every bit.
"""

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
    linear,
    specials,
    ulps,
    values,
    with_double,
)

I64 = np.int64
WIDE = (np.int32, np.int64, np.uint32, np.uint64)  # the integers that ONNX allows in sums
INPUT_SINCE = {"ReduceSum": 13}
PLANS = (
    ((5,), (0,)),
    ((3, 4), (0,)),
    ((3, 4), (1,)),
    ((2, 3, 4), (1,)),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), (-1,)),
    ((2, 3, 4), (0, 1, 2)),
    ((2, 3, 4, 5), (2, 3)),
    ((2, 3, 4, 5), (1,)),
    ((1, 2, 1, 3, 2), (0, 3)),
    ((2, 1, 3), (1,)),
    ((33, 70), (1,)),
    ((70, 33), (0,)),
    ((3, 4), None),
    ((), None),
)


def reduce_case(op, label, array, axes, opset=NEWEST, **attrs):
    inputs, more = [array], {}
    if axes is not None:
        if opset >= INPUT_SINCE.get(op, 18):
            inputs.append(Const(np.array(axes, I64)))
        else:
            more["axes"] = list(axes)
    case = Case(op, label, inputs, {**attrs, **more}, opset)
    if not np.issubdtype(array.dtype, np.floating):
        return case
    if op in ("ReduceMax", "ReduceMin"):
        case.check = "ieee"
        return case
    terms = array.size
    if op == "ReduceProd":
        case.check, case.tolerance = "tol", ulps(2 + 0.5 * terms if array.dtype != F16 else 1.02)
        return with_double(case, case.tolerance)
    return linear(case, terms, 2)


def reduction(op):
    cases = []
    for index, (shape, axes) in enumerate(PLANS):
        opset = (7, 11, 13, 18, NEWEST)[index % 5]
        if opset < 11 and axes is not None and min(axes) < 0:
            opset = 11
        for keep in (0, 1):
            cases.append(
                reduce_case(
                    op,
                    f"float {list(shape)} axes {axes} keepdims {keep} opset {opset}",
                    values(F32, shape, op),
                    axes,
                    opset,
                    keepdims=keep,
                )
            )
    extremes = op in ("ReduceMax", "ReduceMin")
    for dtype in FLOATS + (INTS + (np.bool_,) if extremes else WIDE):
        for axes in ((1,), (0, 2), None):
            array = values(dtype, (3, 4, 5), op, low=0.5, high=1.5)
            case = reduce_case(op, f"{np.dtype(dtype).name} axes {axes}", array, axes, NEWEST)
            if op in ("ReduceL2", "ReduceMean", "ReduceProd") and np.issubdtype(dtype, np.integer):
                case.oracle, case.reason = "reference", "onnxruntime goes through FP64: it rounds and saturates"
            cases.append(case)
        if np.issubdtype(dtype, np.integer) and op in ("ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin"):
            case = reduce_case(op, f"{np.dtype(dtype).name} wraps", any_bits(dtype, (6, 9), op), (1,))
            if not extremes:
                case.oracle, case.reason = "reference", "onnxruntime saturates"
            cases.append(case)
    for axes in ((0,), (1,), (0, 1)):
        array = np.array([[1, INF, -INF, 2], [NAN, 0, -0.0, -INF], [3, 4, 5, 6]], F32)
        case = reduce_case(op, f"NaN and infinity axes {axes}", array, axes)
        case.oracle, case.reason = "reference", "onnxruntime's vector kernels lose NaN"
        cases.append(case)
    cases.append(reduce_case(op, "empty list of axes takes all", values(F32, (2, 3), op), (), NEWEST))
    cases.append(
        reduce_case(op, "empty list of axes with noop", values(F32, (2, 3), op), (), NEWEST, noop_with_empty_axes=1)
    )
    cases.append(reduce_case(op, "no axes with noop", values(F32, (2, 3), op), None, NEWEST, noop_with_empty_axes=1))
    cases.append(reduce_case(op, "one column", values(F32, (4, 1), op), (1,)))
    cases.append(reduce_case(op, "outer axis is empty", values(F32, (0, 3), op), (1,)))
    if op not in ("ReduceMean", "ReduceMax", "ReduceMin"):
        cases.append(reduce_case(op, "nothing to reduce", values(F32, (2, 0, 3), op), (1,)))
    cases.append(
        Case(op, "axis out of range", [values(F32, (2, 3), op), Const(np.array([2], I64))], opset=NEWEST, kind="load_error")
    )
    return cases


def arg_max():
    cases = []
    for index, (shape, axis) in enumerate(
        (
            ((5,), 0),
            ((3, 4), 0),
            ((3, 4), 1),
            ((2, 3, 4), 1),
            ((2, 3, 4), -1),
            ((2, 3, 4), -3),
            ((2, 1, 3), 1),
            ((33, 70), 1),
            ((0, 3), 1),
        )
    ):
        for keep in (0, 1):
            opset = (11, 12, 13, NEWEST)[index % 4] if axis < 0 else (7, 11, 12, 13, NEWEST)[index % 5]
            cases.append(
                Case(
                    "ArgMax",
                    f"float {list(shape)} axis {axis} keepdims {keep} opset {opset}",
                    [values(F32, shape, "argmax")],
                    {"axis": axis, "keepdims": keep},
                    opset,
                )
            )
    ties = np.array([[1, 3, 3, 2, 3], [0, 0, 0, 0, 0], [5, 1, 5, 1, 5]])
    for dtype in FLOATS + INTS:
        for last in (0, 1):
            cases.append(
                Case(
                    "ArgMax",
                    f"{np.dtype(dtype).name} ties last {last}",
                    [ties.astype(dtype)],
                    {"axis": 1, "select_last_index": last},
                    13,
                )
            )
        cases.append(Case("ArgMax", f"{np.dtype(dtype).name}", [values(dtype, (4, 9, 3), "argmax")], {"axis": 1}, 12))
    cases.append(Case("ArgMax", "both zeros tie", [np.array([-0.0, 0.0, -0.0], F32)], {"axis": 0}))
    cases.append(Case("ArgMax", "infinities", [np.array([[-INF, -INF], [1, INF]], F32)], {"axis": 1}))
    cases.append(
        Case(
            "ArgMax",
            "NaN is the largest",
            [np.array([1, NAN, 3, NAN], F32)],
            {"axis": 0},
            oracle="reference",
            reason="onnxruntime's answer depends on the vector lane",
        )
    )
    cases.append(Case("ArgMax", "default axis", [values(F32, (3, 4), "argmax")], opset=7))
    cases.append(Case("ArgMax", "nothing to choose from", [values(F32, (2, 0), "argmax")], {"axis": 1}, kind="survive"))
    return cases


def top_k():
    cases = []

    def add(label, array, k, opset=NEWEST, kind="compare", **attrs):
        inputs = [array]
        if opset < 10:
            attrs["k"] = k
        else:
            inputs.append(Const(np.array([k], I64)))
        cases.append(Case("TopK", label, inputs, attrs, opset, "value", kind=kind, outputs=2))

    for shape, axis in (
        ((7,), 0),
        ((3, 8), -1),
        ((3, 8), 0),
        ((2, 5, 4), 1),
        ((2, 5, 4), -1),
        ((2, 1, 4), 1),
        ((4, 100), 1),
        ((0, 4), 1),
    ):
        size = shape[axis]
        for k in sorted({1, min(3, size), size}):
            add(f"float {list(shape)} axis {axis} k {k}", values(F32, shape, "topk"), k, axis=axis)
            add(f"float {list(shape)} axis {axis} k {k} smallest", values(F32, shape, "topk"), k, 11, axis=axis, largest=0)
    ties = np.array([[1, 3, 3, 2, 3], [0, 0, 0, 0, 0], [5, 1, 5, 1, 5]])
    for dtype in FLOATS + INTS:
        for largest in (0, 1):
            add(
                f"{np.dtype(dtype).name} ties largest {largest}",
                ties.astype(dtype),
                4,
                11 if dtype != F16 else NEWEST,
                largest=largest,
            )
        add(f"{np.dtype(dtype).name} ends", any_bits(dtype, (3, 9), "topk") if dtype in INTS else specials(dtype)[1:], 5)
    for opset in (7, 9, 10):
        add(f"opset {opset}", values(F32, (3, 6), "topk"), 2, opset, axis=1)
    add("k of zero", values(F32, (3, 6), "topk"), 0)
    add("k too large", values(F32, (3, 6), "topk"), 7, kind="load_error")
    return cases


def cum_sum():
    cases = []
    for index, (shape, axis) in enumerate(
        (
            ((5,), 0),
            ((3, 4), 0),
            ((3, 4), 1),
            ((2, 3, 4), 1),
            ((2, 3, 4), -1),
            ((2, 3, 4), -3),
            ((0, 3), 1),
            ((2, 0), 1),
            ((1, 100), 1),
        )
    ):
        for exclusive in (0, 1):
            for reverse in (0, 1):
                case = Case(
                    "CumSum",
                    f"float {list(shape)} axis {axis} exclusive {exclusive} reverse {reverse}",
                    [values(F32, shape, "cumsum"), Const(np.array(axis, (np.int32, I64)[index % 2]))],
                    {"exclusive": exclusive, "reverse": reverse},
                    (11, 14, NEWEST)[index % 3],
                )
                cases.append(linear(case, shape[axis]))
    for dtype in (F64, F16):
        cases.append(
            linear(Case("CumSum", f"{np.dtype(dtype).name}", [values(dtype, (3, 9), "cumsum"), Const(np.array(1, I64))]), 9)
        )
    for dtype in (np.int32, np.int64, np.uint32, np.uint64):
        cases.append(
            Case("CumSum", f"{np.dtype(dtype).name} wraps", [any_bits(dtype, (3, 9), "cumsum"), Const(np.array(1, I64))])
        )
    cases.append(Case("CumSum", "axis of rank 1", [values(np.int32, (3, 4), "cumsum"), Const(np.array([1], I64))]))
    return cases


def trilu():
    cases = []
    for index, shape in enumerate(((3, 3), (3, 5), (5, 3), (2, 3, 4), (2, 2, 3, 3), (0, 3), (3, 0), (1, 1))):
        for upper in (0, 1):
            for k in (None, 0, 1, -1, 2, 10, -10):
                inputs = [any_bits(F32, shape, "trilu")] + ([] if k is None else [Const(np.array(k, I64))])
                cases.append(
                    Case("Trilu", f"{list(shape)} upper {upper} k {k}", inputs, {"upper": upper}, (14, NEWEST)[index % 2])
                )
    for dtype in ALL:
        cases.append(
            Case("Trilu", np.dtype(dtype).name, [any_bits(dtype, (4, 5), "trilu"), Const(np.array(1, I64))], {"upper": 0})
        )
    for k in (2**62, -(2**62)):
        cases.append(
            Case(
                "Trilu",
                f"k {k}",
                [any_bits(F32, (3, 3), "trilu"), Const(np.array(k, I64))],
                oracle="reference",
                reason="onnxruntime overflows",
            )
        )
    cases.append(Case("Trilu", "rank 1", [values(F32, (3,), "trilu")], kind="load_error"))
    return cases


def table():
    """Operator -> its cases."""
    cases = {op: reduction(op) for op in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceProd", "ReduceL2")}
    return {**cases, "ArgMax": arg_max(), "TopK": top_k(), "CumSum": cum_sum(), "Trilu": trilu()}
