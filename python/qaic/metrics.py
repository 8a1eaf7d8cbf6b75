# SPDX-License-Identifier: Apache-2.0
"""Latencies of a session's inferences, and the host profile of run()."""

import cProfile
import pstats
import threading

import numpy as np

_PERCENTILES = (("P25", 25), ("P50", 50), ("P75", 75), ("P90", 90), ("P99", 99), ("P999", 99.9))
# A profile of one call is a few kilobytes; later iterations are run without one.
MAX_PROFILED = 1000


class Metrics:
    """Latencies in seconds, 8 bytes an inference. Thread safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self._seconds = []

    def add(self, seconds):
        with self._lock:
            self._seconds.extend(seconds)

    def summary(self):
        """The dictionary that Session.get_metrics() returns; zeros when nothing ran."""
        with self._lock:
            seconds = np.array(self._seconds, np.float64)
        points = np.percentile(seconds, [p for _, p in _PERCENTILES]) if seconds.size else np.zeros(len(_PERCENTILES))
        total = float(seconds.sum())
        return {
            "num_of_inferences": int(seconds.size),
            "min_latency": float(seconds.min()) if seconds.size else 0.0,
            "max_latency": float(seconds.max()) if seconds.size else 0.0,
            **{name: float(value) for (name, _), value in zip(_PERCENTILES, points)},
            "total_inference_time": total,
            "avg_latency": total / seconds.size if seconds.size else 0.0,
        }

    def report(self):
        """The text that Session.print_metrics() prints."""
        values = self.summary()
        lines = [
            f"Number of inferences utilized for calculation are {values['num_of_inferences']}",
            f"Minimum latency observed {values['min_latency']} s",
            f"Maximum latency observed {values['max_latency']} s",
            f"Average latency / inference time observed is {values['avg_latency']} s",
        ]
        lines += [f"P{p} / {p}% of inferences observed latency less than {values[f'P{p}']} s" for p in (25, 50, 75, 90, 99)]
        lines.append(f"Sum of all the inference times {values['total_inference_time']} s")
        return "\n".join(lines)


class Profile:
    """Host profiles of the first MAX_PROFILED calls of run(), in the order in which they ended."""

    def __init__(self):
        self._lock = threading.Lock()
        self._iterations = []

    def call(self, function, *arguments):
        if len(self._iterations) >= MAX_PROFILED:
            return function(*arguments)
        profiler = cProfile.Profile()
        try:
            return profiler.runcall(function, *arguments)
        finally:
            rows = [(f"{file}:{line}({name})", calls, own, total)
                    for (file, line, name), (_, calls, own, total, _) in pstats.Stats(profiler).stats.items()]
            rows.sort(key=lambda row: -row[3])
            with self._lock:
                self._iterations.append(rows)

    def report(self, count):
        """The first `count` iterations, one table each."""
        with self._lock:
            iterations = self._iterations[:count]
        lines = []
        for index, rows in enumerate(iterations):
            lines.append(f"Iteration {index}")
            lines.append(f"{'File-Line-Function':<80} {'num calls':>10} {'func time':>12} {'tot time':>12}")
            lines += [f"{where[-80:]:<80} {calls:>10} {own:>12.6f} {total:>12.6f}" for where, calls, own, total in rows]
        return "\n".join(lines)
