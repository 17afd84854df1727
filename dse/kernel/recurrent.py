"""Recurrent layers, a step at a time: what passes between two products in one pass over the streams.

The products themselves are torch's. Between them stand read noise at the outputs, converters, and the gates and state
of LSTM units, with derivatives. Sigmoid and tangent are those of `dse.kernel.arithmetic`, within 3e-7 of torch's.
"""

from typing import Any

import numpy as np

from dse.kernel.arithmetic import Floats, clipped, compiled, exp_of, f32, i32, inlined, sigmoid_of
from dse.kernel.converters import SMALLEST_SCALE, quantise

Floats3 = Any
"""float32, shape (steps, streams, units or gates)."""


@inlined
def tanh_of(x: Any) -> Any:
    """Return the hyperbolic tangent of a float32, to 3e-7 relative (Cephes' polynomial near zero)."""
    x = clipped(x, f32(-10.0), f32(10.0))
    z = x * x
    p = f32(-5.70498872745e-3)
    p = p * z + f32(2.06390887954e-2)
    p = p * z - f32(5.37397155531e-2)
    p = p * z + f32(1.33314422036e-1)
    p = p * z - f32(3.33332819422e-1)
    near = x + x * z * p
    far = f32(1.0) - f32(2.0) / (exp_of(x + x) + f32(1.0))
    # A sum with factors of zero and one chooses without a branch.
    small = f32(z < f32(0.390625))
    return near * small + far * (f32(1.0) - small)


@compiled
def _magnitude(x: Floats) -> Any:
    """Return the largest magnitude, by patterns of bits, which have the order of values."""
    pattern, largest = x.view(np.int32), i32(0)
    for j in range(pattern.size):
        own = i32(pattern[j] & i32(0x7FFFFFFF))
        largest = own if own > largest else largest
    return i32(largest).view(np.float32)


@compiled
def scale(x: Any, scales: Floats) -> None:
    """Set the scales of vectors to their largest magnitudes, at least 1e-30, float32, shape (vectors,)."""
    for n in range(scales.size):
        largest = _magnitude(x[n])
        scales[n] = SMALLEST_SCALE if largest < SMALLEST_SCALE else largest


@compiled
def convert(y: Any, scales: Floats, full_scale: Any, levels: Any, peak: Any) -> Any:
    """Put the products of vectors on levels in place; return how many were cut, and the largest magnitude so far.

    Args:
        y: products, float32, shape (vectors, outputs).
        scales: full scale of the inputs of each vector.
        full_scale: range of the converters, in units of weight times full-scale input.
        levels: levels above zero.
        peak: largest magnitude before, in the same units.
    """
    cut = 0
    for n in range(scales.size):
        own = f32(_magnitude(y[n]) / scales[n])
        peak = own if own > peak else peak
        cut += quantise(y[n], y[n], f32(scales[n] * full_scale), levels)
    return cut, peak


@compiled
def _given(x: Floats) -> Any:
    lines = i32(0)
    for j in range(x.size):
        lines = i32(lines + i32(x[j] != f32(0.0)))
    return lines


@compiled
def _sum_of_magnitudes(x: Floats) -> float:
    """Return a sum in double precision, eight partial sums side by side."""
    whole = x.size - x.size % 8
    a = b = c = d = e = f = g = h = 0.0
    for j in range(0, whole, 8):
        a += abs(np.float64(x[j]))
        b += abs(np.float64(x[j + 1]))
        c += abs(np.float64(x[j + 2]))
        d += abs(np.float64(x[j + 3]))
        e += abs(np.float64(x[j + 4]))
        f += abs(np.float64(x[j + 5]))
        g += abs(np.float64(x[j + 6]))
        h += abs(np.float64(x[j + 7]))
    for j in range(whole, x.size):
        a += abs(np.float64(x[j]))
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


@compiled
def drives(x: Any, scales: Floats, unknown: bool) -> tuple[int, float]:
    """Return how many lines vectors drive, and the sum of their magnitudes over the full scale of their vector.

    Args:
        x: what drives, float32, shape (vectors, lines).
        scales: full scale of each vector.
        unknown: whether the full scale is the largest magnitude, and is set first.
    """
    lines, total = 0, 0.0
    if unknown:
        scale(x, scales)
    for n in range(scales.size):
        lines += _given(x[n])
        total += _sum_of_magnitudes(x[n]) / np.float64(scales[n])
    return lines, total


@compiled
def add(y: Any, part: Any) -> None:
    """Add a converted part of products to the others, shape (streams, outputs) both."""
    for n in range(y.shape[0]):
        own, other = y[n], part[n]
        for j in range(own.size):
            own[j] += other[j]


@compiled
def _opened(gate: Floats, given: Floats) -> None:
    for j in range(gate.size):
        gate[j] = sigmoid_of(given[j] + gate[j])


@compiled
def _bent(gate: Floats, given: Floats) -> None:
    for j in range(gate.size):
        gate[j] = tanh_of(given[j] + gate[j])


@compiled
def open_gates(t: int, gates: Floats3, driven: Floats3, h: Floats3, c: Floats3, squashed: Floats3) -> None:
    """Let a step of LSTM units pass: from products to gates, memory and output.

    Args:
        t: the step.
        gates: at the step the products with the state, which become the open gates i, f, o and the candidate z,
            float32, shape (steps, streams, 4 units).
        driven: what the inputs drive, of the same shape.
        h: outputs, shape (steps + 1, streams, units); the next is set.
        c: memories, likewise.
        squashed: the tangent of the next memory, shape (steps, streams, units).
    """
    units = c.shape[2]
    for n in range(c.shape[1]):
        gate, given = gates[t, n], driven[t, n]
        _opened(gate[: 3 * units], given[: 3 * units])
        _bent(gate[3 * units :], given[3 * units :])
        i, f, o, z = gate[:units], gate[units : 2 * units], gate[2 * units : 3 * units], gate[3 * units :]
        before, after, out, bent = c[t, n], c[t + 1, n], h[t + 1, n], squashed[t, n]
        for j in range(units):
            after[j] = f[j] * before[j] + i[j] * z[j]
        for j in range(units):
            bent[j] = tanh_of(after[j])
        for j in range(units):
            out[j] = o[j] * bent[j]


@compiled
def gate_errors(
    t: int, dh: Floats3, back: Floats3, dc: Any, gates: Floats3, c: Floats3, squashed: Floats3, errors: Floats3
) -> None:
    """Let the errors of a step pass back: from output and memory to gates and the memory before.

    Args:
        t: the step.
        dh: errors of the outputs, from what they enter beside the next step, shape (steps, streams, units).
        back: errors that reached states through products, shape (steps + 1, streams, units).
        dc: errors of the memory after the step, which become those of the memory before, shape (streams, units).
        gates: open gates and candidate; see `open_gates`.
        c: memories.
        squashed: tangents of the memories.
        errors: those of the gates, at the step, shape (steps, streams, 4 units); set.
    """
    units = c.shape[2]
    for n in range(c.shape[1]):
        gate, error = gates[t, n], errors[t, n]
        i, f, o, z = gate[:units], gate[units : 2 * units], gate[2 * units : 3 * units], gate[3 * units :]
        di, df, do, dz = error[:units], error[units : 2 * units], error[2 * units : 3 * units], error[3 * units :]
        own, later, kept, before, bent = dh[t, n], back[t + 1, n], dc[n], c[t, n], squashed[t, n]
        for j in range(units):
            whole = own[j] + later[j]
            do[j] = whole * bent[j] * o[j] * (f32(1.0) - o[j])
            kept[j] = kept[j] + whole * o[j] * (f32(1.0) - bent[j] * bent[j])
        for j in range(units):
            di[j] = kept[j] * z[j] * i[j] * (f32(1.0) - i[j])
            dz[j] = kept[j] * i[j] * (f32(1.0) - z[j] * z[j])
        for j in range(units):
            df[j] = kept[j] * before[j] * f[j] * (f32(1.0) - f[j])
            kept[j] = kept[j] * f[j]
