"""The products of a network of torch modules, found by passing a mini-batch without content through it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from dse.crossbar.analog import AnalogLayer, Crossbars, analog_layers, on_crossbars
from dse.data.base import SampleInfo
from dse.networks.parts import shapes_alone
from dse.networks.products import LayerProducts, Products
from dse.tasks.modules import own_generator

SAMPLES = 2
"""Samples of the mini-batch: one alone has no deviation to be normalised by."""


def traced(build: Callable[[], tuple[nn.Module, ...]], info: SampleInfo) -> Products | None:
    """Return what a sample takes of each layer; None where a layer has not one product, of one shape.

    Args:
        build: gives the network; its weights do not matter.
        info: what the samples are.
    """
    with own_generator(0, "products of modules"):
        with shapes_alone():
            (module,) = build()
        network = on_crossbars(module, Crossbars())
        layers = [layer for _, layer in analog_layers(network)]
        for layer in layers:
            layer.counting = layer.digital = True
        network.train()(torch.zeros(SAMPLES, *info.shape, device="meta"))
    found = [_products_of(layer) for layer in layers]
    known = tuple(own for own in found if own is not None)
    return known if len(known) == len(found) else None


def _products_of(layer: AnalogLayer) -> LayerProducts | None:
    """Return what a sample took of a layer that saw the mini-batch once; None where it saw it otherwise."""
    passes: list[tuple[Any, Any]] = list(layer.words.items())
    if len(passes) != 1 or layer.events.macs_forward != passes[0][1].macs or not passes[0][1].update:
        return None
    (shape, *_), words = passes[0]
    windows = layer.windows(torch.zeros(shape))
    inside, reached = (1, 1) if windows is None else (round(float(windows.sum())), int(torch.count_nonzero(windows)))
    inputs = (shape.numel() if windows is None else shape[0] * shape[1]) // SAMPLES
    return LayerProducts(
        rows=layer.rows,
        cols=layer.cols,
        vectors=words.macs // (layer.rows * layer.cols) // SAMPLES,
        places=words.places,
        activations=words.activations // SAMPLES,
        back=words.back[0] > 0,
        inside=inputs * inside,
        reached=inputs * reached,
        infers=layer.traits.infers,
    )
