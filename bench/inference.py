# SPDX-License-Identifier: Apache-2.0
"""Puts the counts of bench/inference.sh and a rate against onnxruntime into one JSON object on stdout."""
import json
import os
import sys
import tempfile
import time

import numpy
import onnx
import onnxruntime
import qaic
from onnx import TensorProto, helper, numpy_helper

LAYERS, WIDTH, BATCH = 4, 512, 16
ALLOCATIONS_BAR = 0
# A submit and a wait that sleeps: one wake-up for the NSP, one for the host, their sleeps and the event descriptor.
SYSTEM_CALLS_BAR = 12
RATE_BAR = 0.25


def mlp(path):
    """FP32: the peer's optimised kernels against one documented order of sums without contraction."""
    rng = numpy.random.default_rng(1)
    nodes, weights, name = [], [], "x"
    for layer in range(LAYERS):
        weights.append(numpy_helper.from_array(rng.standard_normal((WIDTH, WIDTH), numpy.float32) * 0.05, f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [name, f"w{layer}"], [f"m{layer}"]))
        nodes.append(helper.make_node("Relu", [f"m{layer}"], [f"r{layer}"]))
        name = f"r{layer}"
    shape = [BATCH, WIDTH]
    graph = helper.make_graph(nodes, "mlp", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def rate(run):
    """Median over five rounds, so that one interruption does not decide."""
    run()
    rounds = []
    for _ in range(5):
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < 0.4:
            run()
            count += 1
        rounds.append(count / (time.perf_counter() - start))
    return sorted(rounds)[2]


def main():
    few, many, allocations = (int(value) for value in sys.argv[1:4])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "mlp.onnx")
        mlp(path)
        data = {"x": numpy.random.default_rng(2).standard_normal((BATCH, WIDTH), numpy.float32)}
        session = qaic.Session(model_path=path, aic_num_cores=1)
        session.setup()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        peer = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        ours, theirs = rate(lambda: session.run(data)), rate(lambda: peer.run(None, data))
    figures = [
        {"name": "heap allocations per inference", "value": allocations / 1000, "bar": ALLOCATIONS_BAR, "better": "lower"},
        {"name": "system calls per inference", "value": (many - few) / 2000, "bar": SYSTEM_CALLS_BAR, "better": "lower"},
        {"name": "FP32 MLP rate / onnxruntime, one thread each", "value": ours / theirs, "bar": RATE_BAR,
         "better": "higher", "ours_per_s": ours, "peer_per_s": theirs},
    ]
    for figure in figures:
        lower = figure["better"] == "lower"
        figure["pass"] = figure["value"] <= figure["bar"] if lower else figure["value"] >= figure["bar"]
    result = {"benchmark": "inference", "figures": figures, "pass": all(figure["pass"] for figure in figures)}
    print(json.dumps(result))
    return 0 if result["pass"] else 1


if __name__ == "__main__":
    sys.exit(main())
