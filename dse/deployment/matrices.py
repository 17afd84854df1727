"""A matrix of weights on cells that age: programmed ones, or those of a training.

What a stream of noise is for has a name that holds the repetition and the time, so that what happens at one time does
not depend on which other times are looked at, and all compensations meet the same noise.
"""

from dataclasses import replace
from typing import Literal, Protocol

import torch
from torch import Tensor

from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray, Sensed
from dse.crossbar.wiring import ArrayWires
from dse.devices.programmed import ProgrammedCells
from dse.devices.spec import ProgrammedCellSpec
from dse.streams import Stream, stream

Purpose = Literal["evaluation", "selection", "calibration"]
"""What cells are read for: test images, held-out training images, calibration; each with noise of its own."""


class Matrix(Protocol):
    """Weights on cells, shape (rows, cols)."""

    @property
    def size(self) -> int:
        """Number of cells."""
        ...

    def renew(self, repetition: int) -> None:
        """Begin a repetition; the time is 0."""
        ...

    def age(self, time_s: float) -> None:
        """Go to a time of the deployment."""
        ...

    def read(self, noise: Stream) -> Sensed:
        """Return what the products of one mini-batch see."""
        ...

    def noise(self, purpose: Purpose) -> Stream:
        """Return the stream of reads for a purpose at this repetition and time, at its beginning."""
        ...

    def mean_conductance_us(self) -> float:
        """Return the mean conductance of a cell at this time, uS."""
        ...

    @property
    def digit_shift(self) -> int:
        """Bits by which the first digit of a weight is shifted before it is added to the others."""
        ...

    @property
    def offset_columns(self) -> int:
        """Columns of an array that hold no weight."""
        ...

    def count_programming(self, events: Events) -> None:
        """Count what it took to write the cells for the deployment."""
        ...


class WholeMatrix:
    """Weights that are one digit each, in columns of their own."""

    digit_shift = 0
    offset_columns = 0


class ProgrammedMatrix(WholeMatrix):
    """Weights that were programmed into fresh cells; a repetition is another array that was programmed to the same.

    Args:
        weight: wanted weights, any shape; with wires the first dimension of a matrix, and all others.
        spec: the cell.
        seed: seed of the trial.
        name: name or number of the layer, which separates its random streams from those of others.
        reads: reads of single cells that it took to learn the weights, 0 for digital ones.
        wires: the wires of its arrays; None for ideal ones.
        limit: weight that the largest conductance stands for; by default the largest magnitude of `weight`.
        sides: cells of a weight: 2 for a pair, of which one is programmed; 1 where no weight is below 0.
    """

    def __init__(
        self,
        weight: Tensor,
        spec: ProgrammedCellSpec,
        *,
        seed: int,
        name: str | int,
        reads: int = 0,
        wires: ArrayWires | None = None,
        limit: float | None = None,
        sides: int = 2,
    ) -> None:
        self._limit, self._sides = limit, sides
        self._target, self._spec, self._seed, self._name, self._reads = weight, spec, seed, name, reads
        self._wires = wires
        self.renew(0)

    @property
    def size(self) -> int:
        """Number of cells."""
        return self._sides * self._target.numel()

    def renew(self, repetition: int) -> None:
        """Program fresh cells."""
        self._repetition = repetition
        writes, exponents = (
            stream(self._seed, purpose, self._name, repetition) for purpose in ("programming", "drift exponents")
        )
        self.cells = ProgrammedCells.program(self._spec, self._target, writes, exponents, self._limit)
        self.age(0.0)

    def age(self, time_s: float) -> None:
        """Go to a time after the first read."""
        self._time_s, self._held = time_s, self.cells.weight_at(time_s)

    def read(self, noise: Stream) -> Sensed:
        """Return one read of all cells: its noise stays for the mini-batch."""
        weight = self.cells.read(self._held, self._time_s, noise)
        return Sensed(weight if self._wires is None else self._through(self._wires, weight), None)

    def _through(self, wires: ArrayWires, weight: Tensor) -> Tensor:
        """Return weights as products see them through wires; one device of a pair conducts."""
        per_weight_us = self._spec.g_max_us / self.cells.limit
        matrix = weight.reshape(len(weight), -1) * per_weight_us
        pair = torch.stack([matrix.clamp_min(0.0), (-matrix).clamp_min(0.0)])
        plus, minus = wires.effective(pair[:, None])[:, 0]
        return ((plus - minus) / per_weight_us).reshape(weight.shape)

    def noise(self, purpose: Purpose) -> Stream:
        """Return a stream of reads; see `Matrix`."""
        return stream(self._seed, f"reads for {purpose}", self._name, self._repetition, str(self._time_s))

    def mean_conductance_us(self) -> float:
        """Return the mean conductance of a cell at this time, uS."""
        mean = self.cells.mean_conductance_us(self._time_s)  # of pairs
        return mean if self._sides == 2 else 2.0 * mean

    def count_programming(self, events: Events) -> None:
        """Count a RESET for every cell, and pulses with a read that verifies each for every programmed one."""
        pulses = round(self._spec.programming_pulses * self.cells.programmed)
        events.resets_deployment += self.size
        events.set_pulses_deployment += pulses
        events.single_reads_deployment += pulses + self._reads


class KeptMatrix(WholeMatrix):
    """The cells of a training, which drift on; a repetition is another run of reads on the same cells.

    Args:
        array: the cells.
        trained_until_s: when the training ended on its clock, s.
        seed: seed of the trial.
        name: name or number of the layer.
        digital: what is added to the weights digitally, of their shape, or None.
    """

    def __init__(
        self,
        array: PairArray,
        trained_until_s: float,
        *,
        seed: int,
        name: str | int,
        digital: Tensor | None = None,
    ) -> None:
        self._array, self._end_s, self._seed, self._name = array, trained_until_s, seed, name
        self._digital = digital
        self.renew(0)

    @property
    def size(self) -> int:
        """Number of cells."""
        return self._array.size

    def renew(self, repetition: int) -> None:
        """Begin other reads."""
        self._repetition = repetition
        self.age(0.0)

    def age(self, time_s: float) -> None:
        """Go to a time after the end of the training."""
        self._time_s, self._sensed = time_s, self._array.sense(self._end_s + time_s)
        if self._digital is not None:
            self._sensed = replace(self._sensed, weight=self._sensed.weight + self._digital)

    def read(self, noise: Stream) -> Sensed:  # noqa: ARG002  the noise of these cells is new in every product
        """Return the weights with the variance of a read: noise falls on every product anew, as in training."""
        return self._sensed

    def noise(self, purpose: Purpose) -> Stream:
        """Return a stream of reads; see `Matrix`."""
        return stream(self._seed, f"reads for {purpose}", self._name, self._repetition, str(self._time_s))

    def mean_conductance_us(self) -> float:
        """Return the mean conductance of a cell at this time, uS."""
        conductance = self._array.conductance_us(self._end_s + self._time_s)
        return float(conductance.double().mean())

    def count_programming(self, events: Events) -> None:
        """Count nothing: the cells were written by the training."""
