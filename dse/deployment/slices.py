"""Weights that are cut into digits, each in columns of its own (bit slices), and weights beside an offset column."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from dse.crossbar.cuts import cuts
from dse.crossbar.events import Events
from dse.crossbar.pairs import Sensed, Slice
from dse.crossbar.wiring import ArrayWires
from dse.deployment.matrices import ProgrammedMatrix, Purpose
from dse.devices.spec import ProgrammedCellSpec
from dse.streams import Stream, stream

MIDDLE = 0.5
"""Where the cells of an offset column stand, in units of the largest conductance."""


def digits_of(bits: int, slices: int) -> list[int]:
    """Return the bits of each digit of so many bits, the most significant first and not the shorter."""
    each, more = divmod(bits, slices)
    return [each + (number < more) for number in range(slices)]


def bits_of_digits(bits: int, reference: Literal["pair", "column"]) -> int:
    """Return how many bits of a word lie in digits: without its sign, where that is the side of a pair."""
    return bits - 1 if reference == "pair" else bits


class SlicedMatrix:
    """Weights that were rounded to words and programmed digit by digit; see `dse.deployment.matrices.Matrix`.

    In pairs of columns a weight is sign * limit / L * sum_j b_j d_j, with L = 2^(bits - 1) - 1 and digits d_j of n_j
    bits. A digit is d_j / (2^n_j - 1) of the largest conductance, on the side of the sign. Beside an offset column a
    weight is limit / L * sum_j b_j (d_j - (2^n_j - 1) / 2), with L = (2^bits - 1) / 2: each array has one column more,
    whose cells stand in the middle of the window, and whose current is taken off that of every other column before it
    is converted. Weights that are not rounded are a digit of their own.

    Products of digits are converted apart, in one range, and added digitally with what they are worth.

    Args:
        weight: wanted weights, any shape.
        spec: the cell.
        bits: bits of a weight, its sign included; "analog" rounds nothing.
        slices: digits, at most the bits that lie in digits.
        reference: what the columns are measured against.
        inputs_first: whether the first dimension is that of the inputs, or of the outputs.
        tile_columns: outputs of an array, each of which has an offset column; None for all.
        seed: seed of the trial.
        name: name or number of the layer.
        reads: reads of single cells that it took to learn the weights.
        wires: the wires of its arrays; the columns of a weight lie side by side, in pairs.
    """

    def __init__(
        self,
        weight: Tensor,
        spec: ProgrammedCellSpec,
        *,
        bits: int | Literal["analog"],
        slices: int,
        seed: int,
        name: str | int,
        reference: Literal["pair", "column"] = "pair",
        inputs_first: bool = False,
        tile_columns: int | None = None,
        reads: int = 0,
        wires: ArrayWires | None = None,
    ) -> None:
        self._shape, self._spec, self._seed, self._name, self._wires = weight.shape, spec, seed, name, wires
        sides = 2 if reference == "pair" else 1
        places = 0 if bits == "analog" else bits_of_digits(bits, reference)
        self.digit_shift = places - digits_of(places, slices)[0]
        self.offset_columns = 1 if reference == "column" else 0
        self._digits: list[ProgrammedMatrix] = []
        self._worth: list[float] = []
        for number, (digit, worth) in enumerate(_digits(weight.detach(), bits, slices, reference)):
            own = name if slices == 1 else f"{name} digit {number}"
            first = 0 if number else reads
            made = ProgrammedMatrix(digit, spec, seed=seed, name=own, reads=first, limit=1.0, sides=sides)
            self._digits.append(made)
            self._worth.append(worth)
        self._offset: ProgrammedMatrix | None = None
        self._axis = 1 if inputs_first else 0
        if reference == "column":
            self._tiles = cuts(weight.shape[self._axis], tile_columns)
            one = weight.detach().narrow(self._axis, 0, 1)
            middle = torch.full_like(torch.cat([one] * len(self._tiles), dim=self._axis), MIDDLE)
            self._offset = ProgrammedMatrix(middle, spec, seed=seed, name=f"{name} offset", limit=1.0, sides=1)
        self.renew(0)

    @property
    def _parts(self) -> list[ProgrammedMatrix]:
        return self._digits if self._offset is None else [*self._digits, self._offset]

    @property
    def size(self) -> int:
        """Number of cells."""
        return sum(part.size for part in self._parts)

    def renew(self, repetition: int) -> None:
        """Program fresh cells."""
        self._repetition, self._time_s = repetition, 0.0
        for part in self._parts:
            part.renew(repetition)

    def age(self, time_s: float) -> None:
        """Go to a time after the first read."""
        self._time_s = time_s
        for part in self._parts:
            part.age(time_s)

    def read(self, noise: Stream) -> Sensed:
        """Return one read of all cells: its noise stays for the mini-batch."""
        digits = [digit.read(noise).weight for digit in self._digits]
        digits = digits if self._wires is None else self._through(self._wires, digits)
        if self._offset is not None:
            # A stream goes on by equal steps: with fewer cells, its next draws would be those that digits have had.
            own = stream(noise.key, "offset columns", noise.events)
            offset = self._of_outputs(self._offset.read(own).weight)
            digits = [2.0 * (digit - offset) for digit in digits]
        slices = tuple(Slice(digit, worth) for digit, worth in zip(digits, self._worth, strict=True))
        whole = torch.stack([own.weight * own.worth for own in slices]).sum(dim=0)
        return Sensed(whole, None, slices)

    def _of_outputs(self, offset: Tensor) -> Tensor:
        """Return the offset column of its array for each output."""
        sizes = torch.tensor([last - first for first, last in self._tiles])
        return offset.repeat_interleave(sizes, dim=self._axis)

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
        parts = self._parts
        return sum(part.mean_conductance_us() * part.size for part in parts) / self.size

    def count_programming(self, events: Events) -> None:
        """Count what each digit took, and the offset columns."""
        for part in self._parts:
            part.count_programming(events)


def _digits(
    weight: Tensor, bits: int | Literal["analog"], slices: int, reference: Literal["pair", "column"]
) -> list[tuple[Tensor, float]]:
    """Return the digits of weights in units of the largest conductance, and what that is worth in each."""
    limit = float(weight.abs().max()) or 1.0
    if bits == "analog":
        return [(weight / limit if reference == "pair" else (weight / limit + 1.0) * MIDDLE, limit)]
    places = bits_of_digits(bits, reference)
    largest = 2**places - 1 if reference == "pair" else (2**places - 1) / 2
    wanted = weight.abs() / limit if reference == "pair" else weight / limit + 1.0
    codes = torch.round(wanted * largest).to(torch.int64)
    sign = weight.sign() if reference == "pair" else torch.ones_like(weight)
    found: list[tuple[Tensor, float]] = []
    left = places
    for length in digits_of(places, slices):
        left, top = left - length, 2**length - 1
        digit = ((codes >> left) & top).to(torch.float32) / top * sign
        worth = limit / largest * 2**left * top
        found.append((digit, worth if reference == "pair" else worth / 2))
    return found
