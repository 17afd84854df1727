"""The accumulator chi: updates gather digitally and leave as whole pulses.

    chi <- chi + update;   p = trunc(chi / eps);   chi <- chi - p eps

(Nandakumar et al., Front. Neurosci. 14:406, 2020.) chi is conserved: the pulses times eps plus chi equal the sum of
the updates as rounded to the word, exactly for integer words and to float rounding for floats.
"""

import math

import torch
from torch import Tensor

from dse.errors import DivergedError
from dse.streams import Stream
from dse.training.spec import AccumulatorSpec


class Accumulator:
    """One chi per weight.

    Args:
        spec: bits, rounding and threshold.
        shape: (rows, cols) of the layer.
        threshold: eps in units of weight.
        noise: stream of stochastic rounding.
    """

    def __init__(self, spec: AccumulatorSpec, shape: tuple[int, int], threshold: float, noise: Stream):
        self.spec = spec
        self.threshold = threshold
        self.noise = noise
        if spec.bits == "float":
            self.word = torch.zeros(shape, dtype=torch.float32)
            self.places = 1
        else:
            self.word = torch.zeros(shape, dtype=torch.int64)
            self.places = 2 ** (spec.bits - 1)

    @property
    def chi(self) -> Tensor:
        """The stored remainder in units of weight, shape (rows, cols)."""
        return self.word if self.spec.bits == "float" else self.word * (self.threshold / self.places)

    def add(self, update: Tensor) -> Tensor:
        """Add updates and take out whole pulses.

        Args:
            update: wanted change of each weight, float32, shape (rows, cols).

        Returns:
            Signed number of pulses, int64, shape (rows, cols).

        Raises:
            DivergedError: an update is not finite, or is worth more than 2^30 pulses.
        """
        largest = float(update.abs().max())
        if not math.isfinite(largest) or largest > self.threshold * 2**30:
            raise DivergedError(f"an update of {largest:g} is beyond what the accumulator can take")
        if self.spec.bits == "float":
            total = self.word + update
            pulses = torch.trunc(total / self.threshold)
            self.word = total - pulses * self.threshold
            return pulses.to(torch.int64)
        total = self.word + self._round(update * (self.places / self.threshold)).to(torch.int64)
        pulses = torch.div(total, self.places, rounding_mode="trunc")
        self.word = total - pulses * self.places
        return pulses

    def _round(self, places: Tensor) -> Tensor:
        if self.spec.rounding != "stochastic":
            return torch.round(places) if self.spec.rounding == "nearest" else torch.trunc(places)
        return torch.floor(places + self.noise.next_uniform(places.numel()).reshape(places.shape))
