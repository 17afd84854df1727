"""A perceptron of sigmoid units on cells that age.

    y_l = f(c_l ADC_l(DAC_l(x_l) W_l(t))),  x_(l+1) = [y_l, 1]        f the logistic function, c_l the compensation

There is no f at outputs that are numbers.

Products run in compiled code with sums in a fixed order, as in training, so that accuracies repeat to the last bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from dse.crossbar.converter_errors import ConverterErrors, noise_of_conversions
from dse.crossbar.converters import quantise_unsigned
from dse.crossbar.pairs import Sensed, Slice
from dse.crossbar.planes import planes_of
from dse.crossbar.spec import AdcSpec, DacSpec, Resolution
from dse.crossbar.usage import SHIFTS, SLICES
from dse.data.images import Split
from dse.deployment.network import RANGE_SAMPLES, AbstractDeployedLayer, AbstractDeployedNetwork, fixed_inputs
from dse.errors import SettingError
from dse.kernel import inference as kernel
from dse.kernel.arithmetic import Floats, f32, ordered_sum, sigmoid
from dse.streams import Stream


@dataclass(kw_only=True)
class PerceptronLayer(AbstractDeployedLayer):
    """A layer of a deployed perceptron.

    Attributes:
        rows: inputs, bias row included.
        cols: outputs.
        dac: converters of the inputs, which lie in [0, 1].
        adc: converters of the outputs.
        adc_range: largest magnitude of an output that is not cut; None for a range measured after programming.
        errors: what they do to products; None where they do not err.
        vectors: fixed inputs of drift compensation.
        slices: digits of a weight, each with columns of its own.
        factor: the digital factor of each output, shape (cols,).
        range: the range in use.
    """

    rows: int
    cols: int
    dac: DacSpec
    adc: AdcSpec
    adc_range: float | None
    errors: ConverterErrors | None = None
    vectors: int = 32
    slices: int = 1
    factor: Floats = field(init=False)
    range: float = 0.0

    def __post_init__(self) -> None:
        self.factor = np.ones(self.cols, np.float32)
        self._fixed, self._amplitude = fixed_inputs(self.vectors, self.rows), f32(1.0)
        self._reads: tuple[Stream, Stream] | None = None

    @property
    def resolutions(self) -> tuple[Resolution, Resolution]:
        """Bits of the input converters and of the output converters."""
        return self.dac.driver_bits(0), self.adc.bits

    @property
    def measures_range(self) -> bool:
        """Whether the range of the output converters is measured after programming."""
        return self.adc_range is None and self.adc.bits != "ideal"

    @property
    def facts(self) -> dict[str, int]:
        """What prices must know of its converters."""
        sliced = {} if self.slices == 1 else {SLICES[1]: self.slices, SHIFTS[1]: self.matrix.digit_shift}
        return {**self.adc.facts, **self.dac.facts(signed=False), **sliced}

    def product(self, x: Floats, noise: Stream, *, adc_range: float | None = None) -> Floats:
        """Return ADC(DAC(x) W) for one mini-batch, shape (samples, cols); without a range, before the converter."""
        products = self._products(x, noise, adc_range)
        return reduce(np.add, [y if worth == 1.0 else y * f32(worth) for y, worth in products])

    def peak(self, x: Floats, noise: Stream) -> float:
        """Return the largest magnitude before a converter, never 0."""
        return max(float(np.abs(y).max()) for y, _ in self._products(x, noise, None)) or 1.0

    def _products(self, x: Floats, noise: Stream, adc_range: float | None) -> list[tuple[Floats, float]]:
        """Return the products that are converted apart, of bits and digits, and what each is worth."""
        seen = self.matrix.read(noise)
        slices = seen.slices or (Slice(seen.weight, 1.0),)
        return [
            (self._of_plane(plane, replace(seen, weight=own.weight), noise, adc_range, number), worth * own.worth)
            for plane, worth in self._planes(x)
            for number, own in enumerate(slices)
        ]

    def _planes(self, x: Floats) -> Sequence[tuple[Floats, float]]:
        """Return what drives the lines one after the other; the inputs before their converters where all do at once."""
        if self.dac.planes(0, signed=False) is None:
            return [(x, 1.0)]
        driven = quantise_unsigned(torch.from_numpy(x), self.dac.bits)
        return [(plane.numpy(), worth) for plane, worth in planes_of(driven, self.dac, 0, signed=False)]

    def _of_plane(self, x: Floats, seen: Sensed, noise: Stream, adc_range: float | None, number: int) -> Floats:
        """Return a product behind its converters; without a range, before them."""
        variance = np.empty((0, 0), np.float32) if seen.noise_variance is None else _array(seen.noise_variance)
        largest = None if self.dac.coding == "bit_serial" else self.dac.largest(0, signed=False)
        dac_step = 0.0 if largest is None else 1.0 / largest
        bits = "ideal" if self.errors is not None else self.adc.bits
        adc_step = 0.0 if adc_range is None or bits == "ideal" else adc_range / (2 ** (bits - 1) - 1)
        y = np.empty((len(x), self.cols), np.float32)
        draws = np.array([noise.key, noise.events], np.uint64)
        kernel.products(x, _array(seen.weight), variance, dac_step, adc_range or 0.0, adc_step, draws, y)
        if seen.noise_variance is not None:
            noise.events += len(x)
        if adc_range is None or self.errors is None:
            return y
        return self.errors.convert(torch.from_numpy(y), adc_range, number, self._conversions(noise))[0].numpy()

    def _conversions(self, reads: Stream) -> Stream:
        """Return the stream of the noise of conversions beside a stream of reads, which goes on as long as that."""
        if self._reads is None or self._reads[0] is not reads:
            self._reads = reads, noise_of_conversions(reads)
        return self._reads[1]

    def count(self, x: Floats) -> None:
        """Count the products with some inputs."""
        planes, largest = self._planes(x), self.dac.largest(0, signed=False)
        for plane, _ in planes:
            driven = plane
            if len(planes) == 1 and largest is not None:
                step = f32(1.0 / largest)
                driven = np.rint(plane / step) * step
            self.events.drive_time_deployment += ordered_sum(driven)
        self.events.mvm_deployment += len(x) * len(planes)
        self.events.dac_deployment += x.size * len(planes)
        self.events.adc_deployment += len(x) * self.cols * len(planes) * self.slices
        self.events.partial_adds_deployment += len(x) * self.cols * (len(planes) * self.slices - 1)

    def scale(self, factor: Floats | None) -> None:
        """Scale the outputs; see `AbstractDeployedLayer`."""
        self.factor[:] = 1.0 if factor is None else factor

    def first_response(self) -> Floats:
        """Make the fixed inputs small enough for the converters; see `AbstractDeployedLayer`."""
        self._amplitude = f32(1.0)
        if self.adc.bits != "ideal":
            peak = self.peak(self._fixed, self.matrix.noise("calibration"))
            self._amplitude = f32(min(1.0, self.range / peak))
        return self.response()

    def response(self) -> Floats:
        """Return the magnitudes under fixed inputs; see `AbstractDeployedLayer`."""
        x = self._fixed * self._amplitude
        return np.abs(self.product(x, self.matrix.noise("calibration"), adc_range=self.range))

    def count_response(self) -> None:
        """Count the products of a response."""
        self.count(self._fixed * self._amplitude)


class DeployedPerceptron(AbstractDeployedNetwork[PerceptronLayer]):
    """A perceptron whose layers lie on cells.

    Args:
        layers: its layers, first layer first.
        training: training images, for the ranges of converters.
        samples_per_read: images between two reads of programmed cells.
        linear: whether its output units are linear.
    """

    def __init__(
        self, layers: Sequence[PerceptronLayer], training: Split, samples_per_read: int, *, linear: bool = False
    ) -> None:
        super().__init__(layers, samples_per_read)
        self._linear = linear
        self._training = training.floats(torch.arange(min(RANGE_SAMPLES, len(training)))).numpy()

    def outputs(self, split: Split, chosen: Tensor, reads: Sequence[Stream]) -> Floats:
        """Return the outputs for some images; see `AbstractDeployedNetwork`."""
        return self._forward(split.floats(chosen).numpy(), reads)

    def estimate_norms(self) -> None:
        """Refuse: a perceptron has no batch normalisation."""
        raise SettingError("batch-norm statistics cannot be re-estimated: the network has none")

    def set_ranges(self) -> None:
        """Set the range of every layer to its largest output over training images, layer after layer."""
        for layer in self.layers:
            layer.range = layer.adc_range or 0.0
        if any(layer.measures_range for layer in self.layers):
            self._forward(self._training, self.reads("calibration"), self._measure)

    def _measure(self, layer: PerceptronLayer, x: Floats) -> None:
        if layer.measures_range:
            layer.range = layer.peak(x, layer.matrix.noise("calibration"))
            if self._counting:
                layer.count(x)

    def _forward(
        self,
        pixels: Floats,
        reads: Sequence[Stream],
        before: Callable[[PerceptronLayer, Floats], None] | None = None,
    ) -> Floats:
        """Return the outputs for a mini-batch; `before` is told the input of each layer."""
        y = pixels
        for layer, noise in zip(self.layers, reads, strict=True):
            x = np.concatenate([y, np.ones((len(y), 1), np.float32)], axis=1)
            if before is not None:
                before(layer, x)
            y = layer.product(x, noise, adc_range=layer.range) * layer.factor
            y = y if self._linear and layer is self.layers[-1] else sigmoid(y)
        return y


def _array(tensor: Tensor) -> Floats:
    return tensor.contiguous().numpy()
