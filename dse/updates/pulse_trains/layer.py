"""A layer of a perceptron whose updates are trains of pulses that meet in cells, those of its weights or others."""

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from dse.crossbar.usage import LayerUsage
from dse.pausing import State, gathered, hand_out
from dse.streams import stream
from dse.updates.layers import CrossbarLayer, Held
from dse.updates.pulse_trains.between import Between
from dse.updates.pulse_trains.trains import meeting
from dse.updates.usage import usage_of_pairs


class PulsedLayer:
    """Weights on differential pairs, pulsed without an accumulator; see `dse.updates.layers.Layer`.

    Args:
        own: pairs with their converters, whose accumulator stays empty.
        longest: slots of a train.
        seed: seed of the trial.
        layer: number of the layer.
        between: what takes the pulses and passes some on; None where the weights take them.
    """

    def __init__(
        self, own: CrossbarLayer, *, longest: int, seed: int, layer: int, between: Between | None = None
    ) -> None:
        self.rows, self.cols, self.events, self.array = own.rows, own.cols, own.events, own.array
        self._own, self._longest = own, longest
        self.between = between
        self._pulse = own.hardware.cell.granularity_us / own.array.beta_us
        self._draws = stream(seed, "pulse trains", layer)

    def sense(self, now_s: float) -> None:
        """Fix the conductances that products see until the next call."""
        self._own.sense(now_s)

    def forward(self, x: Tensor, *, training: bool) -> Tensor:
        """Return the analog product."""
        return self._own.forward(x, training=training)

    def backward(self, d: Tensor) -> Tensor:
        """Return the analog product with the transposed array."""
        return self._own.backward(d)

    def update(self, x: Tensor, d: Tensor, learning_rate: float, now_s: float) -> None:
        """Send the trains of each sample in turn."""
        between, strength = self.between, learning_rate / (x.shape[0] * self._pulse)
        for sample, error in zip(x, d, strict=True):
            if between is None:
                self.array.program(meeting(sample, error, strength, self._longest, self._draws), now_s, self.events)
            else:
                pulses = meeting(sample, error, strength * between.rate, self._longest, self._draws)
                between.gather(pulses, now_s)
        passed_on = None if between is None else between.transfer(now_s, self.events)
        if passed_on is not None:
            self.array.program(passed_on, now_s, self.events)

    def maintain(self, now_s: float) -> None:
        """Refresh pairs near saturation, of cells that go up only."""
        self._own.maintain(now_s)
        if self.between is not None:
            self.between.maintain(now_s)

    def calibrate(self) -> None:
        """Set the ranges of the output converters."""
        self._own.calibrate()

    def survey(self, now_s: float) -> None:
        """Note the mean conductance of a cell, which the energy of a read follows."""
        self._own.survey(now_s)
        if self.between is not None:
            self.between.survey(now_s)

    def usage(self, number: int) -> LayerUsage:
        """Return what happened in the layer."""
        own = usage_of_pairs(
            number,
            self.array,
            None if self.between is None else self.between.filter,
            self.events,
            size=(self.rows, self.cols),
            ranges=self.array.ranges,
            operand_bits="float",
            surveys_us=self._own.conductance_surveys_us,
            standing=self._own.standing(),
            signed=False,
        )
        return replace(own, bias_rows=1)

    def beside(self) -> list[LayerUsage]:
        """Return the account of the array before its weights, if there is one."""
        return [] if self.between is None else [self.between.usage(0)]

    def held(self) -> Held:
        """Return the cells."""
        return Held(self.array)

    def _parts(self) -> dict[str, Any]:
        between = {} if self.between is None else {"between": self.between}
        return {"own": self._own, "draws": self._draws, **between}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return cells, trains and what happened; see `dse.pausing.Pausable`."""
        return gathered(self._parts())

    def restore(self, state: State) -> None:
        """Go back to a state; see `dse.pausing.Pausable`."""
        hand_out(self._parts(), state)
