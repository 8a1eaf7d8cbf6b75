# SPDX-License-Identifier: Apache-2.0
"""Random networks for the lowering passes: what they fuse, move and lay out anew, in any order and of any size.

A graph grows from its inputs: each step applies a block to a tensor that exists, whatever its axes have become, so that
channels meet transposed, split and one-element axes. Outputs are taken from the middle too. onnxruntime judges; the
bound is what the network itself makes of changes of 2^-22 in its inputs and weights, 48 times, and 2^-18 of the largest
result. A pass that confuses an axis is off by the whole result.
"""

import dataclasses

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, shape_inference

from case import F16, F32, F64, elem_type, number_line, rng_of, session_options
from graph_blocks import BLOCKS

GRAPHS = {"Graphs": 400, "ConvertedGraphs": 200}
LARGEST = 6000  # elements of a tensor


@dataclasses.dataclass
class Value:
    name: str
    dims: tuple


class Refused(Exception):
    """A block does not fit the tensor that was chosen."""


class Builder:
    """A graph that grows; `tensors` are the floats that a block may start from."""

    def __init__(self, seed):
        self.rng = rng_of("graph", seed)
        self.opset = int(self.rng.choice([7, 9, 11, 13, 15, 18, 21]))
        self.nodes, self.constants, self.inputs, self.tensors, self.ranges = [], {}, [], [], {}
        self.rank = int(self.rng.choice([3, 4, 4, 4, 5]))

    def pick(self, items):
        return items[self.rng.randint(len(items))]

    def number(self, low, high):
        """A whole number, both ends included."""
        return int(self.rng.randint(low, high + 1))

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def weights(self, *dims, low=-1.0, high=1.0):
        """Mostly a new constant; sometimes one that another node has, or an input of the graph."""
        luck = self.rng.uniform()
        shared = [name for name, array in self.constants.items() if array.shape == tuple(dims) and array.dtype == F32]
        if luck < 0.1 and shared and low < 0:
            return self.pick(shared)
        if luck > 0.96:
            self.inputs.append(Value(f"w{len(self.inputs)}", tuple(dims)))
            self.ranges[self.inputs[-1].name] = (low, high)
            return self.inputs[-1]
        return self.constant(self.rng.uniform(low, high, dims).astype(F32))

    def input(self):
        dims = (
            self.pick([1, 1, 2]),
            self.pick([1, 2, 3, 4, 6, 8, 16, 17]),
            *(self.pick([1, 2, 3, 5, 6, 8, 9]) for _ in range(self.rank - 2)),
        )
        value = Value(f"x{len(self.inputs)}", dims)
        self.inputs.append(value)
        self.tensors.append(value)

    def node(self, op, inputs, count=1, **attrs):
        """Adds a node; its outputs, with the shapes that ONNX infers."""
        names = [item.name if isinstance(item, Value) else item for item in inputs]
        outputs = [f"t{len(self.nodes)}_{i}" for i in range(count)]
        node = helper.make_node(op, names, outputs, **attrs)
        known = [
            helper.make_tensor_value_info(item.name, TensorProto.FLOAT, item.dims)
            for item in {i.name: i for i in inputs if isinstance(i, Value)}.values()
        ]
        constants = [
            numpy_helper.from_array(self.constants[name], name) for name in dict.fromkeys(names) if name in self.constants
        ]
        graph = helper.make_graph([node], "one", known, [onnx.ValueInfoProto(name=name) for name in outputs], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        try:
            inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        except Exception as error:
            raise Refused(str(error)) from error
        values = []
        for name, info in zip(outputs, inferred.graph.output):
            tensor = info.type.tensor_type
            if not tensor.HasField("shape") or any(not dim.HasField("dim_value") for dim in tensor.shape.dim):
                raise Refused(f"no shape for {op}")
            dims = tuple(dim.dim_value for dim in tensor.shape.dim)
            if not 1 <= int(np.prod(dims)) <= LARGEST or min(dims, default=1) < 1 or len(dims) > 6:
                raise Refused("too large, or nothing left")
            values.append(Value(name, dims))
        self.nodes.append(node)
        return values[0] if count == 1 else values

    def step(self):
        """One block on one tensor, mostly a recent one; nothing is left of a block that does not fit."""
        nodes, constants, inputs = len(self.nodes), dict(self.constants), len(self.inputs)
        recent = self.tensors[-3:] if self.rng.uniform() < 0.8 else self.tensors
        try:
            made = self.pick(BLOCKS)(self, self.pick(recent))
        except Refused:
            del self.nodes[nodes:]
            del self.inputs[inputs:]
            self.constants = constants
            return False
        self.tensors += made if isinstance(made, list) else [made]
        return True

    def model(self, constants=None):
        used = {name for node in self.nodes for name in node.input}
        made = [value for value in self.tensors if not value.name.startswith("x")]
        ends = [value for value in made if value.name not in used]
        middle = [value for value in made if value.name in used and self.chosen(value)]
        inputs = [helper.make_tensor_value_info(value.name, TensorProto.FLOAT, value.dims) for value in self.inputs]
        outputs = [helper.make_tensor_value_info(value.name, TensorProto.FLOAT, value.dims) for value in ends + middle]
        tensors = [
            numpy_helper.from_array(array, name) for name, array in (constants or self.constants).items() if name in used
        ]
        graph = helper.make_graph(self.nodes, "random", inputs, outputs, tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)

    @staticmethod
    def chosen(value):
        return rng_of("output", value.name, value.dims).uniform() < 0.12


def grow(seed):
    builder = Builder(seed)
    for _ in range(builder.pick([1, 1, 2])):
        builder.input()
    wanted = builder.number(3, 14)
    for _ in range(4 * wanted):
        wanted -= builder.step()
        if wanted == 0:
            break
    return builder if builder.nodes else grow(f"{seed}'")


def answer(model, feeds):
    return onnxruntime.InferenceSession(
        model.SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
    ).run(None, feeds)


def bounds(builder, feeds, expected):
    """What small changes of all numbers do to each output."""
    rng = rng_of("noise", builder.nodes[0].output[0], len(builder.nodes))

    def moved(array):
        change = 1 + 2.0**-22 * rng.uniform(-1, 1, array.shape)
        return (array * change).astype(F32) if array.dtype == F32 and array.ndim > 0 and array.size > 6 else array

    worst = [np.zeros(array.shape) for array in expected]
    for _ in range(3):
        other = answer(
            builder.model({name: moved(array) for name, array in builder.constants.items()}),
            {name: moved(array) for name, array in feeds.items()},
        )
        worst = [np.maximum(w, np.abs(a.astype(F64) - b)) for w, a, b in zip(worst, other, expected)]
    return [np.full(array.shape, 48 * w.max() + 2.0**-18 * np.abs(array).max()) for w, array in zip(worst, expected)]


def converted(model, dtype):
    """The model with another type of floats; factors of Resize stay FLOAT."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    elem, kept = elem_type(dtype), {name for node in model.graph.node if node.op_type == "Resize" for name in node.input[1:]}
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.elem_type = elem
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in kept:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(dtype), tensor.name))
    for node in model.graph.node:
        for attribute in node.attribute if node.op_type == "Cast" else ():
            attribute.i = elem
    return model


def write_converted(seed, folder, index):
    """A graph of FLOAT16 or DOUBLE: there the passes must not change a bit. Returns the lines of cases.txt."""
    builder = grow(seed)
    dtype = (F16, F64)[index % 2]
    stem = f"{index:03d}"
    feeds = {name: array.astype(dtype) for name, array in feeds_of(builder, seed).items()}
    (folder / f"{stem}.onnx").write_bytes(converted(builder.model(), dtype).SerializeToString(deterministic=True))
    (folder / f"{stem}.bin").write_bytes(b"".join(array.tobytes() for array in feeds.values()))
    return [
        f"case {label_of(builder)} {stem} {builder.opset} same passes",
        *(number_line("in", name, array) for name, array in feeds.items()),
    ]


def feeds_of(builder, seed):
    return {
        value.name: rng_of("feed", seed, value.name)
        .uniform(*builder.ranges.get(value.name, (-2, 2)), value.dims)
        .astype(F32)
        for value in builder.inputs
    }


def label_of(builder):
    return "-".join(node.op_type for node in builder.nodes)[:200]


def write_graph(seed, folder, index):
    """A graph of FLOAT that onnxruntime judges. Returns the lines of cases.txt."""
    builder = grow(seed)
    model = builder.model()
    onnx.checker.check_model(model)
    feeds = feeds_of(builder, seed)
    expected = answer(model, feeds)
    stem = f"{index:03d}"
    lines = [f"case {label_of(builder)} {stem} {builder.opset} compare onnxruntime"]
    lines += [number_line("in", name, array) for name, array in feeds.items()]
    blobs = [array.tobytes() for array in feeds.values()]
    for value, array, bound in zip(model.graph.output, expected, bounds(builder, feeds, expected)):
        lines.append(number_line("ref", value.name, array, "tol"))
        blobs += [np.ascontiguousarray(array).tobytes(), bound.tobytes()]
    (folder / f"{stem}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    (folder / f"{stem}.bin").write_bytes(b"".join(blobs))
    return lines
