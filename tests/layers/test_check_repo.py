# SPDX-License-Identifier: Apache-2.0
"""Feeds scripts/check-repo.py small trees: each broken rule must be named with its file."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/check-repo.py"
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


class CheckRepo(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.root = pathlib.Path(self.scratch.name)

    def run_check(self, check, path, text):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
        result = subprocess.run([sys.executable, SCRIPT, check, self.root], capture_output=True, text=True)
        return result.returncode, result.stdout

    def assert_refused(self, check, path, text, words):
        code, output = self.run_check(check, path, text)
        self.assertEqual(code, 1, output)
        self.assertIn(path, output)
        self.assertIn(words, output)

    def assert_accepted(self, check, path, text):
        code, output = self.run_check(check, path, text)
        self.assertEqual(code, 0, output)

    def test_600_lines_are_accepted_and_601_are_not(self):
        self.assert_accepted("size", "emu/a.cpp", "\n" * 600)
        self.assert_refused("size", "emu/a.cpp", "\n" * 601, "more than 600 lines")

    def test_data_may_be_long(self):
        self.assert_accepted("size", "tests/golden/a.csv", "1\n" * 5000)

    def test_every_source_begins_with_its_licence(self):
        self.assert_accepted("spdx", "emu/a.cpp", SPDX)
        self.assert_accepted("spdx", "scripts/a.sh", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n")
        self.assert_accepted("spdx", "include/hw/a.h", "/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */\n")
        self.assert_refused("spdx", "emu/b.cpp", "#include <vector>\n" + SPDX, "no SPDX line at the top")

    def test_driver_code_is_gpl(self):
        self.assert_refused("spdx", "driver/a.c", SPDX, "files here are GPL-2.0-only")

    def test_paths_of_one_machine_are_found(self):
        for path in ("/ho" "me/someone", "/ro" "ot/build", "/wo" "rk/tree"):
            self.assert_refused("text", "docs/a.md", f"see {path}/x\n", "absolute path of one machine")
        self.assert_accepted("text", "docs/a.md", "/usr/bin/python3, /tmp/x, tests/work/a and $HOME/root/b\n")

    def test_sloppy_text_is_found(self):
        self.assert_refused("text", "a.txt", "no end", "the last line has no end")
        self.assert_refused("text", "a.txt", "one\r\n", "carriage return")
        self.assert_refused("text", "a.txt", "one \n", "blank at the end")
        (self.root / "a.txt").unlink()
        self.assert_accepted("text", "a.bin", b"\0\r\n /ro" b"ot/x")

    @unittest.skipUnless(shutil.which("clang-format-16"), "clang-format-16 is not installed")
    def test_unformatted_code_is_found(self):
        self.assert_accepted("format", "emu/a.cpp", SPDX + "int f();\n")
        self.assert_refused("format", "emu/a.cpp", SPDX + "int   f( );\n", "not formatted")

    def test_wrong_usage_is_an_error(self):
        result = subprocess.run([sys.executable, SCRIPT, "nonsense"], capture_output=True)
        self.assertEqual(result.returncode, 2)

    def test_an_empty_tree_is_not_a_pass(self):
        result = subprocess.run([sys.executable, SCRIPT, "all", self.root], capture_output=True)
        self.assertEqual(result.returncode, 1)


if __name__ == "__main__":
    unittest.main()
