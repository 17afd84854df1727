"""The life of a deployed network: repetitions, times, compensations, accuracies."""

import statistics
from collections.abc import Sequence
from typing import Any

from dse.data.images import Split
from dse.deployment.compensation import compensation_named
from dse.deployment.evaluation import Evaluation
from dse.deployment.matrices import Purpose
from dse.deployment.network import AbstractDeployedNetwork
from dse.deployment.spec import Compensation

NAMES: dict[Purpose, str] = {"evaluation": "accuracy", "selection": "validation_accuracy"}
"""What is measured, by the purpose of the reads."""


def deploy(
    network: AbstractDeployedNetwork[Any],
    test: Split,
    validation: Split | None,
    *,
    times_s: Sequence[float],
    repetitions: int,
    compensations: Sequence[Compensation],
) -> list[Evaluation]:
    """Return the accuracies of a network over its life, ordered by compensation and time.

    Args:
        network: the network.
        test: test images.
        validation: held-out training images, if there are any.
        times_s: times of evaluation, s.
        repetitions: independent repetitions; see the matrices of the network for what is drawn anew.
        compensations: how to compensate; all see the same cells and reads.
    """
    splits: dict[Purpose, Split] = {"evaluation": test}
    if validation is not None:
        splits["selection"] = validation
    found: dict[tuple[Compensation, float], list[list[float]]] = {
        (how, time_s): [[] for _ in splits] for how in compensations for time_s in times_s
    }
    for repetition in range(repetitions):
        network.renew(repetition)
        for time_s in times_s:
            network.age(time_s)
            for how in compensations:
                network.compensate(compensation_named(how))
                for values, (purpose, split) in zip(found[how, time_s], splits.items(), strict=True):
                    values.append(network.accuracy(split, purpose))
    return [
        Evaluation(
            time_s=time_s,
            compensation=how,
            repetitions=repetitions,
            metrics={NAMES[of]: statistics.fmean(own) for of, own in zip(splits, values, strict=True)},
            deviations={
                NAMES[of]: statistics.stdev(own) for of, own in zip(splits, values, strict=True) if repetitions > 1
            },
        )
        for (how, time_s), values in found.items()
    ]
