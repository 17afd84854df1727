"""Products and errors of a perceptron in kernels, for a generation of designs: the twin of `products` and `engine`.

Every sum of a product is formed by one program in the order of the processor, term by term, so that outputs, errors and
updates have its bits, and nothing that lies beside a design in a launch can change it. The time of driving alone is
summed in another order. Inputs of a design are (samples, rows), the last row being the bias; weights (rows, cols).
"""

# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# What is in a kernel has the types of Triton, which annotations cannot say.

import torch
import triton
import triton.language as tl
from torch import Tensor

from dse.kernel.accelerator.arithmetic import (
    EXACT,
    SMALLEST_SCALE,
    exp_of,
    key_at,
    magnitude_of,
    normal_of,
    rint_of,
)
from dse.kernel.accelerator.crossbars import COUNTED, SETTINGS, STEPS, Crossbars
from dse.kernel.accelerator.pulses import clip
from dse.kernel.accelerator.settings import COUNTS_WIDE, STATUS

SAMPLES, COLUMNS, BLOCK, ROWS = 16, 64, 256, 1024
"""Samples, outputs, weights and inputs that a program takes at most."""
(DAC_STEP, DAC_BACK_STEP, OPERAND_STEP, OPERAND_SIGNED_STEP) = map(tl.constexpr, range(len(STEPS)))
(
    DAC_BITS, DAC_BACK_BITS, ADC_BITS, ADC_BACK_BITS, OPERAND_BITS, WATCHES, IS_NOISY, FORWARD_KEY, BACKWARD_KEY,
    EVALUATION_KEY, FORWARD_EVENTS, BACKWARD_EVENTS, EVALUATION_EVENTS,
) = map(tl.constexpr, range(len(SETTINGS)))  # fmt: skip
(LINES_FORWARD, LINES_BACKWARD, CUT_FORWARD, CUT_BACKWARD, PRODUCTS, TOUCHED) = map(tl.constexpr, range(len(COUNTED)))
STEPS_WIDE, SETTINGS_WIDE, COUNTED_WIDE = (tl.constexpr(len(own)) for own in (STEPS, SETTINGS, COUNTED))


@triton.jit
def _quantised(x, low, high, step):
    """Return values cut to a range and rounded to a multiple of a step."""
    return rint_of(tl.div_rn(clip(x, low, high), step)) * step


@triton.jit
def _converted(y, shown, ranges, peak_at, cut_at, bits, watches, TRAINS: tl.constexpr):
    """Pass products through their converters, and note the largest before and how many were cut."""
    if TRAINS:  # noqa: SIM102  likewise
        if watches != 0:
            sizes = tl.where(shown, magnitude_of(y), 0)
            tl.atomic_max(peak_at, tl.max(tl.max(sizes, axis=1), axis=0))
    if bits > 0:
        limit = tl.load(ranges)
        if TRAINS:
            cut = ((tl.abs(y) > limit) & shown).to(tl.int64)
            tl.atomic_add(cut_at, tl.sum(tl.sum(cut, axis=1), axis=0))
        y = _quantised(y, -limit, limit, tl.load(ranges + 1))
    return y


@triton.jit(do_not_specialize=["drawn"])
def _forward(
    x_at, weight_at, variance_at, out_at, steps_at, settings_at, ranges_at, peaks_at, counted_at, samples, rows, cols,
    apart, stride, drawn, NOISY: tl.constexpr, TRAINS: tl.constexpr, SIGMOID: tl.constexpr, SAMPLES: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Compute the outputs of a layer; `drawn` samples have drawn read noise before."""
    design = tl.program_id(2).to(tl.int64)
    some = tl.program_id(0) * SAMPLES + tl.arange(0, SAMPLES)
    here = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    present, inside = some < samples, here < cols
    settings = settings_at + design * SETTINGS_WIDE
    bits, step = tl.load(settings + DAC_BITS), tl.load(steps_at + design * STEPS_WIDE + DAC_STEP)
    x_at += design * apart + some.to(tl.int64) * rows
    weight_at += design * rows * cols + here
    variance_at += design * rows * cols + here
    y = tl.zeros([SAMPLES, BLOCK], tl.float32)
    spread = tl.zeros([SAMPLES, BLOCK], tl.float32)
    for i in range(rows):
        v = tl.load(x_at + i, mask=present, other=0.0)
        if bits > 0:
            v = _quantised(v, 0.0, 1.0, step)
        y += v[:, None] * tl.load(weight_at + i * cols, mask=inside, other=0.0)[None, :]
        if NOISY:
            spread += (v * v)[:, None] * tl.load(variance_at + i * cols, mask=inside, other=0.0)[None, :]
    if NOISY:  # noqa: SIM102  one is decided when the kernel is compiled, the other when it runs
        if tl.load(settings + IS_NOISY) != 0:
            key, event = key_at(settings + (FORWARD_KEY if TRAINS else EVALUATION_KEY)), drawn + some.to(tl.int64)
            event += tl.load(settings + (FORWARD_EVENTS if TRAINS else EVALUATION_EVENTS))
            counters = event[:, None] * cols + here[None, :]
            y += tl.sqrt_rn(spread) * normal_of(key, counters.to(tl.uint64))
    shown = present[:, None] & inside[None, :]
    y = _converted(
        y, shown, ranges_at + design * 4, peaks_at + design * 2, counted_at + design * COUNTED_WIDE + CUT_FORWARD,
        tl.load(settings + ADC_BITS), tl.load(settings + WATCHES), TRAINS=TRAINS,
    )  # fmt: skip
    if SIGMOID:
        y = tl.div_rn(tl.full([SAMPLES, BLOCK], 1.0, tl.float32), 1.0 + exp_of(-y))
    out_at += (design * samples + some)[:, None] * stride + here[None, :]
    tl.store(out_at, y, mask=shown)


@triton.jit
def _drive(
    x_at, steps_at, settings_at, counted_at, time_at, samples, rows, blocks, BLOCK: tl.constexpr,
):  # fmt: skip
    """Count what the inputs of a layer drive, and the products and words of their update."""
    block, design = tl.program_id(0), tl.program_id(1).to(tl.int64)
    here = block * BLOCK + tl.arange(0, BLOCK)
    inside = here < rows
    settings, steps = settings_at + design * SETTINGS_WIDE, steps_at + design * STEPS_WIDE
    bits, step = tl.load(settings + DAC_BITS), tl.load(steps + DAC_STEP)
    own_bits, own_step = tl.load(settings + OPERAND_BITS), tl.load(steps + OPERAND_STEP)
    lines, products = tl.zeros([BLOCK], tl.int64), tl.zeros([BLOCK], tl.int64)
    time = tl.zeros([BLOCK], tl.float64)
    for sample in range(samples):
        x = tl.load(x_at + (design * samples + sample) * rows + here, mask=inside, other=0.0)
        v, own = x, x
        if bits > 0:
            v = _quantised(x, 0.0, 1.0, step)
        if own_bits > 0:
            own = _quantised(x, 0.0, 1.0, own_step)
        lines += (v != 0.0).to(tl.int64)
        time += tl.abs(v).to(tl.float64)
        products += (own != 0.0).to(tl.int64)
    counted = counted_at + design * COUNTED_WIDE
    tl.atomic_add(counted + LINES_FORWARD, tl.sum(lines, axis=0))
    tl.atomic_add(counted + PRODUCTS, tl.sum(products, axis=0))
    tl.atomic_add(counted + TOUCHED, tl.sum((products > 0).to(tl.int64), axis=0))
    slot = time_at + design * blocks + block
    tl.store(slot, tl.load(slot) + tl.sum(time, axis=0))


@triton.jit(do_not_specialize=["start", "length"])
def _miss(
    y_at, targets_at, order_at, d_at, squares_at, samples, outputs, start, length, LINEAR: tl.constexpr,
    SAMPLES: tl.constexpr,
):  # fmt: skip
    """Set the errors of the outputs, and the sum of their squared distances for each sample."""
    design = tl.program_id(1).to(tl.int64)
    some = tl.program_id(0) * SAMPLES + tl.arange(0, SAMPLES)
    present = some < samples
    which = tl.load(order_at + design * length + start + some, mask=present, other=0)
    at = (design * samples + some) * outputs
    total = tl.zeros([SAMPLES], tl.float64)
    for j in range(outputs):
        y = tl.load(y_at + at + j, mask=present, other=0.0)
        difference = y - tl.load(targets_at + which * outputs + j, mask=present, other=0.0)
        d = difference
        if not LINEAR:
            d = difference * y * (1.0 - y)
        tl.store(d_at + at + j, d, mask=present)
        total += (difference * difference).to(tl.float64)
    tl.store(squares_at + design * length + start + some, total, mask=present)


@triton.jit
def _drive_back(
    d_at, driven_at, scales_at, steps_at, settings_at, counted_at, time_at, samples, cols, BLOCK: tl.constexpr,
):  # fmt: skip
    """Scale the errors of each sample by the largest, pass them through their converters, count what they drive."""
    design = tl.program_id(0).to(tl.int64)
    here = tl.arange(0, BLOCK)
    inside = here < cols
    bits = tl.load(settings_at + design * SETTINGS_WIDE + DAC_BACK_BITS)
    step = tl.load(steps_at + design * STEPS_WIDE + DAC_BACK_STEP)
    lines, time = tl.zeros([BLOCK], tl.int64), tl.zeros([BLOCK], tl.float64)
    for sample in range(samples):
        row = design * samples + sample
        d = tl.load(d_at + row * cols + here, mask=inside, other=0.0)
        scale = tl.max(magnitude_of(d), axis=0).to(tl.float32, bitcast=True)
        scale = tl.where(scale < SMALLEST_SCALE, SMALLEST_SCALE, scale)
        v = tl.div_rn(d, scale)
        if bits > 0:
            v = _quantised(v, -1.0, 1.0, step)
        tl.store(driven_at + row * cols + here, v, mask=inside)
        tl.store(scales_at + row, scale)
        lines += (v != 0.0).to(tl.int64)
        time += tl.abs(v).to(tl.float64)
    tl.atomic_add(counted_at + design * COUNTED_WIDE + LINES_BACKWARD, tl.sum(lines, axis=0))
    tl.store(time_at + design, tl.load(time_at + design) + tl.sum(time, axis=0))


@triton.jit(do_not_specialize=["drawn"])
def _backward(
    driven_at, scales_at, x_at, weight_at, variance_at, below_at, settings_at, ranges_at, peaks_at, counted_at, samples,
    rows, cols, drawn, NOISY: tl.constexpr, SAMPLES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Pass errors back through a layer and the logistic function before it."""
    design, reached = tl.program_id(2).to(tl.int64), rows - 1
    some = tl.program_id(0) * SAMPLES + tl.arange(0, SAMPLES)
    here = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    present, inside = some < samples, here < reached
    settings, row = settings_at + design * SETTINGS_WIDE, design * samples + some
    weight_at += design * rows * cols + here * cols
    variance_at += design * rows * cols + here * cols
    e = tl.zeros([SAMPLES, BLOCK], tl.float32)
    spread = tl.zeros([SAMPLES, BLOCK], tl.float32)
    for j in range(cols):
        v = tl.load(driven_at + row * cols + j, mask=present, other=0.0)
        e += v[:, None] * tl.load(weight_at + j, mask=inside, other=0.0)[None, :]
        if NOISY:
            spread += (v * v)[:, None] * tl.load(variance_at + j, mask=inside, other=0.0)[None, :]
    if NOISY:  # noqa: SIM102  one is decided when the kernel is compiled, the other when it runs
        if tl.load(settings + IS_NOISY) != 0:
            event = tl.load(settings + BACKWARD_EVENTS) + drawn + some.to(tl.int64)
            counters = (event[:, None] * reached + here[None, :]).to(tl.uint64)
            e += tl.sqrt_rn(spread) * normal_of(key_at(settings + BACKWARD_KEY), counters)
    shown = present[:, None] & inside[None, :]
    e = _converted(
        e, shown, ranges_at + design * 4 + 2, peaks_at + design * 2 + 1,
        counted_at + design * COUNTED_WIDE + CUT_BACKWARD, tl.load(settings + ADC_BACK_BITS),
        tl.load(settings + WATCHES), TRAINS=True,
    )  # fmt: skip
    e *= tl.load(scales_at + row, mask=present, other=0.0)[:, None]
    y = tl.load(x_at + row[:, None] * rows + here[None, :], mask=shown, other=0.0)
    tl.store(below_at + row[:, None] * reached + here[None, :], e * y * (1.0 - y), mask=shown)


@triton.jit
def _scale(
    d_at, out_at, rates_at, steps_at, settings_at, counts_at, samples, cols, designs, LAYERS: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Multiply errors by the rate of their design, or by zero once the design has failed."""
    sample, design = tl.program_id(0), tl.program_id(1).to(tl.int64)
    here = tl.arange(0, BLOCK)
    at = (design * samples + sample) * cols + here
    d = tl.load(d_at + at, mask=here < cols, other=0.0)
    if tl.load(settings_at + design * SETTINGS_WIDE + OPERAND_BITS) > 0:
        step = tl.load(steps_at + design * STEPS_WIDE + OPERAND_SIGNED_STEP)
        scale = tl.max(magnitude_of(d), axis=0).to(tl.float32, bitcast=True)
        scale = tl.where(scale < SMALLEST_SCALE, SMALLEST_SCALE, scale)
        d = _quantised(tl.div_rn(d, scale), -1.0, 1.0, step) * scale
    d *= tl.load(rates_at + design)
    failed = tl.full([], 0, tl.int64)
    for layer in range(LAYERS):
        failed += tl.load(counts_at + (layer * designs + design) * COUNTS_WIDE + STATUS)
    tl.store(out_at + at, tl.where(failed != 0, 0.0, d), mask=here < cols)


@triton.jit
def _outer(
    x_at, d_at, out_at, steps_at, settings_at, samples, rows, cols, BLOCK: tl.constexpr,
):  # fmt: skip
    """Sum the products of inputs and errors over the samples, in their order, without inputs that are zero."""
    design = tl.program_id(1).to(tl.int64)
    weights = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = weights < rows * cols
    i, j = weights // cols, weights % cols
    bits = tl.load(settings_at + design * SETTINGS_WIDE + OPERAND_BITS)
    step = tl.load(steps_at + design * STEPS_WIDE + OPERAND_STEP)
    total = tl.zeros([BLOCK], tl.float32)
    for sample in range(samples):
        row = design * samples + sample
        v = tl.load(x_at + row * rows + i, mask=inside, other=0.0)
        if bits > 0:
            v = _quantised(v, 0.0, 1.0, step)
        d = tl.load(d_at + row * cols + j, mask=inside, other=0.0)
        total += tl.where(v != 0.0, v * d, 0.0)
    tl.store(out_at + design * rows * cols + weights, total, mask=inside)


def forward(
    layer: Crossbars, x: Tensor, out: Tensor, *, drawn: int, trains: bool, sigmoid: bool, shown: Crossbars | None = None
) -> None:
    """Compute the outputs of a layer.

    Args:
        layer: the layer in every design.
        x: inputs, float32, shape (designs, samples, rows), or (1, samples, rows) where all designs have the same.
        out: outputs, float32, shape (designs, samples, cols or more).
        drawn: samples that have drawn read noise before.
        trains: whether this is training, with its stream of noise; evaluation otherwise.
        sigmoid: whether the logistic function follows.
        shown: what gives the weights instead, as for another time.
    """
    designs, samples, stride = out.shape
    bank = (shown or layer).bank
    tall, wide = _tile(samples, SAMPLES), _tile(layer.cols, COLUMNS)
    grid = triton.cdiv(samples, tall), triton.cdiv(layer.cols, wide), designs
    _forward[grid](
        x, bank.weight, bank.variance, out, layer.steps, layer.settings, layer.ranges, layer.peaks, layer.counted,
        samples, layer.rows, layer.cols, 0 if x.shape[0] == 1 else samples * layer.rows, stride, drawn,
        NOISY=bank.noisy, TRAINS=trains, SIGMOID=sigmoid, SAMPLES=tall, BLOCK=wide, **EXACT,
    )  # fmt: skip


def drive(layer: Crossbars, x: Tensor) -> None:
    """Count what inputs drive in training, x float32, shape (designs, samples, rows)."""
    designs, samples, rows = x.shape
    block = _tile(rows, ROWS)
    blocks = triton.cdiv(rows, block)
    _drive[(blocks, designs)](
        x, layer.steps, layer.settings, layer.counted, layer.time_forward, samples, rows, blocks, BLOCK=block, **EXACT
    )


def blocks_of(rows: int) -> int:
    """Return how many sums the time of driving so many rows has."""
    return triton.cdiv(rows, _tile(rows, ROWS))


def miss(y: Tensor, targets: Tensor, order: Tensor, start: int, d: Tensor, squares: Tensor, *, linear: bool) -> None:
    """Set the errors of the outputs of a mini-batch that begins at a place of an order.

    Args:
        y: outputs, float32, shape (designs, samples, outputs).
        targets: what they should be for every sample there is, float32, shape (all, outputs).
        order: which samples each design learns one after the other, int64, shape (designs, length).
        start: place of the first.
        d: errors, like y.
        squares: sums of squared distances, float64, like `order`.
        linear: whether output units are linear.
    """
    designs, samples, outputs = y.shape
    tall = _tile(samples, SAMPLES)
    _miss[(triton.cdiv(samples, tall), designs)](
        y, targets, order, d, squares, samples, outputs, start, order.shape[1], LINEAR=linear, SAMPLES=tall, **EXACT
    )


def back(layer: Crossbars, d: Tensor, x: Tensor, below: Tensor, *, drawn: int) -> None:
    """Pass errors back through a layer and the logistic function before it.

    Args:
        layer: the layer in every design.
        d: errors of its outputs, float32, shape (designs, samples, cols).
        x: its inputs, shape (designs, samples, rows).
        below: errors of the outputs of the layer before, shape (designs, samples, rows - 1).
        drawn: samples that have drawn read noise before.
    """
    designs, samples, cols = d.shape
    driven, scales = torch.empty_like(d), d.new_empty(designs, samples)
    _drive_back[(designs,)](
        d, driven, scales, layer.steps, layer.settings, layer.counted, layer.time_backward, samples, cols,
        BLOCK=triton.next_power_of_2(cols), **EXACT,
    )  # fmt: skip
    tall, wide = _tile(samples, SAMPLES), _tile(layer.rows - 1, COLUMNS)
    grid = triton.cdiv(samples, tall), triton.cdiv(layer.rows - 1, wide), designs
    bank = layer.bank
    _backward[grid](
        driven, scales, x, bank.weight, bank.variance, below, layer.settings, layer.ranges, layer.peaks, layer.counted,
        samples, layer.rows, cols, drawn, NOISY=bank.noisy, SAMPLES=tall, BLOCK=wide, **EXACT,
    )  # fmt: skip


def gradient(layer: Crossbars, x: Tensor, d: Tensor, rates: Tensor, counts: Tensor) -> Tensor:
    """Return the updates of a mini-batch, float32, shape (designs, rows * cols).

    Args:
        layer: the layer in every design.
        x: its inputs, shape (designs, samples, rows).
        d: errors of its outputs, shape (designs, samples, cols).
        rates: minus the learning rate over the samples, float32, shape (designs,).
        counts: counts of all layers, in which stands what has failed, shape (layers, designs, ...); see `layout.Bank`.
    """
    designs, samples, cols = d.shape
    scaled, size = torch.empty_like(d), layer.rows * cols
    _scale[(samples, designs)](
        d, scaled, rates, layer.steps, layer.settings, counts, samples, cols, designs, LAYERS=counts.shape[0],
        BLOCK=triton.next_power_of_2(cols), **EXACT,
    )  # fmt: skip
    out = d.new_empty(designs, size)
    _outer[(triton.cdiv(size, BLOCK), designs)](
        x, scaled, out, layer.steps, layer.settings, samples, layer.rows, cols, BLOCK=BLOCK, **EXACT
    )
    return out


def _tile(length: int, most: int) -> int:
    return min(most, triton.next_power_of_2(length))
