"""Any torch module whose layers lie on crossbars, on cells that age: reads, compensation, accuracy.

Products are those of `dse.crossbar.analog`; what they see instead of the trained weights is a read of the cells, new
for every mini-batch.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from dse.crossbar.analog import AnalogLayer, AnalogLinear, analog_layers, calibrate_on
from dse.crossbar.events import Events
from dse.crossbar.spec import Resolution
from dse.data.images import Split
from dse.deployment.compensation import BatchNorms, drift_factor, fixed_inputs
from dse.deployment.matrices import Matrix, Purpose
from dse.deployment.perceptron import RANGE_IMAGES
from dse.deployment.spec import Compensation
from dse.kernel.arithmetic import Floats
from dse.streams import Stream, generator

Inputs = Callable[[Split, Tensor], Tensor]
"""(images, int64 indices) -> what the network takes for them."""


@dataclass
class ModuleLayer:
    """A layer of a deployed module.

    Attributes:
        name: its name in the module.
        layer: its products.
        matrix: what its cells hold.
        cells: how many they are.
        probe: a linear layer of the same array, converters and tiles, which measures drift under fixed inputs.
        events: what the deployment took, evaluation apart.
    """

    name: str
    layer: AnalogLayer
    matrix: Matrix
    cells: int
    probe: AnalogLinear
    events: Events = field(default_factory=Events)

    @property
    def dac_bits(self) -> Resolution:
        """Resolution of its inputs."""
        return self.layer.crossbars.dac.bits

    @property
    def adc_bits(self) -> Resolution:
        """Resolution of its outputs."""
        return self.layer.crossbars.adc.bits


class DeployedModule:
    """A module on cells.

    Args:
        network: the trained module, its layers on crossbars; it is changed.
        matrices: what the cells of each layer on crossbars hold, by its name.
        cells: how many cells each has.
        inputs: what the network takes for images.
        training: training images, for converters and batch normalisation.
        samples_per_read: images between two reads of programmed cells.
        vectors: fixed inputs of global drift compensation.
        calibration_samples: training images for batch-norm statistics.
        ranges: whether output converters are set to what training images need, after programming.
        device: where torch computes.
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
    ) -> None:
        self.network = network.eval()
        self.layers = [
            ModuleLayer(name, layer, matrices[name], cells[name], _probe(layer, device))
            for name, layer in analog_layers(network)
        ]
        for own in self.layers:
            own.layer.counting = False
        self._inputs, self._training, self._device = inputs, training, device
        self._samples_per_read, self._sets_ranges = samples_per_read, ranges
        self._fixed = [torch.from_numpy(fixed_inputs(vectors, own.layer.rows)).to(device) for own in self.layers]
        order = torch.randperm(len(training), generator=generator(0, "calibration images"))
        self._calibration, self._for_ranges = order[:calibration_samples], order[:RANGE_IMAGES]
        self._norms = BatchNorms(network)
        self._first, self._fresh_is_counted = False, False
        self._fresh: list[Floats] = []

    def renew(self, repetition: int) -> None:
        """Begin a repetition: fresh cells or fresh reads, ranges of converters, outputs under fixed inputs."""
        self._norms.restore()
        self._first, self._fresh_is_counted = repetition == 0, False
        for own in self.layers:
            own.matrix.renew(repetition)
            own.layer.output_scale = None
            if self._first:
                own.matrix.count_programming(own.events)
        if self._sets_ranges and any(own.layer.crossbars.adc.bits != "ideal" for own in self.layers):
            with self._counted():
                calibrate_on(self.network, self._batches(self._for_ranges))
        self._fresh = [self._response(number, fit=True) for number in range(len(self.layers))]

    def age(self, time_s: float) -> None:
        """Go to a time of the deployment."""
        for own in self.layers:
            own.matrix.age(time_s)

    def compensate(self, how: Compensation) -> None:
        """Set digital factors and batch-norm statistics for this time.

        Raises:
            SettingError: there are no batch normalisations to re-estimate.
        """
        self._norms.restore()
        by_column = how == "gdc_columns"
        for number, own in enumerate(self.layers):
            own.layer.output_scale = None
            if how in ("gdc", "gdc_columns", "gdc_adabs"):
                factor = drift_factor(self._fresh[number], self._response(number), by_column=by_column)
                scale = torch.from_numpy(factor) if by_column else torch.tensor(float(factor[0]))
                own.layer.output_scale = scale.to(self._device)
        if how in ("gdc", "gdc_columns", "gdc_adabs") and self._first:
            self._count_responses()
        if how in ("adabs", "gdc_adabs"):
            with self._counted():
                self._norms.estimate(self.network, self._batches(self._calibration))

    def accuracy(self, split: Split, purpose: Purpose = "evaluation") -> float:
        """Return the share of images recognised now, by reads for a purpose."""
        right, reads = 0, self._reads(purpose)
        for chosen in torch.split(torch.arange(len(split)), self._samples_per_read):
            self._read(reads)
            with torch.no_grad():
                output = self.network(self._inputs(split, chosen).to(self._device)).cpu()
            right += int((output.numpy().argmax(axis=1) == split.labels[chosen].numpy()).sum())
        return right / len(split)

    def _reads(self, purpose: Purpose) -> list[Stream]:
        """Return the streams of reads for a purpose, and let the noise of products come from them, too."""
        reads = [own.matrix.noise(purpose) for own in self.layers]
        for own, noise in zip(self.layers, reads, strict=True):
            own.layer.noise = {**own.layer.noise, "evaluation": noise, "forward": noise}
        return reads

    def _read(self, reads: list[Stream]) -> None:
        """Let products see a new read of all cells."""
        for own, noise in zip(self.layers, reads, strict=True):
            _show(own.layer, own.matrix, noise, self._device)

    def _batches(self, images: Tensor) -> Iterator[Tensor]:
        """Yield training images (int64 indices) as the network takes them, each mini-batch with a read of its own."""
        reads = self._reads("calibration")
        for chosen in torch.split(images, max(2, self._samples_per_read)):
            if len(chosen) > 1:  # one image has no variance
                self._read(reads)
                yield self._inputs(self._training, chosen).to(self._device)

    def _response(self, number: int, *, fit: bool = False) -> Floats:
        """Return the magnitudes of the outputs of a layer under fixed inputs, shape (vectors, cols).

        Its converters have a gain of their own for this, which is fitted at time 0.
        """
        own, x = self.layers[number], self._fixed[number]
        noise, probe = own.matrix.noise("calibration"), own.probe
        _show(probe, own.matrix, noise, self._device)
        probe.noise = {**probe.noise, "evaluation": noise}
        if fit:
            calibrate_on(probe, [x])
        with torch.no_grad():
            return probe(x).abs().cpu().numpy()

    def _count_responses(self) -> None:
        """Count the products with fixed inputs at this time, and once those at time 0."""
        for _ in range(1 if self._fresh_is_counted else 2):
            for own, x in zip(self.layers, self._fixed, strict=True):
                with _counted(own.probe, own.events), torch.no_grad():
                    own.probe(x)
        self._fresh_is_counted = True

    @contextmanager
    def _counted(self) -> Generator[None]:
        """Count the products of a calibration in the first repetition."""
        if not self._first:
            yield
            return
        before = [(own.layer.events, own.layer.counting, own.layer.peaks) for own in self.layers]
        for own in self.layers:
            own.layer.events, own.layer.counting = Events(), True
        try:
            yield
        finally:
            for own, (events, counting, peaks) in zip(self.layers, before, strict=True):
                _move(own.layer.events, own.events)
                own.layer.events, own.layer.counting, own.layer.peaks = events, counting, peaks


@contextmanager
def _counted(layer: AnalogLayer, events: Events) -> Generator[None]:
    layer.events, layer.counting = Events(), True
    try:
        yield
    finally:
        _move(layer.events, events)
        layer.counting, layer.peaks = False, [0.0, 0.0]


def _move(own: Events, to: Events) -> None:
    """Add forward products to the events of a deployment."""
    to.mvm_deployment += own.mvm_forward
    to.drive_time_deployment += own.drive_time_forward
    to.dac_deployment += own.dac_forward
    to.adc_deployment += own.adc_forward


def _show(layer: AnalogLayer, matrix: Matrix, noise: Stream, device: str) -> None:
    """Let the products of a layer see a new read of its cells."""
    seen, shape = matrix.read(noise), layer.weight.shape
    variance = seen.noise_variance
    layer.effective_weight = seen.weight.reshape(shape).to(device)
    layer.read_noise = None if variance is None else variance.reshape(shape).to(device)


def _probe(layer: AnalogLayer, device: str) -> AnalogLinear:
    digital = nn.Linear(layer.rows, layer.cols, bias=False, device="meta").to_empty(device=device)
    return AnalogLinear(digital, layer.crossbars, number=layer.number)
