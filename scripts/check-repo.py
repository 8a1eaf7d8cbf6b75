#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that need no compiler: file sizes, licence lines, layout of the text, no traces of one machine.

usage: scripts/check-repo.py CHECK [SOURCE_DIR]      CHECK: size, spdx, format, text, all

Looks at the files that git knows (tracked or new, not ignored); without git at every file outside build
directories. `format` says so and exits 77 (skipped) when clang-format-16 is not installed.
"""
import pathlib
import re
import shutil
import subprocess
import sys

MAX_LINES = 600
CODE = {".c", ".h", ".cpp", ".hpp", ".cc", ".hh", ".py", ".sh", ".cmake", ".map", ".fbs", ".proto"}
CODE_NAMES = {"CMakeLists.txt", "Kbuild", "Makefile", "run"}
FORMATTED = {".c", ".h", ".cpp", ".hpp"}
# Kernel C follows the kernel's layout, not .clang-format of the root.
NOT_FORMATTED = ("driver/", "include/hw/", "include/uapi/")
# Data from elsewhere: kept as it came.
DATA = ("tests/golden/", "tests/fuzz/corpus/", "tests/models/", "LICENSES/")
LICENCE_OF = [  # the longest prefix wins
    ("include/hw/", "GPL-2.0-only OR BSD-3-Clause"),
    ("include/uapi/", "GPL-2.0-only WITH Linux-syscall-note"),
    ("driver/", "GPL-2.0-only"),
    ("Kbuild", "GPL-2.0-only"),
    ("", "Apache-2.0"),
]
# A path below one of these is somebody's own; /usr, /etc, /tmp, /dev and /sys are everybody's.
MACHINE_PATH = re.compile(r"(?<![\w.$}{)/-])/(?:work|root|home|Users|mnt|media|builds)/[\w.-]+")


def files(root):
    if (root / ".git").exists() and shutil.which("git"):
        listing = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "--cached", "--others",
                                  "--exclude-standard"], check=True, capture_output=True).stdout.decode()
        names = sorted(set(filter(None, listing.split("\0"))))
    else:
        names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*")
                       if not path.relative_to(root).parts[0].startswith((".git", "build")))
    for name in names:
        if (root / name).is_file() and not (root / name).is_symlink():
            yield name


def is_code(name):
    path = pathlib.PurePosixPath(name)
    return path.suffix in CODE or path.name in CODE_NAMES


def is_data(name):
    return name.startswith(DATA) and not name.endswith(("CMakeLists.txt", ".cpp", ".py", ".sh"))


def read(root, name):
    """Text of a file, or None when it is not text."""
    raw = (root / name).read_bytes()
    if b"\0" in raw:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def check_size(root):
    for name in files(root):
        if is_code(name) and not is_data(name):
            lines = (read(root, name) or "").count("\n")
            if lines > MAX_LINES:
                yield f"{name}:{lines}: more than {MAX_LINES} lines; give each job a file of its own"


def check_spdx(root):
    for name in files(root):
        if not is_code(name) or is_data(name):
            continue
        lines = (read(root, name) or "").splitlines()
        first = lines[1] if lines and lines[0].startswith("#!") and len(lines) > 1 else (lines or [""])[0]
        wanted = max((row for row in LICENCE_OF if name.startswith(row[0])), key=lambda row: len(row[0]))[1]
        found = re.search(r"SPDX-License-Identifier: (.*?)\s*(\*/)?$", first)
        if not found:
            yield f"{name}:1: no SPDX line at the top; begin with: SPDX-License-Identifier: {wanted}"
        elif found.group(1) != wanted:
            yield f"{name}:1: licence {found.group(1)}, but files here are {wanted}"


def check_text(root):
    for name in files(root):
        text = None if is_data(name) else read(root, name)
        if text is None:
            continue
        if text and not text.endswith("\n"):
            yield f"{name}: the last line has no end"
        for number, line in enumerate(text.split("\n"), 1):
            if "\r" in line:
                yield f"{name}:{number}: carriage return"
            if line != line.rstrip(" \t") and not name.endswith(".md"):
                yield f"{name}:{number}: blank at the end of the line"
            if MACHINE_PATH.search(line):
                yield f"{name}:{number}: absolute path of one machine: {MACHINE_PATH.search(line).group()}"
            if line.startswith(("<<<<<<< ", ">>>>>>> ")):
                yield f"{name}:{number}: unresolved merge"


def check_format(root):
    tool = shutil.which("clang-format-16")
    if tool is None:
        print("clang-format-16 is not installed; skipped")
        sys.exit(77)
    names = [name for name in files(root)
             if pathlib.PurePosixPath(name).suffix in FORMATTED and not name.startswith(NOT_FORMATTED) and not is_data(name)]
    result = subprocess.run([tool, "--dry-run", *names], cwd=root, capture_output=True, text=True)
    bad = dict.fromkeys(re.findall(r"^([^\s:]+):\d+:\d+: ", result.stderr, re.M))
    if result.returncode and not bad:
        yield f"clang-format-16 failed: {result.stderr.strip()}"
    for name in bad:
        yield f"{name}: not formatted; run: clang-format-16 -i {name}"


CHECKS = {"size": check_size, "spdx": check_spdx, "text": check_text, "format": check_format}


def main(arguments):
    if not arguments or arguments[0] not in [*CHECKS, "all"]:
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(arguments[1] if len(arguments) > 1 else pathlib.Path(__file__).parent.parent).resolve()
    if not any(files(root)):
        print(f"{root}: no files found")
        return 1
    chosen = CHECKS.values() if arguments[0] == "all" else [CHECKS[arguments[0]]]
    problems = [problem for check in chosen for problem in check(root)]
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
