# SPDX-License-Identifier: Apache-2.0
"""Cases of Conv, ConvTranspose and the pools, in one to three dimensions.

A FLOAT convolution is a chain of fused multiply-adds over K = channels times kernel positions, in an order of its own:
the bound of a product with K terms (see cases_math), with the magnitudes of |x| and |w|.
"""

import numpy as np

from case import F16, F32, F64, FLOATS, INF, NAN, NEWEST, Case, Const, linear, ulps, values

SIZES = {1: (9,), 2: (7, 6), 3: (5, 5, 6)}
KERNELS = {1: (3,), 2: (3, 2), 3: (2, 3, 2)}


def positions(kernel, strides, dilations, counts):
    """For each kernel position: itself, and the slices that it sees of a padded image, one step for each result."""
    for at in np.ndindex(*kernel):
        yield at, tuple(slice(a * d, a * d + s * (n - 1) + 1, s) for a, d, s, n in zip(at, dilations, strides, counts))


def conv64(attrs, transposed):
    """The convolution in float64, for explicit pads."""

    def exact(inputs):
        x, w = (array.astype(F64) for array in inputs[:2])
        kernel, rank, group = w.shape[2:], w.ndim - 2, attrs.get("group", 1)
        strides, dilations = attrs.get("strides", [1] * rank), attrs.get("dilations", [1] * rank)
        pads, more = attrs.get("pads", [0] * (2 * rank)), attrs.get("output_padding", [0] * rank)
        first, last = pads[:rank], pads[rank:]
        reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel)]
        parts = x.reshape(x.shape[0], group, -1, *x.shape[2:])
        if transposed:
            weights = w.reshape(group, -1, *w.shape[1:])
            whole = [s * (n - 1) + r + m for s, n, r, m in zip(strides, x.shape[2:], reach, more)]
            y = np.zeros((x.shape[0], group, w.shape[1], *whole))
            for at, seen in positions(kernel, strides, dilations, x.shape[2:]):
                y[(..., *seen)] += np.einsum("ngc...,gcm->ngm...", parts, weights[(..., *at)])
            y = y[(..., *(slice(a, n - b) for a, b, n in zip(first, last, whole)))]
        else:
            weights = w.reshape(group, -1, *w.shape[1:])
            padded = np.pad(parts, [(0, 0)] * 3 + list(zip(first, last)))
            counts = [(n - r) // s + 1 for n, r, s in zip(padded.shape[3:], reach, strides)]
            y = np.zeros((x.shape[0], group, weights.shape[1], *counts))
            for at, seen in positions(kernel, strides, dilations, counts):
                y += np.einsum("ngc...,gmc->ngm...", padded[(..., *seen)], weights[(..., *at)])
        y = y.reshape(x.shape[0], -1, *y.shape[3:])
        return y + inputs[2].astype(F64).reshape(-1, *[1] * rank) if len(inputs) > 2 else y

    return exact


def convolution(op):
    cases = []
    transposed = op == "ConvTranspose"

    def add(
        label,
        rank=2,
        batch=2,
        channels=4,
        out=6,
        group=1,
        bias=True,
        dtype=F32,
        opset=NEWEST,
        constant=True,
        sizes=None,
        kernel=None,
        exact=True,
        x=None,
        **attrs,
    ):
        sizes, kernel = sizes or SIZES[rank], kernel or KERNELS[rank]
        weights = (channels, out // group, *kernel) if transposed else (out, channels // group, *kernel)
        arrays = [values(dtype, (batch, channels, *sizes), op) if x is None else x, values(dtype, weights, op, 1)]
        arrays += [values(dtype, (out,), op, 2)] if bias else []
        inputs = [arrays[0], *(Const(array) if constant else array for array in arrays[1:])]
        attrs.update({"group": group} if group != 1 else {})
        case = linear(Case(op, label, inputs, attrs, opset), channels // group * int(np.prod(kernel)) + 1)
        case.exact = conv64(attrs, transposed) if exact else None
        cases.append(case)

    for rank in (1, 2, 3):
        two, pads = [2] * rank, [1] * (2 * rank)
        for opset in (7, 11, NEWEST):
            add(f"rank {rank} opset {opset}", rank, opset=opset)
        add(f"rank {rank} no bias, weights at run time", rank, bias=False, constant=False)
        add(f"rank {rank} strides", rank, strides=two)
        add(f"rank {rank} dilations", rank, dilations=two)
        add(f"rank {rank} pads", rank, pads=pads)
        add(
            f"rank {rank} unequal pads and strides",
            rank,
            pads=list(range(rank)) + [1] * rank,
            strides=[1 + i for i in range(rank)],
        )
        add(f"rank {rank} strides and dilations and pads", rank, strides=two, dilations=two, pads=pads)
        add(f"rank {rank} groups", rank, group=2)
        add(f"rank {rank} groups, weights at run time", rank, group=2, constant=False, pads=pads)
        add(f"rank {rank} depthwise", rank, channels=6, group=6, pads=pads)
        add(f"rank {rank} depthwise times two", rank, channels=3, group=3, out=6)
        add(f"rank {rank} depthwise of 32 channels", rank, channels=32, group=32, out=32, pads=pads, strides=two)
        add(f"rank {rank} kernel of one", rank, kernel=(1,) * rank)
        add(f"rank {rank} kernel of one with stride", rank, kernel=(1,) * rank, strides=two)
        add(f"rank {rank} whole kernel", rank, kernel=SIZES[rank])
        add(f"rank {rank} one channel", rank, channels=1, out=1)
        add(f"rank {rank} 33 channels to 17", rank, batch=1, channels=33, out=17, pads=pads)
        for kind in ("SAME_UPPER", "SAME_LOWER", "VALID"):
            add(f"rank {rank} {kind}", rank, auto_pad=kind, exact=False)
            add(f"rank {rank} {kind} strides", rank, auto_pad=kind, strides=two, exact=False)
        for dtype in (F64, F16):
            add(f"rank {rank} {np.dtype(dtype).name}", rank, dtype=dtype, pads=pads)
            add(f"rank {rank} {np.dtype(dtype).name} groups strides", rank, dtype=dtype, group=2, strides=two)
        if transposed:
            add(f"rank {rank} output padding", rank, strides=[3] * rank, output_padding=[1] * rank)
            add(f"rank {rank} stride is the kernel", rank, kernel=(2,) * rank, strides=two)
            add(f"rank {rank} stride beyond the kernel", rank, kernel=(2,) * rank, strides=[3] * rank)
            add(
                f"rank {rank} output shape",
                rank,
                strides=two,
                output_shape=[2 * size + 1 for size in SIZES[rank]],
                exact=False,
            )
            add(
                f"rank {rank} output shape, SAME_UPPER",
                rank,
                strides=two,
                output_shape=[2 * size for size in SIZES[rank]],
                auto_pad="SAME_UPPER",
                exact=False,
            )
            add(
                f"rank {rank} output shape, SAME_LOWER",
                rank,
                strides=two,
                output_shape=[2 * size - 1 for size in SIZES[rank]],
                auto_pad="SAME_LOWER",
                exact=False,
            )
    add("no images", batch=0, exact=False)
    add("size of one", sizes=(1, 1), kernel=(3, 3), pads=[1, 1, 1, 1])
    add("an axis of one", sizes=(1, 9), kernel=(1, 3), pads=[0, 1, 0, 1])
    spoiled = values(F32, (1, 2, 6, 6), op, "NaN")
    spoiled[0, 1, 2, 3], spoiled[0, 0, 5, 5] = NAN, INF
    add("NaN and infinity stay in their windows", batch=1, channels=2, x=spoiled, exact=False)
    cases.append(
        Case(op, "channels differ", [values(F32, (1, 3, 5, 5), op), values(F32, (4, 2, 3, 3), op)], kind="load_error")
    )
    cases.append(
        Case(
            op,
            "groups do not divide",
            [values(F32, (1, 4, 5, 5), op), values(F32, (4, 2, 3, 3), op)],
            {"group": 3},
            kind="load_error",
        )
    )
    return cases


def max_pool():
    cases = []

    def add(label, dims, kernel, dtype=F32, opset=NEWEST, outputs=1, array=None, **attrs):
        x = values(dtype, dims, "maxpool") if array is None else array
        cases.append(Case("MaxPool", label, [x], {"kernel_shape": list(kernel), **attrs}, opset, "value", outputs=outputs))

    for rank in (1, 2, 3):
        dims, kernel, two = (2, 3, *SIZES[rank]), KERNELS[rank], [2] * rank
        for opset in (7, 8, 10, 11, 12, NEWEST):
            add(f"rank {rank} opset {opset}", dims, kernel, opset=opset)
        for outputs in (1, 2):
            add(f"rank {rank} strides outputs {outputs}", dims, kernel, outputs=outputs, strides=two)
            add(f"rank {rank} pads outputs {outputs}", dims, kernel, outputs=outputs, pads=[1] * (2 * rank))
            add(f"rank {rank} dilations outputs {outputs}", dims, kernel, outputs=outputs, dilations=two)
            add(
                f"rank {rank} ceil outputs {outputs}",
                dims,
                kernel,
                outputs=outputs,
                strides=two,
                ceil_mode=1,
                pads=[1] + [0] * (2 * rank - 1),
            )
        for kind in ("SAME_UPPER", "SAME_LOWER", "VALID"):
            add(f"rank {rank} {kind}", dims, kernel, auto_pad=kind, strides=two)
        for dtype in (F64, F16, np.int8, np.uint8):
            add(
                f"rank {rank} {np.dtype(dtype).name}",
                dims,
                kernel,
                dtype,
                12,
                outputs=1 if dtype == F16 else 2,
                strides=two,
                pads=[1] * (2 * rank),
            )
    add("column order", (1, 2, 4, 5), (2, 2), outputs=2, storage_order=1)
    add("all minus infinity", (1, 1, 3, 3), (2, 2), array=np.full((1, 1, 3, 3), -INF, F32))
    add("ties take the first", (1, 1, 4, 4), (2, 2), outputs=2, array=np.ones((1, 1, 4, 4), F32))
    add("no images", (0, 2, 4, 4), (2, 2))
    return cases


def average_pool():
    cases = []

    def add(label, dims, kernel, dtype=F32, opset=NEWEST, exact=True, **attrs):
        case = linear(
            Case("AveragePool", label, [values(dtype, dims, "averagepool")], {"kernel_shape": list(kernel), **attrs}, opset),
            int(np.prod(kernel)),
            1,
        )
        if not exact:
            case.exact = None
        cases.append(case)

    for rank in (1, 2, 3):
        dims, kernel, two = (2, 3, *SIZES[rank]), KERNELS[rank], [2] * rank
        for opset in (7, 10, 11, 19, 22, NEWEST):
            add(f"rank {rank} opset {opset}", dims, kernel, opset=opset)
        for include in (0, 1):
            for ceil in (0, 1):
                add(
                    f"rank {rank} pads include {include} ceil {ceil}",
                    dims,
                    kernel,
                    exact=False,
                    strides=two,
                    pads=[1] * (2 * rank),
                    count_include_pad=include,
                    ceil_mode=ceil,
                )
        add(f"rank {rank} dilations", dims, kernel, dilations=two)
        for kind in ("SAME_UPPER", "SAME_LOWER", "VALID"):
            add(f"rank {rank} {kind}", dims, kernel, exact=False, auto_pad=kind, strides=two)
        for dtype in (F64, F16):
            add(f"rank {rank} {np.dtype(dtype).name}", dims, kernel, dtype, strides=two)
    add("no images", (0, 2, 4, 4), (2, 2), exact=False)
    return cases


def global_pool(op):
    cases = []
    for index, dims in enumerate(
        ((2, 3, 9), (1, 4, 5, 6), (2, 3, 2, 3, 4), (1, 1, 1), (2, 5, 1, 1), (1, 2, 33, 17), (0, 2, 3, 3))
    ):
        for dtype in FLOATS:
            for opset in (7, NEWEST):
                case = Case(
                    op,
                    f"{np.dtype(dtype).name} {list(dims)} opset {opset}",
                    [values(dtype, dims, op)],
                    opset=opset,
                    check="value",
                )
                axes = tuple(range(2, len(dims)))
                if op == "GlobalAveragePool":
                    linear(case, int(np.prod(dims[2:])), 1)
                    case.exact = lambda inputs, axes=axes: inputs[0].astype(F64).mean(axes, keepdims=True)
                else:
                    case.exact, case.exact_tolerance = lambda inputs, axes=axes: inputs[0].astype(F64).max(
                        axes, keepdims=True
                    ), ulps(0)
                cases.append(case)
    return cases


def table():
    """Operator -> its cases."""
    return {
        "Conv": convolution("Conv"),
        "ConvTranspose": convolution("ConvTranspose"),
        "MaxPool": max_pool(),
        "AveragePool": average_pool(),
        "GlobalAveragePool": global_pool("GlobalAveragePool"),
        "GlobalMaxPool": global_pool("GlobalMaxPool"),
    }
