# SPDX-License-Identifier: Apache-2.0
"""encoder_block.onnx through qaic-exec, symbolic axes bound on the command line, against PyTorch's stored output."""
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np

MODELS = pathlib.Path(__file__).resolve().parents[1] / "models"
EXEC = pathlib.Path(os.environ["QAIC_TOOLS_DIR"]) / "qaic-exec"
# PyTorch sums in another order and with fused multiply-adds. Values are up to 3.3, where FP32 has steps of 2.4e-7; the
# block has six products, two layer normalisations and a softmax one after the other, each good for about one step.
TOLERANCE = 2e-6


class Encoder(unittest.TestCase):
    def run_exec(self, *flags):
        with tempfile.TemporaryDirectory() as folder:
            scratch = pathlib.Path(folder)
            np.load(MODELS / "encoder_block_x.npy").tofile(scratch / "x.raw")
            (scratch / "list.txt").write_text(f"{scratch}/x.raw\n", encoding="utf-8")
            command = [EXEC, f"-m={MODELS}/encoder_block.onnx", "-aic-hw", *flags, f"-input-list-file={scratch}/list.txt",
                       f"-write-output-dir={scratch}/out"]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch)
            if done.returncode != 0:
                return done.stderr
            (file,) = (scratch / "out").iterdir()
            return np.fromfile(file, np.float32)

    def difference(self, *flags):
        expected = np.load(MODELS / "encoder_block_y.npy")
        got = self.run_exec("-onnx-define-symbol=batch,2", "-onnx-define-symbol=sequence,16", *flags)
        self.assertIsInstance(got, np.ndarray, got)
        difference = float(np.abs(got.reshape(expected.shape) - expected).max())
        print(f"encoder_block {' '.join(flags) or 'FP32'}: largest difference to PyTorch {difference:.2e}", flush=True)
        return difference

    def test_fp32_is_pytorchs_output(self):
        self.assertLess(self.difference(), TOLERANCE)
        self.assertLess(self.difference("-aic-num-cores=2"), TOLERANCE)

    def test_fp16_is_near(self):
        # Half an FP16 step at 3.3 is 1e-3; some thirty roundings in a row, of either sign, stay below ten of them.
        self.assertLess(self.difference("-convert-to-fp16"), 1e-2)

    def test_an_open_axis_is_named_with_what_binds_it(self):
        error = self.run_exec("-onnx-define-symbol=batch,2")
        self.assertRegex(error, "'sequence' .*-onnx-define-symbol=sequence,INT, or -input-shape=x,2xINTx64")


if __name__ == "__main__":
    unittest.main()
