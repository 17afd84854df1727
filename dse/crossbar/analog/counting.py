"""What is counted of the products of a layer: from shapes, and from what drove the arrays."""

from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dse.crossbar.analog.base import AnalogLayer


def vectors_of(y: Tensor) -> int:
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


def count_words(layer: AnalogLayer, x: Tensor, y: Tensor) -> None:
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
    layer: AnalogLayer, driven: Tensor, y: Tensor, driving: tuple[Any, Any], cut: int | Tensor, planes: int = 1
) -> None:
    """Count forward products: what drove the array and came out, lines and time of driving, values that were cut.

    `planes` bits of an input drove the array one after the other, each with a product of its own.
    """
    slices = max(1, len(layer.slices))
    vectors, row_tiles = vectors_of(y), len(layer.row_tiles)
    lines, time = driving
    layer.places = vectors // max(driven.shape[0], 1)
    layer.count(
        mvm_forward=vectors * planes,
        activations=vectors * layer.activations,
        line_drives_forward=lines,
        drive_time_forward=time,
        dac_forward=vectors * planes * layer.rows * len(layer.column_tiles),
        adc_forward=vectors * planes * layer.cols * row_tiles * slices,
        adc_cut_forward=cut,
        partial_adds_forward=vectors * layer.cols * (row_tiles * planes * slices - 1),
    )


def count_backward(
    layer: AnalogLayer, driven: Tensor, x: Tensor, driving: tuple[Any, Any], cut: int | Tensor, planes: int = 1
) -> None:
    """Count backward products, likewise; x has the shape of the inputs of the layer."""
    vectors, column_tiles = vectors_of(driven), len(layer.column_tiles)
    lines, time = driving
    windows = layer.windows(x)
    inside, reached = (1, 1) if windows is None else (round(float(windows.sum())), int(torch.count_nonzero(windows)))
    images = x.shape[0] * x.shape[1]
    layer.count(
        mvm_backward=vectors * planes,
        line_drives_backward=lines,
        drive_time_backward=time,
        dac_backward=vectors * planes * layer.cols * len(layer.row_tiles),
        adc_backward=vectors * planes * layer.rows * column_tiles,
        adc_cut_backward=cut,
        partial_adds_backward=images * (inside * column_tiles * planes - reached),
    )
