"""What is found at a time of a deployment, and how long a network lasts."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dse.deployment.spec import Compensation
from dse.metric import Goal


@dataclass(frozen=True)
class Evaluation:
    """What a network is worth at a time.

    Attributes:
        time_s: time of the deployment, s.
        compensation: how drift was compensated.
        repetitions: number of repetitions.
        metrics: what was measured, by name, as means over the repetitions.
        deviations: standard deviations over the repetitions, by name; none for one repetition.
    """

    time_s: float
    compensation: Compensation
    repetitions: int
    metrics: Mapping[str, float]
    deviations: Mapping[str, float]


def retention_s(times_s: Sequence[float], values: Sequence[float], loss: float, goal: Goal = "maximise") -> float:
    """Return when a measure has become worse than at the first time by `loss`, s.

    Between two times it is taken as linear in the logarithm of time; what lasts longer than the last time is reported
    as that: it lasts at least so long.

    Args:
        times_s: times of the deployment, s.
        values: the measure at each.
        loss: the change that is tolerated.
        goal: which way of the measure is better.
    """
    upwards = [value if goal == "maximise" else -value for value in values]
    floor = upwards[0] - loss
    points = list(zip(times_s, upwards, strict=True))
    for (early, above), (late, below) in itertools.pairwise(points):
        if below < floor:
            share = (above - floor) / (above - below)
            start = max(early, 1.0)  # the logarithm of a time of 0 has no place
            return min(late, math.exp(math.log(start) + share * (math.log(max(late, start)) - math.log(start))))
    return times_s[-1]
