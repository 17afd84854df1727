"""Cells and pairs: pulses, RESET, drift, refresh; the twin of `PcmCells` and of the programming of `PairArray`."""

from typing import Any

import numpy as np

from dse.kernel.arithmetic import (
    Floats,
    bytes_at,
    compiled,
    exp_of,
    f32,
    float_rows_at,
    floats_at,
    i32,
    inlined,
    ints_at,
    log_of,
    normal_of,
    u64,
    word_rows_at,
)
from dse.kernel.state import REACH, Record

BLOCK = 256
"""Pairs that refresh looks at together."""


@inlined
def cells_at(address: Any, s: Record) -> Any:
    """Return a number of each cell of a layer, float32."""
    return floats_at(address, 2 * s.pairs * s.rows * s.cols)


@inlined
def read_deviation(g: Any, slope: Any, offset: Any, scale: Any) -> Any:
    """Return the deviation of one read at a conductance, uS."""
    return (g * slope + offset) * scale


@compiled
def renew(s: Record, k: Record, synapse: int) -> None:
    """Compute weight and read noise of a weight from the conductances of its pairs."""
    rows, cols = s.rows, s.cols
    size = rows * cols
    all_pairs = size * s.pairs
    g, left = cells_at(s.g_us, s), cells_at(s.left, s)
    weight, variance = f32(0.0), f32(0.0)
    for n in range(s.pairs):
        p = n * size + synapse
        plus, minus = g[p] * left[p], g[p + all_pairs] * left[p + all_pairs]
        weight = weight + (plus - minus)
        if k.reads_are_noisy:
            a = read_deviation(plus, k.read_slope, k.read_offset, k.read_scale)
            b = read_deviation(minus, k.read_slope, k.read_offset, k.read_scale)
            variance = variance + (a * a + b * b)
    weight = weight / k.beta
    variance = variance / k.beta_squared
    floats_at(s.weight, size)[synapse] = weight
    if k.reads_are_noisy:
        floats_at(s.variance, size)[synapse] = variance
    i, j = synapse // cols, synapse % cols
    if s.transposed != 0 and i < rows - 1:
        mirrored = j * (rows - 1) + i
        floats_at(s.transposed, size)[mirrored] = weight
        if k.reads_are_noisy:
            floats_at(s.transposed_variance, size)[mirrored] = variance


@compiled
def drift(left: Floats, pulsed: Floats, exponent: Floats, now_s: Any, reference: Any) -> None:
    """Compute what drift has left of each conductance."""
    for cell in range(left.size):
        age = now_s - pulsed[cell]
        age = reference if age < reference else age
        left[cell] = exp_of(-exponent[cell] * log_of(age / reference))


@compiled
def add_weights(weight: Floats, plus: Floats, minus: Floats, left: Floats, right: Floats) -> None:
    """Add the drifted differences of some pairs."""
    for i in range(weight.size):
        weight[i] = weight[i] + (plus[i] * left[i] - minus[i] * right[i])


@compiled
def add_variances(
    variance: Floats, plus: Floats, minus: Floats, left: Floats, right: Floats, slope: Any, offset: Any, scale: Any
) -> None:
    """Add the variances of one read of both cells of some pairs."""
    for i in range(variance.size):
        a = read_deviation(plus[i] * left[i], slope, offset, scale)
        b = read_deviation(minus[i] * right[i], slope, offset, scale)
        variance[i] = variance[i] + (a * a + b * b)


@compiled
def divide(values: Floats, divisor: Any) -> None:
    """Divide in place."""
    for i in range(values.size):
        values[i] = values[i] / divisor


@compiled
def transpose(matrix: Floats, into: Floats) -> None:
    """Copy a matrix without its last row into its transpose, in blocks that stay in the cache."""
    cols, rows = into.shape
    for first in range(0, rows, 16):
        for j in range(cols):
            for i in range(first, min(first + 16, rows)):
                into[j, i] = matrix[i, j]


@compiled
def age(s: Record, k: Record, now_s: Any) -> None:
    """Let all cells drift to a time and compute all weights."""
    rows, cols, pairs = s.rows, s.cols, s.pairs
    size = rows * cols
    g, left, weight = cells_at(s.g_us, s), cells_at(s.left, s), floats_at(s.weight, size)
    if k.drifts and now_s > k.drift_reference:
        drift(left, cells_at(s.pulsed_at_s, s), cells_at(s.exponent, s), now_s, k.drift_reference)
    weight[:] = f32(0.0)
    variance = floats_at(s.variance, size if k.reads_are_noisy else 0)
    variance[:] = f32(0.0)
    for n in range(pairs):
        up, down = slice(n * size, (n + 1) * size), slice((n + pairs) * size, (n + pairs + 1) * size)
        add_weights(weight, g[up], g[down], left[up], left[down])
        if k.reads_are_noisy:
            add_variances(variance, g[up], g[down], left[up], left[down], k.read_slope, k.read_offset, k.read_scale)
    divide(weight, k.beta)
    divide(variance, k.beta_squared)
    if s.transposed != 0:
        transpose(float_rows_at(s.weight, rows, cols), float_rows_at(s.transposed, cols, rows - 1))
        if k.reads_are_noisy:
            transpose(float_rows_at(s.variance, rows, cols), float_rows_at(s.transposed_variance, cols, rows - 1))


@compiled
def pulse(s: Record, k: Record, cell: int, count: int, now_s: Any) -> None:
    """Apply SET pulses to a cell; see `PcmCells.pulse`."""
    cells = 2 * s.pairs * s.rows * s.cols
    g, life, history = floats_at(s.g_us, cells), ints_at(s.set_pulses, cells), floats_at(s.history, cells)
    first = life[cell]
    life[cell] = first + count
    floats_at(s.pulsed_at_s, cells)[cell] = now_s
    floats_at(s.left, cells)[cell] = f32(1.0)
    level, gain = g[cell], floats_at(s.gain, cells)[cell]
    if k.linear:
        step = k.mean_offset * gain
        level = min(max(level + step, k.g_min), k.g_max)
        g[cell] = min(level + f32(count - 1) * step, k.g_max)
        return
    p = history[cell]
    for n in range(count):
        p = p * k.fade
        step = k.mean_slope * level + (k.mean_offset + k.mean_history * p)
        if k.write_scale > f32(0.0):
            sigma = k.std_slope * level + (k.std_offset + k.std_history * p)
            step = step + (k.write_scale * sigma) * normal_of(s.write_key, u64((first + n) * cells + cell))
        level = min(max(level + step * gain, k.g_min), k.g_max)
    g[cell] = level
    history[cell] = p


@compiled
def transfer(s: Record, k: Record, synapse: int, pulses: Any, now_s: Any) -> bool:
    """Apply the pulses that left an accumulator, in turn from the selected pair; False if too many for a cell."""
    count, size, pairs = abs(pulses), s.rows * s.cols, s.pairs
    s.set_pulses_update += count
    for turn in range(pairs):
        own = (count - turn + pairs - 1) // pairs
        if own <= 0:
            break
        if own > k.max_pulses:
            return False
        plane = (s.selected + turn) % pairs + (pairs if pulses < 0 else 0)
        pulse(s, k, plane * size + synapse, own, now_s)
    renew(s, k, synapse)
    return True


@compiled
def reset(s: Record, k: Record, cell: int, now_s: Any) -> None:
    """Apply a RESET pulse to a cell; see `PcmCells.reset`."""
    cells = 2 * s.pairs * s.rows * s.cols
    life = ints_at(s.reset_pulses, cells)
    life[cell] += 1
    if not bytes_at(s.stuck, cells)[cell]:
        noise = normal_of(s.reset_key, u64(life[cell] * cells + cell))
        floats_at(s.g_us, cells)[cell] = max(k.reset_mean + k.reset_std * noise, k.reset_min)
    floats_at(s.history, cells)[cell] = f32(1.0)
    floats_at(s.pulsed_at_s, cells)[cell] = now_s
    floats_at(s.left, cells)[cell] = f32(1.0)


@compiled
def is_hot(plus: Floats, minus: Floats, threshold: Any, slope: Any, offset: Any) -> Any:
    """Return whether some draw of read noise could lift a cell of a block over the threshold, drift left aside.

    `slope` and `offset` give the furthest that a read can reach. Drift only lowers a conductance, and what a read can
    reach with it, unless the slope is negative: then every block is hot.
    """
    if slope < f32(0.0):
        return True
    found = np.int32(0)
    for p in range(plus.size):
        highest = minus[p] if minus[p] > plus[p] else plus[p]
        found += np.int32(highest + (highest * slope + offset) > threshold)
    return found > 0


@compiled
def mark(
    plus: Floats,
    minus: Floats,
    left: Floats,
    right: Floats,
    threshold: Any,
    difference: Any,
    slope: Any,
    offset: Any,
    marks: Any,
) -> None:
    """Mark the pairs of a block that some draw of read noise could make due for refresh."""
    for p in range(plus.size):
        a, b = plus[p] * left[p], minus[p] * right[p]
        reach_a, reach_b = abs(a * slope + offset), abs(b * slope + offset)
        saturated = (a + reach_a > threshold) | (b + reach_b > threshold)
        marks[p] = saturated & (abs(a - b) - (reach_a + reach_b) < difference)


@compiled
def write(s: Record, k: Record, pair: int, difference: Any, now_s: Any) -> bool:
    """Pulse a pair by a wanted change of its difference, open loop, and return whether it took pulses."""
    all_pairs, wanted = s.rows * s.cols * s.pairs, abs(difference)
    response = floats_at(s.response, s.responses)
    count, best = 0, abs(wanted - response[0])
    for n in range(1, response.size):
        distance = abs(wanted - response[n])
        if distance < best:
            count, best = n, distance
    if count > 0:
        s.set_pulses_refresh += count
        pulse(s, k, pair + all_pairs if difference < f32(0.0) else pair, count, now_s)
    return count > 0


@compiled
def read(s: Record, k: Record, pair: int, first: int) -> Any:
    """Return one noisy read of both cells of a pair, the draws of all cells beginning at a counter."""
    all_pairs = s.rows * s.cols * s.pairs
    g, left = cells_at(s.g_us, s), cells_at(s.left, s)
    plus, minus = g[pair] * left[pair], g[pair + all_pairs] * left[pair + all_pairs]
    if k.reads_are_noisy:
        up = read_deviation(plus, k.read_slope, k.read_offset, k.read_scale)
        down = read_deviation(minus, k.read_slope, k.read_offset, k.read_scale)
        plus = plus + up * normal_of(s.refresh_key, u64(first + pair))
        minus = minus + down * normal_of(s.refresh_key, u64(first + pair + all_pairs))
    return plus, minus


@inlined
def held(s: Record, total: Any, limit: Any) -> Any:
    """Return what an accumulator keeps of a sum, and count it where it saturates."""
    kept = min(max(total, -limit), limit)
    s.chi_saturated += kept != total
    return kept


@compiled
def give_back(s: Record, k: Record, synapse: int, missed: Any) -> None:
    """Add what a refresh missed, in units of weight, to an accumulator; see `Accumulator.give_back`."""
    i, j = synapse // s.cols, synapse % s.cols
    words = word_rows_at(s.word, s.rows, s.cols)
    before = words[i, j]
    if k.chi_bits == 0:
        floats = float_rows_at(s.word, s.rows, s.cols)
        floats[i, j] = held(s, floats[i, j] + missed, k.float_limit)
    else:
        words[i, j] = i32(held(s, np.int64(before) + np.int64(np.rint(missed * k.chi_scale)), k.word_limit))
    s.touched += 1
    if k.wears:
        own, changed = word_rows_at(s.flips, s.rows * s.cols, k.word_bits)[synapse], i32(before ^ words[i, j])
        for bit in range(k.word_bits):
            flipped = i32(i32(changed >> i32(bit)) & i32(1))
            own[bit] += flipped
            s.chi_flips += flipped


@compiled
def rewrite(s: Record, k: Record, pair: int, difference: Any, first: int, now_s: Any) -> None:
    """RESET a pair and write its difference anew, the draws of this refresh beginning at a counter."""
    size = s.rows * s.cols
    all_pairs = size * s.pairs
    s.refreshed_pairs += 1
    s.resets += 2
    reset(s, k, pair, now_s)
    reset(s, k, pair + all_pairs, now_s)
    write(s, k, pair, difference, now_s)
    missed = f32(0.0)
    for turn in range(k.verify_rounds + k.keeps_misses):
        plus, minus = read(s, k, pair, first + (turn + 1) * 2 * all_pairs)
        s.refresh_reads += 2
        missed = difference - (plus - minus)
        if turn == k.verify_rounds or abs(missed) <= k.refresh_tolerance or not write(s, k, pair, missed, now_s):
            break
    if k.keeps_misses:
        give_back(s, k, pair % size, missed / k.beta)
    renew(s, k, pair % size)


@compiled
def check(s: Record, k: Record, pair: int, first: int, now_s: Any) -> None:
    """Read a pair, the draws of this refresh beginning at a counter, and write it anew if it is due."""
    plus, minus = read(s, k, pair, first)
    if max(plus, minus) > k.refresh_threshold and abs(plus - minus) < k.refresh_difference:
        rewrite(s, k, pair, plus - minus, first, now_s)


@compiled
def refresh(s: Record, k: Record, now_s: Any) -> None:
    """Look for pairs near saturation and write them anew; see `PairArray.refresh`.

    A pair that no draw of read noise could make due draws none.
    """
    all_pairs = s.rows * s.cols * s.pairs
    g, left = cells_at(s.g_us, s), cells_at(s.left, s)
    first = s.refresh_events * g.size
    s.refresh_events += k.reads_are_noisy * (1 + k.verify_rounds + k.keeps_misses)
    s.refresh_reads += g.size
    reach = REACH * k.read_scale if k.reads_are_noisy else f32(0.0)
    slope, offset, threshold = k.read_slope * reach, k.read_offset * reach, k.refresh_threshold
    marks = np.zeros(BLOCK, np.uint8)
    words = marks.view(np.uint64)
    for start in range(0, all_pairs, BLOCK):
        stop = min(start + BLOCK, all_pairs)
        a, b = slice(start, stop), slice(start + all_pairs, stop + all_pairs)
        if not is_hot(g[a], g[b], threshold, slope, offset):
            continue
        words[:] = 0
        mark(g[a], g[b], left[a], left[b], threshold, k.refresh_difference, slope, offset, marks)
        for w in range(words.size):
            if words[w] != 0:
                for p in range(8 * w, 8 * w + 8):
                    if marks[p] != 0:
                        check(s, k, start + p, first, now_s)
