"""What a metric is: a number that describes a trial, with its unit, its meaning and which way is better."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Goal = Literal["maximise", "minimise"]
"""Which way of a metric is better."""


def signs_of(goals: Iterable[Goal]) -> list[float]:
    """Return the factors that make values to be minimised of some, one for each goal."""
    return [-1.0 if goal == "maximise" else 1.0 for goal in goals]


@dataclass(frozen=True)
class Metric:
    """A number that describes a trial.

    Attributes:
        goal: which way is better.
        unit: "1" where dimensionless.
        meaning: one line.
        priced: whether it needs a cost card.
        deployed: whether it needs a deployment.
        tasks: names of the tasks that it is measured on; none for all.
        low: the least value that it can have.
        high: the greatest.
    """

    goal: Goal
    unit: str
    meaning: str
    priced: bool = False
    deployed: bool = False
    tasks: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf

    @property
    def range(self) -> str:
        """Which values it can have, in words."""
        if math.isinf(self.low):
            return "any number" if math.isinf(self.high) else f"{self.high:g} or less"
        return f"{self.low:g} or more" if math.isinf(self.high) else f"from {self.low:g} to {self.high:g}"
