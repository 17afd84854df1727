"""What happens to cells in kernels: reads, pulses, weights that follow from pairs."""

# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# What is in a kernel has the types of Triton, which annotations cannot say.

import triton
import triton.language as tl

from dse.kernel.accelerator.arithmetic import normal_of
from dse.kernel.accelerator.settings import (
    BETA,
    BETA_SQUARED,
    FADE,
    G_MAX,
    G_MIN,
    MEAN_HISTORY,
    MEAN_OFFSET,
    MEAN_SLOPE,
    READ_OFFSET,
    READ_SCALE,
    READ_SLOPE,
    STD_HISTORY,
    STD_OFFSET,
    STD_SLOPE,
    WRITE_SCALE,
)


@triton.jit
def clip(x, low, high):
    """Return values cut to a range."""
    x = tl.where(x < low, low, x)
    return tl.where(x > high, high, x)


@triton.jit
def deviation_of(g, numbers):
    """Return the deviation of one read at a conductance, uS."""
    return (g * tl.load(numbers + READ_SLOPE) + tl.load(numbers + READ_OFFSET)) * tl.load(numbers + READ_SCALE)


@triton.jit
def pulsed(level, history, life, gain, cell, count, key, cells, numbers, linear):
    """Return conductances and histories after some SET pulses to each cell; see `dse.kernel.pcm.pulse`."""
    low, high = tl.load(numbers + G_MIN), tl.load(numbers + G_MAX)
    offset = tl.load(numbers + MEAN_OFFSET)
    if linear != 0:
        step = offset * gain
        first = clip(level + step, low, high)
        last = first + (count - 1).to(tl.float32) * step
        level = tl.where(count > 0, tl.where(last > high, high, last), level)
    else:
        slope, fading, fade = tl.load(numbers + MEAN_SLOPE), tl.load(numbers + MEAN_HISTORY), tl.load(numbers + FADE)
        scale = tl.load(numbers + WRITE_SCALE)
        std_slope, std_offset = tl.load(numbers + STD_SLOPE), tl.load(numbers + STD_OFFSET)
        std_history = tl.load(numbers + STD_HISTORY)
        most = tl.max(count, axis=0)
        turn = most - most
        while turn < most:
            p = history * fade
            step = slope * level + (offset + fading * p)
            if scale > 0.0:
                sigma = std_slope * level + (std_offset + std_history * p)
                counter = ((life + turn) * cells + cell).to(tl.uint64)
                step += (scale * sigma) * normal_of(key, counter)
            takes = turn < count
            level = tl.where(takes, clip(level + step * gain, low, high), level)
            history = tl.where(takes, p, history)
            turn += 1
    return level, history


@triton.jit
def renew(
    g_at, left_at, weight_at, variance_at, numbers, weights, inside, size, PAIRS: tl.constexpr, NOISY: tl.constexpr
):
    """Set weights and the variance of a read of each by the conductances of their pairs."""
    weight = tl.zeros(weights.shape, tl.float32)
    variance = tl.zeros(weights.shape, tl.float32)
    for n in range(PAIRS):
        up = n * size + weights
        down = up + PAIRS * size
        plus = tl.load(g_at + up, mask=inside, other=0.0) * tl.load(left_at + up, mask=inside, other=0.0)
        minus = tl.load(g_at + down, mask=inside, other=0.0) * tl.load(left_at + down, mask=inside, other=0.0)
        weight += plus - minus
        if NOISY:
            a, b = deviation_of(plus, numbers), deviation_of(minus, numbers)
            variance += a * a + b * b
    tl.store(weight_at + weights, tl.div_rn(weight, tl.load(numbers + BETA)), mask=inside)
    if NOISY:
        tl.store(variance_at + weights, tl.div_rn(variance, tl.load(numbers + BETA_SQUARED)), mask=inside)
