"""What a deployment measures: how outputs become a number, which way that is better, and what it is called.

A measure is a final class below `AbstractMeasure` in the folder of its task, which names it in `measures`.

    accuracy    programmed_accuracy, accuracy_1d, retained_accuracy, validation_retained_accuracy, retention_s
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from dse.metric import Goal, Metric

NAMES = {
    "programmed_{}": "{} at the first time of the deployment",
    "{}_1d": "{} after a day of deployment",
    "retained_{}": "{} at the last time of the deployment",
    "validation_retained_{}": "the same on the held-out training samples, for the search",
}
"""Metrics of a measure, and what they are."""
RETENTION = "retention_s"


class AbstractMeasure:
    """A number that says what a deployed network is worth. Its classes are never made instances of."""

    name: ClassVar[str]
    """Its name, in tables too."""
    about: ClassVar[str]
    """What it is, in a word or two."""
    goal: ClassVar[Goal]
    """Which way is better."""
    unit: ClassVar[str] = "1"
    """Its unit."""
    low: ClassVar[float] = -math.inf
    """The least value that it can have."""
    high: ClassVar[float] = math.inf
    """The greatest."""
    against: ClassVar[Literal["answers", "digital"]] = "answers"
    """What outputs are held against: the answers of the samples, or the outputs of the digital network."""

    @classmethod
    def of(cls, outputs: NDArray[np.float32], wanted: NDArray[Any]) -> NDArray[Any]:
        """Return what each sample contributes, shape (samples,).

        Args:
            outputs: outputs of the network, shape (samples, outputs).
            wanted: what they are held against, samples first.
        """
        raise NotImplementedError

    @classmethod
    def combined(cls, parts: NDArray[Any]) -> float:
        """Return the number for all samples from what each contributes, shape (samples,): the mean.

        The sum is exact before it is rounded, so that it has no order.
        """
        return math.fsum(parts) / len(parts)


def deployed_metrics(*measures: type[AbstractMeasure]) -> dict[str, Metric]:
    """Return the metrics that a deployment has by the measures of its task, the first of which decides its end."""
    found = {
        pattern.format(own.name): Metric(
            own.goal, own.unit, meaning.format(own.about), deployed=True, low=own.low, high=own.high
        )
        for own in measures
        for pattern, meaning in NAMES.items()
    }
    lasting = (
        "time until deployment.tolerated_loss of what the task measures is lost, at most the last time; on held-out "
        "samples, if any"
    )
    return {**found, RETENTION: Metric("maximise", "s", lasting, deployed=True, low=0.0)}


def after_a_day(measures: Sequence[type[AbstractMeasure]]) -> list[str]:
    """Return the metrics of measures that need an evaluation after a day."""
    return [f"{own.name}_1d" for own in measures]
