# SPDX-License-Identifier: Apache-2.0
"""Cases of Pad, Resize, DepthToSpace, SpaceToDepth, Einsum, QuantizeLinear and DequantizeLinear.

Pad and the two block operators move data: every bit counts. Resize sums at most 4 terms an axis with weights that are
themselves rounded; onnxruntime computes coordinates in FP32, so the bound is a few units of the largest value. Einsum is
a product (see cases_math). Quantised results are whole numbers: x / scale is one rounding, so a tie may fall either way
where the quotient is not exact; the cases stay away from that.
"""

import itertools

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
    ulp,
    ulps,
    values,
    with_double,
)

I64 = np.int64


def ints(*numbers):
    return Const(np.array(numbers, I64))


def pad():
    cases = []

    def add(label, array, pads, opset=NEWEST, value=None, axes=None, kind="compare", **attrs):
        if opset < 11:
            more = {} if value is None else {"value": float(value)}
            cases.append(Case("Pad", label, [array], {"pads": list(pads), **more, **attrs}, opset, kind=kind))
            return
        inputs = [array, ints(*pads)]
        if value is not None or axes is not None:
            inputs.append(None if value is None else Const(np.array(value, array.dtype)))
        if axes is not None:
            inputs.append(ints(*axes))
        cases.append(Case("Pad", label, inputs, attrs, opset, kind=kind))

    plans = (
        ((5,), (1, 2)),
        ((3, 4), (1, 0, 0, 2)),
        ((2, 3, 4), (0, 1, 2, 1, 0, 2)),
        ((1, 2, 3, 4), (0, 0, 1, 1, 0, 0, 1, 2)),
        ((3, 4), (0, 0, 0, 0)),
        ((3, 3, 3, 2, 2), (0, 1, 0, 1, 0, 1, 0, 1, 0, 1)),
    )
    for (shape, pads), mode in itertools.product(plans, ("constant", "reflect", "edge", "wrap")):
        for opset in (7, 11, 18, NEWEST) if mode != "wrap" else (19, NEWEST):
            add(
                f"{mode} {list(shape)} {list(pads)} opset {opset}",
                any_bits(F32, shape, "pad"),
                pads,
                opset,
                1.5 if mode == "constant" and opset % 2 else None,
                mode=mode,
            )
    for mode in ("constant", "edge"):
        add(f"{mode} negative pads", any_bits(F32, (4, 5), "pad"), (-1, 1, 2, -2), mode=mode)
    add("reflect several times", any_bits(F32, (3,), "pad"), (2, 2), mode="reflect")
    add("edge far", any_bits(F32, (3,), "pad"), (7, 9), mode="edge")
    add("wrap far", any_bits(F32, (3,), "pad"), (3, 3), mode="wrap")
    add("axes", any_bits(F32, (2, 3, 4), "pad"), (1, 2), 18, 2.0, (1,))
    add("negative axes in another order", any_bits(F32, (2, 3, 4), "pad"), (1, 2, 0, 1), 18, 2.0, (-1, 0))
    add("an empty axis", any_bits(F32, (0, 3), "pad"), (1, 0, 1, 0), value=3.0)
    for dtype in ALL:
        add(np.dtype(dtype).name, any_bits(dtype, (3, 4), "pad"), (1, 1, 0, 2), 13, 1)
        add(f"{np.dtype(dtype).name} edge", any_bits(dtype, (3, 4), "pad"), (1, 1, 0, 2), 13, mode="edge")
    add("infinity", any_bits(F32, (3, 4), "pad"), (1, 1, 0, 2), 13, -INF)
    return cases


def resize():
    cases = []

    def add(label, dims, scales=None, sizes=None, dtype=F32, opset=NEWEST, roi=None, axes=None, **attrs):
        x = values(dtype, dims, "resize")
        scale_input = None if scales is None else Const(np.array(scales, F32))
        if opset == 10:
            inputs = [x, scale_input]
        else:
            box = Const(np.array([] if roi is None else roi, F32)) if opset < 13 or roi is not None else None
            inputs = [x, box, scale_input if scale_input or opset >= 13 else Const(np.array([], F32))] + (
                [ints(*sizes)] if sizes else []
            )
        attrs.update({} if axes is None else {"axes": list(axes)})
        copies = attrs.get("mode", "nearest") == "nearest"

        def bound(inputs, expected):
            largest = float(np.abs(inputs[0].astype(F64)).max())
            unit = float(np.finfo(F32).eps)  # onnxruntime has FP32 coordinates, whatever the type
            return np.full(expected.shape, 32 * unit * largest * 4) + (
                1.02 * ulp(F16, expected) if expected.dtype == F16 else 0
            )

        case = Case("Resize", label, inputs, attrs, opset, "bits" if copies else "tol", None if copies else bound)
        if dtype == F64 and not copies:
            with_double(
                case, lambda inputs, expected: np.full(expected.shape, 16 * np.finfo(F64).eps * np.abs(inputs[0]).max())
            )
        whole = [size * factor for size, factor in zip(dims, scales or ())]
        if attrs.get("coordinate_transformation_mode") == "align_corners" and any(size != int(size) for size in whole):
            case.oracle, case.reason = (
                "reference",
                "onnxruntime takes the whole size where ONNX's tests take size times scale",
            )
        cases.append(case)

    image = (1, 2, 5, 4)
    for opset, mode in itertools.product((10, 11, 13, 18, NEWEST), ("nearest", "linear")):
        add(f"opset {opset} {mode} up", image, (1, 1, 2, 3), opset=opset, mode=mode)
        add(f"opset {opset} {mode} down", image, (1, 1, 0.6, 0.5), opset=opset, mode=mode)
    add("size by a rounded product", (1, 2, 6, 6), (1, 1, 5 / 6, 5 / 6), opset=19, mode="linear", coordinate_transformation_mode="asymmetric")
    transformations = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric")
    for transformation, mode in itertools.product(transformations, ("nearest", "linear", "cubic")):
        for scales in ((1, 1, 2, 3), (1, 1, 0.6, 0.75), (1, 1, 1.7, 2.3)):
            add(
                f"{transformation} {mode} {list(scales)}",
                image,
                scales,
                opset=19,
                mode=mode,
                coordinate_transformation_mode=transformation,
            )
        add(
            f"{transformation} {mode} sizes",
            image,
            sizes=(1, 2, 7, 3),
            opset=19,
            mode=mode,
            coordinate_transformation_mode=transformation,
        )
    for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        for scales in ((1, 1, 2, 2), (1, 1, 0.5, 0.5), (1, 1, 1.5, 2.5)):
            add(f"{rounding} {list(scales)}", image, scales, nearest_mode=rounding)
    for coefficient, outside in itertools.product((-0.5, -0.75), (0, 1)):
        add(
            f"cubic {coefficient} exclude {outside}",
            image,
            (1, 1, 2, 0.8),
            mode="cubic",
            cubic_coeff_a=coefficient,
            exclude_outside=outside,
        )
    for mode in ("linear", "cubic"):
        add(f"antialias {mode}", (1, 2, 12, 9), (1, 1, 0.5, 0.4), opset=18, mode=mode, antialias=1)
    add(
        "crop",
        (1, 1, 6, 6),
        sizes=(1, 1, 4, 5),
        roi=[0, 0, 0.2, 0.1, 1, 1, 0.8, 0.9],
        mode="linear",
        coordinate_transformation_mode="tf_crop_and_resize",
    )
    add(
        "crop beyond the image",
        (1, 1, 6, 6),
        sizes=(1, 1, 4, 5),
        roi=[0, 0, -0.2, 0.1, 1, 1, 1.3, 0.9],
        mode="linear",
        coordinate_transformation_mode="tf_crop_and_resize",
        extrapolation_value=7.0,
    )
    add("one dimension", (1, 2, 9), (1, 1, 1.5), mode="linear")
    add("three dimensions", (1, 2, 3, 4, 5), (1, 1, 2, 1.5, 2), mode="linear")
    add("channels last", (1, 5, 4, 2), (1, 2, 2, 1), mode="linear")
    add("to size one", image, sizes=(1, 2, 1, 1), mode="linear")
    add("from size one", (1, 2, 1, 1), sizes=(1, 2, 4, 3), mode="linear")
    for policy in ("stretch", "not_larger", "not_smaller"):
        add(f"{policy}", image, sizes=(7, 9), axes=(2, 3), opset=18, keep_aspect_ratio_policy=policy)
    for dtype in (F16, F64, np.int8, np.uint8, np.int32):
        add(f"{np.dtype(dtype).name} nearest", image, (1, 1, 2, 2), dtype=dtype)
    for dtype in (F16, F64):
        add(f"{np.dtype(dtype).name} linear", image, (1, 1, 2, 2), dtype=dtype, mode="linear")
    return cases


def blocks(op):
    cases = []
    for dims, block in (
        ((1, 8, 2, 3), 2),
        ((2, 9, 3, 3), 3),
        ((1, 4, 4, 6), 2),
        ((2, 4, 2, 2), 1),
        ((0, 4, 2, 2), 2),
        ((1, 16, 8, 4), 4),
    ):
        shape = dims if op == "DepthToSpace" else (dims[0], 3, dims[2] * block, dims[3] * block)
        for mode, opset in (
            ((None, 7), ("DCR", 11), ("CRD", 13)) if op == "DepthToSpace" else ((None, 7), (None, 13), (None, NEWEST - 1))
        ):
            cases.append(
                Case(
                    op,
                    f"{list(shape)} block {block} mode {mode} opset {opset}",
                    [any_bits(F32, shape, op)],
                    {"blocksize": block, **({} if mode is None else {"mode": mode})},
                    opset,
                )
            )
    if op == "SpaceToDepth":
        cases += [
            Case(
                op,
                f"opset 28 mode {mode}",
                [any_bits(F32, (2, 3, 4, 6), op)],
                {"blocksize": 2, "mode": mode},
                28,
                oracle="reference",
            )
            for mode in ("DCR", "CRD")
        ]
    for dtype in ALL:
        array = any_bits(dtype, (1, 8, 4, 4), op)
        cases.append(
            Case(op, np.dtype(dtype).name, [array], {"blocksize": 2}, 13, "ieee")
        )  # onnxruntime takes FLOAT16 through FP32
    cases.append(
        Case(op, "block does not divide", [any_bits(F32, (1, 3, 3, 3), op)], {"blocksize": 2}, 13, kind="load_error")
    )
    return cases


def einsum():
    cases = []
    plans = (
        ("ij,jk->ik", (3, 4), (4, 5)),
        ("ij,jk", (3, 4), (4, 5)),
        ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
        ("ij->ji", (3, 4)),
        ("ij->", (3, 4)),
        ("ij->j", (3, 4)),
        ("ii->i", (4, 4)),
        ("ii", (4, 4)),
        ("i,i->", (5,), (5,)),
        ("i,j->ij", (3,), (4,)),
        ("bhid,bhjd->bhij", (2, 3, 4, 5), (2, 3, 6, 5)),
        ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5)),
        ("...ij,jk->...ik", (2, 2, 3, 4), (4, 5)),
        ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
        ("bijc,kc->bijk", (2, 3, 4, 5), (6, 5)),
        ("ij , jk -> ik", (3, 4), (4, 5)),
        ("i...->...i", (3, 4, 5)),
        ("ij,ij->ij", (3, 4), (3, 4)),
        ("ibd,jbd->bij", (4, 2, 3), (5, 2, 3)),
        ("Ab,bA->A", (3, 4), (4, 3)),
        ("ij,j->i", (0, 4), (4,)),
        (",ij->ij", (), (2, 3)),
    )
    for equation, *shapes in plans:
        for dtype in (F32, F64) + ((F16,) if len(shapes) < 3 else ()):
            arrays = [values(dtype, shape, "einsum", i) for i, shape in enumerate(shapes)]
            terms = int(np.prod([max(size, 1) for shape in shapes for size in shape]))
            case = linear(
                Case(
                    "Einsum",
                    f"{np.dtype(dtype).name} {equation}",
                    arrays,
                    {"equation": equation},
                    (12, NEWEST - 1)[dtype == F32],
                ),
                min(terms, 200),
            )
            case.exact = lambda inputs, e=equation: np.einsum(e.replace(" ", ""), *(x.astype(F64) for x in inputs))
            cases.append(case)
    for dtype in (np.int32, np.int64):
        cases.append(
            Case(
                "Einsum",
                np.dtype(dtype).name,
                [values(dtype, (3, 4), "einsum"), values(dtype, (4, 5), "einsum")],
                {"equation": "ij,jk->ik"},
                12,
            )
        )
    cases.append(
        Case(
            "Einsum",
            "sizes differ",
            [values(F32, (3, 4), "einsum"), values(F32, (5, 6), "einsum")],
            {"equation": "ij,jk->ik"},
            kind="load_error",
        )
    )
    return cases


QUANTISED = (np.int8, np.uint8, np.int16, np.uint16)


def quantise():
    cases = []
    extremes = np.array(
        [0, -0.0, 0.25, 0.5, 0.75, 1.25, -0.25, -0.5, -0.75, 63.5, 64, -64, -64.25, 127.75, 1e9, -1e9, INF, -INF], F32
    )
    for dtype in QUANTISED:
        zeros = (0, 3) if np.issubdtype(dtype, np.unsignedinteger) else (0, -3)
        for zero, opset in itertools.product(zeros, (10, 13, 19, 21, 23, NEWEST - 1)):
            if np.dtype(dtype).itemsize == 2 and opset < 21:
                continue
            inputs = [
                np.concatenate([extremes, values(F32, (50,), "quantise", low=-80, high=80)]),
                Const(np.array(0.5, F32)),
                Const(np.array(zero, dtype)),
            ]
            cases.append(Case("QuantizeLinear", f"{np.dtype(dtype).name} zero {zero} opset {opset}", inputs, opset=opset))
        scales = np.array([0.5, 0.25, 1], F32)
        for axis in (1, -2, 0):
            dims = (3, 3, 7)
            inputs = [values(F32, dims, "quantise", low=-60, high=60), Const(scales), Const(np.array([0, 1, 2], dtype))]
            cases.append(Case("QuantizeLinear", f"{np.dtype(dtype).name} axis {axis}", inputs, {"axis": axis}, 21))
        blocked = np.array([[0.5, 0.25, 1, 2]] * 2, F32)
        inputs = [values(F32, (2, 7), "quantise", low=-60, high=60), Const(blocked), Const(np.ones((2, 4), dtype))]
        cases.append(Case("QuantizeLinear", f"{np.dtype(dtype).name} blocks", inputs, {"axis": 1, "block_size": 2}, 21))
        cases.append(
            Case(
                "QuantizeLinear",
                f"{np.dtype(dtype).name} output_dtype",
                [values(F32, (20,), "quantise"), Const(np.array(0.5, F32))],
                {"output_dtype": int({np.int8: 3, np.uint8: 2, np.int16: 5, np.uint16: 4}[dtype])},
                21,
            )
        )
    cases.append(Case("QuantizeLinear", "no zero point", [values(F32, (20,), "quantise"), Const(np.array(0.5, F32))]))
    cases.append(
        Case(
            "QuantizeLinear",
            "float16",
            [values(F16, (40,), "quantise"), Const(np.array(0.25, F16)), Const(np.array(1, np.int8))],
            opset=21,
        )
    )
    for scale in (4, 3):
        cases.append(
            Case(
                "QuantizeLinear",
                f"int32 by {scale}",
                [values(np.int32, (60,), "quantise") * 7, Const(np.array(scale, np.int32)), Const(np.array(-1, np.int8))],
                opset=23,
                oracle="reference",
                reason="onnxruntime has no kernel for INT32",
            )
        )
    third = [values(F32, (200,), "quantise", low=-30, high=30), Const(np.array(0.1, F32)), Const(np.array(0, np.int8))]
    cases.append(
        Case(
            "QuantizeLinear",
            "precision FLOAT16",
            third,
            {"precision": 10},
            23,
            oracle="reference",
            reason="onnxruntime does not know the attribute",
        )
    )
    return cases


def dequantise():
    cases = []
    for dtype in QUANTISED + (np.int32,):
        for opset in (10, 13, 19, 21, 23, NEWEST - 1):
            if np.dtype(dtype).itemsize == 2 and opset < 21:
                continue
            inputs = [any_bits(dtype, (3, 20), "dequantise"), Const(np.array(0.3, F32))]
            inputs += [] if dtype == np.int32 else [Const(np.array(5, dtype))]
            cases.append(Case("DequantizeLinear", f"{np.dtype(dtype).name} opset {opset}", inputs, opset=opset))
        scales = np.array([0.5, 0.3, 1], F32)
        for axis in (1, -2, 0):
            inputs = [any_bits(dtype, (3, 3, 7), "dequantise"), Const(scales)] + (
                [] if dtype == np.int32 else [Const(np.array([0, 1, 2], dtype))]
            )
            cases.append(Case("DequantizeLinear", f"{np.dtype(dtype).name} axis {axis}", inputs, {"axis": axis}, 21))
        if dtype != np.int32:
            inputs = [
                any_bits(dtype, (2, 7), "dequantise"),
                Const(np.array([[0.5, 0.3, 1, 2]] * 2, F32)),
                Const(np.ones((2, 4), dtype)),
            ]
            cases.append(
                Case("DequantizeLinear", f"{np.dtype(dtype).name} blocks", inputs, {"axis": 1, "block_size": 2}, 21)
            )
    for dtype in QUANTISED:
        cases.append(
            Case(
                "DequantizeLinear",
                f"{np.dtype(dtype).name} to float16",
                [any_bits(dtype, (40,), "dequantise"), Const(np.array(0.3, F16)), Const(np.array(1, dtype))],
                opset=21,
                check="tol",
                tolerance=ulps(1),
            )
        )
    return cases


def table():
    """Operator -> its cases."""
    return {
        "Pad": pad(),
        "Resize": resize(),
        "DepthToSpace": blocks("DepthToSpace"),
        "SpaceToDepth": blocks("SpaceToDepth"),
        "Einsum": einsum(),
        "QuantizeLinear": quantise(),
        "DequantizeLinear": dequantise(),
    }
