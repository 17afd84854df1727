"""Transposed products of which every part passes a converter before the parts of windows are added digitally."""

from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor

from dse.crossbar.analog import accelerated
from dse.crossbar.analog.base import AnalogLayer
from dse.crossbar.analog.factors import TileFactors
from dse.crossbar.analog.passes import Folding, fold, quantise
from dse.crossbar.analog.reads import BACKWARD, watch, with_read_noise
from dse.crossbar.converter_errors import ConverterErrors
from dse.streams import Stream

ROOM_FLOATS = 2**18
"""Unfolded errors are held for as many samples as fit this many floats, so that they stay in the cache."""


def through_converters(
    layer: AnalogLayer,
    d: Tensor,
    weight: Tensor,
    variance: Tensor | None,
    x: Tensor,
    scales: Tensor,
    *,
    factors: TileFactors | None = None,
) -> tuple[Tensor, int | Tensor]:
    """Return transposed products of which every part passes a converter, some samples at a time, and cuts."""
    errors, targets, channels = layer.converter_errors(BACKWARD), layer.targets(x), x.shape[1]
    sums = torch.zeros(x.shape[0], x[0, 0].numel(), channels, dtype=d.dtype, device=d.device)
    copied = d.dim() == 4 and not d.is_contiguous(memory_format=torch.channels_last)
    of_tiles = None if factors is None else factors.of_inputs
    whole = _Transposed(layer.vectors(d), weight, variance, scales, targets, sums, copied, of_tiles, tuple(x.shape[2:]))
    single = layer.watching or errors is not None or factors is not None
    cut = (_one_by_one if single else _in_one_pass)(layer, whole)
    if x.dim() == 2:
        return sums[:, 0], cut
    return sums.view(x.shape[0], x.shape[2], x.shape[3], channels).permute(0, 3, 1, 2), cut


class _Transposed(NamedTuple):
    """A transposed product: vectors of errors, weights and their variance, scales, targets, and sums to add to.

    `copied` is whether some outputs of the vectors are made dense: where errors lay output by output, sums of products
    have been those of dense vectors, to the last bit. `factors` are those of each column tile, shape (tiles, rows).
    `size` is that of the images of the layer.
    """

    vectors: Tensor
    weight: Tensor
    variance: Tensor | None
    scales: Tensor
    targets: Tensor
    sums: Tensor
    copied: bool
    factors: Tensor | None
    size: tuple[int, ...]

    def driven(self, some: slice, own: slice) -> Tensor:
        """Return the vectors of some samples, and of them some outputs."""
        found = self.vectors[some][..., own]
        return found.contiguous() if self.copied else found


def _in_one_pass(layer: AnalogLayer, whole: _Transposed) -> int | Tensor:
    """Add converted parts to sums where converters have fixed ranges and do not err; return cuts."""
    vectors, weight, variance, scales, targets, sums = whole[:6]
    bits, noise = cast("int", layer.crossbars.adc.bits_backward), layer.noise["backward"]
    watches = layer.counting and layer.crossbars.adc.ranging == "calibrated"
    tiles = [slice(*columns) for columns in layer.column_tiles]
    matrices = [layer.matrix(weight[own]) for own in tiles]
    spreads = [None if variance is None else layer.matrix(variance[own]) for own in tiles]
    step = _samples_at_once(layer, targets)
    if accelerated.takes(sums):
        back, limit = (
            accelerated.Back(vectors, scales, sums, whole.size, targets, matrices, spreads),
            layer.ranges[BACKWARD],
        )
        cut, peak = accelerated.through_converters(layer, back, noise, bits, limit, step, watches=watches)
        if peak is not None:
            layer.pending.note(BACKWARD, peak)
        return cut
    folding = Folding(bits, scales, scales * layer.ranges[BACKWARD], targets, sums, watches=watches)
    room = [vectors.new_empty(step * vectors.shape[1], layer.rows) for _ in range(1 if variance is None else 2)]
    for start in range(0, len(vectors), step):
        for own, matrix, spread in zip(tiles, matrices, spreads, strict=True):
            driven = whole.driven(slice(start, start + step), own)
            part = _times(driven, matrix, room[0])
            if spread is not None:
                part = with_read_noise(part, _times(driven.square(), spread, room[1]), noise)
            folding.take(part, start)
    if watches:
        layer.peaks[BACKWARD] = max(layer.peaks[BACKWARD], folding.peak)
    return folding.cut


def _times(vectors: Tensor, matrix: Tensor, room: Tensor) -> Tensor:
    """Return vectors of some samples, shape (samples, vectors, n), times a matrix, in some room where these are dense.

    What is written to the same place stays in the cache, which halves the time of a product of few rows.
    """
    if not vectors.is_contiguous():
        return vectors @ matrix
    samples, count, width = vectors.shape
    out = room[: samples * count]
    torch.mm(vectors.view(-1, width), matrix, out=out)
    return out.view(samples, count, -1)


def _samples_at_once(layer: AnalogLayer, targets: Tensor) -> int:
    """Return of how many samples the parts of windows stay in the cache."""
    return max(1, ROOM_FLOATS // (layer.rows * targets.shape[0]))


def _one_by_one(layer: AnalogLayer, whole: _Transposed) -> int:
    """Add converted parts to sums where converters err, tiles have factors, or ranges follow them; return cuts."""
    vectors, weight, variance, scales, targets, sums = whole[:6]
    bits, noise = cast("int", layer.crossbars.adc.bits_backward), layer.noise["backward"]
    errors, cut, step = layer.converter_errors(BACKWARD), 0, _samples_at_once(layer, targets)
    for start in range(0, len(vectors), step):
        some = slice(start, start + step)
        for number, own in enumerate(slice(*columns) for columns in layer.column_tiles):
            driven = whole.driven(some, own)
            part = driven @ layer.matrix(weight[own])
            if variance is not None:
                part = with_read_noise(part, driven.square() @ layer.matrix(variance[own]), noise)
            watch(layer, BACKWARD, part, scales[some])
            limits = scales[some] * layer.ranges[BACKWARD]
            if errors is not None or whole.factors is not None:
                part = part.view(*part.shape[:2], targets.shape[1], -1)
                if errors is not None:
                    part, beyond = _err(part, limits, number, errors, layer.conversions["backward"])
                else:
                    part, beyond = quantise(part, bits, limits)
                if whole.factors is not None:
                    part = part * _as_parts(whole.factors[number], *part.shape[2:])
                fold(part, targets, sums[some])
                cut += beyond
            else:
                folding = Folding(bits, scales[some], limits, targets, sums[some])
                folding.take(part, 0)
                cut += folding.cut
    return cut


def _err(part: Tensor, limits: Tensor, tile: int, errors: ConverterErrors, noise: Stream) -> tuple[Tensor, int]:
    """Pass parts, shape (samples, vectors, taps, channels), through converters that err; return cuts, too."""
    full_scale = limits.reshape(-1, 1, 1, 1).to(part.device)
    return errors.convert(part, full_scale, tile, noise, partial(_as_parts, taps=part.shape[2], channels=part.shape[3]))


def _as_parts(rows: Tensor, taps: int, channels: int) -> Tensor:
    """Return numbers of the rows of an array as parts have them, shape (taps, channels).

    Rows go through the places of a kernel channel by channel, parts through the channels place by place.
    """
    return rows.view(channels, taps).t()
