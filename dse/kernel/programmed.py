"""One pass that programs cells, and one that reads them; the formulas stand in `dse.devices.spec`.

Cells are given as signed weights, not as conductances: the sign says which device of the pair is programmed, and a
magnitude that no noise touches comes back to the last bit.
"""

from typing import Any

import numpy as np

from dse.kernel.arithmetic import NORMALS_BLOCK, Floats, clipped, compiled, exp_of, f32, fill_normals, inlined, log_of

SMALLEST = f32(1e-7)
"""Relative conductance below which nothing changes any more: all clips are reached far above it."""
LIMIT, STD, LINEAR, QUADRATIC, WRITE_SCALE = range(5)
MEAN_SLOPE, MEAN_OFFSET, MEAN_MIN, MEAN_MAX = range(5, 9)
STD_SLOPE, STD_OFFSET, STD_MIN, STD_MAX, SPREAD_SCALE, DRIFT_SCALE = range(9, 15)
FACTOR, EXPONENT, LARGEST, READ_SCALE = range(15, 19)


@inlined
def _linear_in(x: Any, slope: Any, offset: Any, low: Any, high: Any) -> Any:
    return clipped(slope * x + offset, low, high)


@compiled
def program(target: Floats, terms: Floats, keys: Any, weight: Floats, exponent: Floats, flicker: Floats) -> None:
    """Program cells to signed targets.

    Args:
        target: wanted weights, shape (n,).
        terms: constants of the cell in the order of the names above; LIMIT is the weight of the largest conductance,
            and deviations of programming are in units of weight.
        keys: keys of the streams of programming noise and of drift exponents, uint64; a draw belongs to a cell.
        weight: receives the programmed weights; one of 0 stays unprogrammed.
        exponent: receives the drift exponents.
        flicker: receives the relative 1/f noise.
    """
    write, drift = np.empty(NORMALS_BLOCK, np.float32), np.empty(NORMALS_BLOCK, np.float32)
    t = terms
    for start in range(0, target.size, NORMALS_BLOCK):
        stop = min(start + NORMALS_BLOCK, target.size)
        fill_normals(keys[0], start, write[: stop - start])
        fill_normals(keys[1], start, drift[: stop - start])
        for j in range(start, stop):
            size = abs(target[j])
            g = clipped(size / t[LIMIT], SMALLEST, f32(1.0))
            log_g = log_of(g)
            deviation = clipped(t[STD] + g * (t[LINEAR] + g * t[QUADRATIC]), f32(0.0), f32(np.inf))
            level = clipped(size + t[WRITE_SCALE] * deviation * write[j - start], f32(0.0), f32(np.inf))
            programmed = f32(size > f32(0.0))
            weight[j] = programmed * (level if target[j] > f32(0.0) else -level)
            mean = _linear_in(log_g, t[MEAN_SLOPE], t[MEAN_OFFSET], t[MEAN_MIN], t[MEAN_MAX])
            spread = _linear_in(log_g, t[STD_SLOPE], t[STD_OFFSET], t[STD_MIN], t[STD_MAX])
            exponent[j] = t[DRIFT_SCALE] * abs(mean + t[SPREAD_SCALE] * spread * drift[j - start])
            noise = t[FACTOR] * exp_of(-t[EXPONENT] * log_g)
            flicker[j] = t[READ_SCALE] * clipped(noise, f32(0.0), t[LARGEST])


@compiled
def drifted(weight: Floats, exponent: Floats, log_age: Any, out: Floats) -> None:
    """Write the weights at a time into `out`; `log_age` is ln((t + t_c) / t_c)."""
    for j in range(weight.size):
        out[j] = weight[j] * exp_of(-exponent[j] * log_age)


@compiled
def read(held: Floats, flicker: Floats, band: Any, key: Any, first: int, out: Floats) -> None:
    """Write one noisy read of drifted weights into `out`.

    Args:
        held: drifted weights, shape (n,).
        flicker: relative 1/f noise of each cell.
        band: sqrt(ln((t + t_c + t_r) / (2 t_r))).
        key: key of the stream of reads.
        first: counter of the first draw.
        out: receives the weights.
    """
    draw = np.empty(NORMALS_BLOCK, np.float32)
    for start in range(0, held.size, NORMALS_BLOCK):
        stop = min(start + NORMALS_BLOCK, held.size)
        fill_normals(key, first + start, draw[: stop - start])
        for j in range(start, stop):
            factor = f32(1.0) + flicker[j] * band * draw[j - start]
            out[j] = held[j] * clipped(factor, f32(0.0), f32(np.inf))
