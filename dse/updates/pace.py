"""What sets the pace of a training, for both paths."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.pausing import State, taken


class Interval:
    """Says when something is due that happens every so many samples, rounded up to whole mini-batches.

    Args:
        every: samples between two times; 0 for never.
    """

    def __init__(self, every: int) -> None:
        self._every, self._since = every, 0

    def is_due(self, samples: int) -> bool:
        """Note that a mini-batch of so many samples was learned, and return whether it is time."""
        self._since += samples
        if not self._every or self._since < self._every:
            return False
        self._since = 0
        return True

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the samples since it was last due; see `dse.pausing.Pausable`."""
        return {"since": np.array(self._since)}

    def restore(self, state: State) -> None:
        """Go back to a number of samples; see `dse.pausing.Pausable`."""
        self._since = int(taken(state, "since", ()))


@dataclass(frozen=True)
class Pace:
    """Learning rate and time.

    Attributes:
        learning_rate: factor of the gradient, averaged over the mini-batch.
        sample_time_s: simulated time of one image, s.
        drift_every: images between two evaluations of the drift.
        maintain_every: images between two calls of `Layer.maintain`; 0 for none.
        calibrate_every: images between two calls of `Layer.calibrate`; 0 for none.
    """

    learning_rate: float
    sample_time_s: float
    drift_every: int
    maintain_every: int
    calibrate_every: int = 0
