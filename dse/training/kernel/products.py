"""Products in both directions; the twin of `PairArray.forward` and `PairArray.backward`, sample by sample."""

from typing import Any

import numpy as np

from dse.compiled import Floats, clipped, compiled, f32, fill_normals, i32, inlined
from dse.training.kernel.state import (
    ADC_BACKWARD,
    ADC_FORWARD,
    BACKWARD,
    BACKWARD_EVENTS,
    CUT_BACKWARD,
    CUT_FORWARD,
    DAC_BACKWARD,
    DAC_FORWARD,
    EVALUATION,
    EVALUATION_EVENTS,
    FORWARD,
    FORWARD_EVENTS,
    LINES_BACKWARD,
    LINES_FORWARD,
    MVM_BACKWARD,
    MVM_FORWARD,
    Buffers,
    Knobs,
    Places,
    State,
)


@inlined
def quantised(x: Any, low: Any, high: Any, step: Any) -> Any:
    """Return x cut to a range and rounded to a multiple of step."""
    return np.rint(clipped(x, low, high) / step) * step


@compiled
def find(x: Floats, rows: Places) -> int:
    """Note where x is not zero and return how often."""
    active = 0
    for i in range(x.size):
        rows[active] = i
        active += x[i] != f32(0.0)
    return active


@compiled
def accumulate(y: Floats, matrix: Floats, rows: Places, values: Floats, active: int) -> None:
    """Set y to the sum of values times rows of a matrix, in the order of the rows.

    Eight rows in one pass: every entry of y still sums in the same order, and is loaded and stored an eighth as often.
    """
    y[:] = f32(0.0)
    whole = active - active % 8
    for n in range(0, whole, 8):
        r0, r1, r2, r3 = matrix[rows[n]], matrix[rows[n + 1]], matrix[rows[n + 2]], matrix[rows[n + 3]]
        r4, r5, r6, r7 = matrix[rows[n + 4]], matrix[rows[n + 5]], matrix[rows[n + 6]], matrix[rows[n + 7]]
        v0, v1, v2, v3 = values[n], values[n + 1], values[n + 2], values[n + 3]
        v4, v5, v6, v7 = values[n + 4], values[n + 5], values[n + 6], values[n + 7]
        for j in range(y.size):
            t = (((y[j] + v0 * r0[j]) + v1 * r1[j]) + v2 * r2[j]) + v3 * r3[j]
            y[j] = (((t + v4 * r4[j]) + v5 * r5[j]) + v6 * r6[j]) + v7 * r7[j]
    for n in range(whole, active):
        row, v = matrix[rows[n]], values[n]
        for j in range(y.size):
            y[j] += v * row[j]


@compiled
def add_noise(y: Floats, spread: Floats, draw: Floats) -> None:
    """Add normal numbers times the square root of a variance."""
    for j in range(y.size):
        y[j] = y[j] + np.sqrt(spread[j]) * draw[j]


@compiled
def largest_of(values: Floats, least: Any) -> Any:
    """Return the largest magnitude, not below `least`; not a number where there is one among the values.

    Floats without a sign are ordered like their bit patterns, and a maximum of integers takes vector instructions.
    """
    patterns = values.view(np.int32)
    top = i32(0)
    for j in range(patterns.size):
        top = max(top, i32(patterns[j] & i32(0x7FFFFFFF)))
    largest = i32(top).view(np.float32)
    return least if largest < least else largest


@compiled
def convert(y: Floats, limit: Any, step: Any) -> int:
    """Quantise outputs in place and return how many were cut."""
    cut = np.int32(0)
    for j in range(y.size):
        cut += np.int32(abs(y[j]) > limit)
    for j in range(y.size):
        y[j] = quantised(y[j], -limit, limit, step)
    return cut


@compiled
def drive(values: Floats, active: int, total: float) -> tuple[int, float]:
    """Return how many of the driven inputs are not zero, and a running sum of their magnitudes."""
    lines = 0
    for n in range(active):
        lines += values[n] != f32(0.0)
        total += abs(values[n])
    return lines, total


@compiled
def forward(s: State, k: Knobs, b: Buffers, sample: int, training: bool) -> None:
    """Compute y = ADC(DAC(x) W) for a sample, and note the rows whose input is not zero."""
    x, y = b.x[sample], b.y[sample]
    rows, cols = s.weight.shape
    places, values = b.rows[sample], b.values
    active = find(x, places)
    b.active[sample] = active
    for n in range(active):
        values[n] = x[places[n]]
    if k.dac_bits > 0:
        for n in range(active):
            values[n] = quantised(values[n], f32(0.0), f32(1.0), k.dac_step)
    accumulate(y, s.weight, places, values, active)
    if k.reads_are_noisy:
        for n in range(active):
            b.squares[n] = values[n] * values[n]
        spread, draw = b.spread[:cols], b.draw[:cols]
        accumulate(spread, s.variance, places, b.squares, active)
        stream, place = (FORWARD, FORWARD_EVENTS) if training else (EVALUATION, EVALUATION_EVENTS)
        fill_normals(s.keys[stream], s.counts[place] * cols, draw)
        s.counts[place] += 1
        add_noise(y, spread, draw)
    if training:
        lines, s.drive[2] = drive(values, active, s.drive[2])
        s.counts[MVM_FORWARD] += 1
        s.counts[LINES_FORWARD] += lines
        s.counts[DAC_FORWARD] += rows
        s.counts[ADC_FORWARD] += cols
        if k.calibrated:
            s.peaks[0] = largest_of(y, s.peaks[0])
    if k.adc_bits > 0:
        cut = convert(y, s.ranges[0], s.ranges[1])
        s.counts[CUT_FORWARD] += cut * training


@compiled
def backward(s: State, k: Knobs, b: Buffers, sample: int) -> None:
    """Compute the errors ADC(DAC(d / scale) W^T) scale of a sample, without the bias row."""
    d, errors = b.d[sample], b.errors
    cols, rows = s.transposed.shape
    scale = largest_of(d, f32(1e-30))
    active = 0
    for j in range(cols):
        v = d[j] / scale
        if k.dac_back_bits > 0:
            v = quantised(v, f32(-1.0), f32(1.0), k.dac_back_step)
        if v != f32(0.0):
            b.lines[active] = j
            b.driven[active] = v
            b.squares[active] = v * v
            active += 1
    accumulate(errors, s.transposed, b.lines, b.driven, active)
    if k.reads_are_noisy:
        spread, draw = b.spread[:rows], b.draw[:rows]
        accumulate(spread, s.transposed_variance, b.lines, b.squares, active)
        fill_normals(s.keys[BACKWARD], s.counts[BACKWARD_EVENTS] * rows, draw)
        s.counts[BACKWARD_EVENTS] += 1
        add_noise(errors, spread, draw)
    if k.calibrated:
        s.peaks[1] = largest_of(errors, s.peaks[1])
    if k.adc_back_bits > 0:
        s.counts[CUT_BACKWARD] += convert(errors, s.ranges[2], s.ranges[3])
    for i in range(rows):
        errors[i] = errors[i] * scale
    lines, s.drive[3] = drive(b.driven, active, s.drive[3])
    s.counts[MVM_BACKWARD] += 1
    s.counts[LINES_BACKWARD] += lines
    s.counts[DAC_BACKWARD] += cols
    s.counts[ADC_BACKWARD] += rows


@compiled
def forward_float(weight: Floats, b: Buffers, sample: int) -> int:
    """Compute y = x W in digital floats for a sample; return the number of inputs that are not zero."""
    x, places = b.x[sample], b.rows[sample]
    active = find(x, places)
    for n in range(active):
        b.values[n] = x[places[n]]
    accumulate(b.y[sample], weight, places, b.values, active)
    b.active[sample] = active
    return active


@compiled
def backward_float(transposed: Floats, b: Buffers, sample: int) -> None:
    """Compute the errors d W^T of a sample in digital floats, without the bias row."""
    active = find(b.d[sample], b.lines)
    for n in range(active):
        b.driven[n] = b.d[sample, b.lines[n]]
    accumulate(b.errors, transposed, b.lines, b.driven, active)
