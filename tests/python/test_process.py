# SPDX-License-Identifier: Apache-2.0
"""How processes with sessions end, fork and take signals."""

import os
import signal
import subprocess
import sys
import time
import unittest

from support import MODELS, TestCase

MODEL = MODELS / "my_model_a.onnx"
HEAD = "import os, sys, threading, time\nimport numpy as np\nimport qaic\nones = {'input': np.ones((1, 32), np.float32)}\n"


class Process(TestCase):
    def test_exits_cleanly_with_active_sessions(self):
        code = HEAD + "a = qaic.Session(sys.argv[1]); b = qaic.Session(sys.argv[1], num_activations=2)\na.run(ones); b.run(ones)\nprint('end')"
        self.assertEqual(self.python(code, MODEL), (0, "end\n", ""))

    def test_exits_cleanly_while_a_daemon_thread_runs(self):
        code = HEAD + """
session = qaic.Session(sys.argv[1], set_size=2)
def forever():
    while True:
        session.run(ones)
for _ in range(3):
    threading.Thread(target=forever, daemon=True).start()
time.sleep(0.2)
print('end')
"""
        self.assertEqual(self.python(code, MODEL)[:2], (0, "end\n"))

    def test_an_uncaught_exception_still_ends_the_process(self):
        status, _, errors = self.python(HEAD + "s = qaic.Session(sys.argv[1]); s.run(ones); raise KeyError('x')", MODEL)
        self.assertEqual(status, 1)
        self.assertIn("KeyError", errors)

    def test_memory_does_not_grow_with_runs_and_sessions(self):
        code = HEAD + """
def resident():
    return int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE')
def work(count):
    for _ in range(count):
        with qaic.Session(sys.argv[1], num_activations=2) as session:
            for _ in range(20):
                session.run(ones)
work(30)
before = resident()
work(150)
print(resident() - before)
"""
        status, output, errors = self.python(code, MODEL)
        self.assertEqual((status, errors), (0, ""))
        self.assertLess(int(output), 4 << 20)

    def test_descriptors_and_threads_are_given_back(self):
        code = HEAD + """
def count():
    return len(os.listdir('/proc/self/fd')), len(os.listdir('/proc/self/task'))
with qaic.Session(sys.argv[1]) as session:
    session.run(ones)
before = count()
for _ in range(20):
    with qaic.Session(sys.argv[1], num_activations=3) as session:
        session.run(ones)
after = count()
assert after[0] <= before[0] and after[1] <= before[1], (before, after)
"""
        self.assertEqual(self.python(code, MODEL), (0, "", ""))

    def test_a_forked_child_refuses_the_old_session_and_makes_its_own(self):
        code = HEAD + """
old = qaic.Session(sys.argv[1])
old.run(ones)
child = os.fork()
if child == 0:
    try:
        old.run(ones)
    except RuntimeError as error:
        print(error)
    print(qaic.Session(sys.argv[1]).run(ones)['output'].item(), flush=True)
    sys.exit(0)
status = os.waitpid(child, 0)[1]
print(status, old.run(ones)['output'].item())
"""
        self.assertEqual(self.python(code, MODEL), (
            0, "This session was made before fork(); make a new qaic.Session in the child process.\n9.984375\n0 9.984375\n", ""))

    def test_interrupt_ends_a_long_benchmark(self):
        code = HEAD + "s = qaic.Session(sys.argv[1])\ns.setup()\nprint('go', flush=True)\ns.run_benchmark(inf_time=60)"
        process = subprocess.Popen([sys.executable, "-c", code, str(MODEL)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            self.assertEqual(process.stdout.readline(), "go\n")
            time.sleep(0.3)
            started = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
        self.assertIn("KeyboardInterrupt", errors)
        self.assertLess(time.monotonic() - started, 10)
        self.assertEqual(process.returncode, -signal.SIGINT)

    def test_another_card_is_chosen_by_the_environment(self):
        code = HEAD + "print(qaic.Session(sys.argv[1], aic_num_cores=8).run(ones))"
        environment = {**os.environ, "QAIC_DEVICES": "emu:nsp=4"}
        done = subprocess.run([sys.executable, "-c", code, str(MODEL)], env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"qaic\.Error: .*NSP")


if __name__ == "__main__":
    unittest.main()
