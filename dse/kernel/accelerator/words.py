"""Accumulators in kernels: words of any length, or floats, in 32 bits; see `dse.updates.accumulator`."""

# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# What is in a kernel has the types of Triton, which annotations cannot say.

import triton
import triton.language as tl

from dse.kernel.accelerator.arithmetic import key_at, rint_of, trunc_of, uniform_of
from dse.kernel.accelerator.pulses import clip
from dse.kernel.accelerator.settings import (
    BETA,
    CHI_BITS,
    CHI_FLIPS,
    CHI_KEY,
    CHI_SATURATED,
    CHI_SCALE,
    FLOAT_LIMIT,
    MOST_PULSES,
    OVERFLOWS,
    PLACES,
    ROUNDING,
    THRESHOLD,
    TOUCHED,
    TRANSFER_EVERY,
    WEARS,
    WORD_BITS,
    WORD_LIMIT,
)

NEAREST, STOCHASTIC = tl.constexpr(0), tl.constexpr(1)
"""Roundings; see `dse.kernel.state`."""


@triton.jit
def _added_floats(word, own, numbers, integers, due):
    """Return words before and after a transfer, pulses, and how often each saturated; see `added`."""
    every, most = tl.load(integers + TRANSFER_EVERY), tl.load(integers + MOST_PULSES)
    limit = tl.load(numbers + FLOAT_LIMIT)
    total = word.to(tl.float32, bitcast=True) + own
    saturated = tl.zeros(word.shape, tl.int32)
    if every > 1:
        held = clip(total, -limit, limit)
        saturated += (held != total).to(tl.int32)
        total = held
    rest, pulses = total, tl.zeros(word.shape, tl.int64)
    if due:
        threshold = tl.load(numbers + THRESHOLD)
        whole = trunc_of(tl.div_rn(total, threshold))
        if most > 0:
            bound = most.to(tl.float32)
            whole = clip(whole, -bound, bound)
        rest = total - whole * threshold
        pulses = whole.to(tl.int64)
        if (every == 1) & (tl.load(integers + OVERFLOWS) != 0):
            held = clip(rest, -limit, limit)
            saturated += (held != rest).to(tl.int32)
            rest = held
    return total.to(tl.int32, bitcast=True), rest.to(tl.int32, bitcast=True), pulses, saturated


@triton.jit
def _added_words(word, own, numbers, integers, due, counter):
    """Return the same for words of whole places."""
    every, most = tl.load(integers + TRANSFER_EVERY), tl.load(integers + MOST_PULSES)
    limit = tl.load(integers + WORD_LIMIT)
    exact = own * tl.load(numbers + CHI_SCALE)
    rounding = tl.load(integers + ROUNDING)
    if rounding == NEAREST:
        change = rint_of(exact)
    elif rounding == STOCHASTIC:
        change = tl.floor(exact + uniform_of(key_at(integers + CHI_KEY), counter.to(tl.uint64)))
    else:
        change = trunc_of(exact)
    total = word.to(tl.int64) + change.to(tl.int64)
    saturated = tl.zeros(word.shape, tl.int32)
    if every > 1:
        held = clip(total, -limit, limit)
        saturated += (held != total).to(tl.int32)
        total = held
    rest, pulses = total, tl.zeros(word.shape, tl.int64)
    if due:
        places = tl.load(integers + PLACES)
        size = tl.where(total < 0, -total, total) // places
        if most > 0:
            size = tl.where(size > most, most, size)
        pulses = tl.where(total < 0, -size, size)
        rest = total - pulses * places
        if (every == 1) & (tl.load(integers + OVERFLOWS) != 0):
            held = clip(rest, -limit, limit)
            saturated += (held != rest).to(tl.int32)
            rest = held
    return total.to(tl.int32), rest.to(tl.int32), pulses, saturated


@triton.jit
def added(word, own, numbers, integers, due, counter):
    """Add updates to words and, where a transfer is due, take out whole pulses.

    Args:
        word: the words, int32.
        own: the updates, float32.
        numbers: settings of the design.
        integers: likewise.
        due: whether a transfer is due.
        counter: counters of the draws of stochastic rounding.

    Returns:
        The words between the two, and after both, int32; pulses, int64; how often each word saturated, int32.
    """
    if tl.load(integers + CHI_BITS) == 0:
        between, after, pulses, saturated = _added_floats(word, own, numbers, integers, due)
    else:
        between, after, pulses, saturated = _added_words(word, own, numbers, integers, due, counter)
    return between, after, pulses, saturated


@triton.jit
def count_flips(flips_at, counts, integers, before, after, weights, inside, wide):
    """Count the bits in which words differ, where they wear; `flips_at` has `wide` bits a word."""
    if tl.load(integers + WEARS) != 0:
        changed = tl.where(inside, before ^ after, 0)
        if tl.max((changed != 0).to(tl.int32), axis=0) > 0:
            total = tl.zeros(changed.shape, tl.int32)
            for bit in range(tl.load(integers + WORD_BITS).to(tl.int32)):
                flipped = (changed >> bit) & 1
                at = flips_at + weights.to(tl.int64) * wide + bit
                tl.store(at, tl.load(at, mask=flipped != 0, other=0) + flipped, mask=flipped != 0)
                total += flipped
            tl.atomic_add(counts + CHI_FLIPS, tl.sum(total.to(tl.int64), axis=0))


@triton.jit
def given_back(word, missed, takes, numbers, integers, counts):
    """Return words with what a refresh missed, in uS, where they take it; see `Accumulator.give_back`."""
    share = tl.div_rn(missed, tl.load(numbers + BETA))
    if tl.load(integers + CHI_BITS) == 0:
        limit = tl.load(numbers + FLOAT_LIMIT)
        total = word.to(tl.float32, bitcast=True) + share
        held = clip(total, -limit, limit)
        cut = held != total
        after = held.to(tl.int32, bitcast=True)
    else:
        most = tl.load(integers + WORD_LIMIT)
        whole = word.to(tl.int64) + rint_of(share * tl.load(numbers + CHI_SCALE)).to(tl.int64)
        kept = clip(whole, -most, most)
        cut = kept != whole
        after = kept.to(tl.int32)
    tl.atomic_add(counts + CHI_SATURATED, tl.sum((cut & takes).to(tl.int64), axis=0))
    tl.atomic_add(counts + TOUCHED, tl.sum(takes.to(tl.int64), axis=0))
    return tl.where(takes, after, word)
