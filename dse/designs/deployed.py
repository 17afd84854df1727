"""What the life of a network on cells adds to the outcome of its training."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dse.crossbar.packing import sharing
from dse.deployment.evaluation import Evaluation, retention_s
from dse.deployment.measure import RETENTION, AbstractMeasure
from dse.deployment.network import AbstractDeployedNetwork
from dse.deployment.run import deploy
from dse.deployment.spec import DAY_S, DeploymentSpec
from dse.designs.outcome import Outcome
from dse.designs.report import counted


def with_deployment(
    outcome: Outcome,
    network: AbstractDeployedNetwork[Any],
    data: Any,
    spec: DeploymentSpec,
    measures: Sequence[type[AbstractMeasure]],
) -> Outcome:
    """Return the outcome of a training with what its deployment adds.

    Args:
        outcome: the outcome of the training.
        network: the trained network on its cells.
        data: the data set.
        spec: the deployment.
        measures: what its task measures.
    """
    found = deploy(
        network,
        data.test,
        data.validation,
        measures=measures,
        times_s=spec.times_s,
        repetitions=spec.repetitions,
        compensations=spec.compensations,
    )
    layers = sharing(network.accounts(outcome.layers), spec.packing)
    return replace(
        outcome,
        metrics={**outcome.metrics, **counted(layers), **_metrics(found, spec, measures)},
        layers=tuple(layers),
        deployments=tuple(found),
    )


def _metrics(
    found: Sequence[Evaluation], spec: DeploymentSpec, measures: Sequence[type[AbstractMeasure]]
) -> dict[str, float]:
    after = {e.time_s: e.metrics for e in found if e.compensation == spec.compensation}
    life = list(after.values())
    metrics: dict[str, float] = {}
    for name in (own.name for own in measures):
        metrics |= {f"programmed_{name}": life[0][name], f"retained_{name}": life[-1][name]}
        if DAY_S in after:
            metrics[f"{name}_1d"] = after[DAY_S][name]
        if f"validation_{name}" in life[-1]:
            metrics[f"validation_retained_{name}"] = life[-1][f"validation_{name}"]
    first = measures[0]
    judged = f"validation_{first.name}" if f"validation_{first.name}" in life[0] else first.name
    values = [own[judged] for own in life]
    return {**metrics, RETENTION: retention_s(spec.times_s, values, spec.tolerated_loss, first.goal)}
