"""Analog products as functions that torch differentiates.

    forward    y = sum over row tiles of ADC(DAC(x) W_tile + noise)
    backward   dx = sum over column tiles of ADC(DAC(d) W_tile^T + noise), parts of windows added digitally
    update     dW = d x^T, digital, of the inputs and errors before any converter (or rounded to the operands' bits)

Gradients pass straight through converters: what a converter rounds or cuts does not change them. Read noise is drawn
where a converter stands, with its exact variance, sum_i x_i^2 sigma_i^2; where the converter is ideal, tiles and parts
of windows are added first, which is the same in distribution.
"""

import itertools
from functools import partial, reduce
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from dse.crossbar.analog.base import AnalogLayer
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
            _count_words(layer, x, y)
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
            layer.scaled[BACKWARD] += _vectors(d) * layer.rows * len(layer.column_tiles) if needs[0] else 0
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
        if layer.squares is not None and layer.counting:
            of_columns = torch.arange(layer.cols) % scale.numel()
            layer.squares.take(_by_column(layer, y), of_columns)
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


def _by_column(layer: AnalogLayer, y: Tensor) -> Tensor:
    """Return products as vectors, shape (vectors, outputs)."""
    return y.movedim(y.dim() - len(layer.per_column), -1).reshape(-1, layer.cols)


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
    driven, scales = _driven(layer, x, dac, adc)
    planes = planes_of(driven, layer.crossbars.dac, FORWARD, signed=True, scales=scales)
    # Measuring accuracy must not shift the noise that training sees.
    noise = layer.noise["forward" if layer.counting else "evaluation"]
    weight, variance = _reads(layer, weight, noise)
    tiles: list[Tile | None] = [*layer.row_tiles]
    parts: list[Tensor] = []
    cut = 0
    cuts_of = tiles if (adc != "ideal" or factors is not None) and len(tiles) > 1 else [None]
    slices = layer.slices or (Slice(weight, 1.0),)
    turns = itertools.product(planes, enumerate(slices), enumerate(cuts_of))
    for (plane, of_plane), (place, own), (number, rows) in turns:
        part = layer.exact(plane, own.weight, rows=rows)
        if variance is not None:
            part = with_read_noise(part, layer.exact(plane.square(), variance, rows=rows), noise)
        part, beyond = _converted(layer, part, adc, scales, place * len(cuts_of) + number)
        worth = of_plane * own.worth
        parts, cut = [*parts, part if worth == 1.0 else part * worth], cut + beyond
    if factors is not None:
        parts = _scaled_tiles(layer, parts, factors, [] if kept is None else kept)
    y = reduce(Tensor.add_, parts)
    if layer.counting:
        driving = _driving([drives(plane, scales, layer.windows(plane)) for plane, _ in planes])
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
        if layer.squares is not None:
            of_columns = torch.arange(factors.grid.shape[1]).repeat_interleave(
                torch.tensor([last - first for first, last in layer.column_tiles])
            )
            for place, own in enumerate(kept):
                layer.squares.take(_by_column(layer, own), of_columns + place * factors.grid.shape[1])
    return [own * factor.reshape(layer.per_column) for own, factor in zip(kept, factors.of_outputs, strict=True)]


def backward(layer: AnalogLayer, d: Tensor, weight: Tensor, x: Tensor, factors: TileFactors | None = None) -> Tensor:
    """Return ADC(DAC(d) W^T) with the parts of windows added, and count it where the layer counts."""
    dac, adc = layer.crossbars.dac.bits_backward, layer.crossbars.adc.bits_backward
    driven, scales = _driven(layer, d, dac, adc)
    noise = layer.noise["backward"]
    weight, variance = _reads(layer, weight, noise)
    planes = planes_of(driven, layer.crossbars.dac, BACKWARD, signed=True, scales=scales)
    parts: list[Tensor] = []
    cut = 0
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
        driving = _driving([drives(plane, scales, ones) for plane, _ in planes])
        count_backward(layer, driven, x, driving, cut, len(planes))
    return parts[0] if len(parts) == 1 else reduce(Tensor.add, parts)


def _driving(planes: list[tuple[int, float]]) -> tuple[int, float]:
    """Return how many lines were driven, and for how long, over all bits."""
    return sum(lines for lines, _ in planes), sum(time for _, time in planes)


def outer(layer: AnalogLayer, x: Tensor, d: Tensor) -> Tensor:
    """Return the digital gradient of the weights, and count its products where the layer counts."""
    bits = layer.crossbars.operand_bits
    if bits != "float":
        x, d = (scale_and_quantise(factor, bits)[0] for factor in (x, d))
    if layer.counting:
        layer.events.macs_update += _vectors(d) * layer.rows * layer.cols
    return layer.outer(x, d)


def _driven(layer: AnalogLayer, x: Tensor, dac: Bits, adc: Bits) -> tuple[Tensor, Tensor]:
    """Return inputs behind their converters and the full scale of each sample; ones where nothing asks for it."""
    if dac != "ideal":
        return scale_and_quantise(x.detach(), dac)
    return x, torch.ones(1) if adc == "ideal" and not layer.counting else largest_magnitudes(x.detach())


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


def _vectors(y: Tensor) -> int:
    """Return how many vectors the array sees on the side of the outputs y."""
    return y.shape[0] * y[0, 0].numel()


class _Words(NamedTuple):
    """What a digital product counts, of inputs of one shape."""

    places: int
    macs: int
    reads: int
    activations: int
    back: tuple[int, int]
    update: int


def _count_words(layer: AnalogLayer, x: Tensor, y: Tensor) -> None:
    """Count a digital product from its shapes, and let torch call back when an error passes.

    A small layer takes some ten microseconds, so what follows from shapes is kept, and torch's node is asked directly.
    """
    error = y.grad_fn
    # Frozen weights let errors pass for the sake of the inputs alone.
    key = (x.shape, x.requires_grad, layer.weight.requires_grad) if error is not None else (x.shape,)
    words = layer.words.get(key)
    if words is None:
        words = layer.words[key] = _words_of(layer, x, y)
    events = layer.events
    events.macs_forward += words.macs
    events.weight_reads += words.reads
    events.activations += words.activations
    if words.places != layer.places:
        layer.places = words.places
    if error is not None:
        error.register_prehook(partial(_count_errors, layer, *words.back, words.update))


def _words_of(layer: AnalogLayer, x: Tensor, y: Tensor) -> _Words:
    weights, samples = layer.weight.numel(), layer.samples(x)
    vectors = y.numel() // layer.cols
    macs, reads = vectors * weights, samples * weights
    back = (macs, reads) if x.requires_grad else (0, 0)
    update = macs if layer.weight.requires_grad else 0
    return _Words(vectors // max(samples, 1), macs, reads, vectors * layer.activations, back, update)


def _count_errors(layer: AnalogLayer, macs_back: int, words: int, macs_update: int, _: Any) -> None:
    """Count the digital products of an error, which is left as it is."""
    layer.events.macs_backward += macs_back
    layer.events.weight_reads += words
    layer.events.macs_update += macs_update


def count_forward(
    layer: AnalogLayer, driven: Tensor, y: Tensor, driving: tuple[int, float], cut: int, planes: int = 1
) -> None:
    """Count forward products: what drove the array and came out, lines and time of driving, values that were cut.

    `planes` bits of an input drove the array one after the other, each with a product of its own.
    """
    slices = max(1, len(layer.slices))
    events, vectors, row_tiles = layer.events, _vectors(y), len(layer.row_tiles)
    lines, time = driving
    layer.places = vectors // max(driven.shape[0], 1)
    events.mvm_forward += vectors * planes
    events.activations += vectors * layer.activations
    events.line_drives_forward += lines
    events.drive_time_forward += time
    events.dac_forward += vectors * planes * layer.rows * len(layer.column_tiles)
    events.adc_forward += vectors * planes * layer.cols * row_tiles * slices
    events.adc_cut_forward += cut
    events.partial_adds_forward += vectors * layer.cols * (row_tiles * planes * slices - 1)


def count_backward(
    layer: AnalogLayer, driven: Tensor, x: Tensor, driving: tuple[int, float], cut: int, planes: int = 1
) -> None:
    """Count backward products, likewise; x has the shape of the inputs of the layer."""
    events, vectors, column_tiles = layer.events, _vectors(driven), len(layer.column_tiles)
    lines, time = driving
    events.mvm_backward += vectors * planes
    events.line_drives_backward += lines
    events.drive_time_backward += time
    events.dac_backward += vectors * planes * layer.cols * len(layer.row_tiles)
    events.adc_backward += vectors * planes * layer.rows * column_tiles
    events.adc_cut_backward += cut
    windows = layer.windows(x)
    inside, reached = (1, 1) if windows is None else (round(float(windows.sum())), int(torch.count_nonzero(windows)))
    images = x.shape[0] * x.shape[1]
    events.partial_adds_backward += images * (inside * column_tiles * planes - reached)
