"""Cells and pairs: pulses, RESET, drift, refresh; the twin of `PcmCells` and of the programming of `PairArray`."""

from typing import Any

import numpy as np

from dse.compiled import Floats, compiled, exp_of, f32, inlined, log_of, normal_of, u64
from dse.training.kernel.state import (
    REACH,
    REFRESH,
    REFRESH_EVENTS,
    REFRESH_READS,
    REFRESHED,
    RESET,
    RESETS,
    SELECTED,
    SET_REFRESH,
    SET_UPDATE,
    WRITE,
    Knobs,
    State,
)

BLOCK = 256
"""Pairs that refresh looks at together."""


@inlined
def read_deviation(g: Any, slope: Any, offset: Any, scale: Any) -> Any:
    """Return the deviation of one read at a conductance, uS."""
    return (g * slope + offset) * scale


@inlined
def renew(s: State, k: Knobs, synapse: int) -> None:
    """Compute weight and read noise of a weight from the conductances of its pairs."""
    cols = s.weight.shape[1]
    size = s.weight.size
    all_pairs = size * k.pairs
    weight, variance = f32(0.0), f32(0.0)
    for n in range(k.pairs):
        p = n * size + synapse
        plus, minus = s.g_us[p] * s.left[p], s.g_us[p + all_pairs] * s.left[p + all_pairs]
        weight = weight + (plus - minus)
        if k.reads_are_noisy:
            a = read_deviation(plus, k.read_slope, k.read_offset, k.read_scale)
            b = read_deviation(minus, k.read_slope, k.read_offset, k.read_scale)
            variance = variance + (a * a + b * b)
    weight = weight / k.beta
    variance = variance / k.beta_squared
    i, j = synapse // cols, synapse % cols
    s.weight[i, j] = weight
    if k.reads_are_noisy:
        s.variance[i, j] = variance
    if i < s.transposed.shape[1]:
        s.transposed[j, i] = weight
        if k.reads_are_noisy:
            s.transposed_variance[j, i] = variance


@compiled
def drift(left: Floats, pulsed: Floats, exponent: Floats, now_s: Any, reference: Any) -> None:
    """Compute what drift has left of each conductance."""
    for cell in range(left.size):
        age = now_s - pulsed[cell]
        age = reference if age < reference else age
        left[cell] = exp_of(-exponent[cell] * log_of(age / reference))


@compiled
def combine(weight: Floats, variance: Floats, g: Floats, left: Floats, k: Knobs) -> None:
    """Compute all weights, flat, and the variance of their reads where they are noisy."""
    size = weight.size
    weight[:] = f32(0.0)
    variance[:] = f32(0.0)
    slope, offset, scale = k.read_slope, k.read_offset, k.read_scale
    for n in range(k.pairs):
        first, last = n * size, (n + k.pairs) * size
        a, b = g[first : first + size], g[last : last + size]
        c, d = left[first : first + size], left[last : last + size]
        for i in range(size):
            weight[i] = weight[i] + (a[i] * c[i] - b[i] * d[i])
        for i in range(variance.size):
            up, down = read_deviation(a[i] * c[i], slope, offset, scale), read_deviation(b[i] * d[i], slope, offset, scale)
            variance[i] = variance[i] + (up * up + down * down)
    for i in range(size):
        weight[i] = weight[i] / k.beta
    for i in range(variance.size):
        variance[i] = variance[i] / k.beta_squared


@compiled
def transpose(matrix: Floats, into: Floats) -> None:
    """Copy a matrix without its last rows into its transpose, in blocks that stay in the cache."""
    cols, rows = into.shape
    for first in range(0, rows, 16):
        for j in range(cols):
            for i in range(first, min(first + 16, rows)):
                into[j, i] = matrix[i, j]


@compiled
def age(s: State, k: Knobs, now_s: Any) -> None:
    """Let all cells drift to a time and compute all weights."""
    if k.drifts and now_s > k.drift_reference:
        drift(s.left, s.pulsed_at_s, s.exponent, now_s, k.drift_reference)
    combine(s.weight.reshape(-1), s.variance.reshape(-1), s.g_us, s.left, k)
    if s.transposed.size > 0:
        transpose(s.weight, s.transposed)
        if k.reads_are_noisy:
            transpose(s.variance, s.transposed_variance)


@inlined
def pulse(s: State, k: Knobs, cell: int, count: int, now_s: Any) -> None:
    """Apply SET pulses to a cell; see `PcmCells.set_pulse`."""
    g, first = s.g_us, s.set_pulses[cell]
    s.set_pulses[cell] += count
    s.pulsed_at_s[cell] = now_s
    s.left[cell] = f32(1.0)
    level, gain = g[cell], s.gain[cell]
    if k.linear:
        step = k.mean_offset * gain
        level = min(max(level + step, k.g_min), k.g_max)
        g[cell] = min(level + f32(count - 1) * step, k.g_max)
        return
    p = s.history[cell]
    for n in range(count):
        p = p * k.fade
        step = k.mean_slope * level + (k.mean_offset + k.mean_history * p)
        if k.write_scale > f32(0.0):
            sigma = k.std_slope * level + (k.std_offset + k.std_history * p)
            step = step + (k.write_scale * sigma) * normal_of(s.keys[WRITE], u64((first + n) * g.size + cell))
        level = min(max(level + step * gain, k.g_min), k.g_max)
    g[cell] = level
    s.history[cell] = p


@compiled
def transfer(s: State, k: Knobs, synapse: int, pulses: int, now_s: Any) -> bool:
    """Apply the pulses that left an accumulator, in turn from the selected pair; False if too many for a cell."""
    count, size = abs(pulses), s.weight.size
    s.counts[SET_UPDATE] += count
    for turn in range(k.pairs):
        own = (count - turn + k.pairs - 1) // k.pairs
        if own <= 0:
            break
        if own > k.max_pulses:
            return False
        plane = (s.counts[SELECTED] + turn) % k.pairs + (k.pairs if pulses < 0 else 0)
        pulse(s, k, plane * size + synapse, own, now_s)
    renew(s, k, synapse)
    return True


@compiled
def reset(s: State, k: Knobs, cell: int, now_s: Any) -> None:
    """Apply a RESET pulse to a cell; see `PcmCells.reset`."""
    s.reset_pulses[cell] += 1
    noise = normal_of(s.keys[RESET], u64(s.reset_pulses[cell] * s.g_us.size + cell))
    if not s.stuck[cell]:
        s.g_us[cell] = max(k.reset_mean + k.reset_std * noise, k.reset_min)
    s.history[cell] = f32(1.0)
    s.pulsed_at_s[cell] = now_s
    s.left[cell] = f32(1.0)


@compiled
def is_hot(plus: Floats, minus: Floats, k: Knobs) -> bool:
    """Return whether some draw of read noise could lift a cell of a block over the threshold, drift left aside.

    Drift only lowers a conductance, and where the deviation of a read grows with it, so does what a read can reach.
    """
    if k.read_slope < f32(0.0):
        return True
    scale = k.read_scale * REACH if k.reads_are_noisy else f32(0.0)
    slope, offset, threshold = k.read_slope * scale, k.read_offset * scale, k.refresh_threshold
    found = np.int32(0)
    for p in range(plus.size):
        highest = minus[p] if minus[p] > plus[p] else plus[p]
        found += np.int32(highest + (highest * slope + offset) > threshold)
    return found > 0


@compiled
def mark(plus: Floats, minus: Floats, left: Floats, right: Floats, k: Knobs, marks: Any) -> None:
    """Mark the pairs of a block that some draw of read noise could make due for refresh."""
    slope, offset = k.read_slope, k.read_offset
    scale = k.read_scale * REACH if k.reads_are_noisy else f32(0.0)
    threshold, difference = k.refresh_threshold, k.refresh_difference
    for p in range(plus.size):
        a, b = plus[p] * left[p], minus[p] * right[p]
        reach_a, reach_b = abs(read_deviation(a, slope, offset, scale)), abs(read_deviation(b, slope, offset, scale))
        saturated = (a + reach_a > threshold) | (b + reach_b > threshold)
        marks[p] = saturated & (abs(a - b) - (reach_a + reach_b) < difference)


@compiled
def check(s: State, k: Knobs, pair: int, first: int, now_s: Any) -> None:
    """Read a pair, the draws of this refresh beginning at a counter, and write it anew if it is due."""
    all_pairs = s.weight.size * k.pairs
    plus, minus = s.g_us[pair] * s.left[pair], s.g_us[pair + all_pairs] * s.left[pair + all_pairs]
    if k.reads_are_noisy:
        up = read_deviation(plus, k.read_slope, k.read_offset, k.read_scale)
        down = read_deviation(minus, k.read_slope, k.read_offset, k.read_scale)
        plus = plus + up * normal_of(s.keys[REFRESH], u64(first + pair))
        minus = minus + down * normal_of(s.keys[REFRESH], u64(first + pair + all_pairs))
    if max(plus, minus) > k.refresh_threshold and abs(plus - minus) < k.refresh_difference:
        rewrite(s, k, pair, plus - minus, now_s)


@compiled
def rewrite(s: State, k: Knobs, pair: int, difference: Any, now_s: Any) -> None:
    """RESET a pair and write its difference anew."""
    all_pairs = s.weight.size * k.pairs
    s.counts[REFRESHED] += 1
    s.counts[RESETS] += 2
    reset(s, k, pair, now_s)
    reset(s, k, pair + all_pairs, now_s)
    wanted = abs(difference)
    count, best = 0, abs(wanted - s.response[0])
    for n in range(1, s.response.size):
        distance = abs(wanted - s.response[n])
        if distance < best:
            count, best = n, distance
    if count > 0:
        s.counts[SET_REFRESH] += count
        pulse(s, k, pair + all_pairs if difference < f32(0.0) else pair, count, now_s)
    renew(s, k, pair % s.weight.size)


@compiled
def refresh(s: State, k: Knobs, now_s: Any) -> None:
    """Look for pairs near saturation and write them anew; see `PairArray.refresh`.

    A pair that no draw of read noise could make due draws none.
    """
    all_pairs = s.weight.size * k.pairs
    g, left = s.g_us, s.left
    first = s.counts[REFRESH_EVENTS] * g.size
    s.counts[REFRESH_EVENTS] += k.reads_are_noisy
    s.counts[REFRESH_READS] += g.size
    marks = np.zeros(BLOCK, np.uint8)
    words = marks.view(np.uint64)
    for start in range(0, all_pairs, BLOCK):
        stop = min(start + BLOCK, all_pairs)
        a, b = slice(start, stop), slice(start + all_pairs, stop + all_pairs)
        if not is_hot(g[a], g[b], k):
            continue
        words[:] = 0
        mark(g[a], g[b], left[a], left[b], k, marks)
        for w in range(words.size):
            if words[w] != 0:
                for p in range(8 * w, 8 * w + 8):
                    if marks[p] != 0:
                        check(s, k, start + p, first, now_s)
