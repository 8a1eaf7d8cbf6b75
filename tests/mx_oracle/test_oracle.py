# SPDX-License-Identifier: Apache-2.0
"""qaic-mx quantize against an independent implementation, bit for bit, on data that is not in the repository.

usage: test_oracle.py QAIC_MX [SEED]
"""
import os
import subprocess
import sys
import tempfile

import numpy as np

import oracle

SHAPES = [(5, 96), (3, 7, 45), (2, 40, 33), (64,), (130, 3)]


def random_tensor(rng, shape, kind):
    """Values that reach what rules differ in: magnitudes, ties, the neighbourhood of powers of two, specials."""
    size = int(np.prod(shape))
    if kind == "normal":
        values = rng.normal(0, 0.02, size)
    elif kind == "wide":
        values = rng.normal(0, 1, size) * np.exp2(rng.integers(-40, 40, size))
    elif kind == "grid":
        values = rng.integers(-512, 513, size) * np.exp2(rng.integers(-6, 1, size)) / 64
    elif kind == "powers":
        base = np.exp2(rng.integers(-120, 120, size)).astype(np.float32)
        bits = base.view(np.uint32) + rng.integers(-60, 60, size).astype(np.int32).view(np.uint32)
        values = bits.astype(np.uint32).view(np.float32) * np.where(rng.random(size) < 0.5, -1, 1)
    else:  # every bit pattern of FP32
        values = rng.integers(0, 2**32, size, dtype=np.uint64).astype(np.uint32).view(np.float32).copy()
        values[~np.isfinite(values)] = 1.5
        values[rng.integers(0, size)] = np.nan
        values[rng.integers(0, size)] = np.inf
    values = np.asarray(values, dtype=np.float32).reshape(shape)
    return np.where(rng.random(shape) < 0.05, np.float32(-0.0), values).astype(np.float32)


def axes_for(rng, rank):
    choice = [(-1,), (0,)] + ([(-2,), (-2, -1)] if rank > 1 else [])
    return choice[rng.integers(0, len(choice))]


def differences(a, b):
    """Where bits differ; two NaNs are equal."""
    return (a.view(np.uint32) != b.view(np.uint32)) & ~(np.isnan(a) & np.isnan(b))


class Comparison:
    def __init__(self, program, directory):
        self.program, self.directory = program, directory
        self.runs = self.values = self.wrong = 0

    def check(self, tensor, expected, options):
        source, target = (os.path.join(self.directory, name) for name in ("in.npy", "out.npy"))
        np.save(source, np.asfortranarray(tensor) if self.runs % 3 == 0 else tensor)
        subprocess.run([self.program, "quantize", source, target, *options], check=True)
        got = np.ascontiguousarray(np.load(target))
        self.runs += 1
        self.values += tensor.size
        if got.shape != tensor.shape:
            self.wrong += 1
            print(f"differs: {' '.join(options)} gave the shape {got.shape} for {tensor.shape}")
            return
        bad = differences(got, expected)
        if bad.any():
            self.wrong += 1
            where = tuple(int(i[0]) for i in np.nonzero(bad))
            print(f"differs: {' '.join(options)} shape {tensor.shape} at {where}: {tensor[where]!r} "
                  f"gave {got[where]!r}, expected {expected[where]!r}, {bad.sum()} values")


def options_for(profile, axes, size, extra=()):
    options = ["--profile", profile, "--block-size", str(size), *extra]
    for axis in axes:
        options += ["--axis", str(axis)]
    return options


def compare_all(comparison, rng, rounds):
    kinds = ["normal", "wide", "grid", "powers", "bits"]
    for i in range(rounds):
        shape, kind = SHAPES[i % len(SHAPES)], kinds[rng.integers(0, len(kinds))]
        tensor = random_tensor(rng, shape, kind)
        axes, size = axes_for(rng, len(shape)), int(rng.choice([0, 1, 8, 16, 32, 64]))
        name = list(oracle.FORMATS)[i % len(oracle.FORMATS)]
        mode = ["even", "nearest", "floor"][rng.integers(0, 3)]
        bits, flush = int(rng.choice([4, 5, 8])), bool(rng.integers(0, 2))
        comparison.check(tensor, oracle.microxcaling(tensor, name, axes, size, mode, bits, flush), options_for(
            "microxcaling", axes, size, ["--format", name, "--round", mode, "--scale-bits", str(bits)] +
            (["--flush-subnormals"] if flush else [])))
        comparison.check(tensor, oracle.clean(tensor, name, axes, size),
                         options_for("ocp", axes, size, ["--format", name]))
        comparison.check(tensor, oracle.clean(tensor, name, axes, size, plus=1),
                         options_for("ocp", axes, size, ["--format", name, "--scale-rule", "floor-plus-1"]))
        comparison.check(tensor, oracle.card(tensor, axes, size), options_for("aic100", axes, size))
        comparison.check(tensor, oracle.card(tensor, axes, size, half_up_to_even=False),
                         options_for("aic100-ties0", axes, size))


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int.from_bytes(os.urandom(4), "little")
    with tempfile.TemporaryDirectory() as directory, np.errstate(all="ignore"):
        comparison = Comparison(sys.argv[1], directory)
        compare_all(comparison, np.random.default_rng(seed), rounds=int(os.environ.get("QAIC_ORACLE_ROUNDS", "42")))
    print(f"seed {seed}: {comparison.runs} files with {comparison.values} values, {comparison.wrong} files differ")
    sys.exit(1 if comparison.wrong or not comparison.runs else 0)


if __name__ == "__main__":
    main()
