# SPDX-License-Identifier: Apache-2.0
"""One valid node of every operator in every opset, and values to try for each of its attributes.

Only what types and attributes need: what a node computes is the business of tests/ops.
"""

import dataclasses

import numpy as np
from onnx import TensorProto, helper, numpy_helper


@dataclasses.dataclass(frozen=True)
class X:
    """A graph input."""

    dims: tuple


@dataclasses.dataclass(frozen=True)
class K:
    """A constant input; it takes the type that the operator gives it."""

    values: object


@dataclasses.dataclass
class Plan:
    inputs: list  # X, K or None
    attributes: dict = dataclasses.field(default_factory=dict)
    outputs: int = 1


IMAGE = X((2, 4, 6, 6))
CHANNELS = X((4,))


def one(_opset):
    return Plan([X((2, 3))])


def two(_opset):
    return Plan([X((2, 3)), X((1, 3))])


def image(_opset):
    return Plan([IMAGE])


def reduction(first_with_input):
    def plan(opset):
        return Plan([X((2, 3, 4)), K([1])]) if opset >= first_with_input else Plan([X((2, 3, 4))], {"axes": [1]})

    return plan


def recurrent(gates, states):
    def plan(_opset):
        inputs = [X((3, 2, 4)), X((1, 5 * gates, 4)), X((1, 5 * gates, 5)), X((1, 10 * gates)), K([3, 2])]
        inputs += [X((1, 2, 5))] * states
        if states == 2:
            inputs.append(X((1, 15)))
        return Plan(inputs, {"hidden_size": 5}, 1 + states)

    return plan


def clip(opset):
    return Plan([X((2, 3))], {"min": 0.0, "max": 2.0}) if opset < 11 else Plan([X((2, 3)), K(0), K(2)])


def slices(opset):
    if opset < 10:
        return Plan([X((4, 5))], {"starts": [1], "ends": [3], "axes": [1]})
    return Plan([X((4, 5)), K([1]), K([3]), K([1]), K([2])])


def split(opset):
    if opset < 13:
        return Plan([X((4, 5))], {"split": [1, 3], "axis": 0}, 2)
    return Plan([X((4, 5)), K([1, 3])], {"axis": 0}, 2)


def pad(opset):
    if opset < 11:
        return Plan([X((4, 5))], {"pads": [1, 0, 0, 1]})
    return Plan([X((4, 5)), K([1, 0, 0, 1]), K(1)] + ([K([0, 1])] if opset >= 18 else []))


def squeeze(opset):
    return Plan([X((2, 1, 3))], {"axes": [1]}) if opset < 13 else Plan([X((2, 1, 3)), K([1])])


def unsqueeze(opset):
    return Plan([X((2, 3))], {"axes": [1]}) if opset < 13 else Plan([X((2, 3)), K([1])])


def top(opset):
    return Plan([X((3, 5))], {"k": 2}, 2) if opset < 10 else Plan([X((3, 5)), K([2])], {}, 2)


def upsample(opset):
    return Plan([IMAGE], {"scales": [1.0, 1.0, 2.0, 2.0]}) if opset < 9 else Plan([IMAGE, K([1.0, 1.0, 2.0, 2.0])])


def resize(opset):
    scales = K([1.0, 1.0, 2.0, 1.5])
    return Plan([IMAGE, scales]) if opset < 11 else Plan([IMAGE, K([0.0] * 4 + [1.0] * 4), scales])


def batch(_opset):
    return Plan([IMAGE, CHANNELS, CHANNELS, CHANNELS, CHANNELS])


def integer_matmul(_opset):
    return Plan([X((2, 3)), X((3, 4)), K(1), K(2)])


def integer_conv(_opset):
    return Plan([IMAGE, X((6, 4, 3, 2)), K(1), K(2)])


def linear_matmul(_opset):
    return Plan([X((2, 3)), K(0.5), K(1), X((3, 4)), K(0.25), K(2), K(0.5), K(3)])


def linear_conv(_opset):
    return Plan([IMAGE, K(0.5), K(1), X((6, 4, 3, 2)), K(0.25), K(2), K(0.5), K(3), X((6,))])


def dropout(opset):
    return Plan([X((2, 3))] if opset < 12 else [X((2, 3)), K(0.5), K(False)], {}, 2)


PLANS = {
    "CastLike": two,
    "Compress": lambda opset: Plan([X((2, 3)), K([True, False, True])], {"axis": 1}),
    "ConvInteger": integer_conv, "MatMulInteger": integer_matmul, "QLinearConv": linear_conv, "QLinearMatMul": linear_matmul,
    "CumProd": lambda opset: Plan([X((2, 3)), K(1)]),
    "Dropout": dropout,
    "DynamicQuantizeLinear": lambda opset: Plan([X((2, 3))], {}, 3),
    "EyeLike": one, "Hardmax": one, "LpNormalization": one,
    "GridSample": lambda opset: Plan([IMAGE, X((2, 3, 5, 2))]),
    "LRN": lambda opset: Plan([IMAGE], {"size": 3}),
    "MaxUnpool": lambda opset: Plan([IMAGE, X((2, 4, 6, 6))], {"kernel_shape": [2, 2]}),
    "MeanVarianceNormalization": lambda opset: Plan([IMAGE]),
    "NonZero": lambda opset: Plan([K([[1, 0], [1, 1]])]),
    "OneHot": lambda opset: Plan([X((2, 3)), K(4), K([0, 1])]),
    "ReverseSequence": lambda opset: Plan([X((4, 3, 2)), X((3,))]),
    "RoiAlign": lambda opset: Plan([IMAGE, X((3, 4)), X((3,))]),
    **dict.fromkeys("Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Cast Ceil Celu Cos Cosh Elu Erf Exp Flatten Floor Gelu "
                    "HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Log LogSoftmax Mish Neg Not Reciprocal Relu Round "
                    "Selu Shape Shrink Sigmoid Sign Sin Sinh Size Softmax Softplus Softsign Sqrt Swish Tan Tanh "
                    "ThresholdedRelu Transpose ArgMax ArgMin".split(), one),
    **dict.fromkeys("Add And BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Mod "
                    "Mul Or PRelu Pow Sub Xor".split(), two),
    **dict.fromkeys("Max Min Mean Sum".split(), lambda opset: Plan([X((2, 3))] * 3)),
    **dict.fromkeys("GlobalAveragePool GlobalLpPool GlobalMaxPool".split(), image),
    **dict.fromkeys(
        "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
        "ReduceSumSquare".split(),
        reduction(18),
    ),
    "ReduceSum": reduction(13),
    "AveragePool": lambda opset: Plan([IMAGE], {"kernel_shape": [2, 3]}),
    "LpPool": lambda opset: Plan([IMAGE], {"kernel_shape": [2, 3]}),
    "MaxPool": lambda opset: Plan([IMAGE], {"kernel_shape": [2, 3]}, 2 if opset >= 8 else 1),
    "BatchNormalization": batch,
    "BitShift": lambda opset: Plan([X((2, 3)), X((1, 3))], {"direction": "LEFT"}),
    "Clip": clip,
    "Concat": lambda opset: Plan([X((2, 3))] * 2, {"axis": 0}),
    "Constant": lambda opset: Plan([]),
    "ConstantOfShape": lambda opset: Plan([K([2, 3])]),
    "Conv": lambda opset: Plan([IMAGE, X((6, 4, 3, 2)), X((6,))]),
    "ConvTranspose": lambda opset: Plan([IMAGE, X((4, 6, 3, 2)), X((6,))]),
    "CumSum": lambda opset: Plan([X((2, 3)), K(1)]),
    "DepthToSpace": lambda opset: Plan([IMAGE], {"blocksize": 2}),
    "SpaceToDepth": lambda opset: Plan([IMAGE], {"blocksize": 2}),
    "DequantizeLinear": lambda opset: Plan([X((2, 3)), K(0.5), K(0)]),
    "QuantizeLinear": lambda opset: Plan([X((2, 3)), K(0.5), K(0)]),
    "Einsum": lambda opset: Plan([X((2, 3)), X((3, 4))], {"equation": "ij,jk->ik"}),
    "Expand": lambda opset: Plan([X((1, 3)), K([2, 3])]),
    "GRU": recurrent(3, 1),
    "LSTM": recurrent(4, 2),
    "RNN": recurrent(1, 1),
    "Gather": lambda opset: Plan([X((4, 3)), X((2,))]),
    "GatherElements": lambda opset: Plan([X((4, 3)), X((2, 3))]),
    "GatherND": lambda opset: Plan([X((4, 3)), X((2, 1))]),
    "Gemm": lambda opset: Plan([X((3, 3)), X((3, 3)), X((3,))]),
    "GroupNormalization": lambda opset: Plan([IMAGE] + [X((2,) if opset < 21 else (4,))] * 2, {"num_groups": 2}),
    "InstanceNormalization": lambda opset: Plan([IMAGE, CHANNELS, CHANNELS]),
    "LayerNormalization": lambda opset: Plan([X((2, 3)), X((3,)), X((3,))], {}, 3),
    "RMSNormalization": lambda opset: Plan([X((2, 3)), X((3,))]),
    "MatMul": lambda opset: Plan([X((2, 3)), X((3, 4))]),
    "Pad": pad,
    "Range": lambda opset: Plan([K(1), K(7), K(2)]),
    "Reshape": lambda opset: Plan([X((2, 3)), K([3, -1])]),
    "Resize": resize,
    "Upsample": upsample,
    "Scatter": lambda opset: Plan([X((4, 3)), X((2, 3)), X((2, 3))]),
    "ScatterElements": lambda opset: Plan([X((4, 3)), X((2, 3)), X((2, 3))]),
    "ScatterND": lambda opset: Plan([X((4, 3)), X((2, 1)), X((2, 3))]),
    "Slice": slices,
    "Split": split,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "TopK": top,
    "Tile": lambda opset: Plan([X((2, 3)), K([2, 1])]),
    "Trilu": lambda opset: Plan([X((3, 3)), K(1)]),
    "Where": lambda opset: Plan([X((2, 3)), X((1, 3)), X((2, 1))]),
}

# Outputs whose type is an attribute: the type variable and how a type is put into the attribute.
TYPE_ATTRIBUTES = {
    "EyeLike": ("T2", "dtype", lambda elem: elem),
    "Cast": ("T2", "to", lambda elem: elem),
    "Constant": ("T", "value", lambda elem: helper.make_tensor("value", elem, [2], [0, 1])),
    "ConstantOfShape": ("T2", "value", lambda elem: helper.make_tensor("value", elem, [1], [1])),
}


@dataclasses.dataclass
class Try:
    """A value of an attribute, with what else the node needs for it."""

    value: object
    attributes: dict = dataclasses.field(default_factory=dict)
    inputs: list = None
    since: int = 1
    outputs: int = None


WINDOW = {
    "auto_pad": ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"],
    "dilations": [[2, 1]],
    "kernel_shape": [[3, 2]],
    "pads": [[1, 0, 1, 1]],
    "strides": [[2, 1]],
    "ceil_mode": [0, 1],
    "count_include_pad": [0, 1],
    "storage_order": [0, 1],
    "p": [1, 2, 3],
}
GROUPED = [X((2, 4, 6, 6)), X((4, 2, 3, 2)), X((4,))]
GROUPED_TRANSPOSE = [X((2, 4, 6, 6)), X((4, 2, 3, 2)), X((4,))]
BLOCKS = [X((2, 4)), K([[0.5, 0.5], [0.25, 0.5]]), K([[0, 0], [0, 0]])]
SEQUENCE_FIRST = {"layout": [0]}


def both_directions(gates, states):
    inputs = [X((3, 2, 4)), X((2, 5 * gates, 4)), X((2, 5 * gates, 5)), X((2, 10 * gates)), K([3, 2])]
    inputs += [X((2, 2, 5))] * states + ([X((2, 15))] if states == 2 else [])
    return Try("bidirectional", inputs=inputs)


def batch_first(gates, states):
    inputs = [X((2, 3, 4)), X((1, 5 * gates, 4)), X((1, 5 * gates, 5)), X((1, 10 * gates)), K([3, 2])]
    inputs += [X((2, 1, 5))] * states + ([X((1, 15))] if states == 2 else [])
    return Try(1, inputs=inputs)


def recurrent_tries(gates, states, names):
    parametric = ["LeakyRelu", *names[1:]]
    return {
        "activations": [Try(names), Try(["HardSigmoid", *names[1:]]), Try(["Softplus", *names[1:]])],
        "activation_alpha": [Try([0.2], {"activations": parametric})],
        "activation_beta": [Try([0.6], {"activations": ["HardSigmoid", *names[1:]], "activation_alpha": [0.3]})],
        "clip": [1.5],
        "hidden_size": [5],
        "linear_before_reset": [0, 1],
        "input_forget": [0, 1],
        "direction": ["forward", "reverse", both_directions(gates, states)],
        "layout": [0, batch_first(gates, states)],
    }


def resize_tries(opset):
    scales = K([1.0, 1.0, 2.0, 1.5])
    half = [IMAGE, None, scales]
    with_box = [IMAGE, K([0.0] * 4 + [1.0] * 4), scales]
    modes = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    modes += ["tf_half_pixel_for_nn"] if opset < 13 else []
    modes += ["half_pixel_symmetric"] if opset >= 19 else []
    tries = [Try(mode, {"mode": kind}, half) for mode in modes for kind in ("nearest", "linear", "cubic")]
    return {
        "mode": ["nearest", "linear", *([Try("cubic", {}, half)] if opset >= 11 else [])],
        "coordinate_transformation_mode": tries + [Try("tf_crop_and_resize", {"mode": "linear"}, with_box)],
        "cubic_coeff_a": [Try(-0.5, {"mode": "cubic"}, half)],
        "exclude_outside": [Try(flag, {"mode": "cubic"}, half) for flag in (0, 1)],
        "extrapolation_value": [
            Try(3.0, {"coordinate_transformation_mode": "tf_crop_and_resize", "mode": "linear"}, with_box)
        ],
        "nearest_mode": [Try(mode, {}, half) for mode in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")],
        "antialias": [0, *[Try(1, {"mode": kind}, [IMAGE, None, K([1.0, 1.0, 0.5, 0.5])]) for kind in ("linear", "cubic")]],
        "axes": [Try([2, 3], {}, [IMAGE, None, K([2.0, 1.5])])],
        "keep_aspect_ratio_policy": [
            Try(policy, {"axes": [2, 3]}, [IMAGE, None, None, K([3, 4])])
            for policy in ("stretch", "not_larger", "not_smaller")
        ],
    }


def quantize_tries(op):
    integers = [TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16, TensorProto.UINT16]
    floats = [TensorProto.FLOAT, TensorProto.FLOAT16]
    kinds = integers if op == "QuantizeLinear" else floats
    return {
        "axis": [Try(axis, {}, [X((2, 3)), K([0.5, 0.25, 1.0]), K([0, 0, 0])]) for axis in (1, -1)],
        "block_size": [0, Try(2, {"axis": 1}, BLOCKS)],
        "saturate": [0, 1],
        "output_dtype": [0] + [Try(kind, {}, [X((2, 3)), K(0.5)]) for kind in kinds],
        "precision": [0, TensorProto.FLOAT, TensorProto.FLOAT16],
    }


def training(opset):
    return [0, Try(1, outputs=3)]


SLOPES = {"alpha": [0.3], "beta": [0.7], "gamma": [1.5], "bias": [0.5], "lambd": [0.25]}
EVERYWHERE = {
    **SLOPES,
    "axis": [0, 1, -1],
    "keepdims": [0, 1],
    "axes": [[0], [1]],
    "noop_with_empty_axes": [0, 1],
    "select_last_index": [0, 1],
    "epsilon": [1e-3],
    "momentum": [0.5],
    "stash_type": [1],
}


def tries_of(op, opset):
    """Attribute -> values to try."""
    table = dict(EVERYWHERE)
    own = {
        "CastLike": {"saturate": [0, 1], "round_mode": ["up", "down", "nearest"]},
        "Compress": {"axis": [0, 1, -1]},
        "ConvInteger": {**WINDOW, "kernel_shape": [[3, 2]], "group": [1, Try(2, inputs=[IMAGE, X((4, 2, 3, 2)), K(1), K(2)])]},
        "QLinearConv": {**WINDOW, "kernel_shape": [[3, 2]],
                        "group": [1, Try(2, inputs=[IMAGE, K(0.5), K(1), X((4, 2, 3, 2)), K(0.25), K(2), K(0.5), K(3)])]},
        "CumProd": {"exclusive": [0, 1], "reverse": [0, 1]},
        "Dropout": {"ratio": [0.0, 0.5], "seed": [1]},
        "EyeLike": {"dtype": [TensorProto.DOUBLE], "k": [0, 1, -1, 9]},
        "GridSample": {"align_corners": [0, 1], "padding_mode": ["zeros", "border", "reflection"],
                       "mode": ["nearest", "bilinear", "bicubic"] if opset < 20 else ["nearest", "linear", "cubic"]},
        "LRN": {"alpha": [0.1], "beta": [0.5], "bias": [2.0], "size": [1, 3, 4]},
        "LpNormalization": {"p": [1, 2]},
        "MaxUnpool": {"kernel_shape": [[2, 3]], "pads": [Try([1, 0, 0, 1], {"kernel_shape": [3, 3]})], "strides": [[2, 1]]},
        "ReverseSequence": {"batch_axis": [Try(1, {"time_axis": 0}), Try(0, {"time_axis": 1}, [X((3, 4, 2)), X((3,))])],
                            "time_axis": [Try(0, {"batch_axis": 1})]},
        "RoiAlign": {"mode": ["avg", "max"], "output_height": [3], "output_width": [2], "sampling_ratio": [0, 2], "spatial_scale": [0.5],
                     "coordinate_transformation_mode": ["half_pixel", "output_half_pixel"]},
        "Conv": {**WINDOW, "kernel_shape": [[3, 2]], "group": [1, Try(2, inputs=GROUPED)]},
        "ConvTranspose": {
            **WINDOW,
            "group": [1, Try(2, inputs=GROUPED_TRANSPOSE)],
            "output_padding": [Try([1, 0], {"strides": [2, 2]})],
            "output_shape": [Try([12, 12], {"strides": [2, 2]})],
        },
        "AveragePool": WINDOW,
        "MaxPool": WINDOW,
        "LpPool": WINDOW,
        "GlobalLpPool": {"p": [1, 2, 3]},
        "BatchNormalization": {
            "spatial": [1, Try(0, inputs=[IMAGE] + [X((4, 6, 6))] * 4)],
            "training_mode": training(opset),
        },
        "BitShift": {"direction": ["LEFT", "RIGHT"]},
        "Cast": {"to": [TensorProto.INT8], "saturate": [0, 1], "round_mode": ["up", "down", "nearest"]},
        "Clip": {"min": [0.5], "max": [1.5]},
        "Constant": {
            "value": [numpy_helper.from_array(np.ones(2, np.float32))],
            "value_float": [1.5],
            "value_floats": [[1.5, 2.5]],
            "value_int": [3],
            "value_ints": [[3, 4]],
            "value_string": ["a"],
            "value_strings": [["a", "b"]],
            "sparse_value": [sparse()],
        },
        "ConstantOfShape": {"value": [numpy_helper.from_array(np.ones(1, np.float32))]},
        "CumSum": {"exclusive": [0, 1], "reverse": [0, 1]},
        "DepthToSpace": {"blocksize": [1, 2], "mode": ["DCR", "CRD"]},
        "SpaceToDepth": {"blocksize": [1, 2, 3], "mode": ["DCR", "CRD"]},
        "QuantizeLinear": quantize_tries(op),
        "DequantizeLinear": quantize_tries(op),
        "Einsum": {
            "equation": [
                "ij,jk",
                "ij,jk->ki",
                "...j,jk->...k",
                Try("ii->i", inputs=[X((3, 3))]),
                Try("i,i->", inputs=[X((3,))] * 2),
            ]
        },
        "GRU": recurrent_tries(3, 1, ["Sigmoid", "Tanh"]),
        "LSTM": recurrent_tries(4, 2, ["Sigmoid", "Tanh", "Tanh"]),
        "RNN": recurrent_tries(1, 1, ["Tanh"]),
        "GatherND": {"batch_dims": [0, Try(1, inputs=[X((2, 3, 4)), X((2, 1))])]},
        "Gelu": {"approximate": ["none", "tanh"]},
        "Gemm": {"transA": [0, 1], "transB": [0, 1]},
        "GroupNormalization": {
            "num_groups": [Try(n, inputs=[IMAGE] + [X((n,) if opset < 21 else (4,))] * 2) for n in (1, 2, 4)]
        },
        "IsInf": {"detect_negative": [0, 1], "detect_positive": [0, 1]},
        "LayerNormalization": {"axis": [-1, 1, Try(0, inputs=[X((2, 3)), X((2, 3)), X((2, 3))])]},
        "RMSNormalization": {"axis": [-1, 1, Try(0, inputs=[X((2, 3)), X((2, 3))])]},
        "Mod": {"fmod": [0, 1]},
        "Pad": {
            "mode": ["constant", "reflect", "edge", *(["wrap"] if opset >= 19 else [])],
            "pads": [[0, 1, 1, 0]],
            "value": [2.5],
        },
        "Reshape": {"allowzero": [0, 1]},
        "Resize": resize_tries(opset),
        "Upsample": {"mode": ["nearest", "linear"], "scales": [[1.0, 1.0, 2.0, 2.0]]},
        "ScatterElements": {"reduction": ["none", "add", "mul", *(["max", "min"] if opset >= 18 else [])]},
        "ScatterND": {"reduction": ["none", "add", "mul", *(["max", "min"] if opset >= 18 else [])]},
        "Shape": {"start": [0, 1, -1], "end": [1, -1, 2]},
        "Slice": {"starts": [[0]], "ends": [[2]], "axes": [[0], [1]]},
        "Split": {
            "split": [Try([2, 2])],
            "axis": [0, -2, Try(1, inputs=[X((4, 5)), K([2, 3])])] if opset >= 13 else [0, Try(1, {"split": [2, 3]})],
            "num_outputs": [Try(2, inputs=[X((4, 5))])],
        },
        "Squeeze": {"axes": [[1]]},
        "Swish": {"alpha": [0.5]},
        "TopK": {"k": [2], "largest": [0, 1], "sorted": [0, 1]},
        "Transpose": {"perm": [[0, 1], [1, 0]]},
        "Trilu": {"upper": [0, 1]},
    }.get(op, {})
    table.update(own)
    if opset < 11:  # negative axes came with 11
        table["axis"] = [value for value in table["axis"] if not (isinstance(value, int) and value < 0)]
    return table


def sparse():
    """Two of four elements."""
    values = numpy_helper.from_array(np.ones(2, np.float32), "values")
    return helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([0, 2], np.int64), "indices"), [4])
