"""A plain network of three convolutions: its modules."""

from torch import nn

from dse.data.base import SampleInfo
from dse.networks.base import AbstractNetwork
from dse.networks.parts import normalised_convolution, plain_head, started

CHANNELS = (16, 32, 64)


def cnn(spec: AbstractNetwork, info: SampleInfo, *, seed: int) -> nn.Module:
    """Return the network with initial weights."""
    return started(lambda: _network(spec, info), seed=seed)


def _network(spec: AbstractNetwork, info: SampleInfo) -> nn.Sequential:
    body: list[nn.Module] = []
    channels = info.shape[0]
    for place, width in enumerate(map(spec.widened, CHANNELS)):
        body += [normalised_convolution(channels, width, 3, 1 if place == 0 else 2), nn.ReLU(inplace=True)]
        channels = width
    return nn.Sequential(*body, *plain_head(channels, info.outputs))
