"""What sets the pace of a training, for both paths."""

from dataclasses import dataclass


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
