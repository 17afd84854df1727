"""From a trained network to its life on cells: kept ones, or fresh ones with what it has learned."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from dse.crossbar.analog import AnalogLayer, Crossbars, analog_layers
from dse.crossbar.converter_errors import errors_of
from dse.crossbar.pairs import Sensed
from dse.crossbar.spec import wires_of
from dse.crossbar.wiring import ArrayWires
from dse.data.images import Dataset, Split
from dse.deployment.matrices import KeptMatrix, Matrix, ProgrammedMatrix
from dse.deployment.modules import Answers, DeployedModule, Inputs
from dse.deployment.perceptron import DeployedPerceptron, PerceptronLayer
from dse.deployment.slices import SlicedMatrix
from dse.deployment.spec import DeploymentSpec
from dse.devices.spec import ProgrammedCellSpec
from dse.streams import Stream, stream
from dse.updates.layers import Held, Layer


def deployed_perceptron(
    layers: Sequence[Layer], data: Dataset, spec: DeploymentSpec, *, seed: int, trained_until_s: float
) -> DeployedPerceptron:
    """Return a trained perceptron on the cells of its deployment.

    Args:
        layers: the trained layers, first layer first; on crossbars all, or digital all.
        data: the data set.
        spec: the deployment; with a cell where weights are programmed.
        seed: seed of the trial.
        trained_until_s: when the training ended on its clock, s.
    """
    deployed: list[PerceptronLayer] = []
    slices = 1 if spec.device is None else spec.slices
    for number, layer in enumerate(layers):
        adc_range, dac, adc = None, spec.dac, spec.adc
        held = layer.held()
        if isinstance(held, Held):
            array = held.array
            adc_range, dac, adc = array.ranges[0], array.dac, array.adc
            matrix = _matrix(held, _Place(seed, number, inputs_first=True), spec, trained_until_s)
        elif spec.device is not None:
            wires = wires_of(spec.wires, "whole", "whole", inputs_first=True)
            matrix = _programmed(held, _Place(seed, number, inputs_first=True, wires=wires), spec, spec.device)
        else:
            raise TypeError("digital weights are deployed on cells that are programmed; the deployment has none")
        deployed.append(
            PerceptronLayer(
                matrix=matrix,
                cells=matrix.size,
                rows=layer.rows,
                cols=layer.cols,
                dac=dac,
                adc=adc,
                adc_range=adc_range,
                errors=errors_of(adc, 0, [(0, layer.cols)], 1, seed=seed, layer=number, digits=slices),
                slices=slices,
                vectors=spec.gdc_vectors,
            )
        )
    return DeployedPerceptron(deployed, data.train, spec.samples_per_read, linear=not data.classes)


def deployed_module(
    network: nn.Module,
    held: Sequence[Held] | None,
    training: Split,
    spec: DeploymentSpec,
    *,
    inputs: Inputs,
    seed: int,
    trained_until_s: float,
    device: str = "cpu",
    answers: Answers | None = None,
    reference: nn.Module | None = None,
) -> DeployedModule:
    """Return a trained network of convolutions on the cells of its deployment.

    Args:
        network: the network, its layers on crossbars, ideal ones where it was trained digitally; it is changed.
        held: the cells of each of these layers, brought up to date; None for a network that was trained digitally.
        training: training samples, for converters and compensations.
        spec: the deployment; with a cell where weights are programmed.
        inputs: what the network takes for samples.
        seed: seed of the trial.
        trained_until_s: when the training ended on its clock, s.
        device: where torch computes.
        answers: see `DeployedModule`.
        reference: likewise.
    """
    matrices: dict[str, Matrix] = {}
    cells: dict[str, int] = {}
    for number, (name, layer) in enumerate(analog_layers(network)):
        if held is None and spec.device is not None:
            _put_on_crossbars(layer, spec)
        place = _Place(seed, layer.number, inputs_first=False, tile_columns=layer.crossbars.tile_columns)
        if held is not None:
            matrices[name] = _matrix(held[number], place, spec, trained_until_s)
        elif spec.device is not None:
            rows, columns, unused = spec.tile_rows, spec.tile_columns, spec.unused_lines
            wires = wires_of(spec.wires, rows, columns, inputs_first=False, unused=unused)
            matrices[name] = _programmed(layer.weight.detach().cpu(), replace(place, wires=wires), spec, spec.device)
        cells[name] = matrices[name].size
    return DeployedModule(
        network,
        matrices,
        cells,
        inputs,
        training,
        samples_per_read=spec.samples_per_read,
        vectors=spec.gdc_vectors,
        calibration_samples=spec.calibration_samples,
        ranges=held is None,
        device=device,
        answers=answers,
        reference=reference,
    )


@dataclass(frozen=True)
class _Place:
    """Where the weights of a layer go.

    Attributes:
        seed: seed of the trial.
        name: number of the layer, which separates its random streams from those of others.
        inputs_first: whether the first dimension of its weights is that of the inputs, or of the outputs.
        tile_columns: outputs of an array; None for all.
        wires: the wires of its arrays; None for ideal ones.
        reads: reads of single cells that it took to learn the weights.
    """

    seed: int
    name: int
    inputs_first: bool
    tile_columns: int | None = None
    wires: ArrayWires | None = None
    reads: int = 0


def _matrix(held: Held, place: _Place, spec: DeploymentSpec, trained_until_s: float) -> Matrix:
    """Return the cells of a layer that was trained on them: these, or fresh ones with what they hold."""
    array = held.array
    if spec.device is None:
        return KeptMatrix(array, trained_until_s, seed=place.seed, name=place.name, digital=held.digital)
    noise = stream(place.seed, "reads for reprogramming", place.name)
    learned = _read_once(array.presented(array.conductance_us(trained_until_s), wired=False), noise)
    learned = learned if held.digital is None else learned + held.digital
    return _programmed(learned, replace(place, wires=array.wires, reads=array.size), spec, spec.device)


def _programmed(
    weight: Tensor, place: _Place, spec: DeploymentSpec, cell: ProgrammedCellSpec
) -> ProgrammedMatrix | SlicedMatrix:
    """Return weights in fresh cells: as they are in pairs, or digit by digit, or beside an offset column."""
    seed, name, wires, reads = place.seed, place.name, place.wires, place.reads
    if spec.weight_bits == "analog" and spec.reference == "pair":
        return ProgrammedMatrix(weight, cell, seed=seed, name=name, wires=wires, reads=reads)
    return SlicedMatrix(
        weight,
        cell,
        bits=spec.weight_bits,
        slices=spec.slices,
        reference=spec.reference,
        inputs_first=place.inputs_first,
        tile_columns=place.tile_columns,
        seed=seed,
        name=name,
        wires=wires,
        reads=reads,
    )


def _read_once(sensed: Sensed, noise: Stream) -> Tensor:
    """Return the weights that one read of every cell gives."""
    if sensed.noise_variance is None:
        return sensed.weight
    draws = noise.next_normal(sensed.weight.numel()).reshape(sensed.weight.shape)
    return sensed.weight + draws * sensed.noise_variance.sqrt()


def _put_on_crossbars(layer: AnalogLayer, spec: DeploymentSpec) -> None:
    """Give a layer that was trained digitally the arrays and converters of its deployment."""
    tiles = [None if lines == "whole" else lines for lines in (spec.tile_rows, spec.tile_columns)]
    dac, adc = spec.dac, spec.adc
    unused = spec.unused_lines == "present"
    layer.crossbars = Crossbars(dac=dac, adc=adc, tile_rows=tiles[0], tile_columns=tiles[1], unused_lines=unused)
