# SPDX-License-Identifier: Apache-2.0
"""Cases of operators that choose, place and sample elements, and of normalisations without weights."""

import itertools

import numpy as np

from case import F16, F32, F64, FLOATS, NEWEST, Case, Const, any_bits, elem_type, rng_of, ulps, values

LAST = NEWEST - 1


def name(dtype):
    return np.dtype(dtype).name


def dropout():
    cases = []
    for dtype, opset, dims in itertools.product(FLOATS, (7, 10, 12, 13, 22), ((), (7,), (2, 3, 4))):
        if dtype == F64 and opset < 10:
            continue
        cases.append(Case("Dropout", f"{name(dtype)} opset {opset} {dims}", [any_bits(dtype, dims, "dropout")], {"ratio": 0.3} if opset < 12 else {}, opset, "ieee"))
    for opset in (12, 13, 22):  # before, onnxruntime leaves the mask false
        inputs = [values(F32, (3, 4), "dropout"), Const(np.array(0.4, F32)), Const(np.array(False))]
        cases.append(Case("Dropout", f"mask opset {opset}", inputs, {}, opset, "value", outputs=2))
    cases.append(Case("Dropout", "ratio alone", [values(F32, (3, 4), "dropout"), Const(np.array(0.4, F32))], {"seed": 3}, 13))
    return cases


def cast_like():
    cases = []
    for source, target in itertools.product((F32, F16, F64, np.int8, np.uint8, np.int32, np.int64, np.bool_), (F32, F16, F64, np.int32, np.uint8, np.bool_)):
        inputs = [values(source, (3, 5), "like", low=0, high=9), values(target, (2,), "like")]
        cases.append(Case("CastLike", f"{name(source)} to {name(target)}", inputs, opset=15 if source == F32 else 19))
    return cases


def one_hot():
    cases = []
    for index, value in itertools.product((np.int64, np.int32, F32), (F32, np.int64, np.int32)):
        for axis in (-1, 0, 1):
            indices = rng_of("hot", axis).randint(-6, 8, (3, 4)).astype(index)
            for depth in (np.int64, F32):
                inputs = [indices, Const(np.array(6, depth)), Const(np.array([2, 5], value))]
                cases.append(Case("OneHot", f"{name(index)} {name(depth)} {name(value)} axis {axis}", inputs, {"axis": axis}, 11))
    for depth in (np.array([3], np.int64), np.array(5.0, F32), np.array(4, np.int32)):
        cases.append(Case("OneHot", f"depth {name(depth.dtype)}", [np.array([0, 2, 1, 9], np.int64), Const(depth), values(F32, (2,), "hot")], {}, 9 if depth.dtype == F32 else 13))
    cases.append(Case("OneHot", "depth 0", [np.array([1], np.int64), Const(np.array(0, np.int64)), Const(np.array([0, 1], F32))], opset=13, kind="load_error"))
    return cases


def hardmax():
    cases = []
    for dtype, opset in itertools.product((F32, F64), (7, 11, 13, LAST)):
        if dtype == F64 and opset < 13:
            continue  # onnx.reference has the meaning of opset 13 only
        for axis in (0, 1, 2, -1) if opset >= 11 else (0, 1, 2):
            array = np.round(values(dtype, (3, 4, 5), "hardmax", axis))  # with ties
            cases.append(Case("Hardmax", f"{name(dtype)} axis {axis} opset {opset}", [array], {"axis": axis}, opset))
    for dims in ((5,), (1, 9), (64, 3), (2, 3, 4, 5)):
        cases.append(Case("Hardmax", f"shape {dims}", [values(F32, dims, "hardmax")], {"axis": 0}, 13))
    cases.append(Case("Hardmax", "default", [values(F32, (3, 4), "hardmax")]))
    cases.append(Case("Hardmax", "float16", [values(F16, (3, 4), "hardmax")]))
    return cases


def response_in_double(size, alpha=1e-4, beta=0.75, bias=1.0):
    def compute(inputs):
        array = inputs[0].astype(F64)
        channels = array.shape[1]
        sums = [np.square(array[:, max(0, c - (size - 1) // 2):c + size // 2 + 1]).sum(axis=1) for c in range(channels)]
        return array / (bias + alpha / size * np.stack(sums, axis=1)) ** beta
    return compute


def response():
    cases = []

    def add(label, dims, attrs, opset):
        case = Case("LRN", label, [values(F32, dims, "lrn")], attrs, opset, "tol", ulps(16, 1e-7))
        case.exact, case.exact_tolerance = response_in_double(**attrs), ulps(16, 1e-7)
        if attrs["size"] % 2 == 0:
            case.oracle, case.reason = "float64", "onnxruntime takes odd sizes only"
        cases.append(case)

    for opset, size in itertools.product((7, 13), (1, 2, 3, 4, 5, 9)):
        add(f"size {size} opset {opset}", (2, 6, 3, 5), {"size": size, "alpha": 0.1}, opset)
    for attrs in ({"beta": 0.5}, {"bias": 2.0}, {"alpha": 2.0}, {"alpha": 0.3, "beta": 1.25, "bias": 0.5}, {"beta": 1.0}, {"alpha": 1e-3, "beta": 0.25}):
        for dims in ((1, 7, 20, 30), (2, 3, 1, 1)):
            add(f"{attrs} {dims}", dims, {"size": 5, **attrs}, 13)
    return cases


def eye():
    cases = []
    for dims, k in itertools.product(((3, 3), (2, 5), (5, 2)), (0, 1, -1, 3)):
        cases.append(Case("EyeLike", f"{dims} {k}", [values(F32, dims, "eye")], {"k": k}, 9))
    for dtype in (F32, F64, np.int32, np.int64, np.uint64):
        for own in (F32, np.int32):
            cases.append(Case("EyeLike", f"{name(own)} to {name(dtype)}", [values(own, (3, 4), "eye")], {"dtype": elem_type(dtype)}, 9 if own == F32 else 22))
    return cases


def mean_variance():
    cases = []
    for opset, dims in itertools.product((9, 13), ((2, 3, 4, 5), (1, 6, 8, 8), (3, 1, 7, 2))):
        for axes in (None, [0, 1, 2, 3], [2, 3], [0, 2, 3]):
            if axes == [0, 1, 2, 3] or axes is None or axes == [0, 2, 3] or opset == 13:
                case = Case("MeanVarianceNormalization", f"{dims} {axes} opset {opset}", [values(F32, dims, "mvn")], {} if axes is None else {"axes": axes}, opset,
                            "tol", lambda _inputs, expected: np.full(expected.shape, 3e-5))
                cases.append(case)
    return cases


def lp():
    cases = []
    for dtype, p, axis in itertools.product((F32, F64), (1, 2), (0, 1, 2, -1)):
        case = Case("LpNormalization", f"{name(dtype)} p {p} axis {axis}", [values(dtype, (3, 4, 5), "lp")], {"p": p, "axis": axis}, 7, "tol", ulps(8))
        case.exact = lambda inputs, p=p, axis=axis: inputs[0].astype(F64) / np.linalg.norm(inputs[0].astype(F64), p, axis, True)
        case.exact_tolerance = ulps(8)
        cases.append(case)
    for axis in (0, 1):
        array = values(F32, (4, 6), "lp")
        array[:, 2] = 0
        array[1] = 0
        cases.append(Case("LpNormalization", f"zeros axis {axis}", [array], {"axis": axis}, 22, "tol", ulps(8)))
    for length in (1, 17, 400):
        cases.append(Case("LpNormalization", f"length {length}", [values(F32, (2, length), "lp")], {}, 22, "tol", ulps(64)))
    return cases


def grid_sample():
    cases = []
    old = {"linear": "bilinear", "cubic": "bicubic", "nearest": "nearest"}
    far = lambda _inputs, expected: np.full(expected.shape, 2e-5)
    for mode, padding, corners in itertools.product(old, ("zeros", "border", "reflection"), (0, 1)):
        for opset in (16, 20):
            grid = values(F32, (2, 5, 4, 2), "grid", mode, low=-1.6, high=1.6)
            attrs = {"mode": old[mode] if opset < 20 else mode, "padding_mode": padding, "align_corners": corners}
            cases.append(Case("GridSample", f"{mode} {padding} {corners} opset {opset}", [values(F32, (2, 3, 6, 7), "grid"), grid], attrs, opset, "tol", far))
    for mode, padding in itertools.product(("linear", "nearest"), ("zeros", "border", "reflection")):
        grid = values(F32, (1, 3, 4, 5, 3), "grid", low=-1.4, high=1.4)
        cases.append(Case("GridSample", f"volume {mode} {padding}", [values(F32, (1, 2, 4, 5, 6), "grid"), grid], {"mode": mode, "padding_mode": padding}, 20, "tol", far))
    return cases


def reverse():
    cases = []
    for dtype in (F32, F64, np.int32, np.int64, np.uint8, np.bool_, np.int8):
        for batch in (0, 1):
            inputs = [any_bits(dtype, (4, 4, 3), "reverse"), np.array([1, 4, 2, 3], np.int64)]
            cases.append(Case("ReverseSequence", f"{name(dtype)} batch {batch}", inputs, {"batch_axis": batch, "time_axis": 1 - batch}, 10))
    for dims in ((5, 2), (2, 3, 1, 2), (1, 1), (7, 2, 30), (6, 1), (3, 4)):
        cases.append(Case("ReverseSequence", f"{dims}", [any_bits(F32, dims, "reverse"), rng_of("reverse", dims).randint(1, dims[0] + 1, (dims[1],)).astype(np.int64)], {}, 10))
    cases.append(Case("ReverseSequence", "too long", [any_bits(F32, (3, 2), "reverse"), np.array([1, 4], np.int64)], {}, 10, kind="run_error"))
    return cases


def roi_align():
    cases = []
    rois = np.array([[0, 0, 5, 5], [1.5, 2.25, 7, 8.5], [3, 1, 3.5, 1.25], [-2, -1, 12, 11]], F32)
    images = np.array([0, 1, 1, 0], np.int64)
    near = lambda _inputs, expected: np.full(expected.shape, 1e-5)
    for opset, ratio, scale, dims in itertools.product((10, 16), (0, 1, 2), (1.0, 0.5), ((2, 3), (1, 1))):
        attrs = {"output_height": dims[0], "output_width": dims[1], "sampling_ratio": ratio, "spatial_scale": scale}
        cases.append(Case("RoiAlign", f"opset {opset} ratio {ratio} scale {scale} to {dims}", [values(F32, (2, 3, 9, 10), "roi"), rois, images], attrs, opset, "tol", near))
    for mode in ("half_pixel", "output_half_pixel"):
        attrs = {"output_height": 3, "output_width": 3, "sampling_ratio": 2, "coordinate_transformation_mode": mode}
        cases.append(Case("RoiAlign", mode, [values(F32, (2, 3, 9, 10), "roi"), rois, images], attrs, 16, "tol", near))
    return cases


def unpool():
    cases = []
    for opset, (dims, kernel, strides) in itertools.product((9, 11, 22), (((1, 1, 2, 2), [2, 2], [2, 2]), ((2, 3, 3, 4), [2, 2], [2, 2]), ((1, 2, 5), [3], [3]),
                                                                       ((2, 2, 2, 2, 2), [2, 2, 2], [2, 2, 2]), ((1, 2, 3, 3), [3, 2], [3, 2]), ((1, 1, 4, 3), [2, 3], [2, 3]),
                                                                       ((3, 1, 2, 5), [2, 2], [2, 2]))):
        size = int(np.prod(dims[:2]) * np.prod([(n - 1) * s + k for n, k, s in zip(dims[2:], kernel, strides)]))
        indices = rng_of("unpool", dims).permutation(size)[:int(np.prod(dims))].reshape(dims).astype(np.int64)
        cases.append(Case("MaxUnpool", f"{dims} opset {opset}", [values(F32, dims, "unpool"), indices], {"kernel_shape": kernel, "strides": strides}, opset))
    cases.append(Case("MaxUnpool", "beyond", [values(F32, (1, 1, 2), "unpool"), np.array([[[0, 99]]], np.int64)], {"kernel_shape": [2], "strides": [2]}, 11, kind="run_error"))
    return cases


def compress():
    cases = []
    for dtype, axis in itertools.product((F32, F64, np.int32, np.int64, np.uint8, np.bool_), (0, 1, -1, None)):
        length = 60 if axis is None else (3, 4, 5)[axis]
        condition = rng_of("compress", axis).randint(0, 2, (length - (axis == 1),)).astype(np.bool_)
        cases.append(Case("Compress", f"{name(dtype)} axis {axis}", [any_bits(dtype, (3, 4, 5), "compress"), Const(condition)], {} if axis is None else {"axis": axis}, 11 if axis == -1 else 9))
    return cases


def non_zero():
    cases = []
    for dtype, dims in itertools.product((F32, np.int32, np.int64, np.uint8, np.bool_), ((6,), (3, 4), (2, 3, 2), (1, 1))):
        array = (values(dtype, dims, "nonzero") * rng_of("nonzero", dims).randint(0, 2, dims)).astype(dtype)
        cases.append(Case("NonZero", f"{name(dtype)} {dims}", [Const(array)], {}, 9 if dtype == F32 else 13))
    cases.append(Case("NonZero", "negative zero", [Const(np.array([0.0, -0.0, 1.0], F32))], {}, 13))
    return cases


def table():
    """Operator -> its cases."""
    return {"Dropout": dropout(), "CastLike": cast_like(), "OneHot": one_hot(), "Hardmax": hardmax(), "LRN": response(), "EyeLike": eye(),
            "MeanVarianceNormalization": mean_variance(), "LpNormalization": lp(), "GridSample": grid_sample(), "ReverseSequence": reverse(), "RoiAlign": roi_align(),
            "MaxUnpool": unpool(), "Compress": compress(), "NonZero": non_zero()}
