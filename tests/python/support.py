# SPDX-License-Identifier: Apache-2.0
"""What the Python tests share: paths and a base class with a folder of its own."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
MODELS = SOURCE / "tests" / "models"
TOOLS = pathlib.Path(os.environ["QAIC_TOOLS_DIR"])


class TestCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def python(self, code, *arguments, timeout=60):
        """Runs `code` in a process of its own; returns (exit code, stdout, stderr)."""
        done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                              cwd=self.folder, check=False)
        return done.returncode, done.stdout, done.stderr

    def compile_model(self, model, *flags, folder="program"):
        """qaic-exec on a model of tests/models; returns the directory of the program."""
        target = self.folder / folder
        command = [TOOLS / "qaic-exec", f"-m={MODELS / model}", "-aic-hw", "-compile-only", f"-aic-binary-dir={target}", *flags]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        return target
