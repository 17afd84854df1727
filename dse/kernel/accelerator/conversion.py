"""Converters and read noise of products in kernels.

Tensors are dense, of shape (designs * samples, ...) with the samples of a design side by side. Values of a sample are
taken in the order of memory, which is also the order of the draws of read noise, as on the processor. Sums over a
sample are formed in blocks, so that the time of driving differs from the processor's in the last digits; counts do not.
"""

# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# What is in a kernel has the types of Triton, which annotations cannot say.

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from dse.kernel.accelerator.arithmetic import (
    EXACT,
    SMALLEST_SCALE,
    key_at,
    magnitude_of,
    normal_of,
    rint_of,
)

BLOCK = 1024
"""Values that a program takes at once."""


@triton.jit
def _on_levels(x, scale, levels):
    """Return values on 2 * levels + 1 levels within a scale, and whether each was cut."""
    step = tl.div_rn(scale, levels)
    inside = tl.where(x < -scale, -scale, x)
    inside = tl.where(inside > scale, scale, inside)
    return rint_of(tl.div_rn(inside, step)) * step, inside != x


@triton.jit
def _drive(
    x_at, out_at, scales_at, lines_at, time_at, windows_at, levels_at, samples, length, inner, places,
    CONVERTS: tl.constexpr, COUNTS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Scale a sample by its largest magnitude, put it on levels, and count what it drives."""
    row = tl.program_id(0).to(tl.int64)
    x_at += row * length
    out_at += row * length
    spots = tl.arange(0, BLOCK)
    largest = tl.zeros([BLOCK], tl.int32)
    for start in range(0, length, BLOCK):
        here = start + spots
        own = magnitude_of(tl.load(x_at + here, mask=here < length, other=0.0))
        largest = tl.maximum(largest, own)
    scale = tl.max(largest, axis=0).to(tl.float32, bitcast=True)
    scale = tl.where(scale < SMALLEST_SCALE, SMALLEST_SCALE, scale)
    tl.store(scales_at + row, scale)
    lines = tl.zeros([BLOCK], tl.int64)
    total = tl.zeros([BLOCK], tl.float64)
    levels = tl.load(levels_at + row // samples)
    for start in range(0, length, BLOCK):
        here = start + spots
        inside = here < length
        v = tl.load(x_at + here, mask=inside, other=0.0)
        if CONVERTS:
            v, _ = _on_levels(v, scale, levels)
            tl.store(out_at + here, v, mask=inside)
        if COUNTS:
            window = tl.load(windows_at + (here // inner) % places, mask=inside, other=0)
            lines += tl.where(v != 0.0, window, 0)
            total += tl.abs(v).to(tl.float64) * window.to(tl.float64)
    if COUNTS:
        tl.store(lines_at + row, tl.sum(lines, axis=0))
        tl.store(time_at + row, tl.sum(total, axis=0) / scale.to(tl.float64))


@triton.jit
def _read(
    y_at, variance_at, out_at, scales_at, limits_at, levels_at, key_table, starts_at, cut_at, peak_at, samples, length,
    blocks, NOISY: tl.constexpr, CONVERTS: tl.constexpr, ADDS: tl.constexpr, WATCHES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Give products their read noise, pass them through their converters, and add them to those of other tiles."""
    row, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    design = row // samples
    here = block * BLOCK + tl.arange(0, BLOCK)
    inside = here < length
    at = row * length + here
    v = tl.load(y_at + at, mask=inside, other=0.0)
    if NOISY:
        spread = tl.load(variance_at + at, mask=inside, other=0.0)
        spread = tl.where(spread < 0.0, 0.0, spread)
        counters = (tl.load(starts_at + row) + here).to(tl.uint64)
        v += tl.sqrt_rn(spread) * normal_of(key_at(key_table + design), counters)
        v = tl.where(inside, v, 0.0)
    if WATCHES:
        tl.store(peak_at + row * blocks + block, tl.max(magnitude_of(v), axis=0))
    if CONVERTS:
        limit = tl.load(scales_at + row) * tl.load(limits_at + design)
        v, cut = _on_levels(v, limit, tl.load(levels_at + design))
        tl.store(cut_at + row * blocks + block, tl.sum((cut & inside).to(tl.int64), axis=0))
    if ADDS:
        v = tl.load(out_at + at, mask=inside, other=0.0) + v
    tl.store(out_at + at, v, mask=inside)


@triton.jit
def _gather(parts_at, sources_at, out_at, vectors, taps, places, channels, BLOCK: tl.constexpr):
    """Add to a place of a sample the parts of all windows that hold it, in the order of the windows."""
    row, place = tl.program_id(0).to(tl.int64), tl.program_id(1)
    spots = tl.arange(0, BLOCK)
    for start in range(0, channels, BLOCK):
        here = start + spots
        inside = here < channels
        at = (row * places + place) * channels + here
        total = tl.load(out_at + at, mask=inside, other=0.0)
        for turn in range(taps):
            source = tl.load(sources_at + place * taps + turn)
            if source >= 0:
                whole = (row * vectors * taps + source) * channels + here
                total += tl.load(parts_at + whole, mask=inside, other=0.0)
        tl.store(out_at + at, total, mask=inside)


@dataclass(frozen=True)
class Driven:
    """Inputs behind their converters, and what they drive.

    Attributes:
        values: float32, of the shape of the inputs.
        scales: full scale of each sample, float32, at least 1e-30, shape (designs * samples,).
        lines: lines that each sample drives, int64, likewise; empty where nothing is counted.
        time: sum of the driven magnitudes of each over its full scale, float64, likewise.
    """

    values: Tensor
    scales: Tensor
    lines: Tensor
    time: Tensor


@dataclass(frozen=True)
class Order:
    """The order in which values of a sample lie in memory, for what depends on their place.

    Attributes:
        inner: values side by side of one place.
        places: places.
    """

    inner: int = 1
    places: int = 1


PLAIN = Order()


def drive(x: Tensor, levels: Tensor, windows: Tensor | None, order: Order = PLAIN, *, converts: bool = True) -> Driven:
    """Return inputs on levels within the largest magnitude of their sample, and what they drive.

    Args:
        x: inputs, float32, dense, shape (designs * samples, ...).
        levels: levels above zero of the converters of each design, float32, shape (designs,).
        windows: how many products hold each place, int64, shape (places,); None to count nothing.
        order: where places lie in the memory of a sample.
        converts: whether inputs pass through converters; otherwise they are returned as they are.
    """
    rows = x.shape[0]
    scales, counts = x.new_empty(rows), rows if windows is not None else 0
    lines, time = (torch.empty(counts, dtype=kind, device=x.device) for kind in (torch.int64, torch.float64))
    out = torch.empty_like(x) if converts else x
    if rows:
        _drive[(rows,)](
            x, out, scales, lines, time, lines if windows is None else windows, levels, rows // levels.numel(),
            x.numel() // rows, order.inner, order.places, CONVERTS=converts, COUNTS=windows is not None,
            BLOCK=_block(x.numel() // rows), **EXACT,
        )  # fmt: skip
    return Driven(out, scales, lines, time)


@dataclass(frozen=True)
class Noise:
    """Read noise of products.

    Attributes:
        variance: of each product, float32, dense like the products; below zero it counts as zero.
        keys: key of the stream of each design, int64, shape (designs,).
        starts: counter of the first draw of each sample, int64, shape (designs * samples,).
    """

    variance: Tensor
    keys: Tensor
    starts: Tensor


@dataclass(frozen=True)
class Converters:
    """Converters of outputs.

    Attributes:
        scales: full scale of the inputs of each sample, float32, shape (designs * samples,).
        ranges: range of the converters of each design, float32, shape (designs,).
        levels: their levels above zero, float32, shape (designs,).
    """

    scales: Tensor
    ranges: Tensor
    levels: Tensor


@dataclass(frozen=True)
class Counted:
    """What came of products.

    Attributes:
        cut: how many of each sample the converters cut, int64, shape (designs * samples,); None without converters.
        peaks: the largest magnitude of each before them, float32, at least 1e-30, likewise; None unless asked for.
    """

    cut: Tensor | None
    peaks: Tensor | None


def read(
    y: Tensor,
    noise: Noise | None,
    converters: Converters | None,
    out: Tensor,
    *,
    adds: bool = False,
    watches: bool = False,
) -> Counted:
    """Pass products through read noise and converters in one pass.

    Args:
        y: products, float32, dense, shape (designs * samples, ...).
        noise: their read noise, or None.
        converters: what converts them, or None.
        out: what comes of them, like y; may be y.
        adds: add to what is there, as for further tiles of rows.
        watches: look for the largest magnitude before the converters, too.
    """
    rows = y.shape[0]
    length = y.numel() // max(rows, 1)
    designs = noise.keys.numel() if noise is not None else 1 if converters is None else converters.ranges.numel()
    block = _block(length)
    blocks = triton.cdiv(length, block)
    cut = None if converters is None else torch.zeros(rows, blocks, dtype=torch.int64, device=y.device)
    peaks = torch.zeros(rows, blocks, dtype=torch.int32, device=y.device) if watches else None
    if y.numel():
        variance, keys, starts = (y, y, y) if noise is None else (noise.variance, noise.keys, noise.starts)
        own = (y, y, y) if converters is None else (converters.scales, converters.ranges, converters.levels)
        _read[(rows, blocks)](
            y, variance, out, *own, keys, starts, y if cut is None else cut, y if peaks is None else peaks,
            max(rows // designs, 1), length, blocks, NOISY=noise is not None, CONVERTS=converters is not None,
            ADDS=adds, WATCHES=watches, BLOCK=block, **EXACT,
        )  # fmt: skip
    return Counted(
        None if cut is None else cut.sum(1),
        None if peaks is None else peaks.amax(1).view(torch.float32).clamp_min(SMALLEST_SCALE.value),
    )


def sources_of(targets: Tensor, places: int) -> Tensor:
    """Return which parts go to each place, in the order of the windows, shape (places, taps), int64; -1 for none.

    Args:
        targets: place of each tap of each vector, int64, shape (vectors, taps); `places` for none.
        places: number of places.
    """
    taps = targets.shape[1]
    flat = targets.reshape(-1).cpu()
    order = torch.argsort(flat, stable=True)
    held = torch.bincount(flat, minlength=places + 1)
    first = torch.cumsum(held, 0) - held
    turn = torch.arange(flat.numel()) - first[flat[order]]
    inside = flat[order] < places
    sources = torch.full((places, taps), -1)
    sources[flat[order][inside], turn[inside]] = order[inside]
    return sources


def fold(parts: Tensor, sources: Tensor, out: Tensor) -> None:
    """Add parts of windows to the places that they belong to.

    Args:
        parts: float32, contiguous, shape (designs * samples, vectors, taps * channels).
        sources: see `sources_of`.
        out: sums, float32, contiguous, shape (designs * samples, places, channels), to add to.
    """
    rows, places, channels = out.shape
    if out.numel():
        taps = sources.shape[1]
        block = min(BLOCK, triton.next_power_of_2(channels))
        _gather[(rows, places)](parts, sources, out, parts.shape[1], taps, places, channels, BLOCK=block, **EXACT)


def _block(length: int) -> int:
    return min(BLOCK, triton.next_power_of_2(max(length, 1)))
