"""Converters of deep layers: quantisation of whole tensors in one pass, and what passes through them.

Floats are compared and maximised as integers where that gives the same answer, because a processor does that in vectors
whatever the order.
"""

from typing import Any

import numpy as np

from dse.compiled import Floats, Ints32, compiled, f32, i32

SMALLEST_SCALE = f32(1e-30)
"""No sample is scaled by less; see `dse.crossbar.converters.largest_error`."""


@compiled
def _largest(pattern: Ints32) -> Any:
    """Return the largest pattern of a magnitude; patterns of float32 without their sign are in the order of values."""
    largest = i32(0)
    for j in range(pattern.size):
        own = i32(pattern[j] & i32(0x7FFFFFFF))
        largest = own if own > largest else largest
    return largest


@compiled
def largest_rows(patterns: Any, out: Ints32) -> None:
    """Set the bit patterns of the largest magnitude of every row, from the patterns of float32, shape (rows, cols)."""
    for n in range(out.size):
        out[n] = _largest(patterns[n])


@compiled
def _quantise(x: Floats, out: Floats, scale: Any, levels: Any) -> Any:
    step = f32(scale / levels)
    low, cut = f32(-scale), i32(0)
    for j in range(x.size):
        v = x[j]
        inside = low if v < low else v
        inside = scale if inside > scale else inside
        cut = i32(cut + i32(inside != v))
        out[j] = np.rint(inside / step) * step
    return cut


@compiled
def quantise_rows(x: Any, out: Any, scales: Floats, levels: Any) -> int:
    """Put every row on 2 * levels + 1 evenly spaced levels within its scale; return how many values were cut.

    Args:
        x: float32, shape (rows, cols).
        out: the quantised values, float32, shape (rows, cols); may be x.
        scales: full scale of each row, float32, above 0.
        levels: levels above zero, float32.
    """
    cut = 0
    for n in range(scales.size):
        cut += _quantise(x[n], out[n], scales[n], levels)
    return cut


@compiled
def _add_magnitudes(x: Floats, driven: Ints32, total: Floats) -> None:
    for j in range(x.size):
        driven[j] = i32(driven[j] + i32(x[j] != f32(0.0)))
        total[j] = total[j] + abs(x[j])


@compiled
def drives(x: Any, scales: Floats, driven: Ints32, total: Any, room: Floats) -> None:
    """Add up how often and how strongly every place of a sample is driven.

    Args:
        x: inputs, float32, shape (samples, channels, places).
        scales: full scale of each sample, float32.
        driven: count of inputs other than zero at each place, int32, shape (places,), to add to.
        total: sum of their magnitudes over the full scale, float64, shape (places,), to add to.
        room: float32, shape (places,).
    """
    for n in range(scales.size):
        room[:] = f32(0.0)
        for c in range(x.shape[1]):
            _add_magnitudes(x[n, c], driven, room)
        for j in range(room.size):
            total[j] += np.float64(room[j]) / np.float64(scales[n])
