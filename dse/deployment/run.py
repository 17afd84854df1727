"""The life of a deployed network: repetitions, times, compensations, and what is measured then."""

import statistics
from collections.abc import Sequence
from typing import Any

from dse.data.images import Split
from dse.deployment.compensation import compensation_named
from dse.deployment.evaluation import Evaluation
from dse.deployment.matrices import Purpose
from dse.deployment.measure import AbstractMeasure
from dse.deployment.network import AbstractDeployedNetwork
from dse.deployment.spec import Compensation

PREFIXES: dict[Purpose, str] = {"evaluation": "", "selection": "validation_"}
"""What the names of measures begin with, by the purpose of the reads."""


def deploy(
    network: AbstractDeployedNetwork[Any],
    test: Split,
    validation: Split | None,
    *,
    measures: Sequence[type[AbstractMeasure]],
    times_s: Sequence[float],
    repetitions: int,
    compensations: Sequence[Compensation],
) -> list[Evaluation]:
    """Return what is measured on a network over its life, ordered by compensation and time.

    Args:
        network: the network.
        test: test samples.
        validation: held-out training samples, if there are any.
        measures: what is measured on both.
        times_s: times of evaluation, s.
        repetitions: independent repetitions; see the matrices of the network for what is drawn anew.
        compensations: how to compensate; all see the same cells and reads.
    """
    splits: dict[Purpose, Split] = {"evaluation": test}
    if validation is not None:
        splits["selection"] = validation
    names = [PREFIXES[purpose] + own.name for purpose in splits for own in measures]
    found: dict[tuple[Compensation, float], dict[str, list[float]]] = {
        (how, time_s): {name: [] for name in names} for how in compensations for time_s in times_s
    }
    for repetition in range(repetitions):
        network.renew(repetition)
        for time_s in times_s:
            network.age(time_s)
            for how in compensations:
                network.compensate(compensation_named(how))
                for purpose, split in splits.items():
                    for name, value in network.measured(split, measures, purpose).items():
                        found[how, time_s][PREFIXES[purpose] + name].append(value)
    return [
        Evaluation(
            time_s=time_s,
            compensation=how,
            repetitions=repetitions,
            metrics={name: statistics.fmean(own) for name, own in values.items()},
            deviations={name: statistics.stdev(own) for name, own in values.items() if repetitions > 1},
        )
        for (how, time_s), values in found.items()
    ]
