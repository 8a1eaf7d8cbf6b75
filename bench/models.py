# SPDX-License-Identifier: Apache-2.0
"""Measures the networks of tests/networks against onnxruntime; bench/models.sh builds what this needs and calls it."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import onnxruntime
import qaic

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "networks"))
from networks import NETWORKS  # noqa: E402

THREADS = 2
ROUNDS, ROUND_SECONDS = 7, 0.25
COUNTED_RUNS = 20
MEAN_BAR, LATENCY_BAR, MEMORY_BAR, ALLOCATIONS_BAR, COMPILE_BAR = 1.5, 2.5, 1.5, 0, 10
# One process each: numpy, one runtime, a few inferences; its peak as the kernel counted it.
PROCESS = """
import sys, numpy
data = dict(numpy.load(sys.argv[2]))
{body}
for _ in range(3):
    run()
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
OURS = """
import json, qaic
session = qaic.Session(sys.argv[1], **json.loads(sys.argv[3]))
run = lambda: session.run(data)
"""
PEER = f"""
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.log_severity_level = {THREADS}, 3
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
run = lambda: session.run(None, data)
"""


def say(text):
    print(text, file=sys.stderr, flush=True)


def peer_session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = THREADS, 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def seconds_each(run, count):
    """Lower quartile of `count` calls: what other processes do to a call only makes it slower."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(numpy.percentile(times, 25))


def latencies(ours, peer):
    """Rounds of both in turn, so that whatever else the machine does meets both. Returns the medians of the rounds in
    seconds, and the median of the rounds' ratios."""
    counts = []
    for run in (ours, peer):
        run()
        counts.append(max(1, int(ROUND_SECONDS / seconds_each(run, 2))))
    rounds = []
    for _ in range(ROUNDS):
        pair = []
        for run, count in zip((ours, peer), counts):
            time.sleep(0.02)  # idle threads of the other one stop spinning
            run()
            pair.append(seconds_each(run, count))
        rounds.append(pair)
    ratio = statistics.median(mine / theirs for mine, theirs in rounds)
    return [statistics.median(column) for column in zip(*rounds)], ratio


def peak_mib(body, *arguments):
    done = subprocess.run([sys.executable, "-c", PROCESS.format(body=body), *map(str, arguments)], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise SystemExit(f"models.py: a process that measures memory failed: {done.stderr.strip()[-400:]}")
    return int(done.stdout) / 1024


def allocations(counter, program, inputs, folder):
    """Calls of malloc and its relatives per inference, once the first ones are done."""
    files = []
    for index, array in enumerate(inputs.values()):
        files.append(folder / f"{index}.raw")
        array.tofile(files[-1])
    (folder / "inputs.txt").write_text(",".join(map(str, files)) + "\n", encoding="utf-8")
    done = subprocess.run([counter, program, str(COUNTED_RUNS), f"-input-list-file={folder}/inputs.txt"], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise SystemExit(f"models.py: {done.stderr.strip()}")
    return int(done.stdout) / COUNTED_RUNS


def measure(network, counter, folder):
    """Everything about one network."""
    model, shapes, data = network.model(), network.shapes, network.inputs()[0]
    options = {**shapes, "aic_num_cores": THREADS}
    program = folder / "program"
    start = time.perf_counter()
    session = qaic.Session(model, output_dir=str(program), **options)
    compile_seconds = time.perf_counter() - start
    session.setup()
    peer = peer_session(model)
    names = [output.name for output in peer.get_outputs()]
    mine, theirs = session.run(data), dict(zip(names, peer.run(names, data)))
    (ours, other), ratio = latencies(lambda: session.run(data), lambda: peer.run(None, data))

    numpy.savez(folder / "data.npz", **data)
    in_order = {name: data[name] for name in session.model_input_shape_dict}
    session.reset()
    loaded = peak_mib(OURS, program, folder / "data.npz", "{}")
    compiled = peak_mib(OURS, model, folder / "data.npz", json.dumps(options))
    reference = peak_mib(PEER, model, folder / "data.npz")
    return {
        "name": network.name, "model_bytes": model.stat().st_size, "latency_ms": ours * 1000, "peer_latency_ms": other * 1000,
        "latency_ratio": ratio, "peak_mib": loaded, "peak_mib_with_compiling": compiled, "peer_peak_mib": reference,
        "memory_ratio": loaded / reference, "allocations_per_inference": allocations(counter, program, in_order, folder),
        "compile_s": compile_seconds,
        "largest_difference": max(float(numpy.abs(mine[name] - theirs[name]).max()) for name in names),
    }


def figures_of(rows, mean_bar):
    """`mean_bar`: None when only some networks were measured, whose mean says nothing about the others."""
    largest = max(rows, key=lambda row: row["model_bytes"])
    figures = [("FP32 latency / onnxruntime, geometric mean", statistics.geometric_mean(row["latency_ratio"] for row in rows), mean_bar)]
    figures += [(f"{row['name']}: FP32 latency / onnxruntime", row["latency_ratio"], LATENCY_BAR) for row in rows]
    figures += [(f"{row['name']}: peak memory / onnxruntime", row["memory_ratio"], MEMORY_BAR) for row in rows]
    figures += [(f"{row['name']}: heap allocations per inference", row["allocations_per_inference"], ALLOCATIONS_BAR) for row in rows]
    figures.append((f"compile of the largest network ({largest['name']}), seconds", largest["compile_s"], COMPILE_BAR))
    return [{"name": name, "value": value, "bar": bar, "better": "lower", "pass": bar is None or value <= bar} for name, value, bar in figures]


def verdict(figure):
    return "      " if figure["bar"] is None else "ok    " if figure["pass"] else "MISSED"


def bar_text(figure):
    return "no bar: not all networks" if figure["bar"] is None else f"bar {figure['bar']:g}"


def chart(result):
    """A bar of the ratio for each network; '|' marks the bar that it must not pass."""
    def bar(value, limit):
        cells = ["█" if index < round(value * 10) else " " for index in range(40)]
        cells[round(limit * 10)] = "|"
        return "".join(cells)

    lines = [f"FP32 latency / onnxruntime, {THREADS} threads each (bar {LATENCY_BAR})"]
    lines += [f"  {row['name']:<18} {row['latency_ratio']:6.2f} {bar(row['latency_ratio'], LATENCY_BAR)} "
              f"{row['latency_ms']:8.2f} ms : {row['peer_latency_ms']:.2f} ms" for row in result["networks"]]
    lines.append(f"peak memory / onnxruntime (bar {MEMORY_BAR})")
    lines += [f"  {row['name']:<18} {row['memory_ratio']:6.2f} {bar(row['memory_ratio'], MEMORY_BAR)} "
              f"{row['peak_mib']:8.1f} MiB : {row['peer_peak_mib']:.1f} MiB" for row in result["networks"]]
    lines += [f"{verdict(figure)} {figure['name']}: {figure['value']:.3g} ({bar_text(figure)})" for figure in result["figures"]]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="bench/models.sh")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output instead of a chart")
    parser.add_argument("--only", action="append", choices=sorted(NETWORKS), help="measure this network (repeat for more)")
    parser.add_argument("--counter", required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    chosen = [network for network in NETWORKS.values() if network.name in (arguments.only or [network.name]) and
              (arguments.only or network.measured)]
    rows = []
    for network in chosen:
        with tempfile.TemporaryDirectory() as folder:
            row = measure(network, arguments.counter, pathlib.Path(folder))
        say(f"{row['name']}: {row['latency_ms']:.2f} ms, onnxruntime {row['peer_latency_ms']:.2f} ms; {row['peak_mib']:.1f} MiB, "
            f"onnxruntime {row['peer_peak_mib']:.1f} MiB; compiled in {row['compile_s']:.2f} s")
        rows.append(row)
    figures = figures_of(rows, None if arguments.only else MEAN_BAR)
    result = {"benchmark": "models", "threads": THREADS, "figures": figures, "networks": rows,
              "pass": all(figure["pass"] for figure in figures)}
    print(json.dumps(result) if arguments.json else chart(result))
    return 0 if result["pass"] else 1


if __name__ == "__main__":
    sys.exit(main())
