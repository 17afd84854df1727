"""The loop that every training goes through: epochs that end in a point of the learning curve."""

import math

from dse.errors import DivergedError
from dse.tasks.base import Learner
from dse.tasks.curve import Epoch


def train(learner: Learner, epochs: int, *, sample_time_s: float) -> list[Epoch]:
    """Train for some epochs, and measure after each.

    Args:
        learner: what learns.
        epochs: passes over the samples.
        sample_time_s: simulated time of one sample, s.

    Raises:
        DivergedError: the training left the range of numbers.
    """
    curve: list[Epoch] = []
    for epoch in range(1, epochs + 1):
        loss = learner.learn((epoch - 1) * learner.samples)
        if not math.isfinite(loss):
            raise DivergedError(f"the loss of epoch {epoch} is not finite")
        metrics = learner.measure(epoch * learner.samples * sample_time_s)
        curve.append(Epoch(epoch, loss / learner.samples, metrics))
    return curve
