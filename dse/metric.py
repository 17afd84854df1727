"""What a metric is: a number that describes a trial, with its unit, its meaning and which way is better."""

from dataclasses import dataclass
from typing import Literal

Goal = Literal["maximise", "minimise"]
"""Which way of a metric is better."""


@dataclass(frozen=True)
class Metric:
    """A number that describes a trial.

    Attributes:
        goal: which way is better.
        unit: "1" where dimensionless.
        meaning: one line.
        priced: whether it needs a cost card.
        deployed: whether it needs a deployment.
        task: the task that it is measured on; None for all.
    """

    goal: Goal
    unit: str
    meaning: str
    priced: bool = False
    deployed: bool = False
    task: str | None = None
