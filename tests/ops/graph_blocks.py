# SPDX-License-Identifier: Apache-2.0
"""The blocks of random networks (graphs.py): each takes the builder and a tensor, and gives what it made."""

import math

import numpy as np

F32, I64 = np.float32, np.int64


def ints(g, *numbers):
    return g.constant(np.array(numbers, I64))


def scalar(g, number, dims=()):
    return g.constant(np.full(dims, number, F32))


def divisor(g, size):
    return g.pick([d for d in range(1, size + 1) if size % d == 0])


def spatial(g, x):
    """Number of spatial axes, or a tensor of another rank is refused by the inference that follows."""
    return max(len(x.dims) - 2, 1)


def window(g, x):
    """kernel, strides, pads and dilations that mostly fit."""
    n = spatial(g, x)
    kernel = [g.pick([1, 1, 2, 3, 3]) for _ in range(n)]
    attrs = {"kernel_shape": kernel}
    if g.number(0, 1):
        attrs["strides"] = [g.number(1, 2) for _ in range(n)]
    if g.number(0, 2):
        attrs["pads"] = [g.number(0, k - 1) for k in kernel * 2]
    return attrs


def shaped_like_image(x):
    return 3 <= len(x.dims) <= 5


def conv(g, x):
    if not shaped_like_image(x):
        return matmul(g, x)
    attrs = window(g, x)
    channels = x.dims[1]
    group = g.pick([1, 1, divisor(g, channels), channels])
    out = group * g.number(1, max(1, 16 // group))
    if g.number(0, 2) == 0:
        attrs["dilations"] = [g.number(1, 2) for _ in attrs["kernel_shape"]]
    if not fits(x, attrs):
        return activation(g, x)
    scale = 1 / math.sqrt(channels // group * math.prod(attrs["kernel_shape"]))
    inputs = [x, g.weights(out, channels // group, *attrs["kernel_shape"], low=-2 * scale, high=2 * scale)]
    inputs += [g.weights(out)] if g.number(0, 1) else []
    return g.node("Conv", inputs, group=group, **attrs)


def conv_transpose(g, x):
    if not shaped_like_image(x):
        return matmul(g, x)
    attrs = window(g, x)
    channels = x.dims[1]
    group = g.pick([1, 1, divisor(g, channels)])
    scale = 1 / math.sqrt(channels // group)
    per_group = g.number(1, max(1, 12 // group))
    inputs = [x, g.weights(channels, per_group, *attrs["kernel_shape"], low=-scale, high=scale)]
    inputs += [g.weights(group * per_group)] if g.number(0, 1) else []
    return g.node("ConvTranspose", inputs, group=group, **attrs)


def fits(x, attrs):
    """onnxruntime makes empty results of windows that do not fit; here nothing should be empty."""
    n = len(attrs["kernel_shape"])
    pads, dilations = attrs.get("pads", [0] * (2 * n)), attrs.get("dilations", [1] * n)
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, attrs["kernel_shape"])]
    return len(x.dims) == n + 2 and all(size + a + b >= r for size, a, b, r in zip(x.dims[2:], pads, pads[n:], reach))


def pool(g, x):
    attrs = window(g, x)
    op = g.pick(["MaxPool", "AveragePool"])
    if not shaped_like_image(x) or not fits(x, attrs):
        return activation(g, x)
    if op == "AveragePool":
        attrs["count_include_pad"] = g.number(0, 1)
    return g.node(op, [x], **attrs)


def global_pool(g, x):
    if not shaped_like_image(x):
        return activation(g, x)
    return g.node(g.pick(["GlobalAveragePool", "GlobalMaxPool"]), [x])


def batch_norm(g, x):
    if len(x.dims) < 2:
        return activation(g, x)
    c = x.dims[1]
    return g.node("BatchNormalization", [x, g.weights(c), g.weights(c), g.weights(c), g.weights(c, low=0.2, high=2.0)])


def instance_norm(g, x):
    if not shaped_like_image(x):
        return layer_norm(g, x)
    return g.node("InstanceNormalization", [x, g.weights(x.dims[1]), g.weights(x.dims[1])], epsilon=0.01)


def simple_activation(g, x):
    op = g.pick(["Relu", "Relu", "Sigmoid", "Tanh", "HardSigmoid", "LeakyRelu", "Elu", "Clip", "Softplus", "Abs", "Neg"])
    if op == "Clip":
        return clip(g, x, g.pick([-1.0, 0.0]), g.pick([1.0, 6.0]))
    attrs = {
        "LeakyRelu": {"alpha": 0.2},
        "Elu": {"alpha": 0.7},
        "HardSigmoid": g.pick([{}, {"alpha": 1 / 6, "beta": 0.5}]),
    }.get(op, {})
    return g.node(op, [x], **attrs)


def clip(g, x, low, high):
    if g.opset < 11:
        return g.node("Clip", [x], min=low, max=high)
    return g.node("Clip", [x, scalar(g, low), scalar(g, high)])


def prelu(g, x):
    if len(x.dims) < 2:
        return simple_activation(g, x)
    return g.node("PRelu", [x, g.weights(x.dims[1], *[1] * (len(x.dims) - 2))])


def swish(g, x):
    gate = g.node(g.pick(["Sigmoid", "HardSigmoid"]), [x])
    return g.node("Mul", g.pick([[x, gate], [gate, x]]))


def hard_swish(g, x):
    raised = g.node("Add", [x, scalar(g, 3)])
    cut = clip(g, raised, 0.0, 6.0)
    return g.node("Div", [g.node("Mul", [x, cut]), scalar(g, 6)])


def gelu(g, x):
    if g.opset < 9:
        return hard_swish(g, x)
    inner = g.node("Erf", [g.node("Div", [x, scalar(g, math.sqrt(2))])])
    raised = g.node("Add", [inner, scalar(g, 1)])
    return g.node("Mul", [g.node("Mul", [x, raised]), scalar(g, 0.5)])


def mish(g, x):
    return g.node("Mul", [x, g.node("Tanh", [g.node("Softplus", [x])])])


def activation(g, x):
    return g.pick([simple_activation, simple_activation, swish, hard_swish, gelu, mish, prelu])(g, x)


def by_constant(g, x):
    """Arithmetic with one number, by channel, along another axis, or with a whole tensor."""
    rank = len(x.dims)
    axis = g.number(0, max(rank - 1, 0))
    one_axis = [size if i == axis else 1 for i, size in enumerate(x.dims)]
    by_channel = [x.dims[1], *[1] * (rank - 2)] if rank >= 2 else [1]
    dims = g.pick([(), (1,), by_channel, by_channel, [1, *by_channel][:rank], one_axis, x.dims])
    op = g.pick(["Add", "Mul", "Sub", "Div"])
    other = g.weights(*dims, low=0.5, high=2.0)
    return g.node(op, [x, other] if g.number(0, 2) or op == "Div" else [other, x])


def residual(g, x):
    same = [other for other in g.tensors if other.dims == x.dims and other is not x]
    if not same:
        other = g.node("Relu", [x])
        return g.node("Add", [x, other])
    return g.node(g.pick(["Add", "Add", "Mul", "Sub", "Max"]), [x, g.pick(same)])


def broadcast(g, x):
    """Two tensors whose shapes go together, whatever they are."""

    def fit(other):
        return other is not x and all(a == b or 1 in (a, b) for a, b in zip(reversed(x.dims), reversed(other.dims)))

    others = [other for other in g.tensors if fit(other)]
    ops = ["Add", "Mul", "Min"] if g.opset >= 8 else ["Add", "Mul"]
    return g.node(g.pick(ops), [x, g.pick(others)]) if others else by_constant(g, x)


def squeeze_and_excite(g, x):
    if not shaped_like_image(x):
        return by_constant(g, x)
    axes = list(range(2, len(x.dims)))
    mean = reduce_over(g, x, "ReduceMean", axes, 1) if g.number(0, 1) else g.node("GlobalAveragePool", [x])
    c, few = x.dims[1], g.number(1, 4)
    ones = [1] * (len(x.dims) - 2)
    small = g.node("Relu", [g.node("Conv", [mean, g.weights(few, c, *ones), g.weights(few)])])
    gate = g.node(g.pick(["Sigmoid", "HardSigmoid"]), [g.node("Conv", [small, g.weights(c, few, *ones), g.weights(c)])])
    return g.node("Mul", [x, gate])


def reduce_over(g, x, op, axes, keep):
    since = 13 if op == "ReduceSum" else 18
    if g.opset >= since:
        return g.node(op, [x, ints(g, *axes)], keepdims=keep)
    return g.node(op, [x], axes=list(axes), keepdims=keep)


def reduce(g, x):
    if not x.dims:
        return simple_activation(g, x)
    axes = sorted({g.number(0, len(x.dims) - 1) for _ in range(g.number(1, 2))})
    return reduce_over(
        g, x, g.pick(["ReduceMean", "ReduceMean", "ReduceMax", "ReduceSum"]), negative_too(g, axes, x), g.number(0, 1)
    )


def negative_too(g, axes, x):
    return axes if g.opset < 11 else g.pick([axes, [axis - len(x.dims) for axis in axes]])


def concat(g, x):
    if not x.dims:
        return simple_activation(g, x)
    axis = g.number(0, len(x.dims) - 1)

    def fit(other):
        return len(other.dims) == len(x.dims) and all(
            a == b for i, (a, b) in enumerate(zip(x.dims, other.dims)) if i != axis
        )

    others = [g.pick([other for other in g.tensors if fit(other)]) for _ in range(g.number(1, 2))]
    return g.node("Concat", [x, *others], axis=negative_too(g, [axis], x)[0])


def split(g, x):
    axes = [i for i, size in enumerate(x.dims) if size > 1]
    if not axes:
        return activation(g, x)
    axis = g.pick(axes)
    first = g.number(1, x.dims[axis] - 1)
    sizes = [first, x.dims[axis] - first]
    if g.opset >= 13:
        return g.node("Split", [x, ints(g, *sizes)], 2, axis=axis)
    return g.node("Split", [x], 2, axis=axis, split=sizes)


def pad(g, x):
    if not x.dims:
        return simple_activation(g, x)
    mode = g.pick(["constant", "edge", "reflect"])
    pads = [min(g.pick([0, 0, 1, 2]), size - 1 if mode == "reflect" else 2) for size in x.dims * 2]
    if g.opset < 11:
        return g.node("Pad", [x], mode=mode, pads=pads)
    inputs = [x, ints(g, *pads)] + ([scalar(g, 0.5)] if mode == "constant" and g.number(0, 1) else [])
    return g.node("Pad", inputs, mode=mode)


def resize(g, x):
    if not shaped_like_image(x):
        return activation(g, x)
    if g.opset < 11:
        return upsample(g, x)
    scales = [1.0, 1.0] + [g.pick([1.0, 2.0, 2.0, 3.0]) for _ in x.dims[2:]]
    roi = g.constant(np.zeros(0, F32)) if g.opset < 13 else ""
    mode = g.pick(["nearest", "linear"])
    kind = g.pick(["asymmetric", "half_pixel", "align_corners"])
    extra = {"nearest_mode": "floor"} if mode == "nearest" else {}
    return g.node(
        "Resize", [x, roi, g.constant(np.array(scales, F32))], mode=mode, coordinate_transformation_mode=kind, **extra
    )


def upsample(g, x):
    scales = [1.0, 1.0] + [g.pick([1.0, 2.0]) for _ in x.dims[2:]]
    if g.opset < 9:
        return g.node("Upsample", [x], mode="nearest", scales=scales)
    return g.node("Upsample", [x, g.constant(np.array(scales, F32))], mode="nearest")


def softmax(g, x):
    if not x.dims:
        return simple_activation(g, x)
    axis = g.number(-len(x.dims), len(x.dims) - 1) if g.opset >= 11 else g.number(0, len(x.dims) - 1)
    is_default = axis == (-1 if g.opset >= 13 else 1)
    return g.node(g.pick(["Softmax", "Softmax", "LogSoftmax"]), [x], **({} if is_default else {"axis": axis}))


def spelled_softmax(g, x):
    if not x.dims or g.opset < 13:
        return softmax(g, x)
    axis = g.number(0, len(x.dims) - 1)
    shifted = g.node("Sub", [x, reduce_over(g, x, "ReduceMax", [axis], 1)])
    powers = g.node("Exp", [shifted])
    return g.node("Div", [powers, reduce_over(g, powers, "ReduceSum", [axis], 1)])


def layer_norm(g, x):
    """As PyTorch spells it, over one axis, with scale and shift."""
    if not x.dims:
        return simple_activation(g, x)
    axis = g.pick([len(x.dims) - 1, len(x.dims) - 1, g.number(0, len(x.dims) - 1)])
    centred = g.node("Sub", [x, reduce_over(g, x, "ReduceMean", [axis], 1)])
    variance = reduce_over(g, g.node("Pow", [centred, scalar(g, 2)]), "ReduceMean", [axis], 1)
    y = g.node("Div", [centred, g.node("Sqrt", [g.node("Add", [variance, scalar(g, 0.01)])])])
    dims = [x.dims[axis], *[1] * (len(x.dims) - 1 - axis)]
    return g.node("Add", [g.node("Mul", [y, g.weights(*dims)]), g.weights(*dims)])


def transpose(g, x):
    return g.node("Transpose", [x], perm=[int(i) for i in g.rng.permutation(len(x.dims))]) if x.dims else activation(g, x)


def to_channels_last(g, x):
    """To channels last, something small, and mostly back, as converters from other frameworks write."""
    rank = len(x.dims)
    if rank < 3:
        return transpose(g, x)
    there = [0, *range(2, rank), 1]
    y = g.node("Transpose", [x], perm=there)
    for _ in range(g.number(0, 2)):
        y = g.pick([simple_activation, by_constant, pad, softmax, reduce, matmul])(g, y)
    if len(y.dims) != rank or g.number(0, 4) == 0:
        return y
    return g.node("Transpose", [y], perm=[0, rank - 1, *range(1, rank - 1)])


def reshape(g, x):
    """Axes are merged, or one is divided."""
    dims = list(x.dims)
    if g.number(0, 1) and len(dims) >= 2:
        at = g.number(0, len(dims) - 2)
        dims[at : at + 2] = [dims[at] * dims[at + 1]]
    elif dims:
        at = g.number(0, len(dims) - 1)
        part = divisor(g, dims[at])
        dims[at : at + 1] = [part, dims[at] // part]
    return g.node("Reshape", [x, ints(g, *dims)])


def reshape_through(g, x):
    """A view, an elementwise block, and the view back: attention and pixel shuffles."""
    y = g.node("Reshape", [x, ints(g, -1)])
    y = g.pick([simple_activation, by_constant, softmax])(g, y)
    return g.node("Reshape", [y, ints(g, *x.dims)])


def channel_shuffle(g, x):
    if len(x.dims) < 2:
        return reshape(g, x)
    groups = divisor(g, x.dims[1])
    y = g.node("Reshape", [x, ints(g, x.dims[0], groups, x.dims[1] // groups, *x.dims[2:])])
    y = g.node("Transpose", [y], perm=[0, 2, 1, *range(3, len(y.dims))])
    return g.node("Reshape", [y, ints(g, *x.dims)])


def unit_axes(g, x):
    ones = [i for i, size in enumerate(x.dims) if size == 1]
    attribute = g.opset < 13
    if ones and g.number(0, 1):
        axes = [g.pick(ones)]
        return g.node("Squeeze", [x], axes=axes) if attribute else g.node("Squeeze", [x, ints(g, *axes)])
    axes = [g.number(0, len(x.dims))]
    return g.node("Unsqueeze", [x], axes=axes) if attribute else g.node("Unsqueeze", [x, ints(g, *axes)])


def slices(g, x):
    if not x.dims:
        return activation(g, x)
    axis = g.number(0, len(x.dims) - 1)
    start, end, step = g.pick([(0, 2**62, 2), (1, 2**62, 1), (0, -1, 1), (-1, -(2**62), -1)])
    if g.opset < 10:
        return g.node("Slice", [x], starts=[max(start, 0)], ends=[2**62], axes=[axis])
    return g.node("Slice", [x, ints(g, start), ints(g, end), ints(g, axis), ints(g, step)])


def matmul(g, x):
    if not x.dims:
        return activation(g, x)
    k, n = x.dims[-1], g.number(1, 8)
    scale = 1 / math.sqrt(k)
    y = g.node("MatMul", [x, g.weights(k, n, low=-2 * scale, high=2 * scale)])
    return g.node("Add", [y, g.weights(n)]) if g.number(0, 1) else y


def classifier(g, x):
    flat = g.node("Flatten", [x], axis=min(1, len(x.dims)))
    k, n = flat.dims[1], g.number(1, 6)
    scale = 2 / math.sqrt(k)
    return g.node("Gemm", [flat, g.weights(n, k, low=-scale, high=scale), g.weights(n)], transB=1)


def nothing(g, x):
    """What exporters leave behind."""
    kind = g.number(0, 4)
    if kind == 0:
        return g.node("Identity", [x])
    if kind == 1:
        return g.node("Cast", [x], to=1)
    if kind == 2:
        return g.node("Mul", [x, scalar(g, 1)])
    if kind == 3:
        return g.node("Add", [x, scalar(g, 0)])
    return g.node("Reshape", [x, ints(g, *x.dims)])


def blocks_of_depth(g, x):
    if len(x.dims) != 4 or x.dims[1] % 4:
        return channel_shuffle(g, x)
    return g.node("DepthToSpace", [x], blocksize=2, **({} if g.opset < 11 else {"mode": g.pick(["DCR", "CRD"])}))


def conv_with_all(g, x):
    """Convolution, normalisation, residual and activation, with the extras in any order."""
    y = conv(g, x)
    for block in g.pick(
        [
            [batch_norm, simple_activation],
            [by_constant, batch_norm],
            [batch_norm, residual, simple_activation],
            [residual, activation],
            [activation, batch_norm],
            [by_constant, activation],
        ]
    ):
        y = block(g, y)
    return y


BLOCKS = [
    conv,
    conv,
    conv,
    conv_with_all,
    conv_with_all,
    conv_with_all,
    conv_transpose,
    conv_transpose,
    pool,
    pool,
    global_pool,
    batch_norm,
    batch_norm,
    instance_norm,
    activation,
    activation,
    activation,
    by_constant,
    by_constant,
    residual,
    residual,
    broadcast,
    broadcast,
    squeeze_and_excite,
    reduce,
    concat,
    concat,
    split,
    split,
    pad,
    pad,
    resize,
    resize,
    softmax,
    spelled_softmax,
    layer_norm,
    transpose,
    transpose,
    transpose,
    to_channels_last,
    to_channels_last,
    reshape,
    reshape_through,
    channel_shuffle,
    unit_axes,
    unit_axes,
    slices,
    matmul,
    classifier,
    nothing,
    nothing,
    blocks_of_depth,
]
