"""Any torch module whose layers lie on crossbars, on cells that age.

Products are those of `dse.crossbar.analog`; what they see instead of the trained weights is a read of the cells, new
for every mini-batch.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dse.crossbar.analog import (
    AnalogLayer,
    AnalogLinear,
    DigitalLayer,
    analog_layers,
    calibrate_on,
    weighted_layers,
)
from dse.crossbar.cuts import full_lines
from dse.crossbar.events import DeploymentEvents, Events
from dse.crossbar.spec import Resolution
from dse.crossbar.usage import OFFSET_COLUMNS, SHIFTS, SLICES, LayerUsage
from dse.data.images import Split
from dse.deployment.matrices import Matrix, Purpose
from dse.deployment.network import RANGE_SAMPLES, AbstractDeployedLayer, AbstractDeployedNetwork, fixed_inputs
from dse.deployment.norms import BatchNorms
from dse.kernel.arithmetic import Floats
from dse.streams import Stream, generator
from dse.updates.descent import arrays_of
from dse.updates.usage import usage_of_words

Inputs = Callable[[Split, Tensor], Tensor]
"""(images, int64 indices) -> what the network takes for them."""
Answers = Callable[[Split, Tensor], NDArray[Any]]
"""(images, int64 indices) -> what it should decide for, samples first."""
INFERENCE_SAMPLES = 100
"""Most training samples over which the inference of a network is counted that was not trained here."""


@dataclass(kw_only=True)
class ModuleLayer(AbstractDeployedLayer):
    """A layer of a deployed module.

    Attributes:
        name: its name in the module.
        layer: its products.
        vectors: fixed inputs of drift compensation.
        device: where torch computes.
    """

    name: str
    layer: AnalogLayer
    vectors: int = 32
    device: str = "cpu"

    def __post_init__(self) -> None:
        self.layer.counting = False
        # A linear layer of the same array, converters and tiles measures drift under fixed inputs.
        shape = self.layer.rows, self.layer.cols
        digital = nn.Linear(*shape, bias=False, device="meta").to_empty(device=self.device)
        # A factor of an output leaves the ratios of responses as they are; those of tiles weigh what is added.
        tiles = self.layer.scales_tiles
        crossbars = replace(self.layer.crossbars, output_scale="tile" if tiles else "none", output_scale_kind="learned")
        self._probe = AnalogLinear(digital, crossbars, seed=self.layer.seed, number=self.layer.number)
        if tiles:
            self._probe.learned_scale = self.layer.learned_scale
        self._fixed = torch.from_numpy(fixed_inputs(self.vectors, self.layer.rows)).to(self.device)

    @property
    def resolutions(self) -> tuple[Resolution, Resolution]:
        """Bits of the input converters and of the output converters."""
        return self.layer.crossbars.dac.driver_bits(0), self.layer.crossbars.adc.bits

    @property
    def facts(self) -> dict[str, int]:
        """What prices must know of its converters."""
        own, slices = self.layer.crossbars, len(self.layer.slices)
        sliced = {} if slices <= 1 else {SLICES[1]: slices, SHIFTS[1]: self.matrix.digit_shift}
        return {**own.adc.facts, **own.dac.facts(signed=True), **sliced}

    def full_lines(self, trained: LayerUsage) -> dict[str, int]:
        """Return the lines of its full arrays; see `AbstractDeployedLayer`."""
        told = trained.row_tiles, trained.column_tiles
        return full_lines(self.layer.row_tiles, self.layer.column_tiles, told)

    def read(self, noise: Stream) -> None:
        """Let products see a new read of the cells."""
        _show(self.layer, self.matrix, noise, self.device)

    def scale(self, factor: Floats | None) -> None:
        """Scale the outputs; see `AbstractDeployedLayer`."""
        if factor is None:
            self.layer.output_scale = None
            return
        scale = torch.tensor(float(factor[0])) if factor.size == 1 else torch.from_numpy(factor)
        self.layer.output_scale = scale.to(self.device)

    def first_response(self) -> Floats:
        """Fit the converters to the fixed inputs, for which they have a gain of their own; see `response`."""
        with self._reading(), torch.no_grad():
            calibrate_on(self._probe, [self._fixed])
            return self._probe(self._fixed).abs().cpu().numpy()

    def response(self) -> Floats:
        """Return the magnitudes under fixed inputs; see `AbstractDeployedLayer`."""
        with self._reading(), torch.no_grad():
            return self._probe(self._fixed).abs().cpu().numpy()

    def count_response(self) -> None:
        """Count the products of a response."""
        with counted([self._probe], [self.events]), torch.no_grad():
            self._probe(self._fixed)

    @contextmanager
    def _reading(self) -> Generator[None]:
        noise = self.matrix.noise("calibration")
        _show(self._probe, self.matrix, noise, self.device)
        self._probe.draw_from(noise, "evaluation")
        yield


class DeployedModule(AbstractDeployedNetwork[ModuleLayer]):
    """A module on cells.

    Args:
        network: the trained module, its layers on crossbars; it is changed.
        matrices: what the cells of each layer on crossbars hold, by its name.
        cells: how many cells each has.
        inputs: what the network takes for images.
        training: training images, for converters and batch normalisation.
        samples_per_read: images between two reads of programmed cells.
        vectors: fixed inputs of drift compensation.
        calibration_samples: training images for batch-norm statistics.
        ranges: whether output converters are set to what training images need, after programming.
        device: where torch computes.
        answers: answers of samples, where they are not the labels as they stand.
        reference: the digital network, where measures hold outputs against it.
    """

    def __init__(
        self,
        network: nn.Module,
        matrices: Mapping[str, Matrix],
        cells: Mapping[str, int],
        inputs: Inputs,
        training: Split,
        *,
        samples_per_read: int = 100,
        vectors: int = 32,
        calibration_samples: int = 1300,
        ranges: bool = True,
        device: str = "cpu",
        answers: Answers | None = None,
        reference: nn.Module | None = None,
    ) -> None:
        self.network = network.eval()
        self._answers, self._reference = answers, reference
        self._digital: dict[tuple[int, int], Floats] = {}
        layers = [
            ModuleLayer(
                matrix=matrices[name], cells=cells[name], name=name, layer=layer, vectors=vectors, device=device
            )
            for name, layer in analog_layers(network)
        ]
        super().__init__(layers, samples_per_read)
        self._inputs, self._training, self._device, self._sets_ranges = inputs, training, device, ranges
        order = torch.randperm(len(training), generator=generator(0, "calibration images"))
        self._calibration, self._for_ranges = order[:calibration_samples], order[:RANGE_SAMPLES]
        self._norms = BatchNorms(network)

    def outputs(self, split: Split, chosen: Tensor, reads: Sequence[Stream]) -> Floats:
        """Return the outputs for some images; see `AbstractDeployedNetwork`."""
        self._read(reads)
        with torch.no_grad():
            return self.network(self._inputs(split, chosen).to(self._device)).cpu().numpy()

    def answers(self, split: Split, chosen: Tensor) -> NDArray[Any]:
        """Return the answers of some samples; see `AbstractDeployedNetwork`."""
        return super().answers(split, chosen) if self._answers is None else self._answers(split, chosen)

    def digital(self, split: Split, chosen: Tensor) -> NDArray[Any]:
        """Return what the digital network gives for consecutive samples; it is computed once."""
        key = id(split), int(chosen[0])
        if key not in self._digital:
            if self._reference is None:
                raise TypeError("a measure asks for the digital network, and the deployment has none")
            with torch.no_grad():
                self._digital[key] = self._reference(self._inputs(split, chosen)).numpy()
        return self._digital[key]

    def accounts(self, trained: Sequence[LayerUsage]) -> list[LayerUsage]:
        """Return the accounts of the layers; of a network that was not trained here, those of an inference."""
        if trained:
            return super().accounts(trained)
        self._counting = False
        self._uncompensated()
        for layer in self.layers:
            layer.matrix.renew(0)
        self.set_ranges()
        weighted = [layer for _, layer in weighted_layers(self.network)]
        before = [layer.events for layer in weighted]
        with self._counting_all(weighted):
            for batch in self._batches(self._for_ranges[:INFERENCE_SAMPLES], least=1):
                with torch.no_grad():
                    self.network(batch)
        cells = {id(own.layer): own for own in self.layers}
        found = [_inference(number, layer, cells.get(id(layer)), layer.events) for number, layer in enumerate(weighted)]
        for layer, events in zip(weighted, before, strict=True):
            layer.events = events
        return found

    def set_ranges(self) -> None:
        """Set the ranges of the output converters; see `AbstractDeployedNetwork`."""
        if self._sets_ranges and any(layer.resolutions[1] != "ideal" for layer in self.layers):
            with self._counted():
                calibrate_on(self.network, self._batches(self._for_ranges))

    def estimate_norms(self) -> None:
        """Estimate batch-norm statistics anew; see `AbstractDeployedNetwork`."""
        with self._counted():
            self._norms.estimate(self.network, self._batches(self._calibration))

    def restore_norms(self) -> None:
        """Go back to the statistics of the training."""
        self._norms.restore()

    def reads(self, purpose: Purpose) -> list[Stream]:
        """Return the streams of reads for a purpose, from which the noise of products comes, too."""
        reads = super().reads(purpose)
        for own, noise in zip(self.layers, reads, strict=True):
            own.layer.draw_from(noise, "evaluation", "forward")
        return reads

    def _read(self, reads: Sequence[Stream]) -> None:
        for own, noise in zip(self.layers, reads, strict=True):
            own.read(noise)

    def _batches(self, images: Tensor, least: int = 2) -> Iterator[Tensor]:
        """Yield training images (int64 indices) as the network takes them, each mini-batch with a read of its own."""
        reads = self.reads("calibration")
        for chosen in torch.split(images, max(2, self._samples_per_read)):
            if len(chosen) >= least:  # one image has no variance
                self._read(reads)
                yield self._inputs(self._training, chosen).to(self._device)

    @contextmanager
    def _counted(self) -> Generator[None]:
        """Count the products of a calibration in the first repetition."""
        if not self._counting:
            yield
            return
        with counted([own.layer for own in self.layers], [own.events for own in self.layers]):
            yield

    @contextmanager
    def _counting_all(self, layers: Sequence[AnalogLayer | DigitalLayer]) -> Generator[None]:
        for layer in layers:
            layer.events, layer.counting = Events(), True
        try:
            yield
        finally:
            for layer in layers:
                layer.counting = False


def _inference(number: int, layer: AnalogLayer | DigitalLayer, cells: ModuleLayer | None, events: Events) -> LayerUsage:
    """Return the account of a layer by what an inference took, and its deployment where it is on cells."""
    usage = replace(usage_of_words(number, layer.rows, layer.cols, events), places=layer.places)
    if cells is None or isinstance(layer, DigitalLayer):
        return usage
    deployed = cells.account(usage)
    return replace(
        deployed,
        cells=deployed.deployed_cells,
        dac_bits=deployed.deployed_dac_bits,
        adc_bits=deployed.deployed_adc_bits,
        adc_range=None if deployed.deployed_adc_bits is None else layer.ranges[0],
        mean_conductance_us=deployed.deployed_conductance_us,
        # There are no accumulators, and nothing multiplies for updates.
        chi_bits=0,
        operand_bits=0,
        row_tiles=len(layer.row_tiles),
        column_tiles=len(layer.column_tiles),
        events={**deployed.events, **arrays_of(layer), **_columns_of(layer, cells.matrix)},
    )


def _columns_of(layer: AnalogLayer, matrix: Matrix) -> dict[str, int]:
    """Return what prices must know of the columns of a layer that is programmed alone."""
    offset = {OFFSET_COLUMNS: matrix.offset_columns} if matrix.offset_columns else {}
    digits = {SLICES[0]: len(layer.slices)} if layer.slices else {}
    return {**digits, **({SHIFTS[0]: matrix.digit_shift} if len(layer.slices) > 1 else {}), **offset}


@contextmanager
def counted(layers: Sequence[AnalogLayer], events: Sequence[DeploymentEvents]) -> Generator[None]:
    """Count the forward products of layers as events of a deployment."""
    before = [(layer.events, layer.counting, layer.peaks) for layer in layers]
    for layer in layers:
        layer.events, layer.counting = Events(), True
    try:
        yield
    finally:
        for layer, to, held in zip(layers, events, before, strict=True):
            _move(layer.events, to)
            layer.events, layer.counting, layer.peaks = held


def _move(own: Events, to: DeploymentEvents) -> None:
    """Add forward products to the events of a deployment."""
    to.mvm_deployment += own.mvm_forward
    to.drive_time_deployment += own.drive_time_forward
    to.dac_deployment += own.dac_forward
    to.adc_deployment += own.adc_forward
    to.partial_adds_deployment += own.partial_adds_forward


def _show(layer: AnalogLayer, matrix: Matrix, noise: Stream, device: str) -> None:
    """Let the products of a layer see a new read of its cells."""
    seen, shape = matrix.read(noise), layer.weight.shape
    variance = seen.noise_variance
    layer.effective_weight = seen.weight.reshape(shape).to(device)
    layer.slices = tuple(replace(own, weight=own.weight.reshape(shape).to(device)) for own in seen.slices)
    layer.read_noise = None if variance is None else variance.reshape(shape).to(device)
