"""Weights that are cut into digits, each in columns of its own (bit slices)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dse.crossbar.events import Events
from dse.crossbar.pairs import Sensed, Slice
from dse.crossbar.wiring import ArrayWires
from dse.deployment.matrices import ProgrammedMatrix, Purpose
from dse.devices.spec import ProgrammedCellSpec
from dse.streams import Stream, stream


def digits_of(bits: int, slices: int) -> list[int]:
    """Return the bits of each digit of a magnitude of bits - 1 bits, the most significant first and not the shorter."""
    each, more = divmod(bits - 1, slices)
    return [each + (number < more) for number in range(slices)]


class SlicedMatrix:
    """Weights that were rounded to words and programmed digit by digit; see `dse.deployment.matrices.Matrix`.

    A weight is sign * limit / L * sum_j b_j d_j, with L = 2^(bits - 1) - 1 and digits d_j of n_j bits. A digit is
    d_j / (2^n_j - 1) of the largest conductance in a pair of columns of its own, whose products are converted apart,
    in one range, and added digitally with what they are worth, limit / L * b_j (2^n_j - 1).

    Args:
        weight: wanted weights, any shape.
        spec: the cell.
        bits: bits of a weight, its sign included.
        slices: digits, at most bits - 1.
        seed: seed of the trial.
        name: name or number of the layer.
        reads: reads of single cells that it took to learn the weights.
        wires: the wires of its arrays; the columns of a weight lie side by side.
    """

    def __init__(
        self,
        weight: Tensor,
        spec: ProgrammedCellSpec,
        *,
        bits: int,
        slices: int,
        seed: int,
        name: str | int,
        reads: int = 0,
        wires: ArrayWires | None = None,
    ) -> None:
        self._shape, self._spec, self._seed, self._name, self._wires = weight.shape, spec, seed, name, wires
        limit = float(weight.abs().max()) or 1.0
        largest = 2 ** (bits - 1) - 1
        codes = torch.round(weight.detach().abs() / limit * largest).to(torch.int64)
        self._digits: list[ProgrammedMatrix] = []
        self._worth: list[float] = []
        left = bits - 1
        for number, length in enumerate(digits_of(bits, slices)):
            left, top = left - length, 2**length - 1
            digit = ((codes >> left) & top).to(torch.float32) / top * weight.detach().sign()
            own = name if slices == 1 else f"{name} digit {number}"
            self._digits.append(
                ProgrammedMatrix(digit, spec, seed=seed, name=own, reads=0 if number else reads, limit=1.0)
            )
            self._worth.append(limit / largest * 2**left * top)
        self.renew(0)

    def renew(self, repetition: int) -> None:
        """Program fresh cells."""
        self._repetition, self._time_s = repetition, 0.0
        for digit in self._digits:
            digit.renew(repetition)

    def age(self, time_s: float) -> None:
        """Go to a time after the first read."""
        self._time_s = time_s
        for digit in self._digits:
            digit.age(time_s)

    def read(self, noise: Stream) -> Sensed:
        """Return one read of all cells: its noise stays for the mini-batch."""
        digits = [digit.read(noise).weight for digit in self._digits]
        digits = digits if self._wires is None else self._through(self._wires, digits)
        slices = tuple(Slice(digit, worth) for digit, worth in zip(digits, self._worth, strict=True))
        whole = torch.stack([own.weight * own.worth for own in slices]).sum(dim=0)
        return Sensed(whole, None, slices)

    def _through(self, wires: ArrayWires, digits: Sequence[Tensor]) -> list[Tensor]:
        """Return digits as products see them through wires; one device of a pair conducts."""
        cells = torch.stack([digit.reshape(len(digit), -1) for digit in digits]) * self._spec.g_max_us
        plus, minus = wires.effective(torch.stack([cells.clamp_min(0.0), (-cells).clamp_min(0.0)]))
        return [own.reshape(self._shape) for own in (plus - minus) / self._spec.g_max_us]

    def noise(self, purpose: Purpose) -> Stream:
        """Return a stream of reads; see `Matrix`."""
        return stream(self._seed, f"reads for {purpose}", self._name, self._repetition, str(self._time_s))

    def mean_conductance_us(self) -> float:
        """Return the mean conductance of a cell at this time, uS."""
        return sum(digit.mean_conductance_us() for digit in self._digits) / len(self._digits)

    def count_programming(self, events: Events) -> None:
        """Count what each digit took."""
        for digit in self._digits:
            digit.count_programming(events)
