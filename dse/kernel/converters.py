"""Converters of deep layers: quantisation of whole tensors in one pass, and what passes through them.

Floats are compared and maximised as integers where that gives the same answer, because a processor does that in vectors
whatever the order.
"""

from typing import Any

import numpy as np

from dse.kernel.arithmetic import (
    GOLDEN,
    NORMALS_BLOCK,
    Floats,
    Ints32,
    _depth_of,  # pyright: ignore[reportPrivateUsage]  the steps of `fill_normals`, taken apart here, too
    _normal_at,  # pyright: ignore[reportPrivateUsage]
    bits_of,
    compiled,
    f32,
    i32,
    inlined,
    u64,
)
from dse.kernel.vectors import widest

SMALLEST_SCALE = f32(1e-30)
"""No sample is scaled by less; see `dse.crossbar.converters.largest_error`."""
VECTORS_AT_ONCE = 16
"""Parts of as many vectors are converted in one pass: a single one is short beside the ends of a pass."""


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
def quantise(x: Floats, out: Floats, scale: Any, levels: Any) -> Any:
    """Put values on 2 * levels + 1 levels within a scale; return how many were cut."""
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
        cut += quantise(x[n], out[n], scales[n], levels)
    return cut


@compiled
def scale_and_quantise(x: Any, patterns: Any, out: Any, scales: Floats, levels: Any) -> None:
    """Set the scale of every row to its largest magnitude, and put the row on levels within it while it is at hand.

    Args:
        x: float32, shape (rows, cols).
        patterns: the same as int32.
        out: the quantised values, float32, shape (rows, cols).
        scales: the scales, float32, at least 1e-30.
        levels: levels above zero, float32.
    """
    for n in range(scales.size):
        largest = i32(_largest(patterns[n])).view(np.float32)
        scales[n] = SMALLEST_SCALE if largest < SMALLEST_SCALE else largest
        quantise(x[n], out[n], scales[n], levels)


@inlined
def _fold(parts: Floats, own: Any, targets: Any, out: Floats, places: Any, channels: Any) -> None:
    """Add the parts of a vector, tap by tap, to their places; taps of places side by side in one pass.

    Unsigned places need no look at their sign, and a slice for each tap takes longer than to add what it holds.
    """
    taps = targets.size
    tap = 0
    while tap < taps:
        place, many = targets[tap], 1
        if place < places:
            while tap + many < taps and place + many < places and targets[tap + many] == place + many:
                many += 1
            first, to = u64(own + tap * channels), u64(place * channels)
            for j in range(u64(many * channels)):
                out[to + j] += parts[first + j]
        tap += many


@compiled
def quantise_and_fold(
    parts: Any, patterns: Any, out: Any, scales: Floats, limits: Floats, levels: Any, targets: Any, watches: bool
) -> tuple[int, Any]:
    """Put every part on 2 * levels + 1 levels within its sample's limit, add it to its place, while it is at hand.

    Args:
        parts: float32, shape (samples, vectors, taps * channels).
        patterns: the same as int32.
        out: float32, shape (samples, places, channels), to add to.
        scales: full scale of the inputs of each sample, float32, above 0.
        limits: full scale of the converters of each sample, float32, above 0.
        levels: levels above zero, float32.
        targets: place of each tap of each vector, int64, shape (vectors, taps); the number of places for none.
        watches: look for the largest part, too.

    Returns:
        How many values were cut, and the largest magnitude of a part, at least 1e-30, over the scale of its sample; 0
        where nobody watches.
    """
    cut, vectors, width, peak = 0, parts.shape[1], parts.shape[2], f32(0.0)
    room = np.empty(VECTORS_AT_ONCE * width, np.float32)
    for n in range(limits.size):
        largest, own, own_patterns, to = i32(0), parts[n].reshape(-1), patterns[n].reshape(-1), out[n].reshape(-1)
        for first in range(0, vectors, VECTORS_AT_ONCE):
            last = min(first + VECTORS_AT_ONCE, vectors)
            if watches:
                found = _largest(own_patterns[first * width : last * width])
                largest = found if found > largest else largest
            cut += quantise(own[first * width : last * width], room, limits[n], levels)
            for i in range(first, last):
                _fold(room, (i - first) * width, targets[i], to, out.shape[1], out.shape[2])
        if watches:
            value = i32(largest).view(np.float32)
            value = SMALLEST_SCALE if value < SMALLEST_SCALE else value
            value = f32(value / scales[n])
            # What is no number is larger than any, and stays so, here as where torch looks for the largest.
            peak = peak if value <= peak or np.isnan(peak) else value
    return cut, peak


@compiled
def _add_magnitudes(x: Floats, weight: Any, driven: Any, total: Any) -> None:
    for j in range(x.size):
        driven[j] += weight * np.float64(x[j] != f32(0.0))
        total[j] += weight * np.float64(abs(x[j]))


@compiled
def _add_weighted(x: Floats, weights: Any, driven: Any, total: Any) -> None:
    for j in range(x.size):
        driven[j] += weights[j] * np.float64(x[j] != f32(0.0))
        total[j] += weights[j] * np.float64(abs(x[j]))


@compiled
def drives(x: Any, scales: Floats, windows: Any, channels_last: bool, driven: Any, total: Any, room: Any) -> None:
    """Add up how many lines inputs drive, and how strongly, every input as often as products hold its place.

    Args:
        x: inputs, float32, shape (samples, channels, places), or (samples, places, channels).
        scales: full scale of each sample, float32.
        windows: how many products hold each place, float64, shape (places,).
        channels_last: whether the channels come last.
        driven: sums of these for inputs other than zero, float64, as long as the last dimension of x, to add to.
        total: sums of magnitudes over the full scale, as often, float64, likewise.
        room: float64, likewise.
    """
    for n in range(scales.size):
        room[:] = 0.0
        for i in range(x.shape[1]):
            if channels_last:
                _add_magnitudes(x[n, i], windows[i], driven, room)
            else:
                _add_weighted(x[n, i], windows, driven, room)
        scale = np.float64(scales[n])
        for j in range(room.size):
            total[j] += room[j] / scale


@compiled
def add_noise(y: Floats, variance: Floats, key: Any, first: int) -> None:
    """Add normal numbers of a stream, from a counter on, times the root of a variance; below zero it counts as zero.

    Args:
        y: products in the order of their memory, float32, to add to.
        variance: of each, likewise.
        key: key of the stream.
        first: counter of the first of them.
    """
    widest()
    bits, depth = np.empty(NORMALS_BLOCK, np.uint32), np.empty(NORMALS_BLOCK, np.float32)
    draw, steps = np.empty(NORMALS_BLOCK, np.float32), np.empty(NORMALS_BLOCK, np.uint64)
    for j in range(steps.size):  # looked up below: products of 64 bits are what random bits cost most
        steps[j] = u64(j) * GOLDEN
    for start in range(0, y.size, NORMALS_BLOCK):
        own, spread = y[start : start + NORMALS_BLOCK], variance[start : start + NORMALS_BLOCK]
        base = key + u64(first + start) * GOLDEN
        for j in range(own.size):
            bits[j] = bits_of(base + steps[j], u64(0))
        for j in range(own.size):
            depth[j] = _depth_of(bits[j])
        for j in range(own.size):
            draw[j] = _normal_at(bits[j], depth[j])
        for j in range(own.size):
            v = spread[j]
            v = f32(0.0) if v < f32(0.0) else v
            own[j] = own[j] + np.sqrt(v) * draw[j]
