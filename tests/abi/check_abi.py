# SPDX-License-Identifier: Apache-2.0
"""Compares the lists that must agree by hand: headers, export map, built library, layout table.

  check_abi.py layouts SOURCE_DIR            every structure of include/hw is in hw_layout.c
  check_abi.py map SOURCE_DIR                the map lists exactly what the public headers declare
  check_abi.py exports SOURCE_DIR LIBRARY    the library exports exactly what the map lists
"""
import fnmatch
import pathlib
import re
import subprocess
import sys

MAP = "libqaicrt/libqaicrt.map"


def without_comments(text):
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return re.sub(r"//[^\n]*", "", text)


def check_layouts(source):
    table = without_comments((source / "tests/abi/hw_layout.c").read_text())
    listed = set(re.findall(r"STRUCT\((aic100_\w+),", table))
    declared = set()
    for header in sorted((source / "include/hw").glob("*.h")):
        declared |= set(re.findall(r"^struct (\w+) \{", without_comments(header.read_text()), re.M))
    assert declared, "no structure found in include/hw"
    return ([f"include/hw declares {name}; add it to tests/abi/hw_layout.c" for name in sorted(declared - listed)]
            + [f"tests/abi/hw_layout.c lists {name}, which include/hw does not declare" for name in sorted(listed - declared)])


def c_functions(source):
    """Names that qaicrt.h declares with QAICRT_API."""
    text = without_comments((source / "include/qaicrt/qaicrt.h").read_text())
    return set(re.findall(r"QAICRT_API[^;]*?\b(qaicrt_\w+)\(", text))


def cxx_functions(source):
    """Qualified names of the functions that the C++ headers declare and leave to the library."""
    names = set()
    for header in sorted((source / "include/qaicrt").glob("*.hpp")):
        text = without_comments(header.read_text())
        for match in re.finditer(r"^class (?:QAICRT_API )?(\w+) (?:final )?\{\n(.*?)^\};", text, re.M | re.S):
            public = re.sub(r"private:.*", "", match.group(2), flags=re.S)
            for declaration in re.split(r";|\{[^{}]*\}", public):
                declared = re.search(r"(~?\w+|operator=)\(", declaration)
                if declared and "using " not in declaration and not re.search(r"= (default|delete)", declaration):
                    names.add(f"qaicrt::{match.group(1)}::{declared.group(1)}")
        names |= {f"qaicrt::{name}" for name in re.findall(r"^QAICRT_API (?!class)[^;(]*?(\w+)\(", text, re.M)}
    # Defined in the header, in the class: nothing to export.
    inline = set(re.findall(r"(\w+)\(\)[^;\n]*\{ return", "".join(
        without_comments(h.read_text()) for h in (source / "include/qaicrt").glob("*.hpp"))))
    return {name for name in names if name.rsplit("::", 1)[1] not in inline or name.count("::") == 1}


def read_map(source):
    """({C names}, [C++ patterns]) of the export map."""
    text = without_comments((source / MAP).read_text())
    cxx = "".join(re.findall(r'extern "C\+\+" \{(.*?)\}', text, re.S))
    plain = re.sub(r'extern "C\+\+" \{.*?\};', "", text, flags=re.S)
    return (set(re.findall(r"\b(qaicrt_\w+);", plain)), re.findall(r"(qaicrt::[^;\s]+);", cxx))


def check_map(source):
    listed, patterns = read_map(source)
    declared = c_functions(source)
    problems = [f"qaicrt.h declares {n}(); add it to {MAP}" for n in sorted(declared - listed)]
    problems += [f"{MAP} lists {n}, which qaicrt.h does not declare" for n in sorted(listed - declared)]
    wanted = cxx_functions(source)
    # "?" stands for the characters that the linker does not read in patterns.
    stems = {pattern.rstrip("*").replace("operator?", "operator=").replace("?", "~") for pattern in patterns}
    problems += [f"a public header declares {n}(); add it to {MAP}" for n in sorted(wanted - stems)]
    problems += [f"{MAP} lists {n}*, which no public header declares" for n in sorted(stems - wanted)]
    assert len(declared) > 40 and len(wanted) > 40, (len(declared), len(wanted))
    print(f"{len(declared)} C functions and {len(wanted)} C++ functions compared")
    return problems


def exported(library):
    """{demangled symbol: version} of the dynamic symbols that the library defines."""
    listing = subprocess.run(["nm", "--dynamic", "--defined-only", "--with-symbol-versions", library],
                             check=True, capture_output=True, text=True).stdout
    rows = [line.split()[-1].partition("@@") for line in listing.splitlines()]
    names = subprocess.run(["c++filt"], input="\n".join(row[0] for row in rows), check=True,
                           capture_output=True, text=True).stdout.splitlines()
    return dict(zip(names, (row[2] for row in rows)))


def check_exports(source, library):
    listed, patterns = read_map(source)
    symbols = {name: version for name, version in exported(library).items() if not name.startswith("QAICRT_")}
    problems = []
    for name in sorted(listed):
        if symbols.pop(name, None) != "QAICRT_0.1":
            problems.append(f"{library} does not export {name}@@QAICRT_0.1")
    for pattern in patterns:
        # fnmatch must not read "[...]" of a demangled name's tail as a set; the patterns have none.
        hits = [name for name, version in symbols.items()
                if fnmatch.fnmatchcase(name, pattern) and version == "QAICRT_CXX_0.1"]
        if not hits:
            problems.append(f"{library} exports nothing for {pattern}; build its source with -fvisibility=default")
    covered = lambda name: any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    problems += [f"{library} exports {name}, which {MAP} does not list" for name in sorted(symbols) if not covered(name)]
    problems += [f"{library} exports the private {name}" for name in sorted(symbols) if "::Impl::" in name.split("(")[0]]
    print(f"{len(listed)} C symbols and {len(symbols)} C++ symbols exported")
    return problems


def main(arguments):
    checks = {"layouts": check_layouts, "map": check_map, "exports": check_exports}
    if len(arguments) < 2 or arguments[0] not in checks:
        sys.exit(__doc__)
    problems = checks[arguments[0]](pathlib.Path(arguments[1]), *arguments[2:])
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
