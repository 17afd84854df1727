"""The loop that every training goes through: epochs that end in a point of the learning curve.

A training can pause after any epoch, and another one of the same design and seed goes on from there, to the same bits.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import DivergedError
from dse.pausing import State, gathered, hand_out, taken
from dse.tasks.base import Learner
from dse.tasks.curve import Epoch
from dse.tasks.trail import Trail


class Training:
    """A training, as far as it has come.

    Attributes:
        learner: what learns.
        curve: a point for each epoch so far.
        trail: what the layers came to in each.

    Args:
        learner: what learns, before its first epoch.
        sample_time_s: simulated time of one sample, s.
    """

    def __init__(self, learner: Learner, *, sample_time_s: float) -> None:
        self.learner, self._sample_time_s = learner, sample_time_s
        self.curve: list[Epoch] = []
        self.trail = Trail()

    def run(self, until: int) -> None:
        """Train until an epoch, which is the last, and measure after each.

        Raises:
            DivergedError: the training left the range of numbers.
        """
        for epoch in range(len(self.curve) + 1, until + 1):
            self.curve.append(self._epoch(epoch))
            self.trail.add(self.learner.usage())

    def _epoch(self, epoch: int) -> Epoch:
        learner = self.learner
        loss = learner.learn((epoch - 1) * learner.samples)
        if not math.isfinite(loss):
            raise DivergedError(f"the loss of epoch {epoch} is not finite")
        metrics = learner.measure(epoch * learner.samples * self._sample_time_s)
        return Epoch(epoch, loss / learner.samples, metrics)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return learner, curve and trail; see `dse.pausing.Pausable`.

        Raises:
            CannotPauseError: the learner, or a part of it, cannot say what it goes on from.
        """
        return {**_of_curve(self.curve), **gathered({"learner": self.learner, "trail": self.trail})}

    def restore(self, state: State) -> None:
        """Go back to a state; see `dse.pausing.Pausable`.

        Raises:
            CannotPauseError: the learner cannot.
            UnlikeStateError: the state is that of another training.
        """
        self.curve = _curve_of(state)
        hand_out({"learner": self.learner, "trail": self.trail}, state)


def train(learner: Learner, epochs: int, *, sample_time_s: float) -> list[Epoch]:
    """Train for some epochs, and measure after each.

    Args:
        learner: what learns.
        epochs: passes over the samples.
        sample_time_s: simulated time of one sample, s.

    Raises:
        DivergedError: the training left the range of numbers.
    """
    training = Training(learner, sample_time_s=sample_time_s)
    training.run(epochs)
    return training.curve


def epochs_of(state: State) -> int:
    """Return the number of epochs after which a training paused.

    Raises:
        UnlikeStateError: it is no state of a training.
    """
    return len(taken(state, "curve/loss"))


def _of_curve(curve: list[Epoch]) -> dict[str, NDArray[Any]]:
    """Return a curve as arrays over the epochs: loss, metrics by name, and which of these were measured."""
    names = sorted({name for point in curve for name in point.metrics})
    values = [[point.metrics.get(name, 0.0) for name in names] for point in curve]
    measured = [[name in point.metrics for name in names] for point in curve]
    return {
        "curve/loss": np.array([point.loss for point in curve], np.float64),
        "curve/names": np.array(names, np.str_),
        "curve/values": np.array(values, np.float64).reshape(len(curve), len(names)),
        "curve/measured": np.array(measured, np.bool_).reshape(len(curve), len(names)),
    }


def _curve_of(state: State) -> list[Epoch]:
    names, loss = taken(state, "curve/names").tolist(), taken(state, "curve/loss").tolist()
    shape = (len(loss), len(names))
    values, measured = (taken(state, f"curve/{what}", shape).tolist() for what in ("values", "measured"))
    return [
        Epoch(epoch, own, {name: value for name, value, found in zip(names, row, there, strict=True) if found})
        for epoch, (own, row, there) in enumerate(zip(loss, values, measured, strict=True), 1)
    ]
