"""Analog products as functions that torch differentiates.

    forward    y = sum over row tiles of ADC(DAC(x) W_tile + noise)
    backward   dx = sum over column tiles of ADC(DAC(d) W_tile^T + noise), parts of windows added digitally
    update     dW = d x^T, digital, of the inputs and errors before any converter (or rounded to the operands' bits)

Gradients pass straight through converters: what a converter rounds or cuts does not change them. Read noise is drawn
where a converter stands, with its exact variance, sum_i x_i^2 sigma_i^2; where the converter is ideal, tiles and parts
of windows are added first, which is the same in distribution.
"""

import itertools
from functools import reduce
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from dse.crossbar.analog import accelerated
from dse.crossbar.analog.base import AnalogLayer
from dse.crossbar.analog.counting import count_backward, count_forward, count_words, vectors_of
from dse.crossbar.analog.factors import TileFactors
from dse.crossbar.analog.passes import drives, largest_magnitudes, quantise, scale_and_quantise
from dse.crossbar.analog.reads import BACKWARD, FORWARD, noisy, watch, with_read_noise
from dse.crossbar.analog.transposed import through_converters
from dse.crossbar.cuts import Tile
from dse.crossbar.pairs import Slice
from dse.crossbar.planes import planes_of
from dse.streams import Stream

Bits = int | Literal["ideal"]


def output(layer: AnalogLayer, x: Tensor) -> Tensor:
    """Return what a layer makes of inputs: the product, scaled digitally, plus the bias."""
    scale, plain, learned = layer.output_scale, layer.is_plain, layer.learned_scale
    if plain and scale is None and learned is None:
        y = layer.exact(x, layer.held_weight, layer.bias)
        if layer.counting:
            count_words(layer, x, y)
        return y
    tiles = layer.scales_tiles
    y = layer.exact(x, layer.held_weight) if plain and not tiles else product(layer, x)
    if learned is not None and not tiles:
        y = cast("Tensor", _Scaled.apply(y, learned, layer))
    if scale is not None:
        y = y * (scale if scale.dim() == 0 else scale.reshape(layer.per_column))
    return y if layer.bias is None else y + layer.bias.reshape(layer.per_column)


def product(layer: AnalogLayer, x: Tensor) -> Tensor:
    """Return the product of a layer with inputs, every vector of a linear layer being a sample."""
    flat = x if layer.weight.dim() > 2 else x.reshape(-1, x.shape[-1])
    factors = layer.learned_scale if layer.scales_tiles else None
    y = cast("Tensor", _Product.apply(flat, layer.held_weight, factors, layer))
    return y if flat is x else y.reshape(*x.shape[:-1], y.shape[-1])


class _Product(Function):
    """An analog product in both directions, with the factors of its tiles where it has some."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        scale: Tensor | None,  # noqa: ARG004  a place for its gradient
        layer: AnalogLayer,
    ) -> Tensor:
        """Take the forward product."""
        ctx.layer, ctx.factors = layer, layer.tile_factors
        if ctx.factors is None:
            ctx.save_for_backward(x, weight)
            return forward(layer, x.detach(), weight.detach())
        parts: list[Tensor] = []
        y = forward(layer, x.detach(), weight.detach(), ctx.factors, parts)
        ctx.save_for_backward(x, weight, *parts)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Take the transposed product for the inputs and the digital outer product for the weights."""
        x, weight, *parts = ctx.saved_tensors
        layer, factors, d, needs = ctx.layer, ctx.factors, gradients[0], ctx.needs_input_grad
        back = backward(layer, d, weight.detach(), x, factors) if needs[0] else None
        own = outer(layer, x.detach(), d) if needs[1] else None
        if factors is None:
            return back, own, None, None
        if layer.counting:
            # A tile multiplies its outputs; errors are multiplied for the gradients of its weights and of its factor.
            layer.scaled[BACKWARD] += vectors_of(d) * layer.rows * len(layer.column_tiles) if needs[0] else 0
            layer.scaled[BACKWARD] += d.numel() * len(layer.row_tiles) * (needs[1] + needs[2])
        if own is not None:
            own = own * factors.of_weights.view(own.shape)
        if not needs[2]:
            return back, own, None, None
        of_factors = factors.gradient(d, parts, d.dim() - len(layer.per_column))
        return back, own, of_factors * layer.crossbars.output_scale_rate, None


class _Scaled(Function):
    """Outputs times learned digital factors."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, scale: Tensor, layer: AnalogLayer) -> Tensor:
        """Scale the outputs."""
        ctx.layer, factors = layer, scale.detach().reshape(layer.per_column)
        ctx.save_for_backward(y, factors)
        if layer.counting:
            layer.scaled[FORWARD] += y.numel()
        return y.detach() * factors

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None]:  # type: ignore[override]
        """Scale the errors, and return the gradient of the factors, at their rate."""
        y, factors = ctx.saved_tensors
        layer, d = ctx.layer, gradients[0]
        if layer.counting:
            layer.scaled[BACKWARD] += d.numel() * (2 if ctx.needs_input_grad[1] else 1)
        if not ctx.needs_input_grad[1]:
            return d * factors, None, None
        column = d.dim() - len(layer.per_column)
        kept = () if factors.numel() == 1 else (column,)
        own = (d * y).sum(dim=[axis for axis in range(d.dim()) if axis not in kept])
        return d * factors, own.reshape(-1) * layer.crossbars.output_scale_rate, None


def forward(
    layer: AnalogLayer,
    x: Tensor,
    weight: Tensor,
    factors: TileFactors | None = None,
    kept: list[Tensor] | None = None,
) -> Tensor:
    """Return ADC(DAC(x) W), and count it where the layer counts.

    Args:
        layer: the layer.
        x: inputs.
        weight: what products see.
        factors: those of the tiles of the layer.
        kept: takes the products of each row tile before its factors.
    """
    dac, adc = layer.crossbars.dac.bits, layer.crossbars.adc.bits
    driven, scales, driving = _driven(layer, x, dac, adc, FORWARD)
    planes = planes_of(driven, layer.crossbars.dac, FORWARD, signed=True, scales=scales)
    # Measuring accuracy must not shift the noise that training sees.
    noise = layer.noise["forward" if layer.counting else "evaluation"]
    weight, variance = _reads(layer, weight, noise)
    tiles: list[Tile | None] = [*layer.row_tiles]
    parts: list[Tensor] = []
    cut: int | Tensor = 0
    cuts_of = tiles if (adc != "ideal" or factors is not None) and len(tiles) > 1 else [None]
    slices = layer.slices or (Slice(weight, 1.0),)
    turns = itertools.product(planes, enumerate(slices), enumerate(cuts_of))
    for (plane, of_plane), (place, own), (number, rows) in turns:
        part = layer.exact(plane, own.weight, rows=rows)
        spread = None if variance is None else layer.exact(plane.square(), variance, rows=rows)
        worth = of_plane * own.worth
        if accelerated.takes(part) and layer.converter_errors(FORWARD) is None:
            onto = parts.pop() if parts and worth == 1.0 and factors is None else None
            part, beyond = _in_one_kernel(layer, part, spread, noise, (adc, scales), onto)
        else:
            part = part if spread is None else with_read_noise(part, spread, noise)
            part, beyond = _converted(layer, part, adc, scales, place * len(cuts_of) + number)
        parts, cut = [*parts, part if worth == 1.0 else part * worth], cut + beyond
    if factors is not None:
        parts = _scaled_tiles(layer, parts, factors, [] if kept is None else kept)
    y = reduce(Tensor.add_, parts)
    if layer.counting:
        driving = driving or _driving([drives(plane, scales, layer.windows(plane)) for plane, _ in planes])
        count_forward(layer, driven, y, driving, cut, len(planes))
    return y


def _scaled_tiles(layer: AnalogLayer, parts: list[Tensor], factors: TileFactors, kept: list[Tensor]) -> list[Tensor]:
    """Return the products of row tiles times their factors; `kept` takes those before.

    Parts go through the row tiles of a digit and a bit of the inputs first, which are already weighed.
    """
    number = len(layer.row_tiles)
    kept += [reduce(Tensor.add, parts[own::number]) for own in range(number)]
    if layer.counting:
        layer.scaled[FORWARD] += sum(own.numel() for own in kept)
    return [own * factor.reshape(layer.per_column) for own, factor in zip(kept, factors.of_outputs, strict=True)]


def backward(layer: AnalogLayer, d: Tensor, weight: Tensor, x: Tensor, factors: TileFactors | None = None) -> Tensor:
    """Return ADC(DAC(d) W^T) with the parts of windows added, and count it where the layer counts."""
    dac, adc = layer.crossbars.dac.bits_backward, layer.crossbars.adc.bits_backward
    driven, scales, driving = _driven(layer, d, dac, adc, BACKWARD)
    noise = layer.noise["backward"]
    weight, variance = _reads(layer, weight, noise)
    planes = planes_of(driven, layer.crossbars.dac, BACKWARD, signed=True, scales=scales)
    parts: list[Tensor] = []
    cut: int | Tensor = 0
    for plane, worth in planes:
        if adc == "ideal":
            if factors is not None and not parts:
                own = factors.of_weights.view(weight.shape)
                weight, variance = weight * own, None if variance is None else variance * own.square()
            back = layer.transposed(plane, weight, x)
            if variance is not None:
                back = with_read_noise(back, layer.transposed(plane.square(), variance, x), noise)
        else:
            back, beyond = through_converters(layer, plane, weight, variance, x, scales, factors=factors)
            cut += beyond
        parts.append(back if worth == 1.0 else back * worth)
    if layer.counting:
        ones = None if driven.dim() == 2 else torch.ones(driven.shape[2:], dtype=torch.float64)
        driving = driving or _driving([drives(plane, scales, ones) for plane, _ in planes])
        count_backward(layer, driven, x, driving, cut, len(planes))
    return parts[0] if len(parts) == 1 else reduce(Tensor.add, parts)


def _in_one_kernel(
    layer: AnalogLayer,
    y: Tensor,
    spread: Tensor | None,
    noise: Stream,
    behind: tuple[Bits, Tensor],
    onto: Tensor | None,
) -> tuple[Tensor, int | Tensor]:
    """Return forward products after read noise and converters, added to those of other tiles, and how many were cut.

    Where ranges follow whatever passes, these are looked for first.
    """
    watches, by, (bits, scales) = False, None, behind
    if bits != "ideal":
        if layer.watching:
            y = y if spread is None else accelerated.read(y, spread, noise, None)[0]
            spread = None
            watch(layer, FORWARD, y, scales)
        by = bits, scales, layer.ranges[FORWARD]
        watches = layer.counting and not layer.watching and layer.crossbars.adc.ranging == "calibrated"
    y, cut, peak = accelerated.read(y, spread, noise, by, onto=onto, watches=watches)
    if peak is not None:
        layer.pending.note(FORWARD, peak)
    return y, cut


def _driving(planes: list[tuple[int, float]]) -> tuple[int, float]:
    """Return how many lines were driven, and for how long, over all bits."""
    return sum(lines for lines, _ in planes), sum(time for _, time in planes)


def outer(layer: AnalogLayer, x: Tensor, d: Tensor) -> Tensor:
    """Return the digital gradient of the weights, and count its products where the layer counts."""
    bits = layer.crossbars.operand_bits
    if bits != "float":
        x, d = (scale_and_quantise(factor, bits)[0] for factor in (x, d))
    if layer.counting:
        layer.count(macs_update=vectors_of(d) * layer.rows * layer.cols)
    return layer.outer(x, d)


def _driven(
    layer: AnalogLayer, x: Tensor, dac: Bits, adc: Bits, way: int
) -> tuple[Tensor, Tensor, tuple[Any, Any] | None]:
    """Return inputs behind their converters, the full scale of each sample, and what they drive where that is known.

    Scales are ones where nothing asks for them.
    """
    asks = dac != "ideal" or adc != "ideal" or layer.counting
    if asks and accelerated.takes(x):
        counts = layer.counting and layer.crossbars.dac.coding != "bit_serial"
        windows = _windows(layer, x, way) if counts else None
        return accelerated.drive(x.detach(), None if dac == "ideal" else dac, windows)
    if dac != "ideal":
        return *scale_and_quantise(x.detach(), dac), None
    return x, largest_magnitudes(x.detach()) if asks else torch.ones(1), None


def _windows(layer: AnalogLayer, x: Tensor, way: int) -> Tensor:
    """Return how many products hold each place of what drives an array, int64, where the products are."""
    size = x.shape[2:]

    def made() -> Tensor:
        found = layer.windows(x) if way == FORWARD else None
        return (torch.ones(size) if found is None else found).to(torch.int64).reshape(-1)

    return accelerated.placed(layer, (way, size), x.device, made)


def _reads(layer: AnalogLayer, weight: Tensor, noise: Stream) -> tuple[Tensor, Tensor | None]:
    """Return weights and the variance of a read; a read for the whole mini-batch is drawn here."""
    variance = layer.read_variance()
    if variance is None or layer.crossbars.read_noise_per == "product":
        return weight, variance
    return noisy(weight, variance, noise), None


def _converted(layer: AnalogLayer, y: Tensor, bits: Bits, scales: Tensor, tile: int) -> tuple[Tensor, int]:
    """Return forward products of a tile of rows after its converters, and how many were cut."""
    if bits == "ideal":
        return y, 0
    watch(layer, FORWARD, y, scales)
    limits, errors = scales * layer.ranges[FORWARD], layer.converter_errors(FORWARD)
    if errors is None:
        return quantise(y, bits, limits, in_place=True)
    noise = layer.conversions["forward" if layer.counting else "evaluation"]
    full_scale = limits.reshape(-1, *[1] * (y.dim() - 1)).to(y.device)
    return errors.convert(y, full_scale, tile, noise, lambda own: own.reshape(layer.per_column))
