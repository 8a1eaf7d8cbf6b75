# SPDX-License-Identifier: Apache-2.0
"""The question's compile command and script, end to end."""

import shutil
import subprocess
import sys
import unittest

from support import MODELS, SOURCE, TOOLS, TestCase


class Question(TestCase):
    def answer(self, *more_flags, model="my_model_a.onnx"):
        """Compiles with the question's command line, runs its script, returns what the script printed."""
        for name in {model, model.replace(".onnx", ".data")}:
            if (MODELS / name).exists():
                shutil.copy(MODELS / name, self.folder / name)
        command = [TOOLS / "qaic-exec", f"-m={model}", "-aic-hw", "-aic-hw-version=2.0", "-convert-to-fp16", "-mxfp6-matmul",
                   "-aic-num-cores=4", "-compile-only", "-aic-binary-dir=qaic_my_modela", *more_flags]
        compiled = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertEqual(compiled.returncode, 0, compiled.stderr)
        script = SOURCE / "tests" / "python" / "question.py"
        done = subprocess.run([sys.executable, script, "qaic_my_modela"], cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_default_profile_prints_what_the_card_printed(self):
        self.assertEqual(self.answer(), "qaic_my_modela/programqpc.bin\n"
                                        "input_shape:  (1, 32)\ninput_type:  float32\n"
                                        "output_shape:  (1, 1)\noutput_type:  float32\n"
                                        "output:  {'output': array([[9.5]], dtype=float32)}\n")

    def test_microxcaling_profile_prints_what_that_library_sums_to(self):
        self.assertIn("array([[9.75]], dtype=float32)", self.answer("-mx-profile=microxcaling"))

    def test_model_of_a_current_exporter_gives_the_same(self):
        self.assertIn("array([[9.5]], dtype=float32)", self.answer(model="my_model_a_current.onnx"))
        shutil.rmtree(self.folder / "qaic_my_modela")
        self.assertIn("array([[9.75]], dtype=float32)", self.answer("-mx-profile=microxcaling", model="my_model_a_current.onnx"))


if __name__ == "__main__":
    unittest.main()
