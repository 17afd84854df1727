"""A generator of images and its discriminator: their modules.

The original's constants are not published; these are ours.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import nn

from dse.crossbar.traits import Traits, described
from dse.streams import stream

SLOPE = 0.2
"""Of the discriminator's rectifiers below 0 (Radford et al., ICLR 2016)."""


def generator_of(latent: int, units: Sequence[int], pixels: int, *, seed: int) -> nn.Sequential:
    """Return a generator with initial weights: hidden layers normalised and rectified, pixels in (0, 1)."""
    sizes = [latent, *units, pixels]

    def build() -> list[nn.Module]:
        parts: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes[:-1]):
            parts += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
        return [*parts, nn.Linear(sizes[-2], pixels), nn.Sigmoid()]

    return _with_weights(build, seed)


def discriminator_of(units: Sequence[int], pixels: int, *, seed: int) -> nn.Sequential:
    """Return a discriminator with initial weights, its hidden layers the given ones in reverse.

    Inference does without it.
    """
    sizes, trains = [pixels, *reversed(units)], Traits(infers=False)

    def build() -> list[nn.Module]:
        parts: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes):
            parts += [described(nn.Linear(inputs, outputs), trains), nn.LeakyReLU(SLOPE)]
        return [*parts, described(nn.Linear(sizes[-1], 1), trains)]

    return _with_weights(build, seed)


def _with_weights(build: Callable[[], Sequence[nn.Module]], seed: int) -> nn.Sequential:
    """Return layers in turn; weights uniform with variance 2 / inputs (He et al., ICCV 2015), biases 0."""
    with torch.random.fork_rng(devices=[]):  # torch draws initial weights of its own, which are replaced
        network = nn.Sequential(*build())
    for number, linear in enumerate(part for part in network if isinstance(part, nn.Linear)):
        draws = 2.0 * stream(seed, "initial weights", number).next_uniform(linear.weight.numel()) - 1.0
        linear.weight.data = (draws * math.sqrt(6.0 / linear.in_features)).reshape(linear.weight.shape).contiguous()
        for bias in (parameter for parameter in linear.parameters() if parameter.dim() == 1):
            bias.data.zero_()
    return network
