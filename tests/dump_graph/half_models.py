# SPDX-License-Identifier: Apache-2.0
"""Models of the operators that take FLOAT16 only in newer opsets than FLOAT, or only when all their tensors have it: in
-convert-to-fp16 they are FLOAT16 whatever the model's opset."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

X = (np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4) - 11) / 4
AXES = dict(axis=-1)


def floats(*numbers):
    return np.array(numbers, np.float32)


# operator: the opsets, its inputs after x, constants, attributes, outputs
HALF_OPERATORS = {
    "BatchNormalization": ((7, 9, 13, 14, 15, 17), [floats(1, 2), floats(0, 1), floats(0.5, 0), floats(1, 4)], {}, ["y"]),
    "Celu": ((12, 13, 28), [], dict(alpha=0.5), ["y"]),
    "CumSum": ((11, 13, 14), [np.array(3)], {}, ["y"]),
    "DequantizeLinear": ((10, 13, 19, 21, 23), [np.float32(0.25), np.uint8(9)], {}, ["y"]),
    "IsInf": ((10, 13, 20), [], {}, ["y"]),
    "LayerNormalization": ((17, 21), [np.ones(4, np.float32)], AXES, ["y", "mean", "deviation"]),
    "QuantizeLinear": ((10, 13, 19, 21, 23), [np.float32(0.25), np.uint8(9)], {}, ["y"]),
    "Resize": ((10, 11, 13, 18, 19), [floats(), floats(1, 1, 2, 2)], dict(mode="nearest"), ["y"]),
    "Upsample": ((7, 9), [floats(1, 1, 2, 2)], dict(mode="nearest"), ["y"]),
}
INTEGER_RESULTS = {"IsInf": TensorProto.BOOL, "QuantizeLinear": TensorProto.UINT8}
# The runner needs the numbers when it compiles, and writes the result.
ALWAYS_FOLDED = {"Range"}
# The compiler keeps FLOAT around these: FLOAT16 never reaches them.
KEPT_FLOAT = {"DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"}
# Opsets that onnxruntime has no kernels for, or has not heard of.
NOT_IN_ONNXRUNTIME = 24


def schemas_without_half(operators):
    """(operator, opset) of every schema of the operators that takes or gives FLOAT somewhere and not FLOAT16."""
    found = set()
    for schema in onnx.defs.get_all_schemas_with_history():
        tensors = list(schema.inputs) + list(schema.outputs)
        lacks = any("tensor(float)" in tensor.types and "tensor(float16)" not in tensor.types for tensor in tensors)
        if schema.domain == "" and schema.name in operators - ALWAYS_FOLDED - KEPT_FLOAT and lacks and not schema.deprecated:
            found.add((schema.name, schema.since_version))
    return found


def schema_of(op_type, opset):
    return op_type, onnx.defs.get_schema(op_type, opset).since_version


def half_model(op_type, opset):
    """Nodes, constants and results of x, FLOAT, through the operator."""
    _, operands, attributes, outputs = HALF_OPERATORS[op_type]
    attributes, nodes, names, constants = dict(attributes), [], ["x"], []
    if op_type == "Upsample" and opset < 9:
        attributes["scales"], operands = operands[0].tolist(), []
    if op_type == "Resize" and opset < 11:
        operands = operands[1:]
    if op_type == "DequantizeLinear":
        nodes.append(helper.make_node("Cast", ["x"], ["codes"], to=TensorProto.UINT8))
        names = ["codes"]
    for index, operand in enumerate(operands):
        names.append(f"c{index}")
        constants.append(numpy_helper.from_array(np.asarray(operand), f"c{index}"))
    nodes.append(helper.make_node(op_type, names, outputs, name="it", **attributes))
    results = [helper.make_tensor_value_info(name, INTEGER_RESULTS.get(op_type, TensorProto.FLOAT), None) for name in outputs]
    return nodes, constants, results


def with_shared_constants(nodes, constants, results):
    """Each FLOAT constant is data of an Identity too: then it is not kept FLOAT."""
    for tensor in constants:
        if tensor.data_type == TensorProto.FLOAT and 0 not in tensor.dims:
            nodes.append(helper.make_node("Identity", [tensor.name], [f"{tensor.name}_too"]))
            results.append(helper.make_tensor_value_info(f"{tensor.name}_too", TensorProto.FLOAT, list(tensor.dims)))


def save_half_model(path, op_type, opset, shared):
    nodes, constants, results = half_model(op_type, opset)
    if shared:
        with_shared_constants(nodes, constants, results)
    graph = helper.make_graph(nodes, "half", [helper.make_tensor_value_info("x", TensorProto.FLOAT, X.shape)], results, constants)
    model = onnx.shape_inference.infer_shapes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
