"""Residual networks for small images: their modules.

`resnet32` is the one that Joshi et al. (Nat. Commun. 11:2473, 2020) deployed on PCM: a convolution 3x3, three stages of
five basic blocks at 16, 28 and 56 channels, a 1x1 projection on the two shortcuts with a stride, the mean over the
image, a linear layer with a bias row. That is 361,722 weights on crossbars for ten classes and three input channels,
and 723,444 cells in pairs. Normalisation is digital, and its scales and offsets are not counted as weights.
"""

import torch
from torch import Tensor, nn

from dse.data.base import SampleInfo
from dse.networks.convolutional import ConvolutionalNetwork
from dse.networks.parts import normalised_convolution, plain_head, started


class BasicBlock(nn.Module):
    """Two convolutions with normalisation beside a shortcut, which projects where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = normalised_convolution(inputs, outputs, 3, stride)
        self.second = normalised_convolution(outputs, outputs, 3, 1)
        same = stride == 1 and inputs == outputs
        self.shortcut: nn.Module = nn.Identity() if same else normalised_convolution(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the rectified sum of both ways."""
        return torch.relu_(self.second(torch.relu_(self.first(x))).add_(self.shortcut(x)))


def resnet(spec: ConvolutionalNetwork, info: SampleInfo, blocks: int, *, seed: int) -> nn.Module:
    """Return a network of so many blocks a stage, with initial weights."""
    return started(lambda: _network(spec, info, blocks), seed=seed)


def _network(spec: ConvolutionalNetwork, info: SampleInfo, blocks: int) -> nn.Sequential:
    widths = [spec.widened(n) for n in spec.units]
    body: list[nn.Module] = [normalised_convolution(info.shape[0], widths[0], 3, 1), nn.ReLU(inplace=True)]
    channels = widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            body.append(BasicBlock(channels, width, 2 if stage > 0 and block == 0 else 1))
            channels = width
    return nn.Sequential(*body, *plain_head(channels, info.outputs))
