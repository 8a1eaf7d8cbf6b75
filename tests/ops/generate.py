# SPDX-License-Identifier: Apache-2.0
"""Writes all operator cases with the answers of onnxruntime.

    generate.py --out DIR       writes DIR/<Op>/cases.txt and the models and data beside it
    generate.py --counts FILE   rewrites the list of case counts that names the ctest entries
"""

import argparse
import pathlib
import shutil
import sys
import time

import numpy as np
import onnx
import onnxruntime

import cases_binary
import cases_conv
import cases_gather
import cases_image
import cases_integer
import cases_math
import cases_movement
import cases_norm
import cases_reduce
import cases_select
import cases_unary
import graphs
from case import NEWEST, SEED, write_case

MODULES = (cases_math, cases_movement, cases_unary, cases_binary, cases_reduce, cases_norm, cases_conv, cases_gather,
           cases_image, cases_integer, cases_select)
REQUIRED = ("Gemm MatMul Add Sub Mul Div Relu Sigmoid Tanh Clip Softmax Reshape Flatten Transpose Squeeze Unsqueeze "
            "Concat Slice Gather Cast Identity Constant Pow Sqrt Exp Log Erf Abs Neg Reciprocal Floor Ceil Round Min Max Gelu "
            "LeakyRelu Elu PRelu HardSigmoid HardSwish LogSoftmax ReduceMean ReduceMax ReduceMin ReduceSum ReduceProd "
            "ReduceL2 Where Equal Greater Less And Or Not ArgMax TopK CumSum Trilu LayerNormalization "
            "InstanceNormalization BatchNormalization Conv ConvTranspose MaxPool AveragePool GlobalAveragePool GlobalMaxPool "
            "GatherElements GatherND ScatterND ConstantOfShape Shape Size Range Expand Tile Split Pad Resize DepthToSpace "
            "SpaceToDepth Einsum QuantizeLinear DequantizeLinear "
            "DynamicQuantizeLinear MatMulInteger ConvInteger QLinearMatMul QLinearConv Dropout CastLike OneHot Hardmax LRN EyeLike "
            "MeanVarianceNormalization LpNormalization GridSample ReverseSequence RoiAlign MaxUnpool Compress NonZero").split()


def all_cases():
    table = {op: cases for module in MODULES for op, cases in module.table().items()}
    assert sorted(table) == sorted(REQUIRED), f"operators differ from the list: {set(table) ^ set(REQUIRED)}"
    return {op: table[op] for op in REQUIRED}


def write_graphs(folder, write, count, failures):
    """Writes random networks as the cases of an operator that does not exist."""
    folder.mkdir(parents=True)
    lines = [f"seed {SEED}"]
    for index in range(count):
        try:
            lines += write(index, folder, index)
        except Exception as error:
            failures.append(f"graph {index}: {error}")
    (folder / "cases.txt").write_text("\n".join(lines) + "\n")


def write_operator(op, cases, folder, failures):
    """Writes one operator's cases; returns how often each oracle answered. Appends cases that no oracle takes."""
    folder.mkdir(parents=True)
    lines, oracles = [f"seed {SEED}"], {}
    for index, case in enumerate(cases):
        try:
            text, oracle = write_case(case, folder, index)
        except Exception as error:  # one broken case must not hide the next
            failures.append(f"{op} case {index} '{case.label}': {error}")
            continue
        if oracle == "reference" and case.oracle == "onnxruntime":
            print(f"{op}: {case.label}: onnxruntime has no kernel for it, onnx.reference answers instead")
        key = oracle if case.kind == "compare" else case.kind
        oracles[key] = oracles.get(key, 0) + 1
        lines += text
    if oracles.get("onnxruntime", 0) < 20:
        failures.append(f"{op}: only {oracles.get('onnxruntime', 0)} cases against onnxruntime, at least 20 are required")
    (folder / "cases.txt").write_text("\n".join(lines) + "\n")
    return oracles


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--counts", type=pathlib.Path)
    arguments = parser.parse_args()
    np.seterr(all="ignore")
    table = all_cases()
    if arguments.counts:
        counts = {**{op: len(cases) for op, cases in table.items()}, **graphs.GRAPHS}
        arguments.counts.write_text("".join(f"{op} {count}\n" for op, count in counts.items()))
    if not arguments.out:
        return 0
    started = time.monotonic()
    shutil.rmtree(arguments.out, ignore_errors=True)
    total, failures = {}, []
    for op, cases in table.items():
        for key, count in write_operator(op, cases, arguments.out / op, failures).items():
            total[key] = total.get(key, 0) + count
    for (name, count), write in zip(graphs.GRAPHS.items(), (graphs.write_graph, graphs.write_converted)):
        write_graphs(arguments.out / name, write, count, failures)
    parts = ", ".join(f"{count} {key}" for key, count in sorted(total.items()))
    print(f"{sum(total.values())} cases of {len(table)} operators, opsets 7 to {NEWEST}, seed {SEED}: {parts}; onnxruntime "
          f"{onnxruntime.__version__}, onnx {onnx.__version__}, {time.monotonic() - started:.1f} s")
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
