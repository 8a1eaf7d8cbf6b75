# SPDX-License-Identifier: Apache-2.0
"""Bad input: one sentence with what, where and what to do; exit 1 (2 for the command line); nothing left behind."""
import os
import random
import resource
import subprocess

from harness import PROGRAMS, RunTest, TIMEOUT, TOOL, floats, main, npy

QUESTION = PROGRAMS / "question"


class CommandLine(RunTest):
    def test_wrong_command_lines_exit_2(self):
        self.fails(2, "missing test data path")
        self.fails(2, "unknown option '--frobnicate'", "-t", QUESTION, "--frobnicate")
        self.fails(2, "option -n needs a whole number from 1", "-t", QUESTION, "-n", "zero")
        self.fails(2, "option --write-output-dir needs a value", "-t", QUESTION, "--write-output-dir")
        self.fails(2, "unexpected argument 'stray'", "-t", QUESTION, "stray")
        self.fails(2, "use -d with one card", "-t", QUESTION, "-D", "0:1")
        self.fails(2, "should be <= numInf(40)", "-t", QUESTION, "--write-output-num-samples", 41)

    def test_an_option_cannot_write_to_the_terminal(self):
        self.assertNotIn("\x1b", self.fails(2, "unknown option", "-t", QUESTION, "--\x1b[31m"))


class Programs(RunTest):
    def test_missing_program_is_named(self):
        self.fails(1, "no-such-dir", "-t", "no-such-dir")
        (self.scratch / "empty").mkdir()
        self.fails(1, "programqpc.bin", "-t", "empty")

    def test_a_file_that_is_no_qpc(self):
        for name, content in (("zero", b""), ("text", b"hello\n" * 100), ("zeros", bytes(4096))):
            self.fails(1, [], "-t", self.file(name, content))

    def test_truncated_programs(self):
        whole = (QUESTION / "programqpc.bin").read_bytes()
        for size in (1, 39, 40, 200, len(whole) // 2, len(whole) - 1):
            self.fails(1, [], "-t", self.file("cut", whole[:size]))

    def test_flipped_bits_never_crash_or_hang(self):
        whole = (QUESTION / "programqpc.bin").read_bytes()
        chance = random.Random(7)
        refused = 0
        for _ in range(60):
            damaged = bytearray(whole)
            for _ in range(chance.choice((1, 4, 32))):
                damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
            result = self.run_tool("-t", self.file("flipped", damaged), "-n", 2, "--submit-timeout", 200,
                                   "--submit-retry-count", 1)
            self.assertIn(result.returncode, (0, 1), result.stderr)
            if result.returncode == 1:
                refused += 1
                self.assertRegex(result.stderr, r"\Aqaic-run: [^\n]+\n\Z")
        self.assertGreater(refused, 5)

    def test_a_program_for_silicon_is_refused(self):
        self.fails(1, "compiled for the card's NSPs; run it on a card", "-t", PROGRAMS / "silicon")

    def test_a_workload_that_fails_names_the_inference(self):
        data = self.file("data", floats(*range(8)))
        index = self.file("index", (0).to_bytes(8, "little") + (999).to_bytes(8, "little"))
        self.fails(1, "inference 0 of activation 0 failed: ", "-t", PROGRAMS / "gather", "-i", data, "-i", index)


class Devices(RunTest):
    def test_unknown_device_lists_the_known_ones(self):
        self.fails(1, ["7", "0"], "-t", QUESTION, "-d", 7)

    def test_unknown_kind_of_card(self):
        environment = dict(os.environ, QAIC_DEVICES="no-such-card")
        self.fails(1, "no-such-card", "-t", QUESTION, env=environment)

    def test_more_activations_than_nsps(self):
        self.fails(1, "activation 4 of 5: ", "-t", QUESTION, "-a", 5)

    def test_the_next_card_is_taken_when_the_first_is_too_small(self):
        environment = dict(os.environ, QAIC_DEVICES="emu:nsp=2")
        self.fails(1, [], "-t", QUESTION, env=environment)


class Inputs(RunTest):
    def test_sizes_must_match_and_both_are_named(self):
        for size in (0, 127, 129, 100000):
            self.fails(1, ["has %d bytes" % size, "needs exactly 128", "'input'"], "-t", QUESTION, "-i",
                       self.file("bad", bytes(size)))
        self.fails(1, "more than 128", "-t", QUESTION, "-i", "/dev/zero")

    def test_missing_and_unreadable_files_are_named(self):
        self.fails(1, ["'nowhere.raw'", "No such file"], "-t", QUESTION, "-i", "nowhere.raw")
        self.fails(1, "Is a directory", "-t", QUESTION, "-i", self.scratch)

    def test_the_number_of_files_must_match(self):
        self.fails(1, ["2 input files given", "1 input", "'input'"], "-t", QUESTION, "-i", self.ones(), "-i", "x")
        self.fails(1, ["1 input files given", "'data', 'index'"], "-t", PROGRAMS / "gather", "-i", self.ones())

    def test_npy_type_and_shape_must_match(self):
        data = floats(*[1.0] * 32)
        self.fails(1, ["'<i4'", "FloatTy"], "-t", QUESTION, "-i", self.file("a", npy("<i4", [1, 32], data)))
        self.fails(1, ["[32, 1]", "[1, 32]"], "-t", QUESTION, "-i", self.file("a", npy("<f4", [32, 1], data)))
        self.fails(1, [], "-t", QUESTION, "-i", self.file("a", npy("<f4", [1, 32], data)[:100]))
        self.fails(1, [], "-t", QUESTION, "-i", self.file("a", b"\x93NUMPY"))

    def test_batches_are_checked_too(self):
        (self.scratch / "batch").mkdir()
        self.fails(1, "names no files", "-t", QUESTION, "--aic-batch-input-directory", "batch")
        self.fails(1, "No such file", "-t", QUESTION, "--aic-batch-input-directory", "missing")
        self.fails(1, "No such file", "-t", QUESTION, "--aic-batch-input-file-list", "missing")
        self.ones()
        many = self.file("many", b"ones.raw\n" * 9000)
        self.fails(1, "raise --aic-batch-max-memory", "-t", QUESTION, "--aic-batch-input-file-list", many,
                   "--aic-batch-max-memory", 1)
        self.fails(1, "'nowhere'", "-t", QUESTION, "--aic-batch-input-file-list", self.file("one", b"nowhere"))


class Outputs(RunTest):
    def test_a_directory_that_cannot_be_made_or_written(self):
        self.file("occupied", b"")
        self.fails(1, ["'occupied'", "--write-output-dir"], "-t", QUESTION, "--write-output-dir", "occupied")
        self.fails(1, "'/proc/qaic'", "-t", QUESTION, "--write-output-dir", "/proc/qaic")
        # Even root cannot make files here.
        self.fails(1, "'/proc/self'", "-t", QUESTION, "--write-output-dir", "/proc/self")

    def test_a_failed_write_leaves_no_file(self):
        out = self.scratch / "out"
        (out / "output-activation-0-inf-0.bin").mkdir(parents=True)
        self.fails(1, "output-activation-0-inf-0.bin", "-t", QUESTION, "--write-output-dir", out)

    def test_a_run_that_fails_leaves_no_directory(self):
        data = self.file("data", floats(*range(8)))
        index = self.file("index", bytes(8) + (999).to_bytes(8, "little"))
        self.fails(1, "failed: ", "-t", PROGRAMS / "gather", "-i", data, "-i", index, "--write-output-dir", "a/b")
        self.fails(1, [], "-t", QUESTION, "-d", 7, "--write-output-dir", "c/")

    def test_a_full_standard_output_is_an_error(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([TOOL, "-t", QUESTION, "-n", "1"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT)
        self.assertEqual(result.returncode, 1)
        self.assertIn("standard output", result.stderr)


class Memory(RunTest):
    def test_too_little_memory_is_one_sentence(self):
        limit = 1 << 30
        self.fails(1, [], "-t", PROGRAMS / "slow", "-a", 8, "-S", 1000, "-n", 1,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))


if __name__ == "__main__":
    main()
