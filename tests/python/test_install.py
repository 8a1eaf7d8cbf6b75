# SPDX-License-Identifier: Apache-2.0
"""The installed package and the scripts that make the environment."""

import os
import pathlib
import subprocess
import sys
import time
import unittest

from support import MODELS, SOURCE, TestCase

BUILD = pathlib.Path(os.environ["QAIC_BUILD_DIR"])


class Install(TestCase):
    def test_installed_package_works_without_the_build_directory(self):
        subprocess.run(["cmake", "--install", BUILD, "--component", "python", "--prefix", self.folder / "prefix"], check=True,
                       capture_output=True)
        site = next((self.folder / "prefix").glob("lib/python*/site-packages"))
        self.assertEqual(sorted(file.name.split(".")[0] for file in (site / "qaic").iterdir()),
                         ["__init__", "_qaic", "_version", "metrics", "options", "session"])
        self.assertFalse(any(file.is_symlink() for file in (site / "qaic").iterdir()))
        code = ("import sys, numpy, qaic; print(qaic.__file__)\n"
                "print(qaic.Session(sys.argv[1]).run({'input': numpy.ones((1, 32), numpy.float32)})['output'].item())")
        done = subprocess.run([sys.executable, "-c", code, MODELS / "my_model_a.onnx"], cwd="/", capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": str(site)}, check=False)
        self.assertEqual((done.stdout, done.stderr), (f"{site}/qaic/__init__.py\n9.984375\n", ""))

    def test_version_is_the_projects(self):
        import qaic
        self.assertEqual(qaic.__version__, (SOURCE / "VERSION").read_text().strip())


class Scripts(TestCase):
    def test_environment_that_is_complete_takes_no_time_and_says_nothing(self):
        if not (BUILD / "venv" / ".stamp-test").exists():
            self.fail(f"{BUILD}/venv is not the environment of this run; run: QAIC_BUILD_DIR={BUILD} scripts/setup-venv.sh --test")
        started = time.monotonic()
        done = subprocess.run([SOURCE / "scripts" / "setup-venv.sh", "--test"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertLess(time.monotonic() - started, 2)

    def test_unknown_argument_is_a_usage_error(self):
        done = subprocess.run([SOURCE / "scripts" / "setup-venv.sh", "--everything"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (2, "setup-venv.sh: unknown option --everything; use --networks, --test or none\n"))

    def test_missing_environment_fails_and_names_the_script(self):
        done = subprocess.run([SOURCE / "tests" / "python" / "with_venv.sh", self.folder / "venv", "-c", "pass"], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"run: QAIC_BUILD_DIR={self.folder} scripts/setup-venv.sh --test", done.stderr)

    def test_install_without_a_build_says_what_to_run(self):
        done = subprocess.run([SOURCE / "scripts" / "install-python.sh", self.folder], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("has no built module; run: cmake --build", done.stderr)


if __name__ == "__main__":
    unittest.main()
