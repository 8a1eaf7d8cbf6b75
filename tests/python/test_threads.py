# SPDX-License-Identifier: Apache-2.0
"""run() from several threads: right answers, real parallelism, and a GIL that others can take."""

import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import qaic

from support import MODELS, TestCase


def chain_input(seed):
    return {"x": np.random.default_rng(seed).standard_normal((192, 192)).astype(np.float32) / 14}


class Threads(TestCase):
    def test_every_thread_gets_its_own_answer(self):
        session = qaic.Session(MODELS / "mlp.onnx", num_activations=2, set_size=3)
        inputs = [{"x": np.random.default_rng(i).standard_normal((4, 64), np.float32)} for i in range(64)]
        alone = [session.run(item)["y"].tobytes() for item in inputs]
        with ThreadPoolExecutor(8) as pool:
            together = [output["y"].tobytes() for output in pool.map(session.run, inputs)]
        self.assertEqual(alone, together)

    def test_more_threads_than_slots_take_turns(self):
        session = qaic.Session(MODELS / "my_model_a.onnx", num_activations=1, set_size=1)
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda k: session.run({"input": np.full((1, 32), k, np.float32)})["output"].item(), range(200)))
        self.assertEqual(answers, [9.984375 * k for k in range(200)])

    def test_first_runs_of_many_threads_set_up_once(self):
        session = qaic.Session(MODELS / "my_model_a.onnx", aic_num_cores=16)  # a second activation would not fit
        start = threading.Barrier(8)

        def first_run():
            start.wait()
            return session.run({"input": np.ones((1, 32), np.float32)})["output"].item()

        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(first_run) for _ in range(8)]
        self.assertEqual({future.result() for future in futures}, {9.984375})

    def test_other_python_threads_run_during_an_inference(self):
        session = qaic.Session(MODELS / "matmul_chain.onnx", set_size=2)
        session.setup()
        done, ticks = threading.Event(), []

        def tick():
            while not done.is_set():
                ticks.append(time.perf_counter())
                time.sleep(0.0005)

        ticker = threading.Thread(target=tick)
        ticker.start()
        item, inside, deadline = chain_input(0), 0, time.perf_counter() + 30
        while inside < 20 and time.perf_counter() < deadline:
            before = len(ticks)
            started = time.perf_counter()
            session.run(item)
            quarter = (time.perf_counter() - started) / 4
            # The middle half of a run is native code: a tick there had the GIL.
            inside += sum(started + quarter < tick < started + 3 * quarter for tick in ticks[before:])
        done.set()
        ticker.join()
        self.assertGreaterEqual(inside, 20, "hardly any other Python code ran while inferences were on the card")

    def test_runs_of_two_threads_overlap(self):
        session = qaic.Session(MODELS / "matmul_chain.onnx", num_activations=2, set_size=1)
        session.setup()
        flying, most, lock = 0, 0, threading.Lock()

        def one(seed):
            nonlocal flying, most
            with lock:
                flying += 1
                most = max(most, flying)
            output = session.run(chain_input(seed % 3))["y"].tobytes()
            with lock:
                flying -= 1
            return output

        with ThreadPoolExecutor(2) as pool:
            outputs = list(pool.map(one, range(12)))
        self.assertEqual(most, 2)
        self.assertEqual(len(set(outputs)), 3)

    def test_reset_while_others_run_is_safe(self):
        session = qaic.Session(MODELS / "mlp.onnx", set_size=2)
        x = {"x": np.ones((4, 64), np.float32)}
        expected, stop, wrong = session.run(x)["y"].tobytes(), threading.Event(), []

        def worker():
            while not stop.is_set():
                if session.run(x)["y"].tobytes() != expected:
                    wrong.append(1)

        threads = [threading.Thread(target=worker) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            session.reset()
            time.sleep(0.002)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
