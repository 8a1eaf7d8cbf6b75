# SPDX-License-Identifier: Apache-2.0
"""MX quantisation once more, in NumPy, from docs/numerics.md alone; nothing here knows the C++ code.

Three independent ways: `microxcaling` (FP32 operations as in its Python path), `clean` (exact arithmetic, elements
rounded by ml_dtypes) and `card` (the card's rule in the steps of the document).
"""
import itertools

import ml_dtypes
import numpy as np

# name: mantissa bits + 2 (total bits for integers), exponent bits, emax, largest number
FORMATS = {
    "fp8_e5m2": (4, 5, 15, 57344.0),
    "fp8_e4m3": (5, 4, 8, 448.0),
    "fp6_e3m2": (4, 3, 4, 28.0),
    "fp6_e2m3": (5, 2, 2, 7.5),
    "fp4_e2m1": (3, 2, 2, 6.0),
    "int8": (8, 0, 0, 127 / 64),
    "int4": (4, 0, 0, 7 / 4),
}
ELEMENT_TYPES = {
    "fp8_e5m2": ml_dtypes.float8_e5m2,
    "fp8_e4m3": ml_dtypes.float8_e4m3fn,
    "fp6_e3m2": ml_dtypes.float6_e3m2fn,
    "fp6_e2m3": ml_dtypes.float6_e2m3fn,
    "fp4_e2m1": ml_dtypes.float4_e2m1fn,
}
F32 = np.float32


def blocks(shape, axes, size):
    """Index tuples of all blocks: hyper-rectangles of `size` along the axes (0: the whole axis), 1 elsewhere."""
    axes = {axis % len(shape) for axis in axes}
    parts = []
    for d, extent in enumerate(shape):
        step = (extent if size == 0 else size) if d in axes else 1
        parts.append([slice(start, min(start + step, extent)) for start in range(0, extent, max(step, 1))])
    return itertools.product(*parts)


def floor_log2_fp32(x):
    """floor of the logarithm rounded to FP32."""
    return np.floor(np.log2(x.astype(np.float64)).astype(F32))


def power(e):
    """2**e in FP32, infinite or zero beyond it."""
    return np.ldexp(np.ones_like(e, dtype=np.float64), e.astype(int)).astype(F32)


def round_fp32(s, mode):
    sign, a = np.sign(s), np.abs(s)
    half = F32(0.5)
    if mode == "floor":
        r = np.floor(a)
    else:
        r = np.floor(a + half)
        if mode == "even":
            r = r - (np.mod(a - half, F32(2)) == 0).astype(F32)
    return sign * r


def microxcaling_core(v, name, mode):
    bits, ebits, _, largest = FORMATS[name]
    if ebits:
        p = floor_log2_fp32(np.where(v == 0, F32(1), np.abs(v)))
        scale = power(np.maximum(p, 2 - 2 ** (ebits - 1)))
    else:
        scale = F32(1)
    grid = F32(2 ** (bits - 2))
    out = round_fp32(v / scale * grid, mode) / grid * scale
    return np.clip(out, F32(-largest), F32(largest))


def microxcaling(a, name, axes, size, mode, scale_bits, flush):
    out = np.empty_like(a)
    limit = 2 ** (scale_bits - 1) - 1
    for where in blocks(a.shape, axes, size):
        block = a[where]
        m = np.abs(block).max()
        s = floor_log2_fp32(np.array([m if m != 0 else 2.0**-126], dtype=F32))[0]
        if not np.isfinite(m):
            out[where] = np.nan
            continue
        if flush and not s > -127:
            block = block * F32(0)
        e = s - FORMATS[name][2]
        if e > limit:
            out[where] = np.nan
            continue
        x = power(np.array(max(e, -limit)))
        out[where] = microxcaling_core((block / x).astype(F32), name, mode) * x
    return out


def exponent(m):
    return int(np.frexp(np.float64(m))[1]) - 1


def clean_elements(v, name):
    """Round to nearest even and saturate; integers by NumPy, floats by ml_dtypes."""
    largest = FORMATS[name][3]
    if name in ELEMENT_TYPES:
        # v has at most 24 significant bits, so FP32 holds it; clamp first because E4M3 and E5M2 would overflow.
        clamped = np.clip(v, -largest, largest).astype(F32)
        return clamped.astype(ELEMENT_TYPES[name]).astype(np.float64)
    steps = 64 if name == "int8" else 4
    return np.clip(np.rint(v * steps) / steps, -largest, largest) + 0.0


def clean(a, name, axes, size, plus=0):
    out = np.empty_like(a)
    for where in blocks(a.shape, axes, size):
        block = a[where].astype(np.float64)
        m = np.abs(block).max()
        if not np.isfinite(m):
            out[where] = np.nan
            continue
        e = -127 if m == 0 else max(exponent(m) - FORMATS[name][2] + plus, -127)
        if e > 127:
            out[where] = np.nan
            continue
        out[where] = (clean_elements(block / 2.0**e, name) * 2.0**e).astype(F32)
    return out


def card(a, axes, size, half_up_to_even=True):
    """The card: w = FP16(w); e = floor(log2 amax) - 1; q = RNE(8 v) below 2, RNE(4 v) above; FP16 result."""
    w = a.astype(np.float16).astype(np.float64)
    out = np.empty(a.shape, dtype=np.float16)
    for where in blocks(a.shape, axes, size):
        block = w[where]
        m = np.abs(block).max()
        if not np.isfinite(m):
            out[where] = np.nan
            continue
        if m == 0:
            out[where] = block
            continue
        e = exponent(m) - 1
        v = np.abs(block) / 2.0**e
        step = np.where(v < 2, 8.0, 4.0)
        scaled = v * step
        q = np.rint(scaled) if half_up_to_even else np.ceil(scaled - 0.5)
        with np.errstate(over="ignore"):
            out[where] = np.copysign(q / step * 2.0**e, block).astype(np.float16)
    return out.astype(F32)
