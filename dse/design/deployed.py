"""What the life of a network on cells adds to the outcome of its training."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dse.crossbar.events import EVENT_NAMES
from dse.crossbar.spec import Resolution
from dse.crossbar.usage import LayerUsage
from dse.deployment.evaluation import Evaluation, retention_s
from dse.deployment.network import AbstractDeployedLayer, AbstractDeployedNetwork
from dse.deployment.run import deploy
from dse.deployment.spec import DAY_S, DeploymentSpec
from dse.design.outcome import Outcome


def with_deployment(
    outcome: Outcome, network: AbstractDeployedNetwork[Any], data: Any, spec: DeploymentSpec
) -> Outcome:
    """Return the outcome of a training with what its deployment adds.

    Args:
        outcome: the outcome of the training.
        network: the trained network on its cells.
        data: the data set.
        spec: the deployment.
    """
    found = deploy(
        network,
        data.test,
        data.validation,
        times_s=spec.times_s,
        repetitions=spec.repetitions,
        compensations=spec.compensations,
    )
    return replace(
        outcome,
        metrics={**outcome.metrics, **_metrics(found, spec)},
        layers=tuple(_with_layer(*pair) for pair in zip(outcome.layers, network.layers, strict=True)),
        deployments=tuple(found),
    )


def _metrics(found: Sequence[Evaluation], spec: DeploymentSpec) -> dict[str, float]:
    after = {e.time_s: e.metrics for e in found if e.compensation == spec.compensation}
    life = list(after.values())
    judged = "validation_accuracy" if "validation_accuracy" in life[0] else "accuracy"
    return {
        "programmed_accuracy": life[0]["accuracy"],
        **({"accuracy_1d": after[DAY_S]["accuracy"]} if DAY_S in after else {}),
        "retained_accuracy": life[-1]["accuracy"],
        **({"validation_retained_accuracy": life[-1][judged]} if judged != "accuracy" else {}),
        "retention_s": retention_s(spec.times_s, [own[judged] for own in life], spec.tolerated_loss),
    }


def _with_layer(report: LayerUsage, layer: AbstractDeployedLayer) -> LayerUsage:
    """Return the report of a layer with what its deployment took."""
    layer.matrix.renew(0)
    dac_bits, adc_bits = layer.resolutions
    return replace(
        report,
        events={name: report.events[name] + getattr(layer.events, name) for name in EVENT_NAMES},
        deployed_cells=layer.cells,
        deployed_dac_bits=_resolution(dac_bits),
        deployed_adc_bits=_resolution(adc_bits),
        deployed_conductance_us=layer.matrix.mean_conductance_us(),
    )


def _resolution(bits: Resolution) -> int | None:
    return None if bits == "ideal" else bits
