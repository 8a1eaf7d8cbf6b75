# SPDX-License-Identifier: Apache-2.0
"""Cases of the operators that move, reshape or convert data. Nothing is rounded except by Cast: every bit counts."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from case import ALL, F16, F32, F64, FLOATS, INF, INTS, NAN, NEWEST, Case, Const, any_bits, elem_type, specials, values

I64, I32 = np.int64, np.int32
INT64_MAX, INT64_MIN = np.iinfo(I64).max, np.iinfo(I64).min


def ints(*numbers):
    return Const(np.array(numbers, I64))


def reshape():
    cases = []
    targets = (((2, 3, 4), (6, 4)), ((2, 3, 4), (-1,)), ((2, 3, 4), (0, -1)), ((2, 3, 4), (0, 0, 0)), ((2, 3, 4), (4, 1, 6)),
               ((24,), (2, 3, 2, 2)), ((2, 3, 4), (1, 2, -1, 1, 4)), ((), (1,)), ((1,), ()), ((), (1, 1, 1)), ((1, 1), ()),
               ((0, 3), (0, 3)), ((0, 3), (0, 1, 3)), ((5,), (5,)), ((2, 1, 2, 1, 2), (8,)), ((3, 4), (-1, 2)))
    for index, (source, target) in enumerate(targets):
        opset = (7, 13, 14, 19, 21, NEWEST)[index % 6]
        target_array = Const(np.array(target, I64))
        cases.append(Case("Reshape", f"{list(source)} to {list(target)} opset {opset}", [any_bits(F32, source, "reshape"), target_array],
                          opset=opset, declare_shape=index % 2 == 0))
    for dtype in ALL:
        cases.append(Case("Reshape", f"{np.dtype(dtype).name}", [any_bits(dtype, (3, 4), "reshape"), ints(2, 6)]))
    for opset in (14, 19, NEWEST):
        cases.append(Case("Reshape", f"allowzero opset {opset}", [any_bits(F32, (0, 3), "reshape"), ints(3, 0)], {"allowzero": 1}, opset))
    cases.append(Case("Reshape", "constant data", [Const(values(F32, (6,), "reshape")), ints(2, 3)]))
    cases.append(Case("Reshape", "unknown beside a size of zero", [any_bits(F32, (0, 3), "reshape"), ints(0, -1)], kind="survive"))
    cases.append(Case("Reshape", "zero copies without allowzero", [any_bits(F32, (0, 3), "reshape"), ints(3, 0)], kind="load_error"))
    for label, target in (("sizes differ", (5, 5)), ("two unknowns", (-1, -1)), ("unknown does not divide", (5, -1))):
        cases.append(Case("Reshape", label, [any_bits(F32, (2, 3, 4), "reshape"), ints(*target)], kind="load_error"))
    return cases


def flatten():
    cases = []
    shapes = ((), (5,), (3, 4), (2, 3, 4), (2, 3, 2, 3), (1, 2, 3, 2, 2), (0, 4), (2, 0, 3))
    for index, shape in enumerate(shapes):
        for axis in sorted({0, 1, len(shape)}):
            if axis <= len(shape):
                opset = (7, 9, 11, 13, 21, NEWEST)[(index + axis) % 6]
                cases.append(Case("Flatten", f"{list(shape)} axis {axis} opset {opset}", [any_bits(F32, shape, "flatten")],
                                  {"axis": axis}, opset))
    for axis in (-1, -2, -3):
        cases.append(Case("Flatten", f"axis {axis}", [any_bits(F32, (2, 3, 4), "flatten")], {"axis": axis}, 11))
    cases.append(Case("Flatten", "default axis", [any_bits(F32, (2, 3, 4), "flatten")], opset=7))
    for dtype in ALL:
        cases.append(Case("Flatten", f"{np.dtype(dtype).name}", [any_bits(dtype, (2, 2, 3), "flatten")], {"axis": 2}))
    cases.append(Case("Flatten", "axis out of range", [any_bits(F32, (2, 3), "flatten")], {"axis": 3}, kind="load_error"))
    return cases


def transpose():
    cases = []
    perms = (((5,), (0,)), ((3, 4), (1, 0)), ((3, 4), (0, 1)), ((2, 3, 4), (2, 1, 0)), ((2, 3, 4), (0, 2, 1)), ((2, 3, 4), (1, 2, 0)),
             ((2, 3, 4, 5), (0, 2, 1, 3)), ((2, 3, 4, 5), (0, 3, 1, 2)), ((2, 3, 4, 5), (3, 0, 2, 1)), ((1, 3, 1, 5), (2, 3, 0, 1)),
             ((2, 3, 2, 3, 2), (4, 2, 0, 1, 3)), ((2, 3, 2, 3, 2), (0, 1, 2, 4, 3)), ((0, 3), (1, 0)), ((2, 0, 3), (2, 0, 1)),
             ((64, 48), (1, 0)))
    for index, (shape, perm) in enumerate(perms):
        opset = (7, 13, 21, NEWEST)[index % 4]
        cases.append(Case("Transpose", f"{list(shape)} perm {list(perm)} opset {opset}", [any_bits(F32, shape, "transpose")],
                          {"perm": list(perm)}, opset, declare_shape=index % 2 == 0))
    for shape in ((), (4,), (3, 4), (2, 3, 4), (2, 1, 3, 2), (1, 2, 3, 2, 2)):
        cases.append(Case("Transpose", f"{list(shape)} default perm", [any_bits(F32, shape, "transpose")]))
    for dtype in ALL:
        cases.append(Case("Transpose", f"{np.dtype(dtype).name}", [any_bits(dtype, (3, 2, 5), "transpose")], {"perm": [1, 2, 0]}))
    cases.append(Case("Transpose", "perm repeats an axis", [any_bits(F32, (2, 3), "transpose")], {"perm": [0, 0]}, kind="load_error"))
    cases.append(Case("Transpose", "perm of another rank", [any_bits(F32, (2, 3), "transpose")], {"perm": [0, 2, 1]}, kind="load_error"))
    return cases


def squeeze():
    cases = []
    plans = (((1, 3, 1, 4), (0,)), ((1, 3, 1, 4), (0, 2)), ((1, 3, 1, 4), (2,)), ((3, 1), (1,)), ((1,), (0,)), ((1, 1, 1), (0, 1, 2)),
             ((1, 2, 1, 2, 1), (4, 0)), ((1, 0, 3), (0,)))
    for shape, axes in plans:
        for opset in (7, 11):
            cases.append(Case("Squeeze", f"{list(shape)} axes {list(axes)} opset {opset}", [any_bits(F32, shape, "squeeze")],
                              {"axes": list(axes)}, opset))
        for opset in (13, 21, NEWEST):
            cases.append(Case("Squeeze", f"{list(shape)} axes {list(axes)} opset {opset}", [any_bits(F32, shape, "squeeze"), ints(*axes)],
                              opset=opset))
    for opset in (7, 11, 13, NEWEST):
        cases.append(Case("Squeeze", f"all of size one opset {opset}", [any_bits(F32, (1, 3, 1, 2), "squeeze")], opset=opset))
    cases.append(Case("Squeeze", "negative axes opset 11", [any_bits(F32, (3, 1, 2, 1), "squeeze")], {"axes": [-1, -3]}, 11))
    cases.append(Case("Squeeze", "negative axes opset 13", [any_bits(F32, (3, 1, 2, 1), "squeeze"), ints(-1, -3)], opset=13))
    for dtype in ALL:
        cases.append(Case("Squeeze", f"{np.dtype(dtype).name}", [any_bits(dtype, (3, 1, 2), "squeeze"), ints(1)]))
    cases.append(Case("Squeeze", "axis of another size", [any_bits(F32, (3, 2), "squeeze"), ints(1)], kind="load_error"))
    return cases


def unsqueeze():
    cases = []
    plans = (((3,), (0,)), ((3,), (1,)), ((3, 4), (0, 3)), ((3, 4), (1, 2)), ((), (0,)), ((2, 3), (3, 0, 2)), ((0, 2), (1,)),
             ((2, 3, 4), (4, 0)))
    for shape, axes in plans:
        for opset in (7, 11):
            cases.append(Case("Unsqueeze", f"{list(shape)} axes {list(axes)} opset {opset}", [any_bits(F32, shape, "unsqueeze")],
                              {"axes": list(axes)}, opset))
        for opset in (13, 21, NEWEST):
            cases.append(Case("Unsqueeze", f"{list(shape)} axes {list(axes)} opset {opset}", [any_bits(F32, shape, "unsqueeze"), ints(*axes)],
                              opset=opset))
    cases.append(Case("Unsqueeze", "negative axes opset 11", [any_bits(F32, (3, 2), "unsqueeze")], {"axes": [-1, -3]}, 11))
    cases.append(Case("Unsqueeze", "negative axes opset 13", [any_bits(F32, (3, 2), "unsqueeze"), ints(-1, -3)], opset=13))
    for dtype in ALL:
        cases.append(Case("Unsqueeze", f"{np.dtype(dtype).name}", [any_bits(dtype, (3, 2), "unsqueeze"), ints(1)]))
    cases.append(Case("Unsqueeze", "axis twice", [any_bits(F32, (3, 2), "unsqueeze"), ints(1, 1)], kind="load_error"))
    cases.append(Case("Unsqueeze", "axis out of range", [any_bits(F32, (3, 2), "unsqueeze"), ints(4)], kind="load_error"))
    return cases


def concat():
    cases = []
    plans = ((((3,), (2,)), 0), (((3,),), 0), (((2, 3), (4, 3)), 0), (((2, 3), (2, 1)), 1), (((2, 3, 4), (2, 5, 4), (2, 1, 4)), 1),
             (((2, 3, 4), (2, 3, 1)), 2), (((1, 2, 3, 2), (1, 2, 1, 2)), 2), (((1, 2, 1, 2, 2), (3, 2, 1, 2, 2)), 0),
             (((2, 0), (2, 3)), 1), (((0, 2), (0, 2)), 0), (((2, 2, 2, 2, 1),) * 5, 4), (((1, 1),) * 16, 0))
    for index, (shapes, axis) in enumerate(plans):
        opset = (7, 11, 13, NEWEST)[index % 4]
        inputs = [any_bits(F32, shape, "concat", i) for i, shape in enumerate(shapes)]
        cases.append(Case("Concat", f"{len(shapes)} of {list(shapes[0])} axis {axis} opset {opset}", inputs, {"axis": axis}, opset))
    for axis in (-1, -2, -3):
        cases.append(Case("Concat", f"axis {axis}", [any_bits(F32, (2, 3, 4), "concat", i) for i in range(2)], {"axis": axis}, 11))
    for dtype in ALL:
        cases.append(Case("Concat", f"{np.dtype(dtype).name}", [any_bits(dtype, (2, 3), "concat", 1), any_bits(dtype, (2, 2), "concat", 2)],
                          {"axis": 1}, 13))
    cases.append(Case("Concat", "input and constant", [any_bits(F32, (2, 3), "concat"), Const(any_bits(F32, (1, 3), "concat"))], {"axis": 0}))
    cases.append(Case("Concat", "other axes differ", [any_bits(F32, (2, 3), "concat"), any_bits(F32, (2, 4), "concat")], {"axis": 0},
                      kind="load_error"))
    cases.append(Case("Concat", "axis out of range", [any_bits(F32, (2, 3), "concat"), any_bits(F32, (2, 3), "concat", 2)], {"axis": 2},
                      kind="load_error"))
    return cases


def slice_():
    cases = []
    shape = (5, 6, 7)
    for label, attrs in (("rows", {"starts": [1], "ends": [4]}), ("two axes", {"starts": [0, 1], "ends": [2, 5], "axes": [0, 2]}),
                         ("to the end", {"starts": [2], "ends": [INT64_MAX], "axes": [1]}),
                         ("negative ends", {"starts": [-3], "ends": [-1], "axes": [1]}),
                         ("beyond both ends", {"starts": [-100], "ends": [100], "axes": [0]}),
                         ("nothing", {"starts": [3], "ends": [3], "axes": [0]})):
        cases.append(Case("Slice", f"opset 7 {label}", [any_bits(F32, shape, "slice")], attrs, 7))
    plans = ((shape, (1, 2), (4, 5), (0, 1), None), (shape, (0,), (5,), (0,), (2,)), (shape, (-1,), (INT64_MIN,), (2,), (-1,)),
             (shape, (5, -2), (0, 0), (2, 0), (-2, -1)), (shape, (1,), (INT64_MAX,), (-1,), (3,)), (shape, (0, 0, 0), (2, 2, 2), None, None),
             (shape, (100,), (200,), (0,), None), (shape, (-100,), (3,), (1,), None), (shape, (4,), (1,), (0,), None),
             ((9,), (7,), (1,), (0,), (-3,)), ((9,), (0,), (9,), (0,), (100,)), ((9,), (100,), (-100,), (0,), (-4,)),
             ((2, 3, 2, 3, 2), (0, 1, 0), (1, 3, 2), (0, 3, 4), (1, 2, 1)), ((0, 3), (0,), (2,), (1,), None),
             ((3, 4), (1,), (65504,), (1,), None), ((9,), (2,), (8,), (0,), (INT64_MAX,)))
    for index, (source, starts, ends, axes, steps) in enumerate(plans):
        for opset in ((10, 11, 13, NEWEST)[index % 4], NEWEST - 1):
            optional = [None if x is None else ints(*x) for x in (axes, steps)]
            inputs = [any_bits(F32, source, "slice"), ints(*starts), ints(*ends), *optional]
            while inputs[-1] is None:
                inputs.pop()
            cases.append(Case("Slice", f"{list(source)} from {starts} to {ends} axes {axes} steps {steps} opset {opset}", inputs, opset=opset,
                              declare_shape=index % 2 == 0))
    narrow = [Const(np.array(x, I32)) for x in ([1], [-1], [1], [2])]
    cases.append(Case("Slice", "int32 indices", [any_bits(F32, shape, "slice"), *narrow]))
    for dtype in ALL:
        cases.append(Case("Slice", f"{np.dtype(dtype).name}", [any_bits(dtype, (4, 6), "slice"), ints(1, 5), ints(4, 0), ints(0, 1), ints(1, -2)],
                          opset=13))
    cases.append(Case("Slice", "step zero", [any_bits(F32, shape, "slice"), ints(0), ints(2), ints(0), ints(0)], kind="load_error"))
    cases.append(Case("Slice", "axis out of range", [any_bits(F32, shape, "slice"), ints(0), ints(2), ints(3)], kind="load_error"))
    return cases


def gather():
    cases = []
    plans = (((5,), 0, (3,)), ((5, 4), 0, (2, 3)), ((5, 4), 1, (3,)), ((5, 4), 0, ()), ((3, 4, 5), 1, (2,)), ((3, 4, 5), 2, (2, 2)),
             ((2, 3, 2, 3), 3, (1,)), ((2, 3, 2, 3), 1, (2, 1)), ((2, 2, 2, 2, 2), 2, (3,)), ((5, 4), 0, (0,)), ((30, 16), 0, (2, 7)))
    for index, (shape, axis, index_shape) in enumerate(plans):
        opset = (7, 11, 13, NEWEST)[index % 4]
        picks = values(I64, index_shape, "gather").astype(I64) % shape[axis]
        cases.append(Case("Gather", f"{list(shape)} axis {axis} indices {list(index_shape)} opset {opset}",
                          [any_bits(F32, shape, "gather"), np.asarray(picks, I64)], {"axis": axis}, opset))
    for axis in (-1, -2, -3):
        cases.append(Case("Gather", f"axis {axis}", [any_bits(F32, (3, 4, 5), "gather"), np.array([2, 0], I64)], {"axis": axis}, 11))
    cases.append(Case("Gather", "negative indices", [any_bits(F32, (5, 3), "gather"), np.array([-1, -5, 4, 0], I64)], {"axis": 0}, 11))
    cases.append(Case("Gather", "int32 indices", [any_bits(F32, (5, 3), "gather"), np.array([[-1, 1], [2, 0]], I32)], {"axis": 0}))
    cases.append(Case("Gather", "constant indices", [any_bits(F32, (5, 3), "gather"), ints(1, 1, 4)], {"axis": 0}, 13))
    cases.append(Case("Gather", "constant rank 0 index drops the axis", [any_bits(F32, (5, 3), "gather"), Const(np.array(2, I64))], {"axis": 1}))
    cases.append(Case("Gather", "constant table", [Const(any_bits(F32, (20, 8), "gather")), np.array([[3, 19, 0]], I64)], {"axis": 0}))
    cases.append(Case("Gather", "default axis", [any_bits(F32, (5, 3), "gather"), np.array([4], I64)], opset=7))
    for dtype in ALL:
        cases.append(Case("Gather", f"{np.dtype(dtype).name}", [any_bits(dtype, (4, 3), "gather"), np.array([3, 0, -4], I64)], {"axis": 0}, 13))
    for label, picks in (("one too large", [0, 5]), ("one too small", [-6]), ("far out", [INT64_MAX])):
        cases.append(Case("Gather", f"index {label}", [any_bits(F32, (5, 3), "gather"), np.array(picks, I64)], {"axis": 0}, kind="run_error"))
    return cases


def cast():
    """All pairs of types; values that the target can hold, since ONNX leaves the others open."""
    cases = []
    for source in ALL:
        for target in ALL:
            attrs = {"to": elem_type(target)}
            opset = 9 if target != np.bool_ else (6, 9, 13, 19, 21, 23, NEWEST)[ALL.index(source) % 7]
            opset = max(opset, 7)
            if np.issubdtype(source, np.floating):
                array = values(source, (40,), "cast", low=0 if np.issubdtype(target, np.unsignedinteger) else -100, high=100)
                if np.issubdtype(target, np.floating) or target == np.bool_:
                    array = np.concatenate([array, specials(source)[:9]])
            elif source != np.bool_ and np.issubdtype(target, np.integer):
                array = any_bits(source, (40,), "cast")  # integers wrap
            else:
                array = values(source, (40,), "cast")
            check = "ieee" if source in FLOATS and target in FLOATS else "bits"
            cases.append(Case("Cast", f"{np.dtype(source).name} to {np.dtype(target).name}", [array], attrs, opset, check))
    for opset in (7, 9, 13, 19, 21, 23, 24, 25, NEWEST):
        cases.append(Case("Cast", f"opset {opset}", [values(F32, (3, 4), "cast")], {"to": TensorProto.FLOAT16}, opset, "ieee"))
    halfway = np.array([2048 + 1, 2048 + 3, 65504, 65519.99, 65520, 70000, -65520, 2.0 ** -24, 2.0 ** -25, 2.0 ** -25 * 1.0000001,
                        2.0 ** -14 * 0.99995, 1 + 2.0 ** -11, 1 + 3 * 2.0 ** -11, 5.9e-8, -0.0, INF, NAN], F32)
    cases.append(Case("Cast", "float to float16 rounds half to even", [halfway], {"to": TensorProto.FLOAT16}, check="ieee"))
    cases.append(Case("Cast", "float to float16 any bits", [any_bits(F32, (4096,), "cast")], {"to": TensorProto.FLOAT16}, check="ieee"))
    every = np.arange(65536, dtype=np.uint32).astype(np.uint16).view(F16)
    cases.append(Case("Cast", "every float16 to float", [every], {"to": TensorProto.FLOAT}, check="ieee"))
    cases.append(Case("Cast", "every float16 to bool", [every], {"to": TensorProto.BOOL}))
    cases.append(Case("Cast", "float to int truncates", [np.array([0.5, -0.5, 1.99, -1.99, 126.9, -127.9, 1e6, -1e6], F32)], {"to": TensorProto.INT32}))
    cases.append(Case("Cast", "large int64 to float", [np.array([2 ** 24 + 1, 2 ** 24 + 3, 2 ** 62 + 2 ** 38, -(2 ** 53) - 1, INT64_MAX, INT64_MIN], I64)],
                      {"to": TensorProto.FLOAT}))
    cases.append(Case("Cast", "large uint64 to float", [np.array([2 ** 64 - 1, 2 ** 63, 2 ** 63 + 2 ** 40], np.uint64)], {"to": TensorProto.FLOAT}))
    cases.append(Case("Cast", "double to float overflows to infinity", [np.array([1e300, -1e300, 1e-300, 3.5e38, 1e-46], F64)], {"to": TensorProto.FLOAT}))
    cases.append(Case("Cast", "rank 0", [np.array(2.5, F32)], {"to": TensorProto.INT64}))
    cases.append(Case("Cast", "rank 5", [values(F32, (1, 2, 3, 2, 2), "cast")], {"to": TensorProto.INT8}))
    cases.append(Case("Cast", "empty", [values(F32, (0, 3), "cast")], {"to": TensorProto.INT64}))
    cases.append(Case("Cast", "constant", [Const(values(F32, (3,), "cast"))], {"to": TensorProto.INT64}))
    for target in (TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64, TensorProto.UINT64):
        wild = np.array([NAN, INF, -INF, 1e30, -1e30, -1.0, 300.0], F32)
        cases.append(Case("Cast", f"float out of range to {TensorProto.DataType.Name(target)}", [wild], {"to": target}, kind="survive"))
    return cases


def identity():
    cases = []
    for dtype in ALL:
        cases.append(Case("Identity", f"{np.dtype(dtype).name}", [any_bits(dtype, (3, 5), "identity")], opset=7 if dtype != np.bool_ else 13))
    for index, shape in enumerate(((), (1,), (7,), (3, 4), (2, 3, 4), (2, 3, 2, 3), (1, 2, 3, 2, 2), (0, 4), (2, 0))):
        opset = (7, 13, 14, 16, 19, 21, 23, 24, NEWEST)[index]
        cases.append(Case("Identity", f"{list(shape)} opset {opset}", [any_bits(F32, shape, "identity")], opset=opset,
                          declare_shape=index % 2 == 0))
    cases.append(Case("Identity", "constant", [Const(any_bits(F32, (4,), "identity"))]))
    cases.append(Case("Identity", "NaN payloads stay", [np.array([0x7FC00001, 0xFF800123, 0x7F800001], np.uint32).view(F32)]))
    return cases


def constant():
    cases = []
    for index, dtype in enumerate(ALL):
        array = any_bits(dtype, (2, 3), "constant")
        opset = (7, 9, 11, 12, 13, 19, 21, 23, 24, NEWEST)[index % 10]
        cases.append(Case("Constant", f"value {np.dtype(dtype).name} opset {opset}", [], {"value": numpy_helper.from_array(array)}, opset))
    for index, shape in enumerate(((), (1,), (2, 3, 4), (1, 2, 3, 2, 2), (0,), (0, 3))):
        cases.append(Case("Constant", f"value {list(shape)}", [], {"value": numpy_helper.from_array(values(F32, shape, "constant"))},
                          (7, 13, NEWEST)[index % 3]))
    for dtype, typed in ((F32, [1.5, -0.0, 3e-40]), (F64, [1e-300, -2.0, 0.1]), (I32, [1, -2, 3]), (I64, [INT64_MAX, INT64_MIN, 0])):
        tensor = helper.make_tensor("c", elem_type(dtype), [3], typed)
        cases.append(Case("Constant", f"value {np.dtype(dtype).name} in its typed field", [], {"value": tensor}))
    for dtype, bits in ((np.uint8, [0, 255, 3]), (np.int8, [-128, 127, -1]), (np.bool_, [1, 0, 1]), (np.uint16, [65535, 0, 1])):
        tensor = helper.make_tensor("c", elem_type(dtype), [3], bits)
        cases.append(Case("Constant", f"value {np.dtype(dtype).name} in int32_data", [], {"value": tensor}))
    half = helper.make_tensor("c", TensorProto.FLOAT16, [4], np.array([1.5, -0.0, 6e-8, INF], F16))
    cases.append(Case("Constant", "value float16 in int32_data", [], {"value": half}))
    for opset in (12, 13, NEWEST):
        cases.append(Case("Constant", f"value_float opset {opset}", [], {"value_float": 1.25}, opset))
        cases.append(Case("Constant", f"value_floats opset {opset}", [], {"value_floats": [1.0, -2.5, 3.0]}, opset))
        cases.append(Case("Constant", f"value_int opset {opset}", [], {"value_int": -7}, opset))
        cases.append(Case("Constant", f"value_ints opset {opset}", [], {"value_ints": [1, -2, 2 ** 40]}, opset))
    return cases


def table():
    """Operator -> its cases."""
    return {"Reshape": reshape(), "Flatten": flatten(), "Transpose": transpose(), "Squeeze": squeeze(), "Unsqueeze": unsqueeze(),
            "Concat": concat(), "Slice": slice_(), "Gather": gather(), "Cast": cast(), "Identity": identity(), "Constant": constant()}
