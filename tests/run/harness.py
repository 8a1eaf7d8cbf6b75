# SPDX-License-Identifier: Apache-2.0
"""What the tests of qaic-run share: the program, the QPCs of tests/programs, a scratch directory.

usage of each test file: test_….py QAIC_RUN PROGRAMS_DIR [CLASS…]
"""
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest

if len(sys.argv) < 3:
    sys.exit(__doc__)
TOOL, PROGRAMS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
STATS = re.compile(r"^ ---- Stats ----\nInferenceCnt (\d+) TotalDuration (\d+)us BatchSize (\d+) Inf/Sec (\d+\.\d{3})\n"
                   r"Latency P50 [\d.]+us P90 [\d.]+us P99 [\d.]+us Max [\d.]+us\n", re.M)
TIMEOUT = 120


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def npy(dtype, shape, data):
    """A .npy file, version 1.0, written from the format's description."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''}), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


class RunTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="qaic-run-")
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)

    def file(self, name, data):
        path = self.scratch / name
        path.write_bytes(data)
        return path

    def ones(self):
        return self.file("ones.raw", floats(*[1.0] * 32))

    def run_tool(self, *arguments, **options):
        command = [TOOL, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, cwd=self.scratch,
                              errors="replace", **options)

    def succeeds(self, *arguments, **options):
        result = self.run_tool(*arguments, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)
        return result.stdout

    def fails(self, code, words, *arguments, **options):
        """One sentence on stderr that contains `words`, nothing written."""
        before = sorted(self.scratch.rglob("*"))
        result = self.run_tool(*arguments, **options)
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        self.assertRegex(result.stderr, r"\Aqaic-run: [^\n]+\n\Z")
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, result.stderr)
        self.assertEqual(sorted(self.scratch.rglob("*")), before)
        return result.stderr

    def stats(self, output):
        found = STATS.search(output)
        self.assertTrue(found, output)
        return found


def main():
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
