"""Accumulators: the twin of `Accumulator.add`, row by row.

A row of words is first added to in one pass that vector instructions can do, which counts the sums that leave the
range between the thresholds; only then are these looked for. An integer sum may wrap around in 32 bits: its two parts
are known again from what was added, so that nothing is lost.
"""

from typing import Any

import numpy as np

from dse.kernel.arithmetic import (
    Floats,
    Ints32,
    compiled,
    f32,
    float_rows_at,
    i32,
    inlined,
    u32,
    u64,
    uniform_of,
    word_rows_at,
    words_at,
)
from dse.kernel.pcm import held, transfer
from dse.kernel.state import DONE, NEAREST, STOCHASTIC, TOO_MANY_PULSES, TOWARD_ZERO, Record

WORD_LIMIT = f32(2.0**30)
"""Updates of fewer places than this are added in 32 bits."""
FLOAT, WIDE, GATHER = 3, 4, 5
"""Ways of adding a row beside the roundings of integer words: float words, sums of 64 bits, and words that saturate."""


@compiled
def add_float(row: Floats, v: Any, d: Floats, threshold: Any) -> Any:
    """Add v d to a row of float accumulators and return how many reached the threshold."""
    reached = i32(0)
    for j in range(row.size):
        total = row[j] + v * d[j]
        row[j] = total
        reached = i32(reached + i32(abs(total) >= threshold))
    return reached


@inlined
def rounded(exact: Any, rounding: int, key: Any, counter: int) -> Any:
    """Return an update in places, rounded as the design says."""
    if rounding == NEAREST:
        return np.rint(exact)
    if rounding == STOCHASTIC:
        return np.floor(exact + uniform_of(key, u64(counter)))
    return np.trunc(exact)


@inlined
def reaches(old: Any, change: Any, total: Any, places: Any) -> Any:
    """Return 1 if a sum of int32 wrapped around or its magnitude is at least `places` (uint32), else 0."""
    wrapped = i32((old ^ total) & (change ^ total)) < i32(0)
    sign = i32(total >> i32(31))
    magnitude = u32(i32(i32(total ^ sign) - sign))
    return i32(wrapped | (magnitude >= places))


@compiled
def add_nearest(row: Ints32, v: Any, d: Floats, scale: Any, places: Any) -> Any:
    """Add v d, rounded to the nearest place, to a row of int32; return how many sums reached the threshold."""
    reached = i32(0)
    for j in range(row.size):
        old, change = row[j], i32(np.rint((v * d[j]) * scale))
        total = i32(old + change)
        row[j] = total
        reached = i32(reached + reaches(old, change, total, places))
    return reached


@compiled
def add_toward_zero(row: Ints32, v: Any, d: Floats, scale: Any, places: Any) -> Any:
    """Add v d, rounded toward zero, to a row of int32; return how many sums reached the threshold."""
    reached = i32(0)
    for j in range(row.size):
        old, change = row[j], i32((v * d[j]) * scale)
        total = i32(old + change)
        row[j] = total
        reached = i32(reached + reaches(old, change, total, places))
    return reached


@compiled
def add_stochastic(row: Ints32, v: Any, d: Floats, scale: Any, places: Any, key: Any, draw: int) -> Any:
    """Add v d, rounded at random, to a row of int32; return how many sums reached the threshold."""
    reached = i32(0)
    for j in range(row.size):
        old, change = row[j], i32(np.floor((v * d[j]) * scale + uniform_of(key, u64(draw + j))))
        total = i32(old + change)
        row[j] = total
        reached = i32(reached + reaches(old, change, total, places))
    return reached


@compiled
def settle_float(s: Record, k: Record, i: int, now_s: Any) -> int:
    """Take the whole pulses out of a row of float accumulators; return how many words gave some, or -1 on failure."""
    cols, threshold = s.cols, k.threshold
    row = float_rows_at(s.word, s.rows, cols)[i]
    gave = 0
    for j in range(cols):
        if abs(row[j]) >= threshold:
            p = np.trunc(row[j] / threshold)
            if k.most_pulses > 0:
                p = min(max(p, -f32(k.most_pulses)), f32(k.most_pulses))
            rest = row[j] - p * threshold
            row[j] = held(s, rest, k.float_limit) if k.overflows else rest
            gave += 1
            if not transfer(s, k, i * cols + j, np.int64(p), now_s):
                return -1
    return gave


@compiled
def settle_word(s: Record, k: Record, i: int, j: int, total: Any, now_s: Any) -> bool:
    """Take the whole pulses out of the sum of an integer accumulator; False if too many for a cell."""
    q = abs(total) // k.places
    q = min(q, k.most_pulses) if k.most_pulses > 0 else q
    q = -q if total < 0 else q
    rest = total - q * k.places
    word_rows_at(s.word, s.rows, s.cols)[i, j] = i32(held(s, rest, k.word_limit) if k.overflows else rest)
    return transfer(s, k, i * s.cols + j, q, now_s)


@compiled
def settle_words(s: Record, k: Record, kind: int, i: int, v: Any, d: Floats, draw: int, now_s: Any) -> int:
    """Take the whole pulses out of a row of int32 that v d was added to, or is to be added to if `kind` is WIDE.

    Returns how many words gave some, or -1 on failure. Sums have 64 bits here.
    """
    row, key, scale = word_rows_at(s.word, s.rows, s.cols)[i], s.chi_key, k.chi_scale
    gave = 0
    for j in range(row.size):
        change = np.int64(rounded((v * d[j]) * scale, k.rounding, key, draw + j))
        old = np.int64(row[j]) if kind == WIDE else np.int64(i32(row[j] - i32(change)))
        total = old + change
        if abs(total) >= k.places:
            gave += 1
            if not settle_word(s, k, i, j, total, now_s):
                return -1
        else:
            row[j] = i32(total)
    return gave


@compiled
def gather(s: Record, k: Record, i: int, v: Any, d: Floats, draw: int) -> None:
    """Add updates to a row of accumulators that keeps what exceeds the threshold, and saturates."""
    if k.chi_bits == 0:
        floats = float_rows_at(s.word, s.rows, s.cols)[i]
        for j in range(d.size):
            floats[j] = held(s, floats[j] + v * d[j], k.float_limit)
        return
    words, key, scale = word_rows_at(s.word, s.rows, s.cols)[i], s.chi_key, k.chi_scale
    for j in range(d.size):
        exact = np.int64(words[j]) + np.int64(rounded((v * d[j]) * scale, k.rounding, key, draw + j))
        words[j] = i32(held(s, exact, k.word_limit))


@compiled
def keep(s: Record, b: Record, i: int) -> None:
    """Keep a copy of a row of words."""
    words_at(b.before, s.cols)[:] = word_rows_at(s.word, s.rows, s.cols)[i]


@compiled
def count_flips(s: Record, k: Record, b: Record, i: int) -> None:
    """Count the bits in which row i of the words differs from the copy kept before."""
    cols = s.cols
    before, after = words_at(b.before, cols), word_rows_at(s.word, s.rows, cols)[i]
    flips = word_rows_at(s.flips, s.rows * cols, k.word_bits)
    for j in range(cols):
        changed = i32(before[j] ^ after[j])
        if changed == i32(0):
            continue
        own = flips[i * cols + j]
        for bit in range(k.word_bits):
            flipped = i32(i32(changed >> i32(bit)) & i32(1))
            own[bit] += flipped
            s.chi_flips += flipped


@compiled
def settle_row(s: Record, k: Record, kind: int, i: Any, v: Any, d: Floats, draw: int, now_s: Any) -> int:
    """Do what `add_row` left to do in a row; return how many words gave pulses, or -1 if some were too many."""
    if kind == FLOAT:
        return settle_float(s, k, i, now_s)
    if kind == GATHER:
        gather(s, k, i, v, d, draw)
        return 0
    return settle_words(s, k, kind, i, v, d, draw, now_s)


@inlined
def add_row(
    floats: Floats, words: Ints32, v: Any, d: Floats, kind: int, threshold: Any, scale: Any, places: Any, key: Any,
    draw: int,
) -> Any:  # fmt: skip
    """Add v d to a row of accumulators, floats or words; return 0 where nothing is left for `settle_row`."""
    if kind == FLOAT:
        return add_float(floats, v, d, threshold)
    if kind == NEAREST:
        return add_nearest(words, v, d, scale, places)
    if kind == STOCHASTIC:
        return add_stochastic(words, v, d, scale, places, key, draw)
    if kind == TOWARD_ZERO:
        return add_toward_zero(words, v, d, scale, places)
    return i32(1)


@inlined
def is_wide(v: Any, bound: Any, scale: Any, kind: int) -> bool:
    """Return whether updates up to v times a bound may be too large for sums of 32 bits."""
    return kind <= TOWARD_ZERO and not v * bound * scale < WORD_LIMIT


@inlined
def kind_of(k: Record, bound: Any) -> int:
    """Return how updates up to a bound are added."""
    if k.transfer_every > 1:
        return GATHER
    if k.chi_bits == 0:
        return FLOAT
    return k.rounding if bound * k.chi_scale < WORD_LIMIT else WIDE


@compiled
def transfer_all(s: Record, k: Record, b: Record, now_s: Any) -> bool:
    """Take the whole pulses out of all accumulators, after some updates without a transfer."""
    rows, cols = s.rows, s.cols
    s.transfer_reads += rows * cols
    words = word_rows_at(s.word, rows, cols)
    for i in range(rows):
        if k.wears:
            keep(s, b, i)
        gave = 0
        if k.chi_bits == 0:
            gave = settle_float(s, k, i, now_s)
        else:
            for j in range(cols):
                total = np.int64(words[i, j])
                if abs(total) >= k.places:
                    gave += 1
                    if not settle_word(s, k, i, j, total, now_s):
                        return False
        if gave < 0:
            return False
        s.transfer_writes += gave
        if k.wears and gave > 0:
            count_flips(s, k, b, i)
    return True


@compiled
def begin(s: Record, k: Record) -> int:
    """Begin an update and return the first counter of its stochastic rounding."""
    first_draw = s.chi_events * (s.rows * s.cols)
    s.chi_events += k.chi_bits > 0 and k.rounding == STOCHASTIC
    s.updates += 1
    return first_draw


@compiled
def conclude(s: Record, k: Record, b: Record, now_s: Any) -> int:
    """End an update: transfer from all words if it is time, and let the next pair take the first pulse."""
    if s.updates % k.transfer_every != 0:
        return DONE
    if k.transfer_every > 1 and not transfer_all(s, k, b, now_s):
        return TOO_MANY_PULSES
    s.selected = (s.selected + 1) % s.pairs
    return DONE
