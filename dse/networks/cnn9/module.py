"""A plain network of nine layers: its modules."""

import math

from torch import nn

from dse.data.base import SampleInfo
from dse.networks.convolutional import ConvolutionalNetwork
from dse.networks.parts import BiasRow, Dropout, normalised_convolution, started
from dse.streams import generator


def cnn9(spec: ConvolutionalNetwork, info: SampleInfo, *, dropout: float, seed: int) -> nn.Module:
    """Return the network with initial weights; `dropout` is the share of the units switched off in training."""
    draws = generator(seed, "dropout")
    return started(lambda: _network(spec, info, Dropout(dropout, draws)), seed=seed)


def _network(spec: ConvolutionalNetwork, info: SampleInfo, dropout: Dropout) -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs, height, width = info.shape
    for outputs in map(spec.widened, spec.units[:3]):
        for channels in (inputs, outputs):
            layers += [normalised_convolution(channels, outputs, 3, 1), nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(2, ceil_mode=True), dropout]
        inputs, height, width = outputs, math.ceil(height / 2), math.ceil(width / 2)
    inputs *= height * width
    layers.append(nn.Flatten())
    for units in map(spec.widened, spec.units[3:]):
        layers += [BiasRow(), nn.Linear(inputs + 1, units, bias=False), nn.ReLU(inplace=True), dropout]
        inputs = units
    return nn.Sequential(*layers, BiasRow(), nn.Linear(inputs + 1, info.outputs, bias=False))
