# SPDX-License-Identifier: Apache-2.0
"""One operator case: a single-node model, its inputs, and what an independent implementation answers.

A case goes to disk as MODEL.onnx, MODEL.bin (inputs, expected outputs and tolerances, raw) and a few lines in
the operator's cases.txt, which run_cases.cpp reads.
"""

import dataclasses
import warnings
import zlib
from typing import Any, Callable, Optional

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

SEED = 20250203
NEWEST = onnx.defs.onnx_opset_version()

F32, F64, F16 = np.float32, np.float64, np.float16
FLOATS = (F32, F16, F64)
INTS = (np.uint8, np.int8, np.uint16, np.int16, np.int32, np.int64, np.uint32, np.uint64)
ALL = FLOATS + INTS + (np.bool_,)

NAN, INF = float("nan"), float("inf")


@dataclasses.dataclass
class Const:
    """An input given as an initializer."""
    array: np.ndarray


@dataclasses.dataclass
class Case:
    op: str
    label: str
    inputs: list  # ndarray: graph input; Const: initializer; None: optional input left out
    attrs: dict = dataclasses.field(default_factory=dict)
    opset: int = NEWEST
    # How outputs are compared with the oracle:
    #   bits   every bit
    #   ieee   every bit, except that any NaN equals any NaN
    #   value  as ieee, and -0 equals +0 (the operator's definition leaves the sign open)
    #   tol    |got - expected| <= tolerance, infinities and NaN in the same places
    check: str = "bits"
    tolerance: Optional[Callable[[list, np.ndarray], np.ndarray]] = None
    # A second, tighter reference: float64 values of the output from the inputs, and their tolerance. Where onnxruntime
    # has no kernel for the type, it is the only one.
    exact: Optional[Callable[[list], np.ndarray]] = None
    exact_tolerance: Optional[Callable[[list, np.ndarray], np.ndarray]] = None
    # compare | load_error | run_error | survive (undefined by ONNX: any answer but no crash, or an error)
    kind: str = "compare"
    oracle: str = "onnxruntime"
    reason: str = ""  # why the oracle is not onnxruntime although that runs the case
    declare_shape: bool = True
    outputs: int = 1  # `check` and `tolerance` are for each of them, `exact` for the first

    def arrays(self):
        return [None if x is None else x.array if isinstance(x, Const) else x for x in self.inputs]


def rng_of(*key):
    """A generator that depends on the key and SEED alone, so that adding a case changes no other."""
    return np.random.RandomState((SEED + zlib.crc32(repr(key).encode())) & 0x7FFFFFFF)


def values(dtype, shape, *key, low=-4.0, high=4.0):
    """Random numbers of a type: floats in [low, high), integers over a small range around zero, booleans."""
    rng = rng_of("values", np.dtype(dtype).name, tuple(shape), *key)
    if dtype == np.bool_:
        return rng.randint(0, 2, shape).astype(np.bool_)
    if np.issubdtype(dtype, np.floating):
        return rng.uniform(low, high, shape).astype(dtype)
    smallest = 0 if np.issubdtype(dtype, np.unsignedinteger) else -11
    return rng.randint(smallest, 12, shape).astype(dtype)


def any_bits(dtype, shape, *key):
    """Random bit patterns: NaN payloads and subnormals included, for operators that only move data."""
    if dtype == np.bool_:
        return values(dtype, shape, *key)
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = rng_of("bits", np.dtype(dtype).name, tuple(shape), *key).bytes(size)
    return np.frombuffer(raw, dtype).reshape(shape).copy()


def specials(dtype):
    """NaN, infinities, both zeros, the smallest and largest numbers and a few plain ones."""
    info = np.finfo(dtype)
    return np.array([NAN, INF, -INF, 0.0, -0.0, info.smallest_subnormal, -info.smallest_subnormal, info.tiny, -info.tiny,
                     info.max, info.min, 1.0, -1.0, 0.5, 3.0, 1.0 + float(info.eps)], dtype)


def special_pairs(dtype):
    """Every special value with every other."""
    one = specials(dtype)
    return np.repeat(one, one.size), np.tile(one, one.size)


def ulp(dtype, magnitude):
    """Spacing of `dtype` at each magnitude, as float64; the subnormal spacing at and near zero."""
    info = np.finfo(dtype)
    clipped = np.clip(np.abs(np.asarray(magnitude, F64)), float(info.tiny), float(info.max))
    return np.exp2(np.floor(np.log2(clipped)) - info.nmant)


def elem_type(dtype):
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def output_names(case):
    return ["y"] if case.outputs == 1 else [f"y{index}" for index in range(case.outputs)]


def build_model(case, output_infos):
    """The model of a case. `output_infos`: declared outputs, or None when only names are known yet."""
    graph_inputs, initializers, names = [], [], []
    for index, item in enumerate(case.inputs):
        name = "" if item is None else f"x{index}"
        names.append(name)
        if isinstance(item, Const):
            initializers.append(numpy_helper.from_array(item.array, name))
        elif item is not None:
            graph_inputs.append(helper.make_tensor_value_info(name, elem_type(item.dtype), list(item.shape)))
    outputs = output_infos or [onnx.ValueInfoProto(name=name) for name in output_names(case)]
    node = helper.make_node(case.op, names, output_names(case), name=f"{case.op}_node", **case.attrs)
    graph = helper.make_graph([node], "case", graph_inputs, outputs, initializers)
    # Old opsets come with old IR versions in practice; 3 is the oldest that onnxruntime reads, and before 4
    # every initializer had to be listed as an input too.
    opset_id = helper.make_opsetid("", case.opset)
    ir_version = helper.find_min_ir_version_for([opset_id], ignore_unknown=True)
    model = helper.make_model(graph, opset_imports=[opset_id], ir_version=max(ir_version, 4))
    return model


def session_options():
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def feeds_of(case):
    return {f"x{i}": item for i, item in enumerate(case.inputs) if isinstance(item, np.ndarray)}


def run_onnxruntime(case, model):
    session = onnxruntime.InferenceSession(model.SerializeToString(), session_options(), providers=["CPUExecutionProvider"])
    return [np.asarray(output) for output in session.run(None, feeds_of(case))]


def run_reference(case, model):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return [np.asarray(output) for output in ReferenceEvaluator(model).run(None, feeds_of(case))]


def with_floats(case, change):
    """The case with `change` applied to each input of floats."""
    def convert(item):
        if isinstance(item, Const):
            return Const(convert(item.array))
        return np.asarray(change(item)) if item is not None and np.issubdtype(item.dtype, np.floating) else item
    return dataclasses.replace(case, inputs=[convert(item) for item in case.inputs])


def in_double(case):
    """The first output when ONNX's reference evaluator computes in DOUBLE."""
    wide = with_floats(case, lambda array: array.astype(F64))
    return run_reference(wide, build_model(wide, None))[0]


def with_double(case, tolerance):
    """The case, judged by the reference evaluator in DOUBLE too, with `tolerance`(inputs, expected)."""
    case.exact = lambda _inputs: in_double(case)
    case.exact_tolerance = tolerance
    return case


def linear(case, terms, unit_steps=0):
    """A case whose result is a sum of `terms` products: the bound of cases_math.product_tolerance, with the magnitudes
    from onnxruntime's own answer on absolute values. `unit_steps`: further roundings of the result.
    """
    def bound(_inputs, expected):
        if not expected.size:
            return np.zeros(expected.shape)
        unit = float(np.finfo(F32 if expected.dtype == F16 else expected.dtype).eps) / 2
        positive = with_floats(case, lambda array: np.abs(array.astype(F32)))
        size = run_onnxruntime(positive, build_model(positive, None))[0].astype(F64)
        error = 8 * unit * (1 + np.sqrt(terms) / 4) * np.abs(size)
        steps = unit_steps + (1 if expected.dtype == F16 else 0)
        return np.broadcast_to(error, expected.shape) + steps * ulp(expected.dtype, expected)
    case.check, case.tolerance = "tol", bound
    return with_double(case, bound)


def ulps(count, at_least=0.0):
    """A tolerance: that many units in the last place of what is expected."""
    return lambda _inputs, expected: np.maximum(count * ulp(expected.dtype, expected), at_least)


def ask_oracle(case, model):
    """Returns (oracle name, output). The reference evaluator steps in only where onnxruntime cannot run the case."""
    dtype = next((x.dtype for x in case.arrays() if x is not None), F32)
    if case.oracle == "float64":
        return "float64", [np.asarray(case.exact(case.arrays())).astype(dtype)]
    if case.oracle == "onnxruntime":
        try:
            return "onnxruntime", run_onnxruntime(case, model)
        except Exception as error:  # onnxruntime raises classes of its own that share no base
            if "NOT_IMPLEMENTED" not in str(error) and "NotImplemented" not in type(error).__name__ \
                    and "Type Error" not in str(error) and "data type is not supported" not in str(error):
                raise RuntimeError(f"{case.op} {case.label}: onnxruntime refuses the case itself: {error}") from error
        if case.exact and case.outputs == 1:
            return "float64", [np.asarray(case.exact(case.arrays())).astype(dtype)]
    return "reference", run_reference(case, model)


def expect_refusal(case, model):
    """A case that has to fail: onnxruntime must refuse it too."""
    try:
        run_onnxruntime(case, model)
    except Exception:
        return
    raise RuntimeError(f"{case.op} {case.label}: onnxruntime accepts a case that is listed as an error")


def number_line(kind, name, array, *words):
    dims = " ".join(str(d) for d in array.shape)
    return " ".join(x for x in (kind, name, str(elem_type(array.dtype)), *words, str(array.ndim), dims) if x)


def write_case(case, folder, index):
    """Writes one case; returns (lines for cases.txt, oracle name)."""
    stem = f"{index:03d}"
    model = build_model(case, None)
    blobs = [np.ascontiguousarray(x).tobytes() for x in feeds_of(case).values()]
    lines = [number_line("in", name, array) for name, array in feeds_of(case).items()]
    oracle = "none"
    if case.kind == "compare":
        oracle, expected = ask_oracle(case, model)
        names = output_names(case)
        model = build_model(case, [helper.make_tensor_value_info(name, elem_type(array.dtype),
                                                                 list(array.shape) if case.declare_shape else None)
                                   for name, array in zip(names, expected)])
        references = [(name, case.check, array, case.tolerance) for name, array in zip(names, expected)]
        if case.exact:
            exact = np.asarray(case.exact(case.arrays())).astype(expected[0].dtype)
            references = references[1:] if oracle == "float64" else references
            references.append((names[0], "tol", exact, case.exact_tolerance))
        for name, check, array, tolerance in references:
            lines.append(number_line("ref", name, array, check))
            blobs.append(np.ascontiguousarray(array).tobytes())
            if check == "tol" and np.issubdtype(array.dtype, np.floating):
                bound = np.broadcast_to(np.asarray(tolerance(case.arrays(), array), F64), array.shape)
                blobs.append(np.ascontiguousarray(bound).tobytes())
    elif case.kind != "survive":
        expect_refusal(case, model)
    if case.kind != "compare":
        kind = case.attrs.get("to", elem_type(case.arrays()[0].dtype) if case.inputs else TensorProto.FLOAT)
        model = build_model(case, [helper.make_tensor_value_info(name, kind, None) for name in output_names(case)])
    (folder / f"{stem}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    (folder / f"{stem}.bin").write_bytes(b"".join(blobs))
    label = case.label.replace(" ", "_")
    return [f"case {label} {stem} {case.opset} {case.kind} {oracle}", *lines], oracle
