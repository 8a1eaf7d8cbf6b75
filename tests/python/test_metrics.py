# SPDX-License-Identifier: Apache-2.0
"""Metrics, the benchmark and the host profile."""

import contextlib
import io
import re
import unittest

import numpy as np
import qaic
from qaic.metrics import Metrics

from support import MODELS, TestCase

ONES = {"input": np.ones((1, 32), np.float32)}


def printed(function, *arguments):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        function(*arguments)
    return text.getvalue()


class Numbers(TestCase):
    def test_summary_of_known_latencies(self):
        metrics = Metrics()
        metrics.add([k / 1000 for k in range(1, 102)])
        expected = {
            "num_of_inferences": 101, "min_latency": 0.001, "max_latency": 0.101, "P25": 0.026, "P50": 0.051, "P75": 0.076,
            "P90": 0.091, "P99": 0.1, "P999": 0.1009, "total_inference_time": 5.151, "avg_latency": 0.051}
        self.assertEqual(list(metrics.summary()), list(expected))
        for name, value in metrics.summary().items():
            self.assertAlmostEqual(value, expected[name], msg=name)

    def test_no_inference_gives_zeros(self):
        self.assertEqual(set(Metrics().summary().values()), {0})


class SessionMetrics(TestCase):
    def test_counts_runs_and_benchmarks(self):
        session = qaic.Session(MODELS / "my_model_a.onnx", enable_metrics=True)
        for _ in range(5):
            session.run(ONES)
        session.run_benchmark(num_inferences=7)
        values = session.get_metrics()
        self.assertEqual(values["num_of_inferences"], 12)
        self.assertTrue(0 < values["min_latency"] <= values["P50"] <= values["P999"] <= values["max_latency"])
        self.assertAlmostEqual(values["avg_latency"] * 12, values["total_inference_time"])

    def test_print_metrics_has_the_known_lines(self):
        session = qaic.Session(MODELS / "my_model_a.onnx", enable_metrics=True)
        session.run(ONES)
        number = r"[0-9.e+-]+"
        patterns = ["Number of inferences utilized for calculation are 1", f"Minimum latency observed {number} s",
                    f"Maximum latency observed {number} s", f"Average latency / inference time observed is {number} s",
                    *(f"P{p} / {p}% of inferences observed latency less than {number} s" for p in (25, 50, 75, 90, 99)),
                    f"Sum of all the inference times {number} s"]
        lines = printed(session.print_metrics).splitlines()
        self.assertEqual(len(lines), len(patterns))
        for line, pattern in zip(lines, patterns):
            self.assertRegex(line, re.compile(f"^{pattern}$"))

    def test_without_the_option_says_which_option(self):
        session = qaic.Session(MODELS / "my_model_a.onnx")
        with self.assertRaisesRegex(RuntimeError, "enable_metrics=True"):
            session.get_metrics()
        with self.assertRaisesRegex(RuntimeError, "enable_profiling=True"):
            session.print_profile_data(1)


class Benchmark(TestCase):
    def test_does_exactly_as_many_as_asked(self):
        session = qaic.Session(MODELS / "my_model_a.onnx", num_activations=3, set_size=4)
        for count in (1, 5, 12, 13, 200):
            done, rate, seconds, batch = session.run_benchmark(num_inferences=count)
            self.assertEqual((done, batch), (count, 1))
            self.assertAlmostEqual(rate * seconds, count, places=6)

    def test_default_is_forty(self):
        self.assertEqual(qaic.Session(MODELS / "my_model_a.onnx").run_benchmark()[0], 40)

    def test_runs_for_a_time_with_given_input(self):
        session = qaic.Session(MODELS / "my_model_a.onnx", set_size=2)
        done, rate, seconds, _ = session.run_benchmark(inf_time=0.2, input_dict=ONES)
        self.assertGreater(done, 1)
        self.assertTrue(0.19 < seconds < 5, seconds)
        self.assertGreater(rate, 1)

    def test_batch_size_is_the_programs(self):
        session = qaic.Session(MODELS / "my_model_a.onnx", stats_batchsize=8)
        self.assertEqual(session.run_benchmark(num_inferences=2)[3], 8)

    def test_limits_exclude_each_other_and_inputs_are_checked(self):
        session = qaic.Session(MODELS / "my_model_a.onnx")
        with self.assertRaisesRegex(ValueError, "exclude each other"):
            session.run_benchmark(num_inferences=1, inf_time=1)
        for options in ({"num_inferences": 0}, {"inf_time": 0}, {"inf_time": -1}, {"num_inferences": 2.5}):
            with self.subTest(options=options), self.assertRaises(ValueError):
                session.run_benchmark(**options)
        with self.assertRaisesRegex(ValueError, "Input input is missing"):
            session.run_benchmark(input_dict={})

    def test_runs_beside_it_still_answer(self):
        session = qaic.Session(MODELS / "my_model_a.onnx", set_size=2)
        session.run_benchmark(num_inferences=50)
        self.assertEqual(session.run(ONES)["output"].item(), 9.984375)


class HostProfile(TestCase):
    def test_prints_the_first_iterations_with_the_known_columns(self):
        session = qaic.Session(MODELS / "my_model_a.onnx", enable_profiling=True)
        for _ in range(3):
            session.run(ONES)
        text = printed(session.print_profile_data, 2)
        self.assertEqual(re.findall(r"^Iteration (\d+)$", text, re.M), ["0", "1"])
        for column in ("File-Line-Function", "num calls", "func time", "tot time"):
            self.assertEqual(text.count(column), 2)
        self.assertIn("session.py", text)
        self.assertEqual(session.get_metrics()["num_of_inferences"], 3)


if __name__ == "__main__":
    unittest.main()
