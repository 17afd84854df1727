"""Accumulators: the twin of `Accumulator.add`, row by row.

A row of words is first added to in one pass that vector instructions can do, which counts the sums that leave the
range between the thresholds; only then are these looked for. An integer sum may wrap around in 32 bits: its two parts
are known again from what was added, so that nothing is lost.
"""

from typing import Any

import numpy as np

from dse.compiled import (
    Floats,
    Ints32,
    compiled,
    f32,
    float_rows_at,
    floats_at,
    i32,
    inlined,
    ints_at,
    u32,
    u64,
    uniform_of,
    word_rows_at,
    words_at,
)
from dse.training.kernel.cells import transfer
from dse.training.kernel.products import accumulate, largest_of, quantised
from dse.training.kernel.state import DIVERGED, DONE, NEAREST, STOCHASTIC, TOO_MANY_PULSES, TOWARD_ZERO, Record

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
            row[j] = row[j] - p * threshold
            gave += 1
            if not transfer(s, k, i * cols + j, np.int64(p), now_s):
                return -1
    return gave


@compiled
def settle_word(s: Record, k: Record, i: int, j: int, total: Any, now_s: Any) -> bool:
    """Take the whole pulses out of the sum of an integer accumulator; False if too many for a cell."""
    q = abs(total) // k.places
    q = -q if total < 0 else q
    word_rows_at(s.word, s.rows, s.cols)[i, j] = i32(total - q * k.places)
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
            total = floats[j] + v * d[j]
            held = min(max(total, -k.float_limit), k.float_limit)
            s.chi_saturated += held != total
            floats[j] = held
        return
    words, key, scale = word_rows_at(s.word, s.rows, s.cols)[i], s.chi_key, k.chi_scale
    for j in range(d.size):
        exact = np.int64(words[j]) + np.int64(rounded((v * d[j]) * scale, k.rounding, key, draw + j))
        kept = min(max(exact, -k.word_limit), k.word_limit)
        s.chi_saturated += kept != exact
        words[j] = i32(kept)


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
def factors(k: Record, b: Record, samples: int) -> Any:
    """Compute the factor of the errors in an update for all samples, and return a bound on any update."""
    rate = f32(-k.learning_rate / samples)
    bound = f32(0.0)
    xs, ds, scaleds = (
        float_rows_at(b.x, b.batch, b.rows),
        float_rows_at(b.d, b.batch, b.cols),
        float_rows_at(b.scaled, b.batch, b.cols),
    )
    for sample in range(samples):
        d, scaled = ds[sample], scaleds[sample]
        if k.operand_bits > 0:
            scale, step = largest_of(d, f32(1e-30)), k.operand_signed_step
            for j in range(d.size):
                scaled[j] = (quantised(d[j] / scale, f32(-1.0), f32(1.0), step) * scale) * rate
        else:
            for j in range(d.size):
                scaled[j] = d[j] * rate
        bound = bound + largest_of(scaled, f32(0.0)) * largest_of(xs[sample], f32(1.0))
    return bound


@compiled
def list_by_row(b: Record, samples: int, operand_bits: int, step: Any) -> tuple[int, int]:
    """List for each row the samples whose input is not zero, in their order.

    Returns how many there are, and in how many rows.

    Inputs are rounded as the multiplier of an update sees them.
    """
    size = b.rows
    x, places, active = (
        float_rows_at(b.x, b.batch, size),
        word_rows_at(b.driven_rows, b.batch, size),
        ints_at(b.active, b.batch),
    )
    starts, who, inputs = (
        ints_at(b.starts, size + 1),
        words_at(b.who, b.batch * size),
        floats_at(b.inputs, b.batch * size),
    )
    starts[:] = 0
    for sample in range(samples):
        for n in range(active[sample]):
            starts[places[sample, n] + 1] += 1
    for i in range(size):
        starts[i + 1] += starts[i]
    for sample in range(samples):
        for n in range(active[sample]):
            i = places[sample, n]
            v = x[sample, i]
            if operand_bits > 0:
                v = quantised(v, f32(0.0), f32(1.0), step)
            who[starts[i]] = sample
            inputs[starts[i]] = v
            starts[i] += 1
    for i in range(size, 0, -1):
        starts[i] = starts[i - 1]
    starts[0] = 0
    products, touched = 0, 0
    for i in range(size):
        own = 0
        for n in range(starts[i], starts[i + 1]):
            own += inputs[n] != f32(0.0)
        products += own
        touched += own > 0
    return products, touched


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


@compiled
def add_one(s: Record, k: Record, b: Record, kind: int, bound: Any, first_draw: int, start: int, stop: int) -> int:
    """Add the outer product of the inputs of one sample and its errors, from a place on, until a row needs more.

    Returns the place of the row that does, which was added to unless its updates are wide; `stop` where none does.
    """
    rows, cols = s.rows, s.cols
    floats, words = float_rows_at(s.word, rows, cols), word_rows_at(s.word, rows, cols)
    where, inputs, d = words_at(b.driven_rows, rows), floats_at(b.inputs, rows), floats_at(b.scaled, cols)
    threshold, scale, places, key = k.threshold, k.chi_scale, u32(k.places), s.chi_key
    for n in range(start, stop):
        v, i = inputs[n], where[n]
        if is_wide(v, bound, scale, kind):
            return n
        if add_row(floats[i], words[i], v, d, kind, threshold, scale, places, key, first_draw + i * cols) > 0:
            return n
    return stop


@compiled
def update_one(s: Record, k: Record, b: Record, bound: Any, now_s: Any) -> int:
    """Add the update of a single sample."""
    rows, cols = s.rows, s.cols
    x, inputs, where, d = (
        floats_at(b.x, rows),
        floats_at(b.inputs, rows),
        words_at(b.driven_rows, rows),
        floats_at(b.scaled, cols),
    )
    active, products, first_draw = ints_at(b.active, 1)[0], 0, begin(s, k)
    for n in range(active):
        v = x[where[n]]
        if k.operand_bits > 0:
            v = quantised(v, f32(0.0), f32(1.0), k.operand_step)
        inputs[n] = v
        products += v != f32(0.0)
    s.macs_update += products * cols
    s.touched += products * cols
    kind, n = kind_of(k, f32(0.0)), 0
    while n < active:
        stop = active
        if k.wears:
            keep(s, b, where[n])
            stop = n + 1
        found = add_one(s, k, b, kind, bound, first_draw, n, stop)
        if found < stop:
            i, v = np.int64(where[found]), inputs[found]
            own = WIDE if is_wide(v, bound, k.chi_scale, kind) else kind
            if settle_row(s, k, own, i, v, d, first_draw + i * cols, now_s) < 0:
                return TOO_MANY_PULSES
        if k.wears:
            count_flips(s, k, b, where[n])
        n = min(found + 1, stop)
    return conclude(s, k, b, now_s)


@compiled
def add_many(s: Record, k: Record, b: Record, kind: int, first_draw: int, start: int, stop: int) -> int:
    """Add the outer products of a mini-batch, summed in `sums` row by row, from a row on, until a row needs more.

    Returns that row, which was added to, with its update in `sums`; `stop` where none does.
    """
    rows, cols, one = s.rows, s.cols, f32(1.0)
    floats, words = float_rows_at(s.word, rows, cols), word_rows_at(s.word, rows, cols)
    starts, who, inputs = (
        ints_at(b.starts, rows + 1),
        words_at(b.who, b.batch * rows),
        floats_at(b.inputs, b.batch * rows),
    )
    errors, sums = float_rows_at(b.scaled, b.batch, cols), floats_at(b.sums, cols)
    threshold, scale, places, key = k.threshold, k.chi_scale, u32(k.places), s.chi_key
    for n in range(start, stop):
        first, last = starts[n], starts[n + 1]
        if first == last:
            continue
        accumulate(sums, errors, who[first:last], inputs[first:last], last - first)
        if add_row(floats[n], words[n], one, sums, kind, threshold, scale, places, key, first_draw + n * cols) > 0:
            return n
    return stop


@compiled
def update_many(s: Record, k: Record, b: Record, samples: int, bound: Any, now_s: Any) -> int:
    """Add the update of a mini-batch."""
    rows, cols, first_draw = s.rows, s.cols, begin(s, k)
    products, touched = list_by_row(b, samples, k.operand_bits, k.operand_step)
    s.macs_update += products * cols
    s.touched += touched * cols
    starts, sums = ints_at(b.starts, rows + 1), floats_at(b.sums, cols)
    kind, n = kind_of(k, bound), 0
    while n < rows:
        stop = rows
        if k.wears:
            keep(s, b, n)
            stop = n + 1
        found = add_many(s, k, b, kind, first_draw, n, stop)
        if found < stop and settle_row(s, k, kind, found, f32(1.0), sums, first_draw + found * cols, now_s) < 0:
            return TOO_MANY_PULSES
        if k.wears and starts[n] < starts[n + 1]:
            count_flips(s, k, b, n)
        n = min(found + 1, stop)
    return conclude(s, k, b, now_s)


@compiled
def largest_update(k: Record, b: Record, samples: int) -> Any:
    """Return the largest magnitude of an update, in units of weight, where the quick bound is beyond all limits."""
    rows, cols = b.rows, b.cols
    list_by_row(b, samples, k.operand_bits, k.operand_step)
    starts, who, inputs = (
        ints_at(b.starts, rows + 1),
        words_at(b.who, b.batch * rows),
        floats_at(b.inputs, b.batch * rows),
    )
    errors, sums, largest = float_rows_at(b.scaled, b.batch, cols), floats_at(b.sums, cols), f32(0.0)
    for i in range(rows):
        first, last = starts[i], starts[i + 1]
        accumulate(sums, errors, who[first:last], inputs[first:last], last - first)
        own = largest_of(sums, largest)
        if np.isnan(own):
            return own
        largest = own
    return largest


@compiled
def update(s: Record, k: Record, b: Record, samples: int, now_s: Any) -> int:
    """Add the update of a mini-batch to the accumulators and apply the pulses; see `CrossbarLayer.update`."""
    bound = factors(k, b, samples)
    if not bound <= k.largest_update:
        s.culprit = largest_update(k, b, samples)
        if not s.culprit <= k.largest_update:
            return DIVERGED
    return update_one(s, k, b, bound, now_s) if samples == 1 else update_many(s, k, b, samples, bound, now_s)


@compiled
def add_gradient(s: Record, k: Record, b: Record, gradient: Floats, rate: Any, now_s: Any) -> int:
    """Add `rate` times a gradient, shape (rows, cols), to the accumulators and apply the pulses that leave them."""
    rows, cols = s.rows, s.cols
    bound = largest_of(gradient.reshape(-1), f32(0.0)) * abs(rate)
    if not bound <= k.largest_update:
        s.culprit = bound
        return DIVERGED
    floats, words = float_rows_at(s.word, rows, cols), word_rows_at(s.word, rows, cols)
    threshold, scale, places, key = k.threshold, k.chi_scale, u32(k.places), s.chi_key
    kind, first_draw = kind_of(k, bound), begin(s, k)
    for i in range(rows):
        d, draw = gradient[i], first_draw + i * cols
        if k.wears:
            keep(s, b, i)
        left = add_row(floats[i], words[i], rate, d, kind, threshold, scale, places, key, draw)
        if left > 0 and settle_row(s, k, kind, i, rate, d, draw, now_s) < 0:
            return TOO_MANY_PULSES
        if k.wears:
            count_flips(s, k, b, i)
    s.touched += rows * cols
    return conclude(s, k, b, now_s)
