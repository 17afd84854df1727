"""A point of a learning curve: what every training loop yields, an outcome keeps and the table stores."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """A point of the learning curve.

    Attributes:
        epoch: number of passes over the training samples so far.
        loss: mean over the samples of what is minimised, each measured before the sample was learned.
        metrics: what was measured after the epoch, by name; a metric that does not apply (such as that of held-out
            samples where none are held out) is absent.
    """

    epoch: int
    loss: float
    metrics: Mapping[str, float]
