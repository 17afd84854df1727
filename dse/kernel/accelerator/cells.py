"""Pairs of PCM cells and their accumulators in kernels: the twins of `dse.kernel.pcm`, `chi` and `updates`.

A program takes some weights of a design with everything that belongs to them, so that an update, a refresh or an
evaluation of the drift is one pass. Counts are sums of whole numbers, which do not depend on the order of programs.
"""

# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# What is in a kernel has the types of Triton, which annotations cannot say.

import triton
import triton.language as tl
from torch import Tensor

from dse.kernel.accelerator.arithmetic import EXACT, exp_of, key_at, log_of, magnitude_of, normal_of
from dse.kernel.accelerator.layout import Bank
from dse.kernel.accelerator.pulses import deviation_of, pulsed, renew
from dse.kernel.accelerator.settings import (
    CHI_SATURATED,
    COUNTS_WIDE,
    CULPRIT,
    DRIFT_REFERENCE,
    DRIFTS,
    INTEGERS_WIDE,
    KEEPS_MISSES,
    LARGEST_UPDATE,
    LINEAR,
    MAX_PULSES,
    NUMBERS_WIDE,
    READ_OFFSET,
    READ_SCALE,
    READ_SLOPE,
    READS_ARE_NOISY,
    REFRESH_DIFFERENCE,
    REFRESH_KEY,
    REFRESH_READS,
    REFRESH_THRESHOLD,
    REFRESH_TOLERANCE,
    REFRESHED_PAIRS,
    RESET_KEY,
    RESET_MEAN,
    RESET_MIN,
    RESET_STD,
    RESETS,
    SET_PULSES_REFRESH,
    SET_PULSES_UPDATE,
    STATUS,
    TRANSFER_EVERY,
    TRANSFER_WRITES,
    VERIFY_ROUNDS,
    WRITE_KEY,
)
from dse.kernel.accelerator.words import added, count_flips, given_back

BLOCK = 256
"""Weights that a program takes."""
REACH = tl.constexpr(5.5)
"""No read lies further from its mean, in deviations; see `dse.kernel.arithmetic.LARGEST_NORMAL`."""
DIVERGED, TOO_MANY_PULSES = tl.constexpr(1), tl.constexpr(2)


@triton.jit(do_not_specialize=["number"])
def _update(
    gradient_at, rates_at, word_at, flips_at, weight_at, variance_at, g_at, history_at, pulsed_at, left_at, gain_at,
    life_at, numbers_at, integers_at, counts_at, size, wide, number, now_s, PAIRS: tl.constexpr, NOISY: tl.constexpr,
    WEARS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Add updates to accumulators and apply the pulses that leave them; `number` counts updates from 1."""
    design = tl.program_id(1).to(tl.int64)
    weights = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = weights < size
    numbers, integers = numbers_at + design * NUMBERS_WIDE, integers_at + design * INTEGERS_WIDE
    counts = counts_at + design * COUNTS_WIDE
    cells = 2 * PAIRS * size
    own = tl.load(gradient_at + design * size + weights, mask=inside, other=0.0) * tl.load(rates_at + design)
    wrong = inside & ~(tl.abs(own) <= tl.load(numbers + LARGEST_UPDATE))
    if tl.max(wrong.to(tl.int32), axis=0) > 0:
        tl.atomic_max(counts + STATUS, tl.full([], DIVERGED, tl.int64))
        tl.atomic_max(counts + CULPRIT, tl.max(tl.where(wrong, magnitude_of(own), 0), axis=0).to(tl.int64))
        own = tl.where(wrong, 0.0, own)
    every = tl.load(integers + TRANSFER_EVERY)
    due = number % every == 0
    before = tl.load(word_at + design * size + weights, mask=inside, other=0)
    draw = (number - 1).to(tl.int64) * size + weights
    between, after, pulses, saturated = added(before, own, numbers, integers, due, draw)
    tl.store(word_at + design * size + weights, after, mask=inside)
    if WEARS:
        flips = flips_at + design * size * wide
        if every > 1:
            count_flips(flips, counts, integers, before, between, weights, inside, wide)
            before = between
            tl.debug_barrier()
        count_flips(flips, counts, integers, before, after, weights, inside, wide)
    lost = tl.sum(tl.where(inside, saturated, 0).to(tl.int64), axis=0)
    if lost > 0:
        tl.atomic_add(counts + CHI_SATURATED, lost)
    size_of = tl.where(inside, tl.where(pulses < 0, -pulses, pulses), 0)
    if tl.max(size_of, axis=0) > 0:
        if (tl.max(size_of, axis=0) + PAIRS - 1) // PAIRS > tl.load(integers + MAX_PULSES):
            tl.atomic_max(counts + STATUS, tl.full([], TOO_MANY_PULSES, tl.int64))
            size_of = size_of - size_of
        tl.atomic_add(counts + SET_PULSES_UPDATE, tl.sum(size_of, axis=0))
        if every > 1:
            tl.atomic_add(counts + TRANSFER_WRITES, tl.sum((size_of > 0).to(tl.int64), axis=0))
        selected = ((number - 1) // every) % PAIRS
        linear, key = tl.load(integers + LINEAR), key_at(integers + WRITE_KEY)
        base = design * cells
        for turn in range(PAIRS):
            count = ((size_of - turn + PAIRS - 1) // PAIRS).to(tl.int32)
            takes = count > 0
            plane = (selected + turn) % PAIRS + tl.where(pulses < 0, PAIRS, 0)
            cell = plane.to(tl.int64) * size + weights
            at = base + cell
            level = tl.load(g_at + at, mask=takes, other=0.0)
            history = tl.load(history_at + at, mask=takes, other=0.0)
            gain = tl.load(gain_at + at, mask=takes, other=0.0)
            life = tl.load(life_at + at, mask=takes, other=0)
            level, history = pulsed(level, history, life, gain, cell, count, key, cells, numbers, linear)
            tl.store(g_at + at, level, mask=takes)
            tl.store(history_at + at, history, mask=takes)
            tl.store(life_at + at, life + count, mask=takes)
            tl.store(pulsed_at + at, tl.zeros([BLOCK], tl.float32) + now_s, mask=takes)
            tl.store(left_at + at, tl.full([BLOCK], 1.0, tl.float32), mask=takes)
        tl.debug_barrier()  # what was stored is loaded in another order
        shown, spread = weight_at + design * size, variance_at + design * size
        renew(g_at + base, left_at + base, shown, spread, numbers, weights, size_of > 0, size, PAIRS, NOISY)


@triton.jit
def _age(
    weight_at, variance_at, g_at, pulsed_at, left_at, exponent_at, numbers_at, integers_at, size, now_s,
    PAIRS: tl.constexpr, NOISY: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Let cells drift to a time and compute weights."""
    design = tl.program_id(1).to(tl.int64)
    weights = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = weights < size
    numbers, base = numbers_at + design * NUMBERS_WIDE, design * 2 * PAIRS * size
    reference = tl.load(numbers + DRIFT_REFERENCE)
    if (tl.load(integers_at + design * INTEGERS_WIDE + DRIFTS) != 0) & (now_s > reference):
        for plane in range(2 * PAIRS):
            at = base + plane * size + weights
            age = now_s - tl.load(pulsed_at + at, mask=inside, other=0.0)
            age = tl.where(age < reference, reference, age)
            power = -tl.load(exponent_at + at, mask=inside, other=0.0) * log_of(tl.div_rn(age, reference))
            tl.store(left_at + at, exp_of(power), mask=inside)
        tl.debug_barrier()
    shown, spread = weight_at + design * size, variance_at + design * size
    renew(g_at + base, left_at + base, shown, spread, numbers, weights, inside, size, PAIRS, NOISY)


@triton.jit
def _noise_of(key, counter, noisy):
    """Return the noise of a read in deviations; none where reads are quiet."""
    draw = tl.zeros(counter.shape, tl.float32)
    if noisy != 0:
        draw = normal_of(key, counter.to(tl.uint64))
    return draw


@triton.jit
def _after_reset(g, resets_at, stuck_at, cell, due, cells, numbers, integers):
    """Return conductances after a RESET pulse to cells that are due, and count it; those of stuck cells stay."""
    life = tl.load(resets_at + cell, mask=due, other=0) + 1
    tl.store(resets_at + cell, life, mask=due)
    noise = normal_of(key_at(integers + RESET_KEY), (life * cells + cell).to(tl.uint64))
    level = tl.load(numbers + RESET_MEAN) + tl.load(numbers + RESET_STD) * noise
    low = tl.load(numbers + RESET_MIN)
    stuck = tl.load(stuck_at + cell, mask=due, other=0) != 0
    return tl.where(stuck, g, tl.where(level < low, low, level))


@triton.jit
def _nearest(wanted, response, responses):
    """Return by how many pulses a difference comes nearest to what is wanted."""
    size = tl.abs(wanted)
    count = tl.zeros(size.shape, tl.int32)
    best = tl.abs(size - tl.load(response))
    for n in range(1, responses):
        distance = tl.abs(size - tl.load(response + n))
        nearer = distance < best
        count = tl.where(nearer, n, count)
        best = tl.where(nearer, distance, best)
    return count


@triton.jit
def _rewrite(
    word_at, flips_at, g_at, history_at, pulsed_at, left_at, gain_at, life_at, resets_at, stuck_at, response,
    numbers, integers, counts, weights, up, down, g_up, g_down, wanted, due, first, responses, cells, wide, now_s,
    WEARS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """RESET pairs that are due and write their differences anew; see `dse.kernel.pcm.rewrite`."""
    noisy, rounds = tl.load(integers + READS_ARE_NOISY), tl.load(integers + VERIFY_ROUNDS)
    keeps, linear = tl.load(integers + KEEPS_MISSES), tl.load(integers + LINEAR)
    read_key, write_key = key_at(integers + REFRESH_KEY), key_at(integers + WRITE_KEY)
    g_up = _after_reset(g_up, resets_at, stuck_at, up, due, cells, numbers, integers)
    g_down = _after_reset(g_down, resets_at, stuck_at, down, due, cells, numbers, integers)
    h_up, h_down = tl.full([BLOCK], 1.0, tl.float32), tl.full([BLOCK], 1.0, tl.float32)
    gain_up, gain_down = tl.load(gain_at + up, mask=due, other=0.0), tl.load(gain_at + down, mask=due, other=0.0)
    life_up, life_down = tl.load(life_at + up, mask=due, other=0), tl.load(life_at + down, mask=due, other=0)
    active, missed, turn, goes_on = due, wanted, rounds * 0, rounds * 0 + 1
    while goes_on > 0:
        # The first turn writes the difference, the others what a read finds missing.
        count = tl.where(active, _nearest(missed, response, responses), 0)
        wrote, falls = count > 0, missed < 0.0
        level, history = pulsed(
            tl.where(falls, g_down, g_up), tl.where(falls, h_down, h_up), tl.where(falls, life_down, life_up),
            tl.where(falls, gain_down, gain_up), tl.where(falls, down, up), count, write_key, cells, numbers, linear,
        )  # fmt: skip
        g_up, g_down = tl.where(wrote & ~falls, level, g_up), tl.where(wrote & falls, level, g_down)
        h_up, h_down = tl.where(wrote & ~falls, history, h_up), tl.where(wrote & falls, history, h_down)
        life_up, life_down = life_up + tl.where(falls, 0, count), life_down + tl.where(falls, count, 0)
        tl.atomic_add(counts + SET_PULSES_REFRESH, tl.sum(count.to(tl.int64), axis=0))
        if turn > 0:
            active = active & wrote
        goes_on = goes_on * 0
        if turn < rounds + keeps:
            seen = first + (turn + 1) * cells
            plus = g_up + deviation_of(g_up, numbers) * _noise_of(read_key, seen + up, noisy)
            minus = g_down + deviation_of(g_down, numbers) * _noise_of(read_key, seen + down, noisy)
            tl.atomic_add(counts + REFRESH_READS, 2 * tl.sum(active.to(tl.int64), axis=0))
            missed = tl.where(active, wanted - (plus - minus), missed)
            active = active & (tl.abs(missed) > tl.load(numbers + REFRESH_TOLERANCE))
            turn += 1
            if turn <= rounds:
                goes_on = tl.max(active.to(tl.int64), axis=0)
    tl.store(g_at + up, g_up, mask=due)
    tl.store(g_at + down, g_down, mask=due)
    tl.store(history_at + up, h_up, mask=due)
    tl.store(history_at + down, h_down, mask=due)
    tl.store(life_at + up, life_up, mask=due)
    tl.store(life_at + down, life_down, mask=due)
    now, one = tl.zeros([BLOCK], tl.float32) + now_s, tl.full([BLOCK], 1.0, tl.float32)
    tl.store(pulsed_at + up, now, mask=due)
    tl.store(pulsed_at + down, now, mask=due)
    tl.store(left_at + up, one, mask=due)
    tl.store(left_at + down, one, mask=due)
    if keeps != 0:
        before = tl.load(word_at + weights, mask=due, other=0)
        after = given_back(before, missed, due, numbers, integers, counts)
        tl.store(word_at + weights, after, mask=due)
        if WEARS:
            count_flips(flips_at, counts, integers, before, after, weights, due, wide)


@triton.jit(do_not_specialize=["turns"])
def _refresh(
    word_at, flips_at, weight_at, variance_at, g_at, history_at, pulsed_at, left_at, gain_at, life_at, resets_at,
    stuck_at, response_at, numbers_at, integers_at, counts_at, size, wide, responses, turns, now_s,
    PAIRS: tl.constexpr, NOISY: tl.constexpr, WEARS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Look for pairs near saturation and write them anew; `turns` counts the refreshes before this one."""
    design = tl.program_id(1).to(tl.int64)
    weights = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside, cells = weights < size, 2 * PAIRS * size
    numbers, integers = numbers_at + design * NUMBERS_WIDE, integers_at + design * INTEGERS_WIDE
    counts, base, own = counts_at + design * COUNTS_WIDE, design * cells, design * size
    noisy, key = tl.load(integers + READS_ARE_NOISY), key_at(integers + REFRESH_KEY)
    reads = 1 + tl.load(integers + VERIFY_ROUNDS) + tl.load(integers + KEEPS_MISSES)
    first = turns * reads * cells
    threshold, limit = tl.load(numbers + REFRESH_THRESHOLD), tl.load(numbers + REFRESH_DIFFERENCE)
    reach = tl.load(numbers + READ_SCALE) * REACH
    slope, offset = tl.load(numbers + READ_SLOPE) * reach, tl.load(numbers + READ_OFFSET) * reach
    for plane in range(PAIRS):
        up = plane * size + weights
        down = up + PAIRS * size
        g_up = tl.load(g_at + base + up, mask=inside, other=0.0)
        g_down = tl.load(g_at + base + down, mask=inside, other=0.0)
        plus = g_up * tl.load(left_at + base + up, mask=inside, other=0.0)
        minus = g_down * tl.load(left_at + base + down, mask=inside, other=0.0)
        # What no draw of read noise could make due draws none.
        far_up, far_down = tl.abs(plus * slope + offset), tl.abs(minus * slope + offset)
        near = (plus + far_up > threshold) | (minus + far_down > threshold)
        near = near & (tl.abs(plus - minus) - (far_up + far_down) < limit) & inside
        if tl.max(near.to(tl.int32), axis=0) > 0:
            plus += deviation_of(plus, numbers) * _noise_of(key, first + up, noisy)
            minus += deviation_of(minus, numbers) * _noise_of(key, first + down, noisy)
            wanted = plus - minus
            due = inside & (tl.where(plus > minus, plus, minus) > threshold) & (tl.abs(wanted) < limit)
            number = tl.sum(due.to(tl.int64), axis=0)
            if number > 0:
                tl.atomic_add(counts + REFRESHED_PAIRS, number)
                tl.atomic_add(counts + RESETS, 2 * number)
                _rewrite(
                    word_at + own, flips_at + own * wide, g_at + base, history_at + base, pulsed_at + base,
                    left_at + base, gain_at + base, life_at + base, resets_at + base, stuck_at + base,
                    response_at + design * responses, numbers, integers, counts, weights, up, down, g_up, g_down,
                    wanted, due, first, responses, cells, wide, now_s, WEARS, BLOCK,
                )  # fmt: skip
                tl.debug_barrier()  # what was stored is loaded in another order
                shown, spread = weight_at + own, variance_at + own
                renew(g_at + base, left_at + base, shown, spread, numbers, weights, due, size, PAIRS, NOISY)
                tl.debug_barrier()


def update(bank: Bank, gradient: Tensor, rates: Tensor, number: int, now_s: float) -> None:
    """Add updates to accumulators and apply the pulses that leave them.

    Args:
        bank: cells and accumulators; what went wrong stands in its counts.
        gradient: of the loss, float32, contiguous, shape (designs, weights).
        rates: what it is multiplied by in each design, float32, shape (designs,).
        number: number of the update, from 1.
        now_s: time of the pulses, s.
    """
    b = bank
    _update[_grid(b)](
        gradient, rates, b.word, b.flips, b.weight, b.variance, b.g_us, b.history, b.pulsed_at_s, b.left, b.gain,
        b.set_pulses, b.numbers, b.integers, b.counts, b.weights, b.flips.shape[2], number, now_s, PAIRS=b.pairs,
        NOISY=b.noisy, WEARS=b.flips.shape[2] > 0, BLOCK=BLOCK, **EXACT,
    )  # fmt: skip


def age(bank: Bank, now_s: float) -> None:
    """Let all cells drift to a time, s, and compute all weights."""
    b = bank
    _age[_grid(b)](
        b.weight, b.variance, b.g_us, b.pulsed_at_s, b.left, b.exponent, b.numbers, b.integers, b.weights, now_s,
        PAIRS=b.pairs, NOISY=b.noisy, BLOCK=BLOCK, **EXACT,
    )  # fmt: skip


def refresh(bank: Bank, turns: int, now_s: float) -> None:
    """Look for pairs near saturation and write them anew, having done so `turns` times before; time in s."""
    b = bank
    _refresh[_grid(b)](
        b.word, b.flips, b.weight, b.variance, b.g_us, b.history, b.pulsed_at_s, b.left, b.gain, b.set_pulses,
        b.reset_pulses, b.stuck, b.response, b.numbers, b.integers, b.counts, b.weights, b.flips.shape[2],
        b.response.shape[1], turns, now_s, PAIRS=b.pairs, NOISY=b.noisy, WEARS=b.flips.shape[2] > 0, BLOCK=BLOCK,
        **EXACT,
    )  # fmt: skip


def _grid(bank: Bank) -> tuple[int, int]:
    return triton.cdiv(bank.weights, BLOCK), bank.designs
