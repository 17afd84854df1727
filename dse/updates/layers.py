"""Layers: what a weight matrix does in training, on a crossbar or in digital floats.

The two are interchangeable behind `Layer`, so that the digital control runs through the same loop.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.crossbar.converters import largest_error, quantise_signed, quantise_unsigned
from dse.crossbar.events import Events
from dse.crossbar.pairs import Missed, PairArray, Sensed, initial_conductance_us, ordered_product
from dse.crossbar.significance import transfer
from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec, RefreshSpec
from dse.crossbar.usage import LayerUsage
from dse.devices.base import AbstractCell
from dse.errors import DivergedError
from dse.kernel.arithmetic import mean
from dse.pausing import State, array_of, below, gathered, hand_out, taken, tensor
from dse.streams import stream
from dse.updates.accumulator import Accumulator
from dse.updates.pace import Interval
from dse.updates.spec import AccumulatorSpec
from dse.updates.standing import standing_of
from dse.updates.usage import usage_of_pairs, usage_of_words


class Held(NamedTuple):
    """Weights in cells.

    Attributes:
        array: the cells.
        digital: what inference adds to the weights in them digitally, shape (rows, cols), or None.
    """

    array: PairArray
    digital: Tensor | None = None


class Layer(Protocol):
    """A matrix of weights W, shape (rows, cols), the last row being the bias."""

    rows: int
    cols: int
    events: Events

    def sense(self, now_s: float) -> None:
        """Fix the state that products see until the next call."""
        ...

    def forward(self, x: Tensor, *, training: bool) -> Tensor:
        """Return x W, shape (batch, cols), for x of shape (batch, rows)."""
        ...

    def backward(self, d: Tensor) -> Tensor:
        """Return d W^T without the bias row, shape (batch, rows - 1), for d of shape (batch, cols)."""
        ...

    def update(self, x: Tensor, d: Tensor, learning_rate: float, now_s: float) -> None:
        """Move W by -learning_rate times the mean of x^T d over the mini-batch."""
        ...

    def maintain(self, now_s: float) -> None:
        """Do what the hardware does between mini-batches now and then."""
        ...

    def calibrate(self) -> None:
        """Set the ranges of converters by what came before them since the last time."""
        ...

    def survey(self, now_s: float) -> None:
        """Take stock at the end of an epoch."""
        ...

    def usage(self, number: int) -> LayerUsage:
        """Return what happened in the layer, whose number is given."""
        ...

    def held(self) -> Held | Tensor:
        """Return the cells that hold the weights, or the digital weights, shape (rows, cols)."""
        ...


def _outer(x: Tensor, d: Tensor, learning_rate: float, events: Events) -> tuple[Tensor, int]:
    """Return the wanted change of the weights, and how many weights it touches.

    A product with an input of zero is left out. Every other one is formed; the inputs and errors of a mini-batch are at
    hand together, so that the products of a weight are summed where they are formed, in the order of the images, and
    its word is read, added to and written once. A mini-batch saves traffic of words, not multiplications.
    """
    products = int(torch.count_nonzero(x)) * d.shape[1]
    events.macs_update += products
    scaled = d * (-learning_rate / x.shape[0])
    update = torch.zeros(x.shape[1], d.shape[1])
    for sample, error in zip(x, scaled, strict=True):
        update += sample[:, None] * error
    return update, int(torch.count_nonzero(x.any(dim=0))) * d.shape[1]


@dataclass(frozen=True)
class Hardware:
    """The hardware of a layer: everything that a digital layer does not have.

    Accumulators are those of a rule that has some (`AbstractUpdate.tables`), else those of the default, and unused.
    """

    cell: AbstractCell
    array: ArraySpec
    dac: DacSpec
    adc: AdcSpec
    accumulator: AccumulatorSpec
    refresh: RefreshSpec


class CrossbarLayer:
    """Weights on differential pairs of cells, updated through an accumulator (mixed-precision training)."""

    def __init__(
        self, rows: int, cols: int, hardware: Hardware, *, seed: int, layer: int, inputs_first: bool = True
    ) -> None:
        self.rows, self.cols = rows, cols
        self.events = Events()
        self.hardware = hardware
        self.array = PairArray(
            rows,
            cols,
            hardware.cell,
            hardware.array,
            hardware.dac,
            hardware.adc,
            seed=seed,
            layer=layer,
            inputs_first=inputs_first,
        )
        granularity = hardware.cell.granularity_us / self.array.beta_us
        self.accumulator = Accumulator(
            hardware.accumulator,
            (rows, cols),
            threshold=hardware.accumulator.epsilon * granularity,
            noise=stream(seed, "chi rounding", layer),
            cells=self.array.cells_in_turn,
        )
        self.sensed: Sensed = self.array.sense(0.0)
        self._sensed_at_s = 0.0
        self.conductance_surveys_us: list[float] = []
        significance = hardware.array.significance
        self._transfer = Interval(0 if significance is None else significance.every_samples)

    def sense(self, now_s: float) -> None:
        """Fix the conductances that products see until the next call."""
        self.sensed = self.array.sense(now_s)
        self._sensed_at_s = now_s

    def forward(self, x: Tensor, *, training: bool) -> Tensor:
        """Return the analog product; see `PairArray.forward`."""
        return self.array.forward(self.sensed, x, self.events if training else None)

    def backward(self, d: Tensor) -> Tensor:
        """Return the analog product with the transposed array; see `PairArray.backward`."""
        return self.array.backward(self.sensed, d, self.events)

    def update(self, x: Tensor, d: Tensor, learning_rate: float, now_s: float) -> None:
        """Add the update to chi and apply the pulses that leave it."""
        pulses = self.accumulator.add(self.wanted(x, d, learning_rate), self.events)
        if pulses is not None:
            self.array.program(pulses, now_s, self.events)

    def wanted(self, x: Tensor, d: Tensor, learning_rate: float) -> Tensor:
        """Return the wanted change of each weight, shape (rows, cols), and count what it costs."""
        bits = self.hardware.accumulator.operand_bits
        if bits != "float":
            x = quantise_unsigned(x, bits)
            scale = largest_error(d)
            d = quantise_signed(d / scale, bits) * scale
        update, touched = _outer(x, d, learning_rate, self.events)
        self.events.chi_reads += touched
        self.events.chi_writes += touched
        self.events.chi_adds += touched
        return update

    def maintain(self, now_s: float) -> None:
        """Refresh pairs near saturation, and add what that missed to chi where it is kept."""
        keeps = self.accumulator.spec.refresh_misses == "kept"
        for own in self.array.refresh(
            self.hardware.refresh, now_s, self.events, drifted_to_s=self._sensed_at_s, look=keeps
        ):
            self._keep(own)

    def let_pass(self, samples: int, now_s: float) -> None:
        """Let some samples pass, and transfer from fine to coarse pairs where it is time; see `significance`."""
        significance = self.hardware.array.significance
        if self._transfer.is_due(samples) and significance is not None:
            keeps = self.accumulator.spec.refresh_misses == "kept"
            self._keep(transfer(self.array, significance, now_s, self.events, look=keeps))

    def _keep(self, missed: Missed) -> None:
        """Add what pairs lack that were written anew to chi, where it is kept."""
        if self.accumulator.spec.refresh_misses != "kept":
            return
        array, size = self.array, self.rows * self.cols
        for plane, worth in enumerate(array.worths):
            here = missed.pairs // size == plane
            weights, weight = missed.pairs[here] % size, missed.difference_us[here] * worth / array.beta_us
            self.accumulator.give_back(weights, weight, self.events)

    def calibrate(self) -> None:
        """Set the ranges of the output converters; see `PairArray.calibrate`."""
        self.array.calibrate()

    def survey(self, now_s: float) -> None:
        """Note the mean conductance of a cell, which the energy of a read follows."""
        self.conductance_surveys_us.append(mean(self.array.conductance_us(now_s).numpy()))

    def usage(self, number: int) -> LayerUsage:
        """Return what happened in the layer; see `Layer`."""
        own = usage_of_pairs(
            number,
            self.array,
            self.accumulator,
            self.events,
            size=(self.rows, self.cols),
            ranges=self.array.ranges,
            operand_bits=self.hardware.accumulator.operand_bits,
            surveys_us=self.conductance_surveys_us,
            standing=self.standing(),
            signed=False,
        )
        return replace(own, bias_rows=1)

    def standing(self) -> dict[str, float]:
        """Return where its cells stand; see `dse.updates.standing`."""
        refresh = self.hardware.refresh
        return standing_of(self.array, refresh.threshold_us if refresh.every_samples else None)

    def held(self) -> Held:
        """Return the cells; inference uses them alone."""
        return Held(self.array)

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {"array": self.array, "accumulator": self.accumulator, "events": self.events}
        return parts if self.hardware.array.significance is None else {**parts, "transfer": self._transfer}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return cells, accumulators and what happened; see `dse.pausing.Pausable`."""
        return {"surveys_us": np.array(self.conductance_surveys_us), **gathered(self._parts())}

    def restore(self, state: State) -> None:
        """Go back to a state; `sensed` follows when the layer is sensed next; see `dse.pausing.Pausable`."""
        self.conductance_surveys_us = taken(state, "surveys_us").tolist()
        hand_out(self._parts(), state)


class FloatLayer:
    """The digital control: float32 weights that start where the crossbar's do."""

    def __init__(self, rows: int, cols: int, array: ArraySpec | None = None, *, seed: int, layer: int) -> None:
        self.rows, self.cols = rows, cols
        self.events = Events()
        array = array or ArraySpec()
        g = initial_conductance_us(array, rows, cols, seed=seed, layer=layer)
        self.weight = (g[0] - g[1]) / array.conductance_per_weight_us

    def sense(self, now_s: float) -> None:
        """Do nothing."""

    def forward(self, x: Tensor, *, training: bool) -> Tensor:
        """Return x W."""
        if training:
            self.events.macs_forward += x.shape[0] * self.rows * self.cols
            self.events.weight_reads += x.shape[0] * self.rows * self.cols
        return ordered_product(x, self.weight)

    def backward(self, d: Tensor) -> Tensor:
        """Return d W^T without the bias row."""
        self.events.macs_backward += d.shape[0] * (self.rows - 1) * self.cols
        self.events.weight_reads += d.shape[0] * (self.rows - 1) * self.cols
        return ordered_product(d, self.weight[:-1].T)

    def update(self, x: Tensor, d: Tensor, learning_rate: float, now_s: float) -> None:  # noqa: ARG002
        """Move the weights."""
        update, touched = _outer(x, d, learning_rate, self.events)
        self.events.weight_reads += touched
        self.events.weight_writes += touched
        self.weight = self.weight + update
        self.check()

    def check(self) -> None:
        """Check that the weights are finite.

        Raises:
            DivergedError: one is not.
        """
        if not bool(torch.isfinite(self.weight).all()):
            raise DivergedError("a weight is no longer finite")

    def count(self, images: int, products: int, touched: int, *, backward: bool) -> None:
        """Count the events of some training images: forward, backward if any, products of updates, weights touched."""
        events, size = self.events, self.rows * self.cols
        events.macs_forward += images * size
        events.weight_reads += images * size + touched
        events.weight_writes += touched
        events.macs_update += products
        events.activations += images * self.cols
        if backward:
            events.macs_backward += images * (self.rows - 1) * self.cols
            events.weight_reads += images * (self.rows - 1) * self.cols

    def maintain(self, now_s: float) -> None:
        """Do nothing."""

    def calibrate(self) -> None:
        """Do nothing."""

    def survey(self, now_s: float) -> None:
        """Do nothing."""

    def usage(self, number: int) -> LayerUsage:
        """Return what happened in the layer; see `Layer`."""
        return replace(usage_of_words(number, self.rows, self.cols, self.events), bias_rows=1)

    def held(self) -> Tensor:
        """Return the weights."""
        return self.weight

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the weights and what happened; see `dse.pausing.Pausable`."""
        return {"weight": array_of(self.weight), **gathered({"events": self.events})}

    def restore(self, state: State) -> None:
        """Go back to a state; see `dse.pausing.Pausable`."""
        self.weight = tensor(taken(state, "weight", tuple(self.weight.shape)))
        self.events.restore(below(state, "events"))
