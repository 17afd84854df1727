"""From a trained perceptron to the outcome of its deployment."""

from collections.abc import Sequence
from dataclasses import replace

from dse.crossbar.events import EVENT_NAMES
from dse.crossbar.spec import Resolution
from dse.deployment.evaluation import Evaluation, retention_s
from dse.deployment.matrices import KeptMatrix, Matrix, ProgrammedMatrix
from dse.deployment.perceptron import DeployedLayer, DeployedPerceptron
from dse.deployment.run import deploy
from dse.deployment.spec import DAY_S, DeploymentSpec
from dse.design.outcome import LayerOutcome, Outcome
from dse.training.datasets import Dataset
from dse.training.layers import CrossbarLayer, FloatLayer, Layer


def deploy_perceptron(
    outcome: Outcome,
    layers: Sequence[Layer],
    data: Dataset,
    spec: DeploymentSpec,
    *,
    seed: int,
    trained_until_s: float,
) -> Outcome:
    """Return the outcome of a training with what its deployment adds.

    Args:
        outcome: the outcome of the training.
        layers: the trained layers, first layer first; on crossbars all, or digital all.
        data: the data set.
        spec: the deployment; with a cell where weights are programmed.
        seed: seed of the trial.
        trained_until_s: when the training ended on its clock, s.
    """
    network = _network(layers, data, spec, seed, trained_until_s)
    found = deploy(
        network,
        data.test,
        data.validation,
        times_s=spec.times_s,
        repetitions=spec.repetitions,
        compensations=tuple(dict.fromkeys(("none", spec.compensation))),
    )
    return replace(
        outcome,
        metrics={**outcome.metrics, **_metrics(found, spec)},
        layers=tuple(_with_deployment(*pair) for pair in zip(outcome.layers, network.layers, strict=True)),
        deployments=tuple(found),
    )


def _network(
    layers: Sequence[Layer], data: Dataset, spec: DeploymentSpec, seed: int, trained_until_s: float
) -> DeployedPerceptron:
    """Return the trained network on the cells of its deployment."""
    deployed: list[DeployedLayer] = []
    for number, layer in enumerate(layers):
        cells = 2 * layer.rows * layer.cols
        dac_bits, adc_bits, adc_range = spec.dac_bits, spec.adc_bits, None
        if isinstance(layer, CrossbarLayer):
            dac_bits, adc_bits, adc_range = layer.array.dac.bits, layer.array.adc.bits, layer.array.ranges[0]
            cells = layer.array.cells.g_us.numel() if spec.device is None else cells
        matrix = _matrix(layer, number, spec, seed, trained_until_s)
        deployed.append(DeployedLayer(layer.rows, layer.cols, cells, matrix, dac_bits, adc_bits, adc_range))
    return DeployedPerceptron(deployed, data.train, spec.images_per_read, spec.gdc_vectors)


def _matrix(layer: Layer, number: int, spec: DeploymentSpec, seed: int, trained_until_s: float) -> Matrix:
    if isinstance(layer, FloatLayer) and spec.device is not None:
        return ProgrammedMatrix(layer.weight, spec.device, seed=seed, name=number)
    if not isinstance(layer, CrossbarLayer):
        raise TypeError(f"a layer of type {type(layer).__name__} cannot be deployed")
    if spec.device is None:
        return KeptMatrix(layer.array, trained_until_s, seed=seed, name=number)
    learned = layer.array.sense(trained_until_s).weight
    reads = layer.array.cells.g_us.numel()
    return ProgrammedMatrix(learned, spec.device, seed=seed, name=number, reads=reads)


def _metrics(found: Sequence[Evaluation], spec: DeploymentSpec) -> dict[str, float | int | None]:
    life = [e for e in found if e.compensation == spec.compensation]
    held_out = [e.validation_accuracy for e in life if e.validation_accuracy is not None]
    return {
        "programmed_accuracy": life[0].accuracy,
        "accuracy_1d": next((e.accuracy for e in life if e.time_s == DAY_S), None),
        "retained_accuracy": life[-1].accuracy,
        "validation_retained_accuracy": life[-1].validation_accuracy,
        "retention_s": retention_s(spec.times_s, held_out or [e.accuracy for e in life], spec.tolerated_loss),
    }


def _with_deployment(report: LayerOutcome, layer: DeployedLayer) -> LayerOutcome:
    """Return the report of a layer with what its deployment took."""
    layer.matrix.renew(0)
    return replace(
        report,
        events={name: report.events[name] + getattr(layer.events, name) for name in EVENT_NAMES},
        deployed_cells=layer.cells,
        deployed_dac_bits=_resolution(layer.dac_bits),
        deployed_adc_bits=_resolution(layer.adc_bits),
        deployed_conductance_us=layer.matrix.mean_conductance_us(),
    )


def _resolution(bits: Resolution) -> int | None:
    return None if bits == "ideal" else bits
