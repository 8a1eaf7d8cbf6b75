# SPDX-License-Identifier: Apache-2.0
"""Cases of the operators that compute: elementwise arithmetic, activations, products, Softmax.

Bounds. Add, Sub, Mul, Div, Relu and Clip are exact in IEEE arithmetic: every bit counts. The others:

* A product over K terms is summed in another order by every implementation. With unit roundoff u = 2^-24 each
  partial sum is off by at most u times its size, and the errors of the K steps add like a random walk, so two
  orders differ by about sqrt(2 K) u |A||B|. The bound is 8 u (1 + sqrt(K)/4) |A||B| for FLOAT (53 bits: DOUBLE),
  which is 4 ulp of the sum of magnitudes for small K.
* FLOAT16 results: the sum (exact to well below FP16) is rounded to FP16, at most one ulp of FP16 apart. Gemm
  rounds the product, alpha times it, beta times C and their sum, each a step of its own on the card; one ulp each.
* Sigmoid, Tanh, Softmax: onnxruntime's vector kernels are polynomial approximations with an absolute error of a
  few ulp of 1, so they are compared at 4 ulp of 1, and besides with the function computed in float64 at 4 ulp of
  the result (FLOAT16: 1).
"""

import numpy as np

from case import ALL, F16, F32, F64, FLOATS, INF, INTS, NAN, NEWEST, Case, Const, any_bits, special_pairs, specials, ulp, values

# Shapes with their broadcast partner: ranks 0 to 5, both directions, inner, outer and middle axes.
BROADCASTS = (
    ((), ()), ((7,), ()), ((), (2, 3)), ((3, 4), (4,)), ((3, 1), (1, 4)), ((2, 1, 4), (3, 1)), ((5,), (2, 3, 5)),
    ((2, 3, 4, 5), (3, 1, 5)), ((1, 2, 1, 3, 1), (2, 1, 4, 1, 2)), ((2, 2, 2, 2, 2), (2, 2, 2, 2, 2)), ((0, 3), (1, 3)),
    ((1, 64), (33, 64)), ((1,), (1,)), ((257,), (257,)),
)


def elementwise(op):
    cases = []
    for index, (left, right) in enumerate(BROADCASTS):
        opset = (7, 13, 14, NEWEST)[index % 4]
        cases.append(Case(op, f"float {list(left)} {list(right)}",
                          [values(F32, left, op, "a"), values(F32, right, op, "b")], opset=opset, check="ieee",
                          declare_shape=index % 3 != 0))
    for dtype in FLOATS:
        a, b = special_pairs(dtype)
        cases.append(Case(op, f"{np.dtype(dtype).name} specials", [a, b], check="ieee"))
        cases.append(Case(op, f"{np.dtype(dtype).name} random", [values(dtype, (3, 40), op, 1), values(dtype, (40,), op, 2)],
                          opset=13, check="ieee"))
    cases.append(Case(op, "float16 every magnitude", [any_bits(F16, (2048,), op, 1), any_bits(F16, (2048,), op, 2)], check="ieee"))
    for dtype in INTS:
        a, b = values(dtype, (4, 5), op, 3), values(dtype, (1, 5), op, 4)
        if op == "Div":
            b = np.where(b == 0, 3, b).astype(dtype)
        opset = 14 if np.dtype(dtype).itemsize < 4 else 7
        cases.append(Case(op, f"{np.dtype(dtype).name} small", [a, b], opset=opset))
        wide_a, wide_b = any_bits(dtype, (64,), op, 5), any_bits(dtype, (64,), op, 6)
        if op == "Div":
            # Zero and -1 divide with a trap on the host; ONNX leaves both cases open.
            wide_b = np.where((wide_b == 0) | (wide_b == dtype(-1) if np.issubdtype(dtype, np.signedinteger) else wide_b == 0),
                              5, wide_b).astype(dtype)
        cases.append(Case(op, f"{np.dtype(dtype).name} wraps", [wide_a, wide_b]))
    if op == "Div":
        for dtype in (np.int32, np.int64, np.uint8, np.int8):
            zeros = np.zeros(3, dtype)
            cases.append(Case(op, f"{np.dtype(dtype).name} by zero", [values(dtype, (3,), op, 7), zeros], kind="survive"))
        for dtype in (np.int8, np.int16, np.int32, np.int64):
            least = np.array([np.iinfo(dtype).min], dtype)
            cases.append(Case(op, f"{np.dtype(dtype).name} least by -1", [least, np.array([-1], dtype)], kind="survive"))
    cases.append(Case(op, "one side constant", [values(F32, (2, 3), op, 8), Const(values(F32, (3,), op, 9))], check="ieee"))
    cases.append(Case(op, "both sides constant", [Const(values(F32, (2, 3), op, 8)), Const(values(F32, (3,), op, 9))], check="ieee"))
    cases.append(Case(op, "shapes that do not broadcast", [values(F32, (2, 3), op), values(F32, (4,), op)], kind="load_error"))
    return cases


RANKS = ((), (1,), (5,), (3, 4), (2, 3, 4), (2, 3, 2, 3), (1, 2, 3, 2, 2), (0, 4), (2, 0, 3))


def relu():
    cases = [Case("Relu", f"float rank {len(s)} {list(s)}", [values(F32, s, "relu")], opset=o, check="value")
             for s, o in zip(RANKS, (7, 13, 14, NEWEST, 7, 13, 14, NEWEST, NEWEST))]
    for dtype in FLOATS:
        finite = specials(dtype)[1:]
        cases.append(Case("Relu", f"{np.dtype(dtype).name} specials", [finite], check="value"))
        cases.append(Case("Relu", f"{np.dtype(dtype).name} rank 5", [values(dtype, (1, 2, 1, 3, 4), "relu")], check="value"))
        cases.append(Case("Relu", f"{np.dtype(dtype).name} random", [values(dtype, (9, 17), "relu")], opset=13, check="value"))
        # onnxruntime's vector kernel keeps or drops a NaN with its position; the specification's max(0, x) keeps it.
        cases.append(Case("Relu", f"{np.dtype(dtype).name} NaN", [np.array([NAN, -NAN, 1, -1], dtype)], check="value",
                          oracle="reference", reason="NaN handling of onnxruntime depends on the vector lane"))
    for dtype in (np.int8, np.int16, np.int32, np.int64):
        cases.append(Case("Relu", f"{np.dtype(dtype).name}", [any_bits(dtype, (31,), "relu")], opset=14))
    cases.append(Case("Relu", "constant input", [Const(values(F32, (5,), "relu"))], check="value"))
    return cases


def sigmoid64(inputs):
    x = inputs[0].astype(F64)
    with np.errstate(over="ignore"):
        return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def tanh64(inputs):
    return np.tanh(inputs[0].astype(F64))


def near_one(_inputs, expected):
    """4 ulp of 1, the absolute error of onnxruntime's approximations; FLOAT16: one ulp of the result."""
    if expected.dtype == F16:
        return np.maximum(ulp(F16, expected), 2.0 ** -22)
    return np.full(expected.shape, 4 * float(np.finfo(expected.dtype).eps) if expected.dtype == F32 else 1e-15)


def near_result(_inputs, expected):
    return (1 if expected.dtype == F16 else 4) * ulp(expected.dtype, expected)


def activation(op, function):
    cases = [Case(op, f"float rank {len(s)} {list(s)}", [values(F32, s, op)], opset=o, check="tol", tolerance=near_one,
                  exact=function, exact_tolerance=near_result)
             for s, o in zip(RANKS, (7, 13, NEWEST, 7, 13, NEWEST, 7, 13, NEWEST))]
    for dtype in FLOATS:
        name = np.dtype(dtype).name
        for label, array in (("random", values(dtype, (5, 33), op)), ("wide", values(dtype, (400,), op, low=-20, high=20)),
                             ("tails", np.array([-104, -90, -87, -50, -20, -10, -9, 9, 10, 20, 50, 88, 104], dtype)),
                             ("near zero", np.array([1e-7, -1e-7, 3e-5, -3e-5, 1e-3, -1e-3, 0.0, -0.0], dtype)),
                             ("specials", specials(dtype))):
            cases.append(Case(op, f"{name} {label}", [array], check="tol", tolerance=near_one, exact=function,
                              exact_tolerance=near_result))
    every = np.arange(65536, dtype=np.uint32).astype(np.uint16).view(F16)
    cases.append(Case(op, "float16 every value", [every], check="tol", tolerance=near_one, exact=function, exact_tolerance=near_result))
    return cases


def clip():
    cases = []
    for low, high in ((-1.0, 1.0), (0.0, 6.0), (None, 0.5), (-0.5, None), (None, None)):
        attrs = {key: bound for key, bound in (("min", low), ("max", high)) if bound is not None}
        cases.append(Case("Clip", f"opset 7 attributes {low} {high}", [values(F32, (3, 7), "clip")], attrs, opset=7, check="value"))
        bounds = [None if bound is None else Const(np.array(bound, F32)) for bound in (low, high)]
        for opset in (11, 12, 13, NEWEST):
            cases.append(Case("Clip", f"opset {opset} inputs {low} {high}", [values(F32, (2, 3, 4), "clip"), *bounds], opset=opset,
                              check="value"))
    for dtype in FLOATS + INTS:
        low, high = (2, 7) if np.issubdtype(dtype, np.unsignedinteger) else (-3, 7)
        cases.append(Case("Clip", f"{np.dtype(dtype).name}", [values(dtype, (50,), "clip"), np.array(low, dtype), np.array(high, dtype)],
                          opset=13 if np.issubdtype(dtype, np.floating) else 12, check="value"))
    cases.append(Case("Clip", "float16 attributes", [values(F16, (9,), "clip")], {"min": -1.0, "max": 2.0}, opset=7, check="value"))
    cases.append(Case("Clip", "infinities and zeros", [specials(F32)[1:], Const(np.array(-2, F32)), Const(np.array(2, F32))], check="value"))
    cases.append(Case("Clip", "rank 0", [values(F32, (), "clip"), Const(np.array(0, F32))], check="value"))
    cases.append(Case("Clip", "empty", [values(F32, (0, 3), "clip"), Const(np.array(0, F32))], check="value"))
    cases.append(Case("Clip", "max below min", [values(F32, (9,), "clip"), Const(np.array(2, F32)), Const(np.array(-1, F32))], check="value"))
    cases.append(Case("Clip", "bounds at run time", [values(F32, (40,), "clip"), np.array(-1, F32), np.array(1, F32)], check="value"))
    return cases


def softmax64(axis, coerce):
    def function(inputs):
        x = inputs[0].astype(F64)
        flat = x
        if coerce:
            split = axis % x.ndim if x.ndim else 0
            flat = x.reshape(int(np.prod(x.shape[:split])), -1) if x.size else x
        over = -1 if coerce else axis
        if not x.size:
            return x
        with np.errstate(all="ignore"):
            e = np.exp(flat - flat.max(axis=over, keepdims=True))
            return (e / e.sum(axis=over, keepdims=True)).reshape(x.shape)
    return function


def softmax_result(inputs, expected):
    """On top of 4 ulp of the result: x - max is rounded before exp, up to half an ulp of the difference, and the sum
    of n exponentials is a random walk of n roundings.
    """
    if expected.dtype == F16:
        return ulp(F16, expected)
    x = inputs[0][np.isfinite(inputs[0])].astype(F64)
    spread = float(x.max() - x.min()) if x.size else 0.0
    unit = float(np.finfo(expected.dtype).eps) / 2
    return 4 * ulp(expected.dtype, expected) + np.abs(expected.astype(F64)) * (spread + np.sqrt(inputs[0].size)) * unit


def softmax():
    def case(label, array, axis=None, opset=NEWEST, exact=True):
        coerce = opset < 13
        attrs = {} if axis is None else {"axis": axis}
        used = (1 if coerce else -1) if axis is None else axis
        return Case("Softmax", label, [array], attrs, opset, "tol", near_one, softmax64(used, coerce) if exact else None,
                    softmax_result if exact else None)

    cases = []
    for shape in ((5,), (3, 4), (2, 3, 4), (2, 3, 2, 3), (1, 2, 3, 2, 2)):
        for axis in (0, -1, len(shape) // 2):
            cases.append(case(f"float {list(shape)} axis {axis}", values(F32, shape, "softmax"), axis))
    for opset in (7, 11, 12):
        for axis in (None, 1, 2):
            cases.append(case(f"opset {opset} rank 3 axis {axis} is coerced to rows", values(F32, (2, 3, 4), "softmax"), axis, opset))
    cases.append(case("opset 7 axis 0 over all", values(F32, (2, 3), "softmax"), 0, 7))
    cases.append(case("opset 11 negative axis", values(F32, (2, 3, 4), "softmax"), -1, 11))
    for opset in (13, NEWEST):
        cases.append(case(f"opset {opset} default axis", values(F32, (2, 3, 4), "softmax"), None, opset))
    for dtype in (F16, F64):
        cases.append(case(f"{np.dtype(dtype).name} rows", values(dtype, (4, 50), "softmax")))
        cases.append(case(f"{np.dtype(dtype).name} columns", values(dtype, (6, 5, 4), "softmax"), 1))
    cases.append(case("large values do not overflow", values(F32, (3, 8), "softmax", low=-1e4, high=1e4)))
    cases.append(case("wide spread", values(F32, (2, 100), "softmax", low=-60, high=60)))
    cases.append(case("one element", values(F32, (3, 1), "softmax")))
    cases.append(case("long rows", values(F32, (2, 1000), "softmax")))
    cases.append(case("minus infinity masks", np.array([[0, -INF, 1, -INF], [-INF, 2, 3, 4]], F32)))
    cases.append(case("NaN poisons its row only", np.array([[0, NAN, 1], [1, 2, 3]], F32)))
    cases.append(case("empty", values(F32, (0, 4), "softmax")))
    return cases


def product_tolerance(dtype, terms, magnitude):
    """See the module text: |A||B| with the number of terms; FLOAT16 gets one ulp of its own on top."""
    kind = F32 if dtype == F16 else dtype
    unit = float(np.finfo(kind).eps) / 2
    return 8 * unit * (1 + np.sqrt(terms) / 4) * magnitude


def matmul_exact(inputs):
    return np.matmul(inputs[0].astype(F64), inputs[1].astype(F64))


def matmul_tolerance(inputs, expected):
    a, b = (np.abs(x.astype(F64)) for x in inputs)
    bound = product_tolerance(expected.dtype, inputs[0].shape[-1], np.matmul(a, b))
    return bound + ulp(F16, expected) if expected.dtype == F16 else bound


def matmul():
    shapes = (((2, 3), (3, 4)), ((4,), (4,)), ((4,), (4, 3)), ((2, 4), (4,)), ((1, 1), (1, 1)), ((1, 64), (64, 1)),
              ((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((1, 3, 4), (6, 4, 2)),
              ((2, 1, 3, 4), (3, 4, 2)), ((2, 3, 2, 3, 4), (1, 3, 1, 4, 2)), ((5,), (3, 5, 2)), ((3, 2, 5), (5,)),
              ((17, 33), (33, 19)), ((8, 300), (300, 8)), ((0, 4), (4, 3)), ((3, 0), (0, 2)), ((2, 3, 0), (0, 4)),
              ((3, 4), (4, 0)))
    cases = []
    for index, (left, right) in enumerate(shapes):
        opset = (7, 9, 13, NEWEST)[index % 4]
        inputs = [values(F32, left, "matmul", 1), values(F32, right, "matmul", 2)]
        cases.append(Case("MatMul", f"float {list(left)} {list(right)}", inputs, opset=opset, check="tol", tolerance=matmul_tolerance,
                          exact=matmul_exact, exact_tolerance=matmul_tolerance))
    for dtype in (F16, F64):
        for left, right in (((7, 40), (40, 9)), ((2, 3, 8), (8, 5)), ((16,), (16,))):
            inputs = [values(dtype, left, "matmul", 3), values(dtype, right, "matmul", 4)]
            cases.append(Case("MatMul", f"{np.dtype(dtype).name} {list(left)} {list(right)}", inputs, check="tol",
                              tolerance=matmul_tolerance, exact=matmul_exact, exact_tolerance=matmul_tolerance))
    for dtype in (np.int32, np.int64, np.uint32, np.uint64):
        inputs = [values(dtype, (3, 6), "matmul", 5), values(dtype, (6, 4), "matmul", 6)]
        cases.append(Case("MatMul", f"{np.dtype(dtype).name}", inputs, opset=9))
        cases.append(Case("MatMul", f"{np.dtype(dtype).name} wraps", [any_bits(dtype, (2, 5), "matmul"), any_bits(dtype, (5, 3), "matmul")]))
    cases.append(Case("MatMul", "constant weights", [values(F32, (2, 32), "matmul", 7), Const(values(F32, (32, 8), "matmul", 8))],
                      check="tol", tolerance=matmul_tolerance))
    cases.append(Case("MatMul", "identity is exact", [np.eye(5, dtype=F32), values(F32, (5, 6), "matmul", 9)], check="value"))
    cases.append(Case("MatMul", "infinity and NaN", [np.array([[1, INF], [NAN, 0], [2, 3]], F32), np.array([[1, 2], [1, -1]], F32)],
                      check="ieee"))
    cases.append(Case("MatMul", "inner sizes differ", [values(F32, (2, 3), "matmul"), values(F32, (4, 2), "matmul")], kind="load_error"))
    return cases


def gemm_parts(inputs, attrs):
    a, b = (x.astype(F64) for x in inputs[:2])
    a = a.T if attrs.get("transA") else a
    b = b.T if attrs.get("transB") else b
    c = inputs[2].astype(F64) if len(inputs) > 2 and inputs[2] is not None else np.zeros((1, 1))
    return a, b, c, attrs.get("alpha", 1.0), attrs.get("beta", 1.0)


def gemm_exact(attrs):
    def function(inputs):
        a, b, c, alpha, beta = gemm_parts(inputs, attrs)
        return alpha * (a @ b) + beta * c
    return function


def gemm_tolerance(attrs):
    def function(inputs, expected):
        a, b, c, alpha, beta = gemm_parts(inputs, attrs)
        product, addend = np.abs(alpha) * (np.abs(a) @ np.abs(b)), np.abs(beta * c)
        bound = product_tolerance(expected.dtype, a.shape[1] + 1, product + addend)
        if expected.dtype == F16:
            # One rounding each: the product, alpha times it, beta times C, the sum.
            bound = bound + np.abs(alpha) * ulp(F16, a @ b) + ulp(F16, alpha * (a @ b)) + ulp(F16, beta * c) + ulp(F16, expected)
        return np.broadcast_to(bound, expected.shape)
    return function


def gemm():
    cases = []

    def add(label, a, b, c=None, opset=NEWEST, dtype=F32, constant=False, **attrs):
        arrays = [values(dtype, a, "gemm", 1), values(dtype, b, "gemm", 2)]
        if c is not None:
            arrays.append(values(dtype, c, "gemm", 3))
        inputs = [arrays[0], *(Const(x) for x in arrays[1:])] if constant else arrays
        bound = gemm_tolerance(attrs)
        cases.append(Case("Gemm", label, inputs, attrs, opset, "tol", bound, gemm_exact(attrs), bound))

    for trans_a in (0, 1):
        for trans_b in (0, 1):
            a, b = ((5, 3) if trans_a else (3, 5)), ((4, 5) if trans_b else (5, 4))
            add(f"transA {trans_a} transB {trans_b}", a, b, (3, 4), transA=trans_a, transB=trans_b)
            add(f"float16 transA {trans_a} transB {trans_b}", a, b, (4,), dtype=F16, transA=trans_a, transB=trans_b)
    for c in ((), (1,), (4,), (1, 4), (3, 1), (3, 4), (1, 1)):
        add(f"C {list(c)}", (3, 5), (5, 4), c)
    for opset in (7, 9, 11, 13):
        add(f"opset {opset}", (3, 5), (5, 4), (4,), opset=opset)
    for opset in (11, 13):
        add(f"opset {opset} without C", (3, 5), (5, 4), opset=opset)
    for alpha, beta in ((0.5, 2.0), (0.0, 1.0), (1.0, 0.0), (-1.5, -0.25), (1e-3, 1e3)):
        add(f"alpha {alpha} beta {beta}", (3, 5), (5, 4), (4,), alpha=alpha, beta=beta)
        add(f"float16 alpha {alpha} beta {beta}", (3, 5), (5, 4), (4,), dtype=F16, alpha=alpha, beta=beta)
    for c in (None, (4,), (3, 1)):
        add(f"double C {c}", (3, 5), (5, 4), c, dtype=F64)
    add("constant weights, as a Linear layer is exported", (1, 32), (8, 32), (8,), constant=True, alpha=1.0, beta=1.0, transB=1)
    add("float16 constant weights", (4, 64), (8, 64), (8,), constant=True, dtype=F16, transB=1)
    add("one row one column", (1, 1), (1, 1), (1,))
    add("long reduction", (4, 300), (300, 6), (6,))
    add("no rows", (0, 5), (5, 4), (4,))
    add("empty reduction gives beta C", (3, 0), (0, 4), (4,), beta=2.0)
    cases.append(Case("Gemm", "inner sizes differ", [values(F32, (2, 3), "gemm"), values(F32, (4, 2), "gemm")], kind="load_error"))
    cases.append(Case("Gemm", "C does not broadcast", [values(F32, (2, 3), "gemm"), values(F32, (3, 2), "gemm"), values(F32, (3,), "gemm")],
                      kind="load_error"))
    return cases


def table():
    """Operator -> its cases."""
    cases = {op: elementwise(op) for op in ("Add", "Sub", "Mul", "Div")}
    cases.update(Gemm=gemm(), MatMul=matmul(), Relu=relu(), Clip=clip(), Softmax=softmax(),
                 Sigmoid=activation("Sigmoid", sigmoid64), Tanh=activation("Tanh", tanh64))
    return cases
