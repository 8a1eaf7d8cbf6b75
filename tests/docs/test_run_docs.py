# SPDX-License-Identifier: Apache-2.0
"""The runner of the documentation's examples: what it runs, what it leaves, what it reports."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent / "run_docs.py"


class RunDocs(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.root = pathlib.Path(self.scratch.name)
        (self.root / "build/tools").mkdir(parents=True)
        (self.root / "build/venv/bin").mkdir(parents=True)
        (self.root / "build/venv/bin/python").symlink_to(sys.executable)

    def run_text(self, text):
        page = self.root / "page.md"
        page.write_text(text)
        result = subprocess.run([sys.executable, SCRIPT, self.root, self.root / "build", page],
                                capture_output=True, text=True)
        return result.returncode, result.stdout

    def test_blocks_run_in_order_in_one_shell(self):
        code, output = self.run_text("```sh\nvalue=1; echo a > file\n```\ntext\n```sh\n[ $value = 1 ] && [ -f file ]\n```\n")
        self.assertEqual((code, output.split(": ")[-1]), (0, "2 blocks run\n"))

    def test_a_failing_command_is_reported_with_its_line(self):
        code, output = self.run_text("one\n```sh\ntrue\n```\n\n```sh\necho reason; false\necho unreachable\n```\n")
        self.assertEqual(code, 1)
        self.assertIn("page.md:7: the block ended with 1", output)
        self.assertIn("reason", output)
        self.assertNotIn("unreachable", output)

    def test_python_blocks_run_in_the_same_directory(self):
        code, output = self.run_text("```sh\necho 7 > n\n```\n```python\nassert int(open('n').read()) == 7\n```\n")
        self.assertEqual(code, 0, output)
        code, output = self.run_text("```python\nraise SystemExit('no good')\n```\n")
        self.assertEqual(code, 1)
        self.assertIn("no good", output)

    def test_norun_and_other_languages_are_left_alone(self):
        code, output = self.run_text("```sh norun\nfalse\n```\n```cpp\nsyntax error\n```\n```text\nfalse\n```\n```\nfalse\n```\n")
        self.assertEqual((code, output.split(": ")[-1]), (0, "0 blocks run\n"))

    def test_the_environment_points_at_source_and_tools(self):
        tool = self.root / "build/tools/hello"
        tool.write_text("#!/bin/sh\necho hello\n")
        tool.chmod(0o755)
        code, output = self.run_text('```sh\n[ "$(hello)" = hello ]\n[ -d "$QAIC_SRC/build" ]\n```\n')
        self.assertEqual(code, 0, output)

    def test_misspelt_and_open_blocks_are_errors(self):
        self.assertEqual(self.run_text("```sh no-run\ntrue\n```\n")[0], 1)
        self.assertEqual(self.run_text("```sh\ntrue\n")[0], 1)


if __name__ == "__main__":
    unittest.main()
