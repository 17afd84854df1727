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
from dse.crossbar.analog.earlier import adds_noise_by_torch
from dse.crossbar.analog.passes import (
    Folding,
    add_noise,
    drives,
    fold,
    largest_magnitudes,
    quantise,
    scale_and_quantise,
)
from dse.crossbar.converter_errors import ConverterErrors
from dse.crossbar.cuts import Tile
from dse.crossbar.pairs import Slice
from dse.crossbar.planes import planes_of
from dse.streams import Stream

FORWARD, BACKWARD = 0, 1
ROOM_FLOATS = 2**18
"""Unfolded errors are held for as many samples as fit this many floats, so that they stay in the cache."""
Bits = int | Literal["ideal"]


def output(layer: AnalogLayer, x: Tensor) -> Tensor:
    """Return what a layer makes of inputs: the product, scaled digitally, plus the bias."""
    scale, plain, learned = layer.output_scale, layer.is_plain, layer.learned_scale
    if plain and scale is None and learned is None:
        y = layer.exact(x, layer.held_weight, layer.bias)
        if layer.counting:
            _count_words(layer, x, y)
        return y
    y = layer.exact(x, layer.held_weight) if plain else product(layer, x)
    if learned is not None:
        y = cast("Tensor", _Scaled.apply(y, learned, layer))
    if scale is not None:
        y = y * (scale if scale.dim() == 0 else scale.reshape(layer.per_column))
    return y if layer.bias is None else y + layer.bias.reshape(layer.per_column)


def product(layer: AnalogLayer, x: Tensor) -> Tensor:
    """Return the product of a layer with inputs, every vector of a linear layer being a sample."""
    flat = x if layer.weight.dim() > 2 else x.reshape(-1, x.shape[-1])
    y = cast("Tensor", _Product.apply(flat, layer.held_weight, layer))
    return y if flat is x else y.reshape(*x.shape[:-1], y.shape[-1])


class _Product(Function):
    """An analog product in both directions."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, layer: AnalogLayer) -> Tensor:
        """Take the forward product."""
        ctx.layer = layer
        ctx.save_for_backward(x, weight)
        return forward(layer, x.detach(), weight.detach())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:  # type: ignore[override]
        """Take the transposed product for the inputs and the digital outer product for the weights."""
        x, weight = ctx.saved_tensors
        layer, d = ctx.layer, gradients[0]
        back = backward(layer, d, weight.detach(), x) if ctx.needs_input_grad[0] else None
        own = outer(layer, x.detach(), d) if ctx.needs_input_grad[1] else None
        return back, own, None


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


def forward(layer: AnalogLayer, x: Tensor, weight: Tensor) -> Tensor:
    """Return ADC(DAC(x) W), and count it where the layer counts."""
    dac, adc = layer.crossbars.dac.bits, layer.crossbars.adc.bits
    driven, scales = _driven(layer, x, dac, adc)
    planes = planes_of(driven, layer.crossbars.dac, FORWARD, signed=True, scales=scales)
    # Measuring accuracy must not shift the noise that training sees.
    noise = layer.noise["forward" if layer.counting else "evaluation"]
    weight, variance = _reads(layer, weight, noise)
    tiles: list[Tile | None] = [*layer.row_tiles]
    parts: list[Tensor] = []
    cut = 0
    cuts_of = tiles if adc != "ideal" and len(tiles) > 1 else [None]
    slices = layer.slices or (Slice(weight, 1.0),)
    turns = itertools.product(planes, enumerate(slices), enumerate(cuts_of))
    for (plane, of_plane), (place, own), (number, rows) in turns:
        part = layer.exact(plane, own.weight, rows=rows)
        if variance is not None:
            part = _with_read_noise(part, layer.exact(plane.square(), variance, rows=rows), noise)
        part, beyond = _converted(layer, part, adc, scales, place * len(cuts_of) + number)
        worth = of_plane * own.worth
        parts, cut = [*parts, part if worth == 1.0 else part * worth], cut + beyond
    y = reduce(Tensor.add_, parts)
    if layer.counting:
        driving = _driving([drives(plane, scales, layer.windows(plane)) for plane, _ in planes])
        count_forward(layer, driven, y, driving, cut, len(planes))
    return y


def backward(layer: AnalogLayer, d: Tensor, weight: Tensor, x: Tensor) -> Tensor:
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
            back = layer.transposed(plane, weight, x)
            if variance is not None:
                back = _with_read_noise(back, layer.transposed(plane.square(), variance, x), noise)
        else:
            back, beyond = _through_converters(layer, plane, weight, variance, x, scales)
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


def _through_converters(
    layer: AnalogLayer, d: Tensor, weight: Tensor, variance: Tensor | None, x: Tensor, scales: Tensor
) -> tuple[Tensor, int]:
    """Return transposed products of which every part passes a converter, some samples at a time, and cuts."""
    errors, targets, channels = layer.converter_errors(BACKWARD), layer.targets(x), x.shape[1]
    sums = torch.zeros(x.shape[0], x[0, 0].numel(), channels, dtype=d.dtype, device=d.device)
    copied = d.dim() == 4 and not d.is_contiguous(memory_format=torch.channels_last)
    whole = _Transposed(layer.vectors(d), weight, variance, scales, targets, sums, copied)
    cut = (_one_by_one if layer.watching or errors is not None else _in_one_pass)(layer, whole)
    if x.dim() == 2:
        return sums[:, 0], cut
    return sums.view(x.shape[0], x.shape[2], x.shape[3], channels).permute(0, 3, 1, 2), cut


class _Transposed(NamedTuple):
    """A transposed product: vectors of errors, weights and their variance, scales, targets, and sums to add to.

    `copied` is whether some outputs of the vectors are made dense: where errors lay output by output, sums of products
    have been those of dense vectors, to the last bit.
    """

    vectors: Tensor
    weight: Tensor
    variance: Tensor | None
    scales: Tensor
    targets: Tensor
    sums: Tensor
    copied: bool

    def driven(self, some: slice, own: slice) -> Tensor:
        """Return the vectors of some samples, and of them some outputs."""
        found = self.vectors[some][..., own]
        return found.contiguous() if self.copied else found


def _in_one_pass(layer: AnalogLayer, whole: _Transposed) -> int:
    """Add converted parts to sums where converters have fixed ranges and do not err; return cuts."""
    vectors, weight, variance, scales, targets, sums, _ = whole
    bits, noise = cast("int", layer.crossbars.adc.bits_backward), layer.noise["backward"]
    watches = layer.counting and layer.crossbars.adc.ranging == "calibrated"
    folding = Folding(bits, scales, scales * layer.ranges[BACKWARD], targets, sums, watches=watches)
    tiles = [slice(*columns) for columns in layer.column_tiles]
    matrices = [layer.matrix(weight[own]) for own in tiles]
    spreads = [None if variance is None else layer.matrix(variance[own]) for own in tiles]
    step = _samples_at_once(layer, targets)
    room = [vectors.new_empty(step * vectors.shape[1], layer.rows) for _ in range(1 if variance is None else 2)]
    for start in range(0, len(vectors), step):
        for own, matrix, spread in zip(tiles, matrices, spreads, strict=True):
            driven = whole.driven(slice(start, start + step), own)
            part = _times(driven, matrix, room[0])
            if spread is not None:
                part = _with_read_noise(part, _times(driven.square(), spread, room[1]), noise)
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
    """Add converted parts to sums where converters err, or their ranges follow whatever passes; return cuts."""
    vectors, weight, variance, scales, targets, sums, _ = whole
    bits, noise = cast("int", layer.crossbars.adc.bits_backward), layer.noise["backward"]
    errors, cut, step = layer.converter_errors(BACKWARD), 0, _samples_at_once(layer, targets)
    for start in range(0, len(vectors), step):
        some = slice(start, start + step)
        for number, own in enumerate(slice(*columns) for columns in layer.column_tiles):
            driven = whole.driven(some, own)
            part = driven @ layer.matrix(weight[own])
            if variance is not None:
                part = _with_read_noise(part, driven.square() @ layer.matrix(variance[own]), noise)
            _watch(layer, BACKWARD, part, scales[some])
            limits = scales[some] * layer.ranges[BACKWARD]
            if errors is not None:
                part = part.view(*part.shape[:2], targets.shape[1], -1)
                cut += _err_and_fold(part, limits, number, (errors, layer.conversions["backward"]), targets, sums[some])
            else:
                folding = Folding(bits, scales[some], limits, targets, sums[some])
                folding.take(part, 0)
                cut += folding.cut
    return cut


def _err_and_fold(
    part: Tensor, limits: Tensor, tile: int, errors: tuple[ConverterErrors, Stream], targets: Tensor, out: Tensor
) -> int:
    """Pass parts through converters that err, and add them where they belong; see `Folding`.

    Rows of an array go through the places of a kernel channel by channel, parts through the channels place by place.
    """
    taps, channels = part.shape[2:]
    full_scale = limits.reshape(-1, 1, 1, 1).to(part.device)
    own, noise = errors
    part, cut = own.convert(part, full_scale, tile, noise, lambda rows: rows.view(channels, taps).t())
    fold(part, targets, out)
    return cut


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


def _with_read_noise(y: Tensor, variance: Tensor, noise: Stream) -> Tensor:
    """Return products with read noise, in one pass where that can be; they are overwritten there."""
    return y if not adds_noise_by_torch() and add_noise(y, variance, noise) else noisy(y, variance, noise)


def noisy(y: Tensor, variance: Tensor, noise: Stream) -> Tensor:
    """Return values with normal noise of a variance; what rounding left below zero counts as zero."""
    draw = noise.next_normal(1, vectors=y.numel()).reshape(y.shape).to(y.device, y.dtype)
    return torch.addcmul(y, variance.clamp_min(0.0).sqrt(), draw)


def _converted(layer: AnalogLayer, y: Tensor, bits: Bits, scales: Tensor, tile: int) -> tuple[Tensor, int]:
    """Return forward products of a tile of rows after its converters, and how many were cut."""
    if bits == "ideal":
        return y, 0
    _watch(layer, FORWARD, y, scales)
    limits, errors = scales * layer.ranges[FORWARD], layer.converter_errors(FORWARD)
    if errors is None:
        return quantise(y, bits, limits, in_place=True)
    noise = layer.conversions["forward" if layer.counting else "evaluation"]
    full_scale = limits.reshape(-1, *[1] * (y.dim() - 1)).to(y.device)
    return errors.convert(y, full_scale, tile, noise, lambda own: own.reshape(layer.per_column))


def _watch(layer: AnalogLayer, way: int, y: Tensor, scales: Tensor) -> None:
    """Note the largest product before a converter where its range follows the products."""
    if layer.watching or (layer.counting and layer.crossbars.adc.ranging == "calibrated"):
        peak = float((largest_magnitudes(y) / scales).max())
        layer.peaks[way] = max(layer.peaks[way], peak)
        if layer.watching:
            layer.ranges[way] = layer.crossbars.adc.headroom * layer.peaks[way]


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
