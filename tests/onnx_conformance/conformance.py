#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ONNX's backend node tests on the network runner, and the page that says what came out.

usage: conformance.py run RUNNER CASES EXPECTED          prints a line for each operator; exit status 1 when a case
                                                         that counts fails, or when their number is not EXPECTED
       conformance.py page RUNNER PAGE NAME=CASES…       writes the page
       conformance.py check RUNNER PAGE NAME=CASES…      exit status 1 when the page is not what `page` would write

CASES is a directory with one folder for each test, or the word debian for those of Debian's libonnx-testdata.

A case counts when every node of its graph is an operator that the runner supports and all tensors at its edge are
BOOL, FLOAT16, FLOAT, DOUBLE or an integer of 8 to 64 bits. Everything else is listed with the reason.
"""
import collections
import json
import pathlib
import subprocess
import sys

import onnx

TYPES = {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13}
DEBIAN = pathlib.Path("/usr/share/libonnx-testdata/data/node")
BAR = 24


def cases_of(word):
    folder = DEBIAN if word == "debian" else pathlib.Path(word)
    if not folder.is_dir():
        sys.exit(f"{folder} is missing; install the test packages with scripts/install-deps.sh --test")
    return sorted(path for path in folder.iterdir() if (path / "model.onnx").is_file())


def supported(runner):
    lines = subprocess.run([runner, "--operators"], check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(line.rsplit(" ", 1) for line in lines)


def run_runner(runner, cases):
    process = subprocess.run([runner, *map(str, cases)], check=True, capture_output=True, text=True)
    return {result["case"]: result for result in map(json.loads, process.stdout.splitlines())}


def nodes_of(graph):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from nodes_of(attribute.g)


def why_not_counted(model, operators):
    """Empty when the case counts."""
    names = {node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
             for node in nodes_of(model.graph)}
    functions = {function.name for function in model.functions}
    missing = sorted(names - functions - set(operators))
    if missing:
        return "other operator: " + ", ".join(missing)
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        if not value.type.HasField("tensor_type"):
            return "not a tensor: " + value.type.WhichOneof("value").removesuffix("_type")
        if value.type.tensor_type.elem_type not in TYPES:
            return "element type " + onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)
    return ""


def operator_of(model):
    names = {node.op_type for node in model.graph.node}
    return names.pop() if len(names) == 1 else "several operators"


def judge(runner, word, operators):
    """(operator, case, verdict, reason) of every case; verdict is passed, failed or not counted."""
    cases = cases_of(word)
    results = run_runner(runner, cases)
    out = []
    for case in cases:
        model = onnx.load(case / "model.onnx", load_external_data=False)
        reason = why_not_counted(model, operators)
        result = results.get(str(case), {"result": "failed", "reason": "no answer"})
        if "training mode" in result["reason"]:
            reason = reason or "Dropout in training mode: what it drops is random"
        verdict = "not counted" if reason else "passed" if result["result"] == "passed" else "failed"
        out.append((operator_of(model), case.name, verdict, reason or result["reason"]))
    return out


def tally(judged):
    table = collections.defaultdict(collections.Counter)
    for operator, _, verdict, _ in judged:
        table[operator][verdict] += 1
    return table


def run(runner, word, expected):
    judged = judge(runner, word, supported(runner))
    table = tally(judged)
    print(f"{'operator':28}{'passed':>8}{'failed':>8}{'unsupported':>13}")
    for operator in sorted(table):
        counts = table[operator]
        print(f"{operator:28}{counts['passed']:8}{counts['failed']:8}{counts['not counted']:13}")
    total = collections.Counter(verdict for _, _, verdict, _ in judged)
    print(f"{'all':28}{total['passed']:8}{total['failed']:8}{total['not counted']:13}")
    for operator, case, verdict, reason in judged:
        if verdict == "failed":
            print(f"FAILED {case} ({operator}): {reason}")
    if total["failed"] or total["passed"] != int(expected):
        sys.exit(f"{total['failed']} cases failed; {total['passed']} passed, and {expected} are expected to "
                 "(tests/onnx_conformance/counts.txt)")


def bar(passed, failed):
    filled = BAR * passed // max(passed + failed, 1)
    return "█" * filled + "░" * (BAR - filled)


def page_text(runner, sets):
    operators = supported(runner)
    judged = {name: judge(runner, word, operators) for name, word in sets}
    tables = {name: tally(rows) for name, rows in judged.items()}
    lines = ["<!-- SPDX-License-Identifier: Apache-2.0 -->",
             "<!-- Written by tests/onnx_conformance/conformance.py; a test compares. -->",
             "# Operators of the network runner", "",
             "What runs on the emulated card, in which opsets, and how ONNX's own node tests go. A test counts when its",
             "graph has only operators of this page and its tensors are BOOL, FLOAT16, FLOAT, DOUBLE or integers of 8 to",
             "64 bits; every case runs with one and with two threads, which must agree to the last bit.", ""]
    for name, rows in judged.items():
        total = collections.Counter(verdict for _, _, verdict, _ in rows)
        lines.append(f"    {name:34} {bar(total['passed'], total['failed'])}  {total['passed']} of "
                     f"{total['passed'] + total['failed']} pass; {total['not counted']} do not count")
    lines += ["", "| Operator | Opsets | " + " | ".join(name for name, _ in sets) + " |",
              "|---|---|" + "---|" * len(sets)]
    for operator in sorted(operators):
        cells = []
        for name, _ in sets:
            counts = tables[name].get(operator, {})
            passed, failed = counts.get("passed", 0), counts.get("failed", 0)
            cells.append(f"{passed} of {passed + failed}" if passed + failed else "–")
        lines.append(f"| {operator} | {operators[operator]} | " + " | ".join(cells) + " |")
    lines += ["", "## Why the others do not count", ""]
    reasons = collections.Counter()
    for rows in judged.values():
        reasons.update(reason for _, _, verdict, reason in rows if verdict == "not counted")
    lines += ["| Reason | Cases |", "|---|---|"]
    lines += [f"| {reason} | {count} |" for reason, count in sorted(reasons.items())]
    return "\n".join(lines) + "\n"


def main():
    verb, runner, *rest = sys.argv[1:]
    if verb == "run":
        run(runner, *rest)
        return
    target, *sets = rest
    text = page_text(runner, [word.split("=", 1) for word in sets])
    page = pathlib.Path(target)
    if verb == "page":
        page.write_text(text)
    elif page.read_text() != text:
        sys.exit(f"{target} is out of date; write it anew with conformance.py page (see tests/onnx_conformance)")


if __name__ == "__main__":
    main()
