# SPDX-License-Identifier: Apache-2.0
"""qaic-run on the emulated card: results, files, statistics, signals."""
import json
import os
import pty
import signal
import subprocess
import threading
import time

from harness import PROGRAMS, RunTest, TIMEOUT, TOOL, floats, main, npy

QUESTION = PROGRAMS / "question"


class Runs(RunTest):
    def test_the_question_gives_9_5(self):
        output = self.succeeds("-t", QUESTION, "-i", self.ones(), "--write-output-dir=out")
        self.assertIn("Input file: ", output)
        self.assertIn("Writing file:out/output-activation-0-inf-0.bin\n", output)
        self.assertEqual((self.scratch / "out/output-activation-0-inf-0.bin").read_bytes(), floats(9.5))
        self.assertEqual(self.stats(output).group(1), "40")

    def test_npy_and_raw_inputs_are_told_apart_by_content(self):
        data = floats(*[1.0] * 32)
        for name, content in (("x.raw", npy("<f4", [1, 32], data)), ("x.npy", data)):
            self.succeeds("-t", QUESTION, "-i", self.file(name, content), "-n", 1, "-write-output-dir", name + ".out")
            self.assertEqual((self.scratch / f"{name}.out/output-activation-0-inf-0.bin").read_bytes(), floats(9.5))

    def test_a_pipe_can_be_an_input(self):
        path = self.scratch / "pipe"
        os.mkfifo(path)
        writer = threading.Thread(target=lambda: path.write_bytes(floats(*[1.0] * 32)))
        writer.start()
        self.succeeds("-t", QUESTION, "-i", path, "-n", 1, "--write-output-dir", "out")
        writer.join()
        self.assertEqual((self.scratch / "out/output-activation-0-inf-0.bin").read_bytes(), floats(9.5))

    def test_the_qpc_file_itself_may_be_named(self):
        self.succeeds("-t", QUESTION / "programqpc.bin", "-n", 1)

    def test_one_file_per_input_in_the_programs_order(self):
        data = self.file("data", floats(*[10.0 * i for i in range(8)]))
        index = self.file("index", (3).to_bytes(8, "little") + (7).to_bytes(8, "little"))
        self.succeeds("-t", PROGRAMS / "gather", "-i", data, "-i", index, "-n", 1, "--write-output-dir", "out")
        self.assertEqual((self.scratch / "out/picked-activation-0-inf-0.bin").read_bytes(), floats(30.0, 70.0))

    def test_without_inputs_random_data_is_used_and_the_same_every_time(self):
        for directory in ("a", "b"):
            output = self.succeeds("-t", QUESTION, "-n", 2, "--write-output-dir", directory, "--dump-input-buffers")
            self.assertIn("Using bounded random inputs\n", output)
        for name in ("output-activation-0-inf-0.bin", "input-input.bin"):
            self.assertEqual((self.scratch / "a" / name).read_bytes(), (self.scratch / "b" / name).read_bytes())
        self.assertEqual(len((self.scratch / "a/input-input.bin").read_bytes()), 128)

    def test_random_data_suits_every_type(self):
        for program in ("types", "multi", "gather", "names"):
            self.succeeds("-t", PROGRAMS / program, "-n", 3)

    def test_every_activation_runs_all_iterations_and_writes_the_asked_ones(self):
        output = self.succeeds("-t", QUESTION, "-i", self.ones(), "-a", 3, "-n", 20, "-S", 4, "--write-output-dir", "out",
                               "--write-output-start-iter", 18, "--write-output-num-samples", 2)
        self.assertEqual(self.stats(output).group(1), "60")
        names = sorted(path.name for path in (self.scratch / "out").iterdir())
        self.assertEqual(names, [f"output-activation-{a}-inf-{i}.bin" for a in range(3) for i in (18, 19)])
        for name in names:
            self.assertEqual((self.scratch / "out" / name).read_bytes(), floats(9.5))

    def test_an_older_output_is_replaced_and_said_so(self):
        out = self.scratch / "out"
        out.mkdir()
        (out / "output-activation-0-inf-0.bin").write_bytes(b"old")
        output = self.succeeds("-t", QUESTION, "-i", self.ones(), "-n", 1, "--write-output-dir", "out")
        self.assertIn("Deleting previous file: out/output-activation-0-inf-0.bin\n", output)
        self.assertEqual([path.name for path in out.iterdir()], ["output-activation-0-inf-0.bin"])
        self.assertEqual((out / "output-activation-0-inf-0.bin").read_bytes(), floats(9.5))

    def test_tensor_names_cannot_leave_the_directory_or_meet(self):
        output = self.succeeds("-t", PROGRAMS / "names", "-n", 1, "--write-output-dir", "deep/er/out", "-v")
        self.assertNotIn("\x1b", output)
        names = sorted(path.name for path in (self.scratch / "deep/er/out").iterdir())
        self.assertEqual(names, sorted(stem + "-activation-0-inf-0.bin" for stem in (
            ".._.._.._escape", "a_b.1", "a_b.2", "..", "bell__[31m_red")))
        self.assertEqual(sum(path.is_file() for path in self.scratch.rglob("*")), 5)

    def test_time_limits_the_run(self):
        begin = time.monotonic()
        output = self.succeeds("-t", QUESTION, "--time", 0.5)
        self.assertLess(time.monotonic() - begin, 30)
        self.assertGreaterEqual(int(self.stats(output).group(2)), 450000)

    def test_the_rate_follows_from_the_other_numbers(self):
        count, duration, batch, rate = self.stats(self.succeeds("-t", QUESTION, "-n", 500)).groups()
        self.assertEqual((count, batch), ("500", "1"))
        self.assertAlmostEqual(float(rate) / (500e6 / int(duration)), 1, places=2)

    def test_json_is_all_that_stdout_gets(self):
        result = self.run_tool("-t", QUESTION, "-n", 50, "--json", "-p", "on", "--write-output-dir", "out")
        summary = json.loads(result.stdout)
        self.assertEqual((summary["inferences"], summary["device"], summary["interrupted"]), (50, "emu:0", False))
        latency = summary["latency_us"]
        self.assertTrue(0 < latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"])
        self.assertIn("info: option -p has no effect", result.stderr)
        self.assertIn("Writing file:out/", result.stderr)

    def test_the_chart_counts_every_inference(self):
        output = self.succeeds("-t", QUESTION, "-n", 300, "--chart")
        rows = [line.split() for line in output[self.stats(output).end():].splitlines()]
        self.assertEqual(sum(int(row[4]) for row in rows), 300)
        self.assertTrue(any("#" in row[-1] for row in rows))
        summary = json.loads(self.run_tool("-t", QUESTION, "-n", 300, "--chart", "--json").stdout)
        self.assertEqual(sum(row["count"] for row in summary["histogram"]), 300)

    def test_verbose_says_what_runs_where(self):
        output = self.succeeds("-t", QUESTION, "-v")
        self.assertIn("Device: ID 0 (", output)
        self.assertIn(f"Test path: {QUESTION}\n", output)
        self.assertIn("Input 'input' FloatTy [1, 32], 128 bytes\n", output)
        self.assertIn("Inference run completed successfully!\n", output)

    def test_live_reporting_prints_while_it_runs(self):
        output = self.succeeds("-t", PROGRAMS / "slow", "--time", 1.5, "-l", "-r", 200)
        self.assertGreaterEqual(output.count("\nLive:"), 2)
        self.assertEqual(output.count("Inf/Sec"), 1)

    def test_batch_inputs_come_from_a_directory_or_a_list(self):
        batch = self.scratch / "batch"
        batch.mkdir()
        for i in range(3):
            (batch / f"{i}.raw").write_bytes(floats(*[float(i)] * 32))
        listing = self.file("list.txt", "\n".join(f" {batch}/{i}.raw" for i in (2, 1)).encode() + b"\n\n")
        output = self.succeeds("-t", QUESTION, "--aic-batch-input-directory", batch, "--write-output-dir", "d",
                               "--write-output-num-samples", 3)
        self.assertIn("Number of Files(as per batch input):3\n", output)
        self.assertEqual([(self.scratch / f"d/output-activation-0-inf-{i}.bin").read_bytes() for i in range(3)],
                         [floats(9.5 * i) for i in range(3)])
        self.succeeds("-t", QUESTION, "--aic-batch-input-file-list", listing, "-n", 4, "--write-output-dir", "l",
                      "--write-output-num-samples", 4)
        self.assertEqual([(self.scratch / f"l/output-activation-0-inf-{i}.bin").read_bytes() for i in range(4)],
                         [floats(9.5 * i) for i in (2, 1, 2, 1)])

    def test_the_vendors_spelling_of_a_whole_command_line(self):
        self.succeeds("-t", QUESTION, "-a", 1, "-n", 5, "-d", 0, "-S", 1, "-T", 1, "-c", "-p=on",
                      "--aic-profiling-type=latency", "--aic-profiling-num-samples=99999", "-write-output-dir", ".",
                      "--submit-timeout", 60000)
        self.succeeds("--test-data", QUESTION, "--aic-num-of-activations=1", "--num-iter=5", "--set-size=1",
                      "--aic-device-id=0")

    def test_help_and_version_need_nothing(self):
        self.assertIn("usage: qaic-run -t DIR", self.succeeds("-h"))
        self.assertRegex(self.succeeds("--version"), r"\Aqaic-run \d+\.\d+\.\d+\n\Z")

    def test_qaic_runner_is_the_same_program(self):
        runner = TOOL.parent / "qaic-runner"
        result = subprocess.run([runner, "-t", QUESTION, "-n", "1"], capture_output=True, text=True, timeout=TIMEOUT)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.stats(result.stdout)


class Signals(RunTest):
    def interrupted(self, number):
        process = subprocess.Popen([TOOL, "-t", PROGRAMS / "slow", "-S", "2", "--time", "600", "-l", "-r", "100"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in process.stdout:  # wait for the first live line: it runs
            if line.startswith("Live:"):
                break
        process.send_signal(number)
        sent = time.monotonic()
        output, errors = process.communicate(timeout=TIMEOUT)
        self.assertLess(time.monotonic() - sent, 30)
        return process.returncode, output, errors

    def test_ctrl_c_ends_with_the_statistics_so_far(self):
        code, output, errors = self.interrupted(signal.SIGINT)
        self.assertEqual((code, errors), (130, ""))
        self.assertGreater(int(self.stats(output).group(1)), 0)
        self.assertNotIn("completed successfully", output)

    def test_sigterm_too(self):
        self.assertEqual(self.interrupted(signal.SIGTERM)[0], 143)


class Terminal(RunTest):
    def test_a_progress_line_is_drawn_on_a_terminal_only(self):
        master, slave = pty.openpty()
        process = subprocess.Popen([TOOL, "-t", PROGRAMS / "slow", "-n", "200"], stdout=subprocess.PIPE, stderr=slave, text=True)
        os.close(slave)
        drawn = b""
        while True:
            try:
                part = os.read(master, 4096)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            drawn += part
        os.close(master)
        output, _ = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 0)
        self.assertIn(b"/200 inferences, ", drawn)
        self.assertTrue(drawn.endswith(b"\r\x1b[K"), drawn[-80:])
        self.stats(output)


if __name__ == "__main__":
    main()
