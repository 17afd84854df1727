"""Products in both directions; the twin of `PairArray.forward` and `PairArray.backward`, sample by sample."""

from typing import Any

import numpy as np

from dse.kernel.arithmetic import (
    Floats,
    Ints32,
    clipped,
    compiled,
    f32,
    fill_normals,
    float_rows_at,
    floats_at,
    i32,
    inlined,
    ints_at,
    word_rows_at,
    words_at,
)
from dse.kernel.state import Record


@inlined
def quantised(x: Any, low: Any, high: Any, step: Any) -> Any:
    """Return x cut to a range and rounded to a multiple of step."""
    return np.rint(clipped(x, low, high) / step) * step


@compiled
def find(x: Floats, rows: Ints32) -> int:
    """Note where x is not zero and return how often."""
    active = 0
    for i in range(x.size):
        rows[active] = i
        active += x[i] != f32(0.0)
    return active


@compiled
def accumulate(y: Floats, matrix: Floats, rows: Ints32, values: Floats, active: int) -> None:
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
def enter(b: Record, sample: int) -> int:
    """Note the rows of a sample whose input is not zero and gather these inputs; return their number."""
    rows = b.rows
    x, places = float_rows_at(b.x, b.batch, rows)[sample], word_rows_at(b.driven_rows, b.batch, rows)[sample]
    active = find(x, places)
    ints_at(b.active, b.batch)[sample] = active
    take(x, places, floats_at(b.values, rows), active)
    return active


@compiled
def take(x: Floats, places: Ints32, values: Floats, active: int) -> None:
    """Gather the inputs that are not zero."""
    for n in range(active):
        values[n] = x[places[n]]


@compiled
def quantise(values: Floats, active: int, step: Any) -> None:
    """Round inputs in [0, 1] in place."""
    for n in range(active):
        values[n] = quantised(values[n], f32(0.0), f32(1.0), step)


@compiled
def square(values: Floats, squares: Floats, active: int) -> None:
    """Square inputs or errors."""
    for n in range(active):
        squares[n] = values[n] * values[n]


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
def convert(y: Floats, limit: Any, step: Any) -> Any:
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
def forward(s: Record, k: Record, b: Record, sample: int, training: bool) -> None:
    """Compute y = ADC(DAC(x) W) for a sample, and note the rows whose input is not zero."""
    rows, cols, active = s.rows, s.cols, enter(b, sample)
    y, values = float_rows_at(b.y, b.batch, cols)[sample], floats_at(b.values, rows)
    places = word_rows_at(b.driven_rows, b.batch, rows)[sample]
    if k.dac_bits > 0:
        quantise(values, active, k.dac_step)
    accumulate(y, float_rows_at(s.weight, rows, cols), places, values, active)
    if k.reads_are_noisy:
        squares, spread, draw = floats_at(b.squares, rows), floats_at(b.spread, cols), floats_at(b.draw, cols)
        square(values, squares, active)
        accumulate(spread, float_rows_at(s.variance, rows, cols), places, squares, active)
        if training:
            fill_normals(s.forward_key, s.forward_events * cols, draw)
            s.forward_events += 1
        else:
            fill_normals(s.evaluation_key, s.evaluation_events * cols, draw)
            s.evaluation_events += 1
        add_noise(y, spread, draw)
    if training:
        lines, s.batch_forward = drive(values, active, s.batch_forward)
        s.mvm_forward += 1
        s.line_drives_forward += lines
        s.dac_forward += rows
        s.adc_forward += cols
        if k.calibrate_every > 0:
            s.peak_forward = largest_of(y, s.peak_forward)
    if k.adc_bits > 0:
        cut = convert(y, s.range_forward, s.step_forward)
        if training:
            s.adc_cut_forward += cut


@compiled
def backward(s: Record, k: Record, b: Record, sample: int) -> None:
    """Compute the errors ADC(DAC(d / scale) W^T) scale of a sample, without the bias row."""
    rows, cols = s.rows - 1, s.cols
    d, errors = float_rows_at(b.d, b.batch, cols)[sample], floats_at(b.errors, rows)
    lines, driven, squares = words_at(b.lines, cols), floats_at(b.driven, cols), floats_at(b.squares, cols)
    scale = largest_of(d, f32(1e-30))
    active = 0
    for j in range(cols):
        v = d[j] / scale
        if k.dac_back_bits > 0:
            v = quantised(v, f32(-1.0), f32(1.0), k.dac_back_step)
        if v != f32(0.0):
            lines[active] = j
            driven[active] = v
            active += 1
    accumulate(errors, float_rows_at(s.transposed, cols, rows), lines, driven, active)
    if k.reads_are_noisy:
        spread, draw = floats_at(b.spread, rows), floats_at(b.draw, rows)
        square(driven, squares, active)
        accumulate(spread, float_rows_at(s.transposed_variance, cols, rows), lines, squares, active)
        fill_normals(s.backward_key, s.backward_events * rows, draw)
        s.backward_events += 1
        add_noise(errors, spread, draw)
    if k.calibrate_every > 0:
        s.peak_backward = largest_of(errors, s.peak_backward)
    if k.adc_back_bits > 0:
        s.adc_cut_backward += convert(errors, s.range_backward, s.step_backward)
    for i in range(rows):
        errors[i] = errors[i] * scale
    used, s.batch_backward = drive(driven, active, s.batch_backward)
    s.mvm_backward += 1
    s.line_drives_backward += used
    s.dac_backward += cols
    s.adc_backward += rows


@compiled
def forward_float(b: Record, sample: int) -> None:
    """Compute y = x W in digital floats for a sample."""
    rows, cols, active = b.rows, b.cols, enter(b, sample)
    y, places = float_rows_at(b.y, b.batch, cols)[sample], word_rows_at(b.driven_rows, b.batch, rows)[sample]
    accumulate(y, float_rows_at(b.float_weight, rows, cols), places, floats_at(b.values, rows), active)


@compiled
def backward_float(b: Record, sample: int) -> None:
    """Compute the errors d W^T of a sample in digital floats, without the bias row."""
    rows, cols = b.rows - 1, b.cols
    d, lines, driven = float_rows_at(b.d, b.batch, cols)[sample], words_at(b.lines, cols), floats_at(b.driven, cols)
    active = find(d, lines)
    take(d, lines, driven, active)
    accumulate(floats_at(b.errors, rows), float_rows_at(b.float_transposed, cols, rows), lines, driven, active)
