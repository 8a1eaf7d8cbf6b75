# SPDX-License-Identifier: Apache-2.0
"""Runs the examples of the documentation.

  run_docs.py SOURCE_DIR BUILD_DIR FILE…

Every fenced block with the info string `sh` or `python` is run; `sh norun` and `python norun` are not, and other
languages are only read. The blocks of one file run in order in one scratch directory: shell blocks in one bash
with `set -e`, each Python block by build/venv/bin/python. $QAIC_SRC is the source directory and PATH begins with
the built tools.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

RUNNABLE = {"sh", "python"}
KNOWN_WORDS = {"norun"}
TIMEOUT_SECONDS = 240


class DocumentError(Exception):
    pass


def blocks(text):
    """[(line number of the first code line, language, code)] of the blocks to run."""
    found, fence, language, words, start, code = [], None, "", [], 0, []
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"^ {0,3}(`{3,}|~{3,})\s*(.*)$", line)
        if fence is None:
            if match:
                fence, info = match.group(1), match.group(2).split()
                language, words, start, code = (info[0] if info else ""), info[1:], number + 1, []
                if language in RUNNABLE and not KNOWN_WORDS.issuperset(words):
                    raise DocumentError(f"line {number}: unknown word after '{language}'; write it alone or with 'norun'")
        elif match and not match.group(2) and match.group(1).startswith(fence):
            if language in RUNNABLE and "norun" not in words:
                found.append((start, language, "\n".join(code) + "\n"))
            fence = None
        else:
            code.append(line)
    if fence is not None:
        raise DocumentError(f"line {start - 1}: the block has no end")
    return found


def shell_script(chunks, scratch):
    """One bash script; a note in `at` names the block that runs, for the report of a failure."""
    lines = ["set -e"]
    for index, (start, language, code) in enumerate(chunks):
        lines.append(f"printf '%s\\n' {start} >'{scratch}/.at'")
        if language == "python":
            script = scratch / f".block{index}.py"
            script.write_text(code)
            lines.append(f'"$QAIC_PYTHON" "{script}"')
        else:
            lines.append(code)
    return "\n".join(lines)


def run_file(path, source, build):
    """A sentence about the first failing block, or None."""
    try:
        chunks = blocks(path.read_text())
    except DocumentError as error:
        return 0, f"{path}: {error}"
    if not chunks:
        return 0, None
    environment = dict(os.environ, QAIC_SRC=str(source), QAIC_PYTHON=str(build / "venv/bin/python"),
                       PATH=f"{build / 'tools'}:{build / 'venv/bin'}:{os.environ['PATH']}")
    with tempfile.TemporaryDirectory(prefix="qaic-docs-") as scratch:
        script = shell_script(chunks, pathlib.Path(scratch))
        try:
            result = subprocess.run(["bash", "-c", script], cwd=scratch, env=environment, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_SECONDS)
            output, failed = result.stdout, result.returncode
        except subprocess.TimeoutExpired as expired:
            output, failed = (expired.stdout or b"").decode(errors="replace"), "the time limit"
        at = (pathlib.Path(scratch) / ".at").read_text().strip()
    if not failed:
        return len(chunks), None
    tail = "\n".join("    " + line for line in output.splitlines()[-20:])
    return len(chunks), f"{path}:{at}: the block ended with {failed}\n{tail}"


def main(arguments):
    if len(arguments) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    source, build = (pathlib.Path(argument).resolve() for argument in arguments[:2])
    failures = 0
    for name in arguments[2:]:
        count, problem = run_file(pathlib.Path(name), source, build)
        print(problem or f"{name}: {count} blocks run")
        failures += problem is not None
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
