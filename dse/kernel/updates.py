"""Updates: from the inputs and errors of a mini-batch to the accumulators; the twin of `CrossbarLayer.update`.

The rows of a layer are added to one after the other in a loop that stops only where a row needs more than an addition:
pulses that leave, sums of 64 bits, words that saturate or wear.
"""

from typing import Any

import numpy as np

from dse.kernel.arithmetic import (
    Floats,
    compiled,
    f32,
    float_rows_at,
    floats_at,
    inlined,
    ints_at,
    u32,
    word_rows_at,
    words_at,
)
from dse.kernel.chi import (
    FLOAT,
    WIDE,
    add_float,
    add_row,
    begin,
    conclude,
    count_flips,
    is_wide,
    keep,
    kind_of,
    settle_row,
)
from dse.kernel.products import accumulate, largest_of, quantised
from dse.kernel.state import DIVERGED, TOO_MANY_PULSES, Record


@inlined
def lists_at(b: Record) -> Any:
    """Return where the samples of each row begin, the samples, and their inputs; see `list_by_row`."""
    size = b.batch * b.rows
    return ints_at(b.starts, b.rows + 1), words_at(b.who, size), floats_at(b.inputs, size)


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
    starts, who, inputs = lists_at(b)
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
    starts, who, inputs = lists_at(b)
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
def update_all(s: Record, k: Record, b: Record, samples: int, now_s: Any) -> int:
    """Add the update of a mini-batch where words without one may be worth pulses, too."""
    rows, cols, first_draw = s.rows, s.cols, begin(s, k)
    products, touched = list_by_row(b, samples, k.operand_bits, k.operand_step)
    s.macs_update += products * cols
    s.touched += touched * cols
    starts, who, inputs = lists_at(b)
    errors, sums = float_rows_at(b.scaled, b.batch, cols), floats_at(b.sums, cols)
    floats, kind = float_rows_at(s.word, rows, cols), FLOAT if k.chi_bits == 0 else WIDE
    for n in range(rows):
        first, last = starts[n], starts[n + 1]
        if k.wears:
            keep(s, b, n)
        accumulate(sums, errors, who[first:last], inputs[first:last], last - first)
        if kind == FLOAT:
            add_float(floats[n], f32(1.0), sums, k.threshold)
        if settle_row(s, k, kind, n, f32(1.0), sums, first_draw + n * cols, now_s) < 0:
            return TOO_MANY_PULSES
        if k.wears:
            count_flips(s, k, b, n)
    return conclude(s, k, b, now_s)


@compiled
def largest_update(k: Record, b: Record, samples: int) -> Any:
    """Return the largest magnitude of an update, in units of weight, where the quick bound is beyond all limits."""
    rows, cols = b.rows, b.cols
    list_by_row(b, samples, k.operand_bits, k.operand_step)
    starts, who, inputs = lists_at(b)
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
    if k.overflows:
        return update_all(s, k, b, samples, now_s)
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
