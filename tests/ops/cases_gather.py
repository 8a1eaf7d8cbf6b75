# SPDX-License-Identifier: Apache-2.0
"""Cases of GatherElements, GatherND, ScatterND, and of what makes, repeats and divides tensors: ConstantOfShape, Shape,
Size, Range, Expand, Tile, Split. Nothing is rounded except ScatterND's sums: every bit counts.
"""

import numpy as np
from onnx import numpy_helper

from case import ALL, F16, F32, F64, FLOATS, INTS, NEWEST, Case, Const, any_bits, rng_of, values

I64, I32 = np.int64, np.int32


def ints(*numbers):
    return Const(np.array(numbers, I64))


def picks(shape, size, *key, kind=I64):
    """Indices in [-size, size)."""
    return rng_of("picks", shape, size, *key).randint(-size, size, shape).astype(kind)


def gather_elements():
    cases = []
    plans = (
        ((5,), (3,), 0),
        ((5, 4), (2, 4), 0),
        ((5, 4), (5, 7), 1),
        ((3, 4, 5), (3, 2, 5), 1),
        ((3, 4, 5), (2, 3, 9), -1),
        ((2, 2, 2, 2), (1, 2, 2, 1), 2),
        ((3, 4, 5), (0, 4, 5), 0),
        ((3, 4, 5), (3, 0, 5), 1),
        ((1, 1), (1, 1), 0),
        ((30, 20), (30, 20), 0),
    )
    for shape, index_shape, axis in plans:
        for opset, kind in ((11, I64), (NEWEST, I32)):
            cases.append(
                Case(
                    "GatherElements",
                    f"{list(shape)} indices {list(index_shape)} axis {axis} {np.dtype(kind).name}",
                    [any_bits(F32, shape, "ge"), picks(index_shape, shape[axis], "ge", kind=kind)],
                    {"axis": axis},
                    opset,
                )
            )
    for dtype in ALL:
        cases.append(
            Case(
                "GatherElements", np.dtype(dtype).name, [any_bits(dtype, (4, 6), "ge"), picks((4, 3), 6, "ge")], {"axis": 1}
            )
        )
    cases.append(
        Case("GatherElements", "constant indices", [any_bits(F32, (4, 6), "ge"), Const(picks((2, 6), 4, "ge"))], opset=13)
    )
    for far in (6, -7, 2**40):
        cases.append(
            Case(
                "GatherElements",
                f"index {far}",
                [any_bits(F32, (4, 6), "ge"), np.full((4, 1), far, I64)],
                {"axis": 1},
                kind="run_error",
            )
        )
    return cases


def nd_indices(data, index_shape, batch, *key):
    """Indices for GatherND and ScatterND: the last axis addresses the axes of `data` after the batch."""
    depth = index_shape[-1]
    columns = [picks(index_shape[:-1], max(data[batch + i], 1), "nd", i, *key) for i in range(depth)]
    return np.stack(columns, -1) if depth else np.zeros(index_shape, I64)


def gather_nd():
    cases = []
    plans = (
        ((5,), (3, 1), 0),
        ((5, 4), (3, 2), 0),
        ((5, 4), (3, 1), 0),
        ((3, 4, 5), (2, 2, 2), 0),
        ((3, 4, 5), (2, 3), 0),
        ((3, 4, 5), (1, 1, 1), 0),
        ((3, 4, 5), (3, 2, 1), 1),
        ((3, 4, 5), (3, 1), 1),
        ((2, 3, 4, 5), (2, 3, 2), 2),
        ((2, 3, 4, 5), (2, 3, 7, 1), 2),
        ((2, 3, 4, 5), (2, 3, 1), 2),
        ((2, 3, 4, 2, 3), (2, 3, 2, 2), 2),
        ((2, 3, 4, 5), (2, 4, 3), 1),
        ((3, 4), (0, 1), 0),
        ((3, 4), (2, 0, 2), 0),
        ((2, 2, 2), (2, 2, 2, 1), 2),
    )
    for shape, index_shape, batch in plans:
        for opset in (12, NEWEST):
            cases.append(
                Case(
                    "GatherND",
                    f"{list(shape)} indices {list(index_shape)} batch_dims {batch} opset {opset}",
                    [any_bits(F32, shape, "gnd"), nd_indices(shape, index_shape, batch, "gnd")],
                    {"batch_dims": batch},
                    opset,
                )
            )
    cases.append(Case("GatherND", "opset 11", [any_bits(F32, (3, 4), "gnd"), nd_indices((3, 4), (5, 2), 0)], opset=11))
    for dtype in ALL:
        cases.append(Case("GatherND", np.dtype(dtype).name, [any_bits(dtype, (4, 6), "gnd"), nd_indices((4, 6), (3, 1), 0)]))
    cases.append(Case("GatherND", "constant indices", [any_bits(F32, (4, 6), "gnd"), Const(nd_indices((4, 6), (3, 2), 0))]))
    for far in (4, -5, 2**40):
        cases.append(
            Case("GatherND", f"index {far}", [any_bits(F32, (4, 6), "gnd"), np.array([[far]], I64)], kind="run_error")
        )
    cases.append(
        Case(
            "GatherND",
            "batches differ",
            [any_bits(F32, (2, 3), "gnd"), np.zeros((3, 1), I64)],
            {"batch_dims": 1},
            kind="load_error",
        )
    )
    return cases


def distinct_rows(data, count, depth, *key):
    """Indices that do not repeat, some of them negative."""
    space = [
        np.unravel_index(i, data[:depth])
        for i in rng_of("rows", data, count, depth, *key).permutation(int(np.prod(data[:depth])))[:count]
    ]
    rows = np.array(space, I64).reshape(count, depth)
    rows[::2] -= np.array(data[:depth], I64)
    return rows


def scatter_nd():
    cases = []

    def add(label, dtype, data, count, depth, opset=NEWEST, repeat=False, **attrs):
        rows = distinct_rows(data, count, depth, label)
        rows = np.concatenate([rows, rows[:1]]) if repeat else rows
        updates = values(dtype, (len(rows), *data[depth:]), "snd", 1)
        # Sums of small whole numbers are exact in every order.
        updates, base = (np.round(x).astype(dtype) if attrs else x for x in (updates, values(dtype, data, "snd")))
        cases.append(Case("ScatterND", label, [base, rows, updates], attrs, opset, "value"))

    for data, count, depth in (
        ((8,), 4, 1),
        ((4, 5), 3, 1),
        ((4, 5), 6, 2),
        ((3, 4, 5), 2, 1),
        ((3, 4, 5), 5, 2),
        ((3, 4, 5), 9, 3),
        ((2, 2, 2, 2), 3, 3),
        ((4, 5), 0, 1),
    ):
        for opset in (11, 13, 16, NEWEST):
            add(f"{list(data)} {count} updates of depth {depth} opset {opset}", F32, data, count, depth, opset)
    for dtype in ALL:
        add(np.dtype(dtype).name, dtype, (4, 6), 3, 1)
    for how in ("add", "mul", "max", "min"):
        for dtype in (F32, F64, F16, I32, I64, np.uint8):
            for repeat in (False, True):
                add(f"{how} {np.dtype(dtype).name} repeat {repeat}", dtype, (4, 6), 3, 1, 18, repeat, reduction=how)
    base, updates = values(F32, (4, 3), "snd"), values(F32, (3, 3), "snd", 1)
    dropped = base.copy()
    dropped[2] = updates[1]
    int32_max = np.iinfo(I32).max
    cases.append(
        Case(
            "ScatterND",
            "INT32_MAX drops the update",
            [base, np.array([[int32_max], [2], [int32_max]], I64), updates],
            check="ieee",
            exact=lambda _inputs: dropped.astype(F64),
            exact_tolerance=lambda _inputs, expected: np.zeros(expected.shape),
            oracle="float64",
            reason="the card's rule; ONNX calls the index out of range",
        )
    )
    for far in (4, -5, 2**40):
        cases.append(Case("ScatterND", f"index {far}", [base, np.array([[far]], I64), updates[:1]], kind="run_error"))
    return cases


def constant_of_shape():
    cases = [
        Case(
            "ConstantOfShape",
            f"{np.dtype(dtype).name} {list(shape)} opset {opset}",
            [ints(*shape)],
            {"value": numpy_helper.from_array(any_bits(dtype, (1,), "cos"))},
            opset,
        )
        for dtype in ALL
        for shape, opset in (((2, 3), 9), ((4,), NEWEST))
    ]
    for shape in ((), (0,), (2, 0, 3), (1, 1, 1, 1, 1)):
        cases.append(Case("ConstantOfShape", f"default value {list(shape)}", [ints(*shape)]))
    cases.append(Case("ConstantOfShape", "negative size", [ints(-1)], kind="load_error"))
    return cases


def shape_of():
    cases = [
        Case("Shape", f"{list(shape)} opset {opset}", [values(F32, shape, "shape")], opset=opset)
        for shape in ((), (3,), (2, 0, 3), (1, 2, 3, 4))
        for opset in (7, 13, 15, NEWEST)
    ]
    for start in (0, 1, -1, -9, 9):
        for end in (None, 0, 2, -1, 9, -9):
            attrs = {"start": start, **({} if end is None else {"end": end})}
            cases.append(Case("Shape", f"start {start} end {end}", [values(F32, (2, 3, 4), "shape")], attrs, 15))
    return cases + [Case("Shape", np.dtype(dtype).name, [values(dtype, (2, 3), "shape")]) for dtype in ALL]


def size_of():
    cases = [
        Case("Size", f"{list(shape)} opset {opset}", [values(F32, shape, "size")], opset=opset)
        for shape in ((), (3,), (2, 0, 3), (1, 2, 3, 4))
        for opset in (7, 13, NEWEST)
    ]
    return cases + [Case("Size", np.dtype(dtype).name, [values(dtype, (2, 3), "size")]) for dtype in ALL]


def range_of():
    cases = []
    for start, limit, delta in (
        (0, 10, 1),
        (10, 0, -1),
        (0, 10, 3),
        (10, 0, -3),
        (5, 5, 1),
        (5, 0, 1),
        (0, 5, -1),
        (-3, 4, 2),
    ):
        for dtype in (F32, F64, np.int16, I32, I64):
            scalars = [Const(np.array(x, dtype)) for x in (start, limit, delta)]
            cases.append(
                Case(
                    "Range", f"{np.dtype(dtype).name} {start} {limit} {delta}", scalars, opset=(11, 27)[dtype in (I32, F64)]
                )
            )
    for start, limit, delta in ((0, 1, 0.1), (1, 0, -0.3), (0.5, 3.25, 0.25), (1e6, 1e6 + 2, 0.5)):
        for dtype in (F32, F64):
            cases.append(
                Case(
                    "Range",
                    f"{np.dtype(dtype).name} {start} {limit} {delta}",
                    [Const(np.array(x, dtype)) for x in (start, limit, delta)],
                    check="tol",
                    tolerance=lambda inputs, expected: 4 * np.finfo(expected.dtype).eps * (1 + np.abs(expected.astype(F64))),
                )
            )
    cases.append(Case("Range", "delta of zero", [Const(np.array(x, I64)) for x in (0, 3, 0)], kind="survive"))
    return cases


def expand():
    plans = (
        ((3, 1), (3, 4)),
        ((1,), (2, 3)),
        ((), (2, 2)),
        ((3, 1), (2, 1, 6)),
        ((3, 4), (1,)),
        ((3, 4), (1, 1, 1)),
        ((2, 1, 3), (1, 4, 1)),
        ((1, 3), (0, 3)),
        ((0, 1), (1, 4)),
        ((2, 3), (2, 3)),
        ((1, 1, 1, 1, 2), (2, 1, 2, 1, 2)),
    )
    cases = [
        Case(
            "Expand",
            f"{list(shape)} to {list(target)} opset {opset}",
            [any_bits(F32, shape, "expand"), ints(*target)],
            opset=opset,
        )
        for shape, target in plans
        for opset in (8, NEWEST)
    ]
    cases += [Case("Expand", np.dtype(dtype).name, [any_bits(dtype, (2, 1, 3), "expand"), ints(2, 4, 3)]) for dtype in ALL]
    cases.append(Case("Expand", "sizes differ", [any_bits(F32, (2, 3), "expand"), ints(2, 4)], kind="load_error"))
    return cases


def tile():
    plans = (
        ((3,), (2,)),
        ((2, 3), (2, 2)),
        ((2, 3), (1, 4)),
        ((2, 3), (3, 1)),
        ((2, 3, 4), (1, 2, 3)),
        ((1, 1), (5, 7)),
        ((2, 3), (0, 1)),
        ((0, 3), (2, 2)),
        ((2, 3), (1, 1)),
        ((1, 2, 1, 2), (2, 1, 3, 2)),
    )
    cases = [
        Case(
            "Tile",
            f"{list(shape)} by {list(repeats)} opset {opset}",
            [any_bits(F32, shape, "tile"), ints(*repeats)],
            opset=opset,
        )
        for shape, repeats in plans
        for opset in (7, NEWEST)
    ]
    cases += [Case("Tile", np.dtype(dtype).name, [any_bits(dtype, (2, 3), "tile"), ints(2, 2)]) for dtype in ALL]
    cases.append(Case("Tile", "another rank", [any_bits(F32, (2, 3), "tile"), ints(2)], kind="load_error"))
    return cases


def split():
    cases = []

    def add(label, array, sizes, axis, opset, parts=None, kind="compare"):
        inputs, attrs = [array], {"axis": axis}
        if sizes is not None and opset < 13:
            attrs["split"] = list(sizes)
        elif sizes is not None:
            inputs.append(ints(*sizes))
        elif opset >= 18:
            attrs["num_outputs"] = parts
        cases.append(Case("Split", label, inputs, attrs, opset, kind=kind, outputs=parts or len(sizes)))

    for shape, sizes, axis in (
        ((6,), (2, 4), 0),
        ((4, 5), (1, 3), 0),
        ((4, 5), (2, 0, 3), 1),
        ((2, 6, 3), (1, 2, 3), 1),
        ((2, 3, 4), (4, 0), 2),
        ((2, 6, 3), (6,), 1),
        ((0, 4), (1, 3), 1),
    ):
        for opset in (7, 11, 13, 18, NEWEST):
            add(f"{list(shape)} into {list(sizes)} opset {opset}", any_bits(F32, shape, "split"), sizes, axis, opset)
    for opset in (11, 13, 18):
        add(f"negative axis opset {opset}", any_bits(F32, (3, 4), "split"), (1, 3), -1, opset)
    for opset in (7, 13, 18):
        add(f"equal parts opset {opset}", any_bits(F32, (6, 4), "split"), None, 0, opset, 3)
    add("the last part is smaller", any_bits(F32, (7, 4), "split"), None, 0, 18, 3)
    for dtype in ALL:
        add(np.dtype(dtype).name, any_bits(dtype, (6, 4), "split"), (2, 4), 0, 13)
    add("sizes differ", any_bits(F32, (6, 4), "split"), (2, 3), 0, 13, kind="load_error")
    return cases


def table():
    """Operator -> its cases."""
    return {
        "GatherElements": gather_elements(),
        "GatherND": gather_nd(),
        "ScatterND": scatter_nd(),
        "ConstantOfShape": constant_of_shape(),
        "Shape": shape_of(),
        "Size": size_of(),
        "Range": range_of(),
        "Expand": expand(),
        "Tile": tile(),
        "Split": split(),
    }
