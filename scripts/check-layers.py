#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when an #include crosses the layers the wrong way.

usage: scripts/check-layers.py [SOURCE_DIR]

The tables below are the rules; docs/design/README.md draws them. A layer may always include itself. Tests
(`*/test/`, tests/, bench/) may include anything of ours.
"""
import pathlib
import re
import sys

# Directory or file (the longest match wins) -> layer.
LAYERS = {
    "include/hw/": "hw",
    "include/uapi/": "uapi",
    "include/qaicrt/": "public API",
    "include/qaicrt/result.hpp": "base",
    "include/qaicrt/types.hpp": "base",
    "include/qaicrt/export.hpp": "base",
    "libqaicrt/support/": "support",
    "libqaicrt/qpc/": "qpc",
    "libqaicrt/nnc/": "nnc",
    "libqaicrt/backend/": "backend",
    "libqaicrt/backend/backend.hpp": "seam",
    "libqaicrt/backend/emu/": "backend/emu",
    "libqaicrt/api/": "api",
    "libqaicrt/capi/": "capi",
    "emu/mx/": "emu/mx",
    "emu/net/": "emu/net",
    "emu/": "emu",
    "compiler/": "compiler",
    "vcard/": "vcard",
    "tools/common/": "tools/common",
    "tools/": "tools",
    "python/": "python",
    "driver/": "driver",
    "tests/": "tests",
    "bench/": "tests",
    "examples/": "examples",
}

# Layer -> the layers that it may include.
ALLOWED = {
    "hw": set(),
    "uapi": set(),
    "base": set(),
    "public API": {"base"},
    "support": {"base"},
    "qpc": {"base", "hw", "support"},
    "nnc": {"base", "hw", "support"},
    "seam": {"base"},
    "backend": {"base", "support", "seam", "backend/emu"},
    "backend/emu": {"base", "hw", "support", "seam", "emu"},
    "api": {"base", "public API", "hw", "support", "qpc", "nnc", "seam"},
    "capi": {"base", "public API"},
    "emu/mx": {"base"},
    "emu/net": {"base", "emu/mx"},
    "emu": {"base", "hw", "qpc", "emu/net", "emu/mx"},
    "compiler": {"base", "hw", "qpc", "emu/net", "emu/mx"},
    "vcard": {"base", "support", "hw", "emu"},
    "tools/common": {"base", "support"},
    "tools": {"base", "public API", "compiler", "emu/mx", "tools/common"},
    "python": {"base", "public API", "compiler"},
    "driver": {"hw", "uapi"},
    "examples": {"base", "public API"},
    "tests": set(LAYERS.values()),
}

# Headers from outside that only some layers may use: prefix -> (layers, why).
OUTSIDE = {
    "pybind11/": ({"python"}, "Python belongs to python/"),
    "CLI/": ({"tools"}, "command lines belong to tools/"),
    "onnx/": ({"emu/net", "emu", "compiler", "tools"}, "the runtime knows no ONNX"),
    "flatbuffers/": ({"qpc"}, "FlatBuffers are the QPC's affair"),
    "google/protobuf/": ({"qpc", "emu/net", "emu", "compiler", "tools"}, "protobuf stays behind the parsers"),
    "fmt/": ({"support", "qpc", "nnc", "backend/emu", "api", "emu", "emu/mx", "emu/net", "compiler", "tools",
              "tools/common", "python", "vcard"}, "public headers need the standard library only"),
    "sys/socket.h": ({"tools", "tools/common", "vcard"}, "no sockets in libraries: the card has three ports"),
    "sys/ioctl.h": ({"backend"}, "only a backend talks to a kernel driver"),
    "linux/": ({"hw", "uapi", "driver", "backend"}, "kernel headers stay at the kernel's edge"),
}

SOURCES = {".c", ".h", ".cpp", ".hpp", ".cc", ".hh"}
GENERATED = (".pb.h", "_generated.h")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_of(path):
    """Layer of a repository path, None if no rule covers it."""
    if "/test/" in path:
        return "tests"
    matches = [prefix for prefix in LAYERS if path == prefix or (prefix.endswith("/") and path.startswith(prefix))]
    return LAYERS[max(matches, key=len)] if matches else None


def part_of(path):
    """Tools are parts of their own: tools/a may not include tools/b."""
    return "/".join(path.split("/")[:2]) if path.startswith("tools/") else None


def resolve(root, including, bracket, name):
    """Repository path of an included file of ours, or None."""
    places = [root, root / "include"]
    if bracket == '"':
        places.insert(0, including.parent)
    for place in places:
        candidate = (place / name).resolve()
        if candidate.is_file() and root in candidate.parents:
            return candidate.relative_to(root).as_posix()
    return None


def check_outside(layer, name):
    for prefix, (layers, why) in OUTSIDE.items():
        if name.startswith(prefix) and layer not in layers | {"tests"}:
            return f"{layer} may not include <{name}>: {why}"
    return None


def check_inside(source, target):
    layer, other = layer_of(source), layer_of(target)
    if layer == "tests":
        return None
    if other == "tests":
        return f"{layer} may not include the test header {target}"
    if layer == other:
        if part_of(source) != part_of(target):
            return f"one tool may not include another ({target}); share through tools/common"
        return None
    if other not in ALLOWED[layer]:
        allowed = ", ".join(sorted(ALLOWED[layer])) or "nothing else of ours"
        return f"{layer} may not include {other} ({target}); it may include: {allowed}"
    return None


def check_file(root, path):
    source = path.relative_to(root).as_posix()
    layer = layer_of(source)
    if layer is None:
        yield f"{source}:1: no layer covers this file; add its directory to scripts/check-layers.py"
        return
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        bracket, name = match.groups()
        target = resolve(root, path, bracket, name)
        if target is not None:
            problem = check_inside(source, target)
        elif bracket == '"' and not name.endswith(GENERATED):
            problem = f'"{name}" is not a file of this repository; use <> for others'
        else:
            problem = check_outside(layer, name)
        if problem:
            yield f"{source}:{number}: {problem}"


def sources(root):
    for path in sorted(root.rglob("*")):
        top = path.relative_to(root).parts[0]
        if path.suffix in SOURCES and path.is_file() and not top.startswith((".", "build")):
            yield path


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent).resolve()
    files = list(sources(root))
    problems = [problem for path in files for problem in check_file(root, path)]
    for problem in problems:
        print(problem)
    print(f"{len(files)} files, {len(problems)} includes cross the layers")
    return 1 if problems or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
