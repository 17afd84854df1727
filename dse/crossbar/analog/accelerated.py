"""Products of deep layers on an accelerator: what `passes` and `products` do there, in kernels.

Inputs are scaled, converted and counted in one kernel; products get their read noise, pass their converters and are
added to those of other tiles in another. Counts stay there until somebody asks; see `pending`. Read noise has the draws
that it has on the processor, whatever number of samples is taken at once.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from dse.crossbar.cuts import Tile
from dse.kernel.accelerator import dispatch
from dse.streams import Stream

if TYPE_CHECKING:
    from dse.crossbar.analog.base import AnalogLayer
    from dse.kernel.accelerator import conversion

ROOM_FLOATS = 2**26
"""Unfolded errors are held for as many samples as fit this many floats: a quarter of a gigabyte."""
takes = dispatch.takes


def _kernels() -> Any:
    from dse.kernel.accelerator import conversion  # noqa: PLC0415  Triton, which the processor does without

    return conversion


class Driven(NamedTuple):
    """Inputs behind their converters: values, full scale of each sample, lines and time of driving where counted."""

    values: Tensor
    scales: Tensor
    driving: tuple[Tensor, Tensor] | None


def drive(x: Tensor, bits: int | None, windows: Tensor | None = None) -> Driven:
    """Return inputs behind their converters, in one pass.

    Args:
        x: inputs, shape (samples, ...).
        bits: resolution; None for ideal converters.
        windows: how many products hold each place, int64, shape (places,), where what drives is counted.
    """
    x = dense(x)
    levels = number(1.0 if bits is None else _levels(bits), x.device)
    places = 1 if windows is None else windows.numel()
    order = _kernels().Order(1 if x.is_contiguous() else x.shape[1], places)
    own: conversion.Driven = _kernels().drive(x, levels, windows, order, converts=bits is not None)
    return Driven(own.values, own.scales, None if windows is None else (own.lines.sum(), own.time.sum()))


def read(
    y: Tensor,
    spread: Tensor | None,
    noise: Stream,
    converters: tuple[int, Tensor, float] | None,
    *,
    onto: Tensor | None = None,
    watches: bool = False,
) -> tuple[Tensor, Tensor | int, Tensor | None]:
    """Pass products through read noise and converters, and add them to those of other tiles, in one pass.

    Args:
        y: products, shape (samples, ...); they are overwritten.
        spread: variance of the noise of each, or None.
        noise: stream of the noise.
        converters: resolution, full scale of the inputs of each sample, range; None for ideal ones.
        onto: products of other tiles, which these are added to.
        watches: look for the largest magnitude in units of the full scale of its sample.

    Returns:
        What came of the products, how many were cut, and the largest; None where nobody watches.
    """
    if spread is None and converters is None and onto is None:
        return y, 0, None
    y, kernels, own = dense(y), _kernels(), None
    if spread is not None:
        spread = _like(spread, y)
        starts = counters(noise, y)
        own = kernels.Noise(spread, key(noise.key, y.device), starts)
    by = None if converters is None else _converters(*converters, y.device)
    out = y if onto is None else onto
    found: conversion.Counted = kernels.read(_like(y, out), own, by, out, adds=onto is not None, watches=watches)
    cut = 0 if found.cut is None else found.cut.sum()
    scales = 1.0 if converters is None else converters[1]
    return out, cut, None if found.peaks is None else (found.peaks / scales).amax()


def noisy(y: Tensor, variance: Tensor, noise: Stream) -> Tensor:
    """Return values with normal noise of a variance."""
    return read(y.clone(), variance, noise, None)[0]


class Back(NamedTuple):
    """What a transposed product needs; see `products._Transposed`.

    Attributes:
        vectors: errors, shape (samples, vectors, outputs).
        scales: full scale of each sample.
        sums: what parts are added to, shape (samples, places, channels).
        size: rows and columns of what sums are of, by which tables of them are kept.
        targets: place of each tap of each vector, shape (vectors, taps), on the processor.
        matrices: what gives parts, one for each tile of outputs.
        spreads: their variances, likewise, or None.
    """

    vectors: Tensor
    scales: Tensor
    sums: Tensor
    size: tuple[int, ...]
    targets: Tensor
    matrices: Sequence[Tensor]
    spreads: Sequence[Tensor | None]


def through_converters(
    layer: "AnalogLayer", whole: Back, noise: Stream, bits: int, limit: float, at_once: int, *, watches: bool
) -> tuple[Tensor | int, Tensor | None]:
    """Add converted parts to sums; return cuts, and the largest where somebody watches.

    `at_once` is how many samples the processor takes together, whose order draws have.
    """
    vectors, kernels, device = whole.vectors, _kernels(), whole.vectors.device
    sources = placed(layer, ("sources", whole.size), device, lambda: kernels.sources_of(
        whole.targets, whole.sums.shape[1]
    ))  # fmt: skip
    starts = _starts(noise, whole, layer.rows, at_once)
    step = max(1, ROOM_FLOATS // (layer.rows * vectors.shape[1]))
    cut: Tensor | int = 0
    peak: Tensor | None = None
    tiles: list[Tile] = layer.column_tiles
    for first in range(0, len(vectors), step):
        some = slice(first, first + step)
        for turn, (own, matrix, spread) in enumerate(zip(tiles, whole.matrices, whole.spreads, strict=True)):
            driven = vectors[some][..., slice(*own)].contiguous()
            part = driven @ matrix
            by = _converters(bits, whole.scales[some], limit, device)
            given = None
            if spread is not None:
                given = kernels.Noise(driven.square() @ spread, key(noise.key, device), starts[turn, some].contiguous())
            found: conversion.Counted = kernels.read(part, given, by, part, watches=watches)
            kernels.fold(part, sources, whole.sums[some])
            cut = cut + (0 if found.cut is None else found.cut.sum())
            if found.peaks is not None:
                largest = (found.peaks / whole.scales[some]).amax()
                peak = largest if peak is None else peak.maximum(largest)
    return cut, peak


def _starts(noise: Stream, whole: Back, rows: int, at_once: int) -> Tensor:
    """Return the counter of the first draw of each sample in each tile of outputs, and count the draws.

    The processor takes some samples at once and all tiles of these, one after the other.
    """
    samples, count, tiles = len(whole.vectors), whole.vectors.shape[1], len(whole.matrices)
    if all(own is None for own in whole.spreads):
        return torch.empty(0)
    size, device = count * rows, whole.vectors.device
    number_of = torch.arange(samples, device=device)
    first = number_of // at_once * at_once
    together = (samples - first).clamp_max(at_once)
    turns = torch.arange(tiles, device=device)[:, None]
    start, noise.events = noise.events, noise.events + samples * tiles * size
    return start + (first * tiles + turns * together + number_of - first) * size


def counters(noise: Stream, y: Tensor) -> Tensor:
    """Return the counter of the first draw of each sample of products, and count the draws."""
    first, noise.events = noise.events, noise.events + y.numel()
    samples = y.shape[0]
    return torch.arange(samples, device=y.device) * (y.numel() // max(samples, 1)) + first


def placed(layer: "AnalogLayer", name: Any, device: torch.device, make: Any) -> Tensor:
    """Return a table of where windows of a layer lie, on a device, which is made once."""
    found = layer.tables.get((name, device))
    if found is None:
        found = layer.tables[name, device] = make().to(device)
    return found


def dense(x: Tensor) -> Tensor:
    """Return a tensor without gaps in memory, its channels last or not."""
    last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return x if last or x.is_contiguous() else x.contiguous()


def _like(x: Tensor, y: Tensor) -> Tensor:
    """Return a tensor in the order of memory of another, of the same shape."""
    return x if x.stride() == y.stride() else torch.empty_like(y).copy_(x)


def _converters(bits: int, scales: Tensor, limit: float, device: torch.device) -> Any:
    return _kernels().Converters(scales, number(limit, device), number(_levels(bits), device))


def _levels(bits: int) -> float:
    return float(2 ** (bits - 1) - 1)


@lru_cache(maxsize=1024)
def number(value: float, device: torch.device) -> Tensor:
    """Return a number on a device, float32, shape (1,); a copy for each use would wait for the processor."""
    return torch.full((1,), value, dtype=torch.float32, device=device)


@lru_cache(maxsize=1024)
def key(value: int, device: torch.device) -> Tensor:
    """Return the key of a stream on a device, int64, shape (1,)."""
    return torch.full((1,), value, dtype=torch.int64, device=device)
