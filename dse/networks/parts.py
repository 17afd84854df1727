"""Parts of networks of convolutions, and their initial weights."""

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch
from torch import Tensor, nn

from dse.streams import Stream, stream

M = TypeVar("M", bound=nn.Module)


_shapes_alone: ContextVar[bool] = ContextVar("shapes_alone", default=False)


@contextmanager
def shapes_alone() -> Generator[None]:
    """Let networks be built of tensors that hold nothing, on torch's device "meta", which takes no time."""
    token = _shapes_alone.set(True)
    try:
        with torch.device("meta"):
            yield
    finally:
        _shapes_alone.reset(token)


class BiasRow(nn.Module):
    """Adds an input of 1, which drives the bias row of the next layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x of shape (samples, features) with a last feature of 1."""
        return torch.cat([x, x.new_ones(x.shape[0], 1)], dim=1)


class Dropout(nn.Module):
    """Switches off a share of the units in training and scales up the others; draws from a generator of its own."""

    def __init__(self, share: float, draws: torch.Generator) -> None:
        super().__init__()
        self.share, self._draws = share, draws

    def forward(self, x: Tensor) -> Tensor:
        """Return x, in training with a share of it 0."""
        if not self.training or self.share == 0.0:
            return x
        kept = torch.empty(x.shape).bernoulli_(1.0 - self.share, generator=self._draws)
        return x * kept.div_(1.0 - self.share).to(x.device)

    def get_extra_state(self) -> Tensor:
        """Return where its draws stand, for `state_dict`."""
        return self._draws.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Let its draws go on from there."""
        self._draws.set_state(state)

    def __deepcopy__(self, memo: dict[int, object]) -> "Dropout":
        """Return a copy that goes on with draws of its own, which are the same."""
        draws = torch.Generator()
        draws.set_state(self._draws.get_state())
        return Dropout(self.share, draws)


def normalised_convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    """Return a convolution without bias and the normalisation behind it."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


def started(build: Callable[[], M], *, seed: int) -> M:
    """Return a network with initial weights.

    Convolutions start normal with variance 2 / (outputs * kernel area) (He et al., ICCV 2015, backward form), linear
    layers uniform within 1 / sqrt(inputs), a bias row not counted. Biases start at 0.

    Args:
        build: makes the network; what torch draws in it is replaced.
        seed: seed of the trial.
    """
    with torch.random.fork_rng(devices=[]):
        network = build()
    if _shapes_alone.get():
        return network
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    for number, layer in enumerate(layers):
        draws, weight = stream(seed, "initial weights", number), layer.weight
        values = _normal(layer, draws) if isinstance(layer, nn.Conv2d) else _uniform(layer, draws)
        weight.data = values.reshape(weight.shape).contiguous()
        for bias in (parameter for parameter in layer.parameters(recurse=False) if parameter.dim() == 1):
            bias.data.zero_()
    return network


def _normal(layer: nn.Conv2d, draws: Stream) -> Tensor:
    area = layer.kernel_size[0] * layer.kernel_size[1]
    return draws.next_normal(layer.weight.numel()) * math.sqrt(2.0 / (layer.out_channels * area))


def _uniform(layer: nn.Linear, draws: Stream) -> Tensor:
    # Without a bias of its own, a linear layer has its bias in the last row of its array, driven by `BiasRow`.
    inputs = layer.in_features if "bias" in dict(layer.named_parameters()) else layer.in_features - 1
    return (2.0 * draws.next_uniform(layer.weight.numel()) - 1.0) / math.sqrt(max(inputs, 1))


def plain_head(features: int, classes: int) -> list[nn.Module]:
    """Return the mean over the image and a linear layer with a bias row."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), BiasRow(), nn.Linear(features + 1, classes, bias=False)]


def weights_of(network: nn.Module) -> int:
    """Return the number of weights of convolutions and linear layers, bias rows included."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.dim() > 1)
