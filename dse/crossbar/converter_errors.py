"""Output converters that err: offset, gain and bow drawn for each, noise in every conversion; see `ConverterErrorSpec`.

Several columns share a converter (`columns_per_converter`): neighbours of a tile, those of the digits of a weight side
by side among them, and each tile has converters of its own. Only what is known of a product, its place and its tile,
decides which converter takes it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dse.crossbar.cuts import Tile
from dse.crossbar.error_spec import ConverterErrorSpec
from dse.crossbar.spec import AdcSpec
from dse.streams import Stream, stream

WAYS = ("forward", "backward")
BOW = 1.5 * math.sqrt(3.0)
"""Scale of u (1 - u^2) whose largest magnitude within the range is then 1."""


@dataclass(frozen=True)
class ConverterErrors:
    """What the converters of a layer in one direction do to products.

    Attributes:
        spec: their errors.
        bits: their resolution.
        offset: of the converter that takes each output of each tile, in units of the range, float32, shape
            (tiles of summed lines, outputs); likewise
        gain: around 0, and
        inl: magnitude of the bow.
    """

    spec: ConverterErrorSpec
    bits: int
    offset: Tensor
    gain: Tensor
    inl: Tensor

    def convert(
        self, y: Tensor, full_scale: Any, tile: int, noise: Stream, outputs: Callable[[Tensor], Tensor] | None = None
    ) -> tuple[Tensor, int]:
        """Return products behind the converters, and how many were cut.

        Args:
            y: products of one tile of summed lines, any shape.
            full_scale: the largest magnitude that is not cut, a number or a tensor that meets the shape of y.
            tile: number of the tile.
            noise: stream of the noise of conversions.
            outputs: takes values of all outputs, shape (outputs,), to a shape that meets that of y; by default the
                outputs are the last axis of y.
        """
        offset, gain, inl = (own[tile].to(y.device) for own in (self.offset, self.gain, self.inl))
        if outputs is not None:
            offset, gain, inl = (outputs(own) for own in (offset, gain, inl))
        u = y / full_scale
        seen = u * (1.0 + gain) + offset
        if self.spec.inl_std > 0.0:
            inside = u.clamp(-1.0, 1.0)
            seen = seen + inl * (BOW * inside * (1.0 - inside * inside))
        if self.spec.noise_std > 0.0:
            draw = noise.next_normal(1, vectors=y.numel()).reshape(y.shape).to(y.device, y.dtype)
            seen = seen + self.spec.noise_std * draw
        levels = float(2 ** (self.bits - 1) - 1)
        words = torch.round(seen.clamp(-1.0, 1.0) * levels) / levels
        if self.spec.correction != "none":
            words = words - offset
        if self.spec.correction == "offset_and_gain":
            words = words / (1.0 + gain).clamp_min(1e-3)
        return words * full_scale, int(torch.count_nonzero(seen.abs() > 1.0))


def errors_of(
    adc: AdcSpec, way: int, outputs: Sequence[Tile], summed: int, *, seed: int, layer: int, digits: int = 1
) -> ConverterErrors | None:
    """Return the errors of the converters of a layer, or None where these do not err.

    Args:
        adc: the converters.
        way: 0 for forward products, 1 for backward ones.
        outputs: first and last + 1 output of each tile along the outputs.
        summed: tiles along the lines that a product sums over.
        seed: seed of the trial.
        layer: number of the layer.
        digits: digits of a weight, each with a column of its own; the errors of a digit stand after those of all tiles
            for the one before.
    """
    bits = adc.bits if way == 0 else adc.bits_backward
    if adc.errors is None or adc.errors.are_none or bits == "ideal":
        return None
    shared = 1 if adc.columns_per_converter == "card" else adc.columns_per_converter
    if shared == 1:  # then digits have converters of their own, as tiles do
        summed, digits = summed * digits, 1
    places, first = torch.empty(digits, outputs[-1][1], dtype=torch.int64), 0
    for start, end in outputs:
        columns = torch.arange((end - start) * digits).reshape(-1, digits).t()
        places[:, start:end] = first + columns // shared
        first += -(-columns.numel() // shared)
    stds = {"offset": adc.errors.offset_std, "gain": adc.errors.gain_std, "inl": adc.errors.inl_std}
    drawn: dict[str, Tensor] = {}
    for name, std in stds.items():
        own = std * stream(seed, f"{WAYS[way]} converter {name}", layer).next_normal(first, vectors=summed)
        drawn[name] = torch.cat([own[:, digit] for digit in places])
    return ConverterErrors(adc.errors, bits, **drawn)


def noise_of_conversions(reads: Stream) -> Stream:
    """Return the stream of the noise of conversions that belongs to a stream of reads, at its beginning."""
    return stream(reads.key, "converter noise")
