"""A plain network of three convolutions: its modules."""

from torch import nn

from dse.data.base import SampleInfo
from dse.networks.convolutional import ConvolutionalNetwork
from dse.networks.parts import normalised_convolution, plain_head, started


def cnn(spec: ConvolutionalNetwork, info: SampleInfo, *, seed: int) -> nn.Module:
    """Return the network with initial weights."""
    return started(lambda: _network(spec, info), seed=seed)


def _network(spec: ConvolutionalNetwork, info: SampleInfo) -> nn.Sequential:
    body: list[nn.Module] = []
    channels = info.shape[0]
    for place, width in enumerate(map(spec.widened, spec.units)):
        body += [normalised_convolution(channels, width, 3, 1 if place == 0 else 2), nn.ReLU(inplace=True)]
        channels = width
    return nn.Sequential(*body, *plain_head(channels, info.outputs))
