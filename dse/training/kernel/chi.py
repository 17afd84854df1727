"""Accumulators: the twin of `Accumulator.add`, row by row.

A row of words is first added to in one pass that vector instructions can do, which counts the sums that leave the range
between the thresholds; only then are these looked for. An integer sum may wrap around in 32 bits: its two parts are known
again from what was added, so that nothing is lost.
"""

from typing import Any

import numpy as np

from dse.compiled import Floats, borrowed, compiled, f32, i32, inlined, u32, u64, uniform_of
from dse.training.kernel.cells import transfer
from dse.training.kernel.products import accumulate, largest_of, quantised
from dse.training.kernel.state import (
    CHI,
    CHI_EVENTS,
    DIVERGED,
    DONE,
    FLIPS,
    NEAREST,
    PRODUCTS,
    SATURATED,
    SELECTED,
    STOCHASTIC,
    TOO_MANY_PULSES,
    TRANSFER_READS,
    TRANSFER_WRITES,
    TOWARD_ZERO,
    UPDATES,
    Buffers,
    Ints,
    Knobs,
    Places,
    State,
)

WORD_LIMIT = f32(2.0**30)
"""Updates of fewer places than this are added in 32 bits."""
FLOAT, WIDE, GATHER = 3, 4, 5
"""Ways of adding a row beside the roundings of integer words: float words, sums of 64 bits, and words that saturate."""


@inlined
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


@inlined
def add_nearest(row: Any, v: Any, d: Floats, scale: Any, places: Any) -> Any:
    """Add v d, rounded to the nearest place, to a row of int32; return how many sums reached the threshold."""
    reached = i32(0)
    for j in range(row.size):
        old, change = i32(row[j]), i32(np.rint((v * d[j]) * scale))
        total = i32(old + change)
        row[j] = total
        reached = i32(reached + reaches(old, change, total, places))
    return reached


@inlined
def add_toward_zero(row: Any, v: Any, d: Floats, scale: Any, places: Any) -> Any:
    """Add v d, rounded toward zero, to a row of int32; return how many sums reached the threshold."""
    reached = i32(0)
    for j in range(row.size):
        old, change = i32(row[j]), i32((v * d[j]) * scale)
        total = i32(old + change)
        row[j] = total
        reached = i32(reached + reaches(old, change, total, places))
    return reached


@inlined
def add_stochastic(row: Any, v: Any, d: Floats, scale: Any, places: Any, key: Any, draw: int) -> Any:
    """Add v d, rounded at random, to a row of int32; return how many sums reached the threshold."""
    reached = i32(0)
    for j in range(row.size):
        old, change = i32(row[j]), i32(np.floor((v * d[j]) * scale + uniform_of(key, u64(draw + j))))
        total = i32(old + change)
        row[j] = total
        reached = i32(reached + reaches(old, change, total, places))
    return reached


@compiled
def settle_float(s: State, k: Knobs, i: int, now_s: Any) -> int:
    """Take the whole pulses out of a row of float accumulators; return how many words gave some, or -1 on failure."""
    row = s.word[i]
    gave = 0
    for j in range(row.size):
        if abs(row[j]) >= k.threshold:
            p = np.trunc(row[j] / k.threshold)
            row[j] = row[j] - p * k.threshold
            gave += 1
            if not transfer(s, k, i * row.size + j, np.int64(p), now_s):
                return -1
    return gave


@compiled
def settle_word(s: State, k: Knobs, i: int, j: int, total: int, now_s: Any) -> bool:
    """Take the whole pulses out of the sum of an integer accumulator; False if too many for a cell."""
    q = abs(total) // k.places
    q = -q if total < 0 else q
    s.word[i, j] = i32(total - q * k.places)
    return transfer(s, k, i * s.word.shape[1] + j, q, now_s)


@compiled
def settle_words(s: State, k: Knobs, i: int, v: Any, d: Floats, draw: int, now_s: Any) -> int:
    """Take the whole pulses out of a row of int32 sums that v d was added to; return how many gave some, or -1."""
    row, key = s.word[i], s.keys[CHI]
    gave = 0
    for j in range(row.size):
        change = i32(rounded((v * d[j]) * k.chi_scale, k.rounding, key, draw + j))
        total = np.int64(i32(i32(row[j]) - change)) + np.int64(change)
        if abs(total) >= k.places:
            gave += 1
            if not settle_word(s, k, i, j, total, now_s):
                return -1
    return gave


@compiled
def add_wide(s: State, k: Knobs, i: int, v: Any, d: Floats, draw: int, now_s: Any) -> int:
    """Add updates that may be too large for 32 bits, with sums of 64; return how many words gave pulses, or -1."""
    row, key = s.word[i], s.keys[CHI]
    gave = 0
    for j in range(row.size):
        total = np.int64(row[j]) + np.int64(rounded((v * d[j]) * k.chi_scale, k.rounding, key, draw + j))
        if abs(total) < k.places:
            row[j] = i32(total)
            continue
        gave += 1
        if not settle_word(s, k, i, j, total, now_s):
            return -1
    return gave


@compiled
def gather(s: State, k: Knobs, i: int, v: Any, d: Floats, draw: int) -> None:
    """Add updates to a row of accumulators that keeps what exceeds the threshold, and saturates."""
    row, key = s.word[i], s.keys[CHI]
    for j in range(row.size):
        if k.chi_bits == 0:
            total = row[j] + v * d[j]
            held = min(max(total, -k.limit), k.limit)
            s.counts[SATURATED] += held != total
            row[j] = held
        else:
            sum_ = np.int64(row[j]) + np.int64(rounded((v * d[j]) * k.chi_scale, k.rounding, key, draw + j))
            kept = min(max(sum_, -np.int64(k.limit)), np.int64(k.limit))
            s.counts[SATURATED] += kept != sum_
            row[j] = kept


@compiled
def count_flips(before: Any, after: Any, flips: Any, i: int) -> int:
    """Count the bits in which row i of the words changed, and return their number."""
    a, b = before.view(np.int32), after.view(np.int32)
    bits = flips.shape[1]
    total = 0
    for j in range(a.size):
        changed = i32(a[j] ^ b[j])
        if changed == i32(0):
            continue
        own = flips[i * a.size + j]
        for bit in range(bits):
            flipped = i32(i32(changed >> i32(bit)) & i32(1))
            own[bit] += flipped
            total += flipped
    return total


@compiled
def settle_row(s: State, k: Knobs, kind: int, i: int, v: Any, d: Floats, draw: int, now_s: Any) -> int:
    """Do what `add_row` left to do in a row; return how many words gave pulses, or -1 if some were too many."""
    if kind == FLOAT:
        return settle_float(s, k, i, now_s)
    if kind == GATHER:
        gather(s, k, i, v, d, draw)
        return 0
    if kind == WIDE:
        return add_wide(s, k, i, v, d, draw, now_s)
    return settle_words(s, k, i, v, d, draw, now_s)


@inlined
def add_row(
    row: Any, v: Any, d: Floats, kind: int, threshold: Any, scale: Any, places: Any, key: Any, draw: int
) -> Any:
    """Add v d to a row of accumulators; return 0 where nothing is left for `settle_row`.

    It takes what it needs one by one: handing a `State` over counts references for each of its arrays, which costs more
    than the work on a row.
    """
    if kind == FLOAT:
        return add_float(row, v, d, threshold)
    if kind == NEAREST:
        return add_nearest(row, v, d, scale, places)
    if kind == STOCHASTIC:
        return add_stochastic(row, v, d, scale, places, key, draw)
    if kind == TOWARD_ZERO:
        return add_toward_zero(row, v, d, scale, places)
    return i32(1)


@inlined
def is_wide(v: Any, bound: Any, scale: Any, kind: int) -> bool:
    """Return whether updates up to v times a bound may be too large for sums of 32 bits."""
    return kind <= TOWARD_ZERO and not v * bound * scale < WORD_LIMIT


@compiled
def add_one(
    word: Any,
    rows: Places,
    inputs: Floats,
    d: Floats,
    bound: Any,
    kind: int,
    threshold: Any,
    scale: Any,
    places: Any,
    key: Any,
    first_draw: int,
    start: int,
    stop: int,
) -> int:
    """Add the outer product of the inputs of one sample and its errors, from a row on, until a row needs more.

    Returns the place of the row that does, which was added to unless its updates are wide; `stop` where none does.
    """
    for n in range(start, stop):
        v, row = inputs[n], word[rows[n]]
        if is_wide(v, bound, scale, kind):
            return n
        if add_row(row, v, d, kind, threshold, scale, places, key, first_draw + rows[n] * d.size) > 0:
            return n
    return stop


@compiled
def add_many(
    word: Any,
    starts: Ints,
    who: Places,
    inputs: Floats,
    errors: Floats,
    sums: Floats,
    kind: int,
    threshold: Any,
    scale: Any,
    places: Any,
    key: Any,
    first_draw: int,
    start: int,
    stop: int,
) -> int:
    """Add the outer products of a mini-batch, summed in `sums` row by row, from a row on, until a row needs more.

    Returns the place of that row, which was added to, with its update in `sums`; `stop` where none does.
    """
    one = f32(1.0)
    for n in range(start, stop):
        first, last = starts[n], starts[n + 1]
        if first == last:
            continue
        accumulate(sums, errors, who[first:last], inputs[first:last], last - first)
        if add_row(word[n], one, sums, kind, threshold, scale, places, key, first_draw + n * sums.size) > 0:
            return n
    return stop


@compiled
def add_all(
    word: Any,
    updates: Floats,
    kind: int,
    threshold: Any,
    scale: Any,
    places: Any,
    key: Any,
    first_draw: int,
    start: int,
    stop: int,
) -> int:
    """Add updates of all weights, shape (rows, cols), from a row on, until a row needs more, and return that row."""
    one, cols = f32(1.0), word.shape[1]
    for n in range(start, stop):
        if add_row(word[n], one, updates[n], kind, threshold, scale, places, key, first_draw + n * cols) > 0:
            return n
    return stop


@compiled
def transfer_all(s: State, k: Knobs, before: Any, now_s: Any) -> bool:
    """Take the whole pulses out of all accumulators, after some updates without a transfer."""
    rows, cols = s.word.shape
    s.counts[TRANSFER_READS] += rows * cols
    for i in range(rows):
        gave = 0
        if k.wears:
            before[:] = s.word[i]
        if k.chi_bits == 0:
            gave = settle_float(s, k, i, now_s)
        else:
            for j in range(cols):
                total = np.int64(s.word[i, j])
                if abs(total) >= k.places:
                    gave += 1
                    if not settle_word(s, k, i, j, total, now_s):
                        return False
        if gave < 0:
            return False
        s.counts[TRANSFER_WRITES] += gave
        if k.wears and gave > 0:
            s.counts[FLIPS] += count_flips(before, s.word[i], s.flips, i)
    return True


@compiled
def factors(k: Knobs, b: Buffers, samples: int) -> Any:
    """Compute the factor of the errors in an update for all samples, and return a bound on any update."""
    rate = f32(-k.learning_rate / samples)
    bound = f32(0.0)
    for sample in range(samples):
        d, scaled = b.d[sample], b.scaled[sample]
        if k.operand_bits > 0:
            scale = largest_of(d, f32(1e-30))
            for j in range(d.size):
                scaled[j] = (quantised(d[j] / scale, f32(-1.0), f32(1.0), k.operand_signed_step) * scale) * rate
        else:
            for j in range(d.size):
                scaled[j] = d[j] * rate
        bound = bound + largest_of(scaled, f32(0.0)) * largest_of(b.x[sample], f32(1.0))
    return bound


@compiled
def list_by_row(b: Buffers, samples: int, operand_bits: int, step: Any) -> int:
    """List for each row the samples whose input is not zero, in their order; return how many there are.

    Inputs are rounded as the multiplier of an update sees them.
    """
    x, rows, starts, who, inputs = b.x, b.rows, b.starts, b.who, b.inputs
    size = x.shape[1]
    starts[:] = 0
    for sample in range(samples):
        for n in range(b.active[sample]):
            starts[rows[sample, n] + 1] += 1
    for i in range(size):
        starts[i + 1] += starts[i]
    for sample in range(samples):
        for n in range(b.active[sample]):
            i = rows[sample, n]
            v = x[sample, i]
            if operand_bits > 0:
                v = quantised(v, f32(0.0), f32(1.0), step)
            who[starts[i]] = sample
            inputs[starts[i]] = v
            starts[i] += 1
    for i in range(size, 0, -1):
        starts[i] = starts[i - 1]
    starts[0] = 0
    products = 0
    for n in range(starts[size]):
        products += inputs[n] != f32(0.0)
    return products


@compiled
def begin(s: State, k: Knobs) -> int:
    """Begin an update and return the first counter of its stochastic rounding."""
    first_draw = s.counts[CHI_EVENTS] * s.weight.size
    s.counts[CHI_EVENTS] += k.chi_bits > 0 and k.rounding == STOCHASTIC
    s.counts[UPDATES] += 1
    return first_draw


@compiled
def conclude(s: State, k: Knobs, before: Any, now_s: Any) -> int:
    """End an update: transfer from all words if it is time, and let the next pair take the first pulse."""
    if s.counts[UPDATES] % k.transfer_every != 0:
        return DONE
    if k.transfer_every > 1 and not transfer_all(s, k, before, now_s):
        return TOO_MANY_PULSES
    s.counts[SELECTED] = (s.counts[SELECTED] + 1) % k.pairs
    return DONE


@inlined
def kind_of(k: Knobs, bound: Any) -> int:
    """Return how updates up to a bound are added."""
    if k.transfer_every > 1:
        return GATHER
    if k.chi_bits == 0:
        return FLOAT
    return k.rounding if bound * k.chi_scale < WORD_LIMIT else WIDE


@compiled
def update(s: State, k: Knobs, b: Buffers, samples: int, now_s: Any) -> int:
    """Add the update of a mini-batch to the accumulators and apply the pulses; see `CrossbarLayer.update`."""
    bound = factors(k, b, samples)
    if not bound <= k.largest_update:
        return DIVERGED
    return update_one(s, k, b, bound, now_s) if samples == 1 else update_many(s, k, b, samples, bound, now_s)


@compiled
def update_one(s: State, k: Knobs, b: Buffers, bound: Any, now_s: Any) -> int:
    """Add the update of a single sample."""
    inputs, x, rows, d, active = b.inputs, b.x[0], b.rows[0], b.scaled[0], b.active[0]
    for n in range(active):
        inputs[n] = x[rows[n]]
    if k.operand_bits > 0:
        for n in range(active):
            inputs[n] = quantised(inputs[n], f32(0.0), f32(1.0), k.operand_step)
    cols, first_draw = d.size, begin(s, k)
    kind, key, places = kind_of(k, f32(0.0)), s.keys[CHI], u32(k.places)
    n, products = 0, 0
    for m in range(active):
        products += inputs[m] != f32(0.0)
    while n < active:
        stop = active
        if k.wears:
            b.before[:] = s.word[rows[n]]
            stop = n + 1
        found = add_one(s.word, rows, inputs, d, bound, kind, k.threshold, k.chi_scale, places, key, first_draw, n, stop)
        if found < stop:
            i, v = np.int64(rows[found]), inputs[found]
            own = WIDE if is_wide(v, bound, k.chi_scale, kind) else kind
            if settle_row(s, k, own, i, v, d, first_draw + i * cols, now_s) < 0:
                return TOO_MANY_PULSES
        if k.wears:
            s.counts[FLIPS] += count_flips(b.before, s.word[rows[n]], s.flips, rows[n])
        n = min(found + 1, stop)
    s.counts[PRODUCTS] += products * cols
    return conclude(s, k, b.before, now_s)


@compiled
def update_many(s: State, k: Knobs, b: Buffers, samples: int, bound: Any, now_s: Any) -> int:
    """Add the update of a mini-batch."""
    products = list_by_row(b, samples, k.operand_bits, k.operand_step)
    sums, rows, first_draw = b.sums, b.x.shape[1], begin(s, k)
    kind, key, places = kind_of(k, bound), s.keys[CHI], u32(k.places)
    n = 0
    while n < rows:
        stop = rows
        if k.wears:
            b.before[:] = s.word[n]
            stop = n + 1
        found = add_many(
            s.word, b.starts, b.who, b.inputs, b.scaled, sums, kind, k.threshold, k.chi_scale, places, key, first_draw,
            n, stop,
        )  # fmt: skip
        if found < stop and settle_row(s, k, kind, found, f32(1.0), sums, first_draw + found * sums.size, now_s) < 0:
            return TOO_MANY_PULSES
        if k.wears:
            s.counts[FLIPS] += count_flips(b.before, s.word[n], s.flips, n)
        n = min(found + 1, stop)
    s.counts[PRODUCTS] += products * sums.size
    return conclude(s, k, b.before, now_s)


@compiled
def add_updates(s: State, k: Knobs, before: Any, updates: Floats, now_s: Any) -> int:
    """Add an update of all weights, shape (rows, cols), to the accumulators and apply the pulses that leave them."""
    s = borrowed(s)
    rows, cols = updates.shape
    bound = largest_of(updates.reshape(-1), f32(0.0))
    if not bound <= k.largest_update:
        return DIVERGED
    first_draw = begin(s, k)
    kind, key, places = kind_of(k, bound), s.keys[CHI], u32(k.places)
    n = 0
    while n < rows:
        stop = rows
        if k.wears:
            before[:] = s.word[n]
            stop = n + 1
        found = add_all(s.word, updates, kind, k.threshold, k.chi_scale, places, key, first_draw, n, stop)
        if found < stop:
            d = updates[found]
            if settle_row(s, k, kind, found, f32(1.0), d, first_draw + found * cols, now_s) < 0:
                return TOO_MANY_PULSES
        if k.wears:
            s.counts[FLIPS] += count_flips(before, s.word[n], s.flips, n)
        n = min(found + 1, stop)
    return conclude(s, k, before, now_s)
