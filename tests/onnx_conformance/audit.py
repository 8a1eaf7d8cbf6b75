#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which types and attributes of ONNX's schemas the network runner takes.

usage: audit.py OPERATORS_PROGRAM LOAD_PROGRAM

For every operator that the runner supports and every version that its schema had from opset 7 on: a one-node model
for each combination of the allowed types (BOOL, FLOAT16, FLOAT, DOUBLE and integers of 8 to 64 bits) and for each value
of each attribute, in the first and in the last opset of that version. The runner must load it, run it on zeros, and
have the types and shapes that ONNX's own shape inference finds. What it refuses must be in REFUSED, with a reason, and
what is in REFUSED must be refused.
"""

import collections
import itertools
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from audit_nodes import K, PLANS, TYPE_ATTRIBUTES, Try, X, tries_of

FIRST, LAST = 7, 28
NAMES = {
    "bool": TensorProto.BOOL,
    "float16": TensorProto.FLOAT16,
    "float": TensorProto.FLOAT,
    "double": TensorProto.DOUBLE,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
}

# (operator, pattern of "variable=TYPE …" or "attribute=value") -> why the runner refuses it on purpose.
REFUSED = {
    ("Constant", "sparse_value="): "no sparse tensors",
    ("Constant", "value_strings?="): "no strings",
    (
        "RMSNormalization",
        r"T=(?P<t>\w+) V=(?!(?P=t)$)",
    ): "ONNX multiplies the two, and its own inference has one type for both",
}
# What ONNX's shape inference cannot do, so that there is nothing to compare with.
NO_INFERENCE = {
    ("Pad", "Tind=INT32"): "it reads the axes as INT64",
    ("MeanVarianceNormalization", "T="): "the function that stands for it mixes types",
    ("RMSNormalization", r"T=(?P<t>\w+) V=(?!(?P=t)$)"): "one type for both inputs",
}


def types_of(schema, variable):
    """The types of a variable that the runner knows, by their number."""
    if variable.startswith("tensor("):
        return [NAMES[variable[7:-1]]]
    for constraint in schema.type_constraints:
        if constraint.type_param_str == variable:
            names = [text[7:-1] for text in constraint.allowed_type_strs if text.startswith("tensor(")]
            return [NAMES[name] for name in names if name in NAMES]
    raise ValueError(f"{schema.name}-{schema.since_version} has no variable {variable}")


def preferred(types):
    return next((elem for elem in (TensorProto.FLOAT, TensorProto.INT64) if elem in types), types[0])


def formals(schema, count):
    """The formal input of each actual one: a variadic formal stands for the rest."""
    return [schema.inputs[min(i, len(schema.inputs) - 1)] for i in range(count)]


def make_model(op, opset, schema, plan, types, extra=None):
    """`types`: variable -> element type."""
    inputs, initializers, names = [], [], []
    for i, (item, formal) in enumerate(zip(plan.inputs, formals(schema, len(plan.inputs)))):
        names.append("" if item is None else f"x{i}")
        if item is None:
            continue
        elem = types.get(formal.type_str) or types_of(schema, formal.type_str)[0]
        if isinstance(item, X):
            inputs.append(helper.make_tensor_value_info(names[-1], elem, item.dims))
        else:
            array = np.array(item.values).astype(helper.tensor_dtype_to_np_dtype(elem))
            initializers.append(numpy_helper.from_array(array, names[-1]))
    outputs = [f"y{i}" for i in range(plan.outputs)]
    node = helper.make_node(op, names, outputs, name="node", **{**plan.attributes, **(extra or {})})
    graph = helper.make_graph([node], "audit", inputs, [onnx.ValueInfoProto(name=name) for name in outputs], initializers)
    opset_id = helper.make_opsetid("", opset)
    version = max(helper.find_min_ir_version_for([opset_id], ignore_unknown=True), 4)
    return helper.make_model(graph, opset_imports=[opset_id], ir_version=version)


def type_cases(op, opset, schema):
    plan = PLANS[op](opset)
    used = formals(schema, len(plan.inputs))
    variables = sorted({formal.type_str for item, formal in zip(plan.inputs, used) if item is not None})
    attribute = TYPE_ATTRIBUTES.get(op)
    if attribute:
        variables.append(attribute[0])
    choices = [types_of(schema, variable) for variable in variables]
    for combination in itertools.product(*choices):
        types = dict(zip(variables, combination))
        label = " ".join(
            f"{variable}={TensorProto.DataType.Name(elem)}"
            for variable, elem in types.items()
            if not variable.startswith("tensor(")
        )
        extra = {attribute[1]: attribute[2](types[attribute[0]])} if attribute else None
        yield label, make_model(op, opset, schema, plan, types, extra)


def attribute_cases(op, opset, schema):
    table = tries_of(op, opset)
    for name, attribute in sorted(schema.attributes.items()):
        if name not in table:
            raise ValueError(f"{op}: no value to try for attribute {name}; add one to audit_nodes.py")
        for value in table[name]:
            trial = value if isinstance(value, Try) else Try(value)
            plan = PLANS[op](opset)
            plan.inputs = trial.inputs or plan.inputs
            plan.outputs = trial.outputs or plan.outputs
            plan.attributes = {**plan.attributes, **trial.attributes, name: trial.value}
            extra = dict(plan.attributes)
            types = {
                c.type_param_str: preferred(types_of(schema, c.type_param_str))
                for c in schema.type_constraints
                if types_of(schema, c.type_param_str)
            }
            if (
                op in TYPE_ATTRIBUTES
                and TYPE_ATTRIBUTES[op][1] not in extra
                and schema.attributes[TYPE_ATTRIBUTES[op][1]].required
            ):
                extra[TYPE_ATTRIBUTES[op][1]] = TensorProto.FLOAT
            shown = trial.value if isinstance(trial.value, (int, float, str, list)) else "…"
            yield f"{name}={shown}", make_model(op, opset, schema, plan, types, extra)


def versions(op):
    """(schema, first opset, last opset) of every version from opset 7 on."""
    schemas = sorted(
        (s for s in onnx.defs.get_all_schemas_with_history() if s.domain == "" and s.name == op),
        key=lambda s: s.since_version,
    )
    for schema, following in itertools.zip_longest(schemas, schemas[1:]):
        last = following.since_version - 1 if following else LAST
        if last >= FIRST and not schema.deprecated:
            yield schema, max(schema.since_version, FIRST), min(last, LAST)


def cases(operators):
    for op in operators:
        for schema, first, last in versions(op):
            for opset in sorted({first, last}):
                for kind in (type_cases, attribute_cases):
                    for label, model in kind(op, opset, schema):
                        yield op, opset, label, model


def listed_in(table, op, label):
    return next((key for key in table if key[0] == op and re.search(key[1], label)), None)


def agrees(model, outputs):
    """Types and shapes are those of ONNX, where its inference knows them."""
    for value, (elem, dims) in zip(model.graph.output, outputs, strict=True):
        tensor = value.type.tensor_type
        if tensor.elem_type not in (0, elem):
            return False
        known = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
        if tensor.HasField("shape") and (len(known) != len(dims) or any(a not in (None, b) for a, b in zip(known, dims))):
            return False
    return True


def ask(program, models):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "models"
        with path.open("wb") as file:
            for model in models:
                data = model.SerializeToString(deterministic=True)
                file.write(struct.pack("<I", len(data)) + data)
        lines = subprocess.run([program, path], check=True, capture_output=True, text=True).stdout.splitlines()
    if len(lines) != len(models):
        sys.exit(f"{len(models)} models were given, {len(lines)} answers came")
    return [json.loads(line) for line in lines]


def main():
    operators_program, load_program = sys.argv[1:]
    lines = subprocess.run(
        [operators_program, "--operators"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    operators = [line.rsplit(" ", 1)[0] for line in lines if not line.startswith("ai.")]
    operators.remove("If")  # its branches are graphs: emu/net/test/control_test.cpp
    if missing := sorted(set(operators) - set(PLANS)):
        sys.exit(f"no node to try for {', '.join(missing)}; add one to audit_nodes.py")
    listed = list(cases(operators))
    models, problems = [], []
    for op, opset, label, model in listed:
        try:
            models.append(shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True))
        except Exception as error:
            if not listed_in(NO_INFERENCE, op, label):
                problems.append(f"NOT VALID {op}-{opset} {label}: {str(error)[:300]}")
            models.append(model)
    met = collections.Counter()
    for (op, opset, label, _), model, answer in zip(listed, models, ask(load_program, models)):
        key = listed_in(REFUSED, op, label)
        refused = answer.get("refused")
        if key:
            met[key] += 1
        if bool(refused) != bool(key):
            problems.append(f"{'REFUSED' if refused else 'TAKEN, but listed'} {op}-{opset} {label}: {refused}")
        elif not refused and not agrees(model, answer["outputs"]):
            problems.append(f"DIFFERS {op}-{opset} {label}: {answer['outputs']} but ONNX says {model.graph.output}")
    problems += [f"NOT MET {key}" for key in REFUSED if not met[key]]
    print("\n".join(problems))
    for (op, pattern), count in met.items():
        print(f"{op} {pattern}: {count} nodes refused: {REFUSED[op, pattern]}")
    refused = f"{sum(met.values())} refused for {len(REFUSED)} reasons"
    print(f"{len(operators)} operators, {len(listed)} nodes, {refused}, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
