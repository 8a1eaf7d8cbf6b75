# SPDX-License-Identifier: Apache-2.0
"""One network on its real input, in every precision, against onnxruntime in FP32.

usage: test_networks.py NAME
"""
import sys
import unittest

import numpy as np
import onnxruntime
import qaic

from networks import NETWORKS

PRECISIONS = {"FP32": {}, "FP16": {"convert_to_fp16": True}, "MXFP6": {"convert_to_fp16": True, "mxfp6_matmul": True}}
NAME = sys.argv.pop()


def peer(network):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(str(network.model()), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda data: dict(zip(names, session.run(names, data)))


def largest_differences(mine, theirs):
    """name -> largest difference over all inferences, relative to the largest magnitude of that output."""
    found = {}
    for name in theirs[0]:
        largest = max(np.abs(output[name]).max() for output in theirs)
        difference = max(np.abs(ours[name].reshape(other[name].shape) - other[name]).max() for ours, other in zip(mine, theirs))
        found[name] = float(difference / largest)
    return found


class RealInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.network = NETWORKS[NAME]
        cls.expected = cls.network.run(peer(cls.network))

    def check(self, precision):
        if precision != "FP32" and self.network.only_fp32:
            self.skipTest(self.network.only_fp32)
        session = qaic.Session(self.network.model(), aic_num_cores=2, **self.network.shapes, **PRECISIONS[precision])
        got = self.network.run(session.run)
        self.assertEqual(len(got), len(self.expected))
        differences = largest_differences(got, self.expected)
        print(f"{NAME} {precision}: {len(got)} inferences, largest difference "
              + ", ".join(f"{value:.1e} of {name}" for name, value in differences.items()), flush=True)
        self.assertTrue(all(np.isfinite(value).all() for output in got for value in output.values()))
        self.assertEqual(self.network.answer(got), self.network.answer(self.expected))
        return differences

    def test_fp32_is_onnxruntimes(self):
        self.assertLess(max(self.check("FP32").values()), self.network.fp32_bound)

    def test_fp16_gives_the_same_answer(self):
        self.check("FP16")

    def test_mxfp6_gives_the_same_answer(self):
        self.check("MXFP6")

    def test_the_answer_is_what_the_input_says(self):
        if self.network.known is None:
            self.skipTest("the input was not made for a certain answer")
        self.assertEqual(self.network.answer(self.expected), self.network.known())


if __name__ == "__main__":
    unittest.main()
