"""A perceptron of sigmoid units on cells that age: its products, its compensation, its accuracy.

    y_l = f(c_l ADC_l(DAC_l(x_l) W_l(t))),  x_(l+1) = [y_l, 1]        f the logistic function, c_l the compensation

Products run in compiled code with sums in a fixed order, as in training, so that accuracies repeat to the last bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from dse.crossbar.events import Events
from dse.crossbar.spec import Resolution
from dse.data.images import Split
from dse.deployment.compensation import drift_factor, fixed_inputs
from dse.deployment.matrices import Matrix, Purpose
from dse.deployment.spec import Compensation, no_batch_norm
from dse.errors import SettingError
from dse.kernel import inference as kernel
from dse.kernel.arithmetic import Floats, f32, ordered_sum, sigmoid
from dse.streams import Stream

RANGE_IMAGES = 1000
"""Training images over which the ranges of output converters are measured."""


@dataclass
class DeployedLayer:
    """A layer of a deployed network.

    Attributes:
        rows: inputs, bias row included.
        cols: outputs.
        cells: cells that hold its weights.
        matrix: its weights.
        dac_bits: resolution of the inputs, which lie in [0, 1].
        adc_bits: resolution of the outputs.
        adc_range: largest magnitude of an output that is not cut; None for a range measured after programming.
        factor: the digital factor of each output, shape (cols,).
        events: what the deployment took, evaluation apart.
    """

    rows: int
    cols: int
    cells: int
    matrix: Matrix
    dac_bits: Resolution
    adc_bits: Resolution
    adc_range: float | None
    factor: Floats = field(init=False)
    events: Events = field(default_factory=Events)

    def __post_init__(self) -> None:
        self.factor = np.ones(self.cols, np.float32)

    def product(self, x: Floats, noise: Stream, *, adc_range: float | None = None) -> Floats:
        """Return ADC(DAC(x) W) for one mini-batch, shape (samples, cols); without a range, before the converter."""
        seen = self.matrix.read(noise)
        variance = np.empty((0, 0), np.float32) if seen.noise_variance is None else _array(seen.noise_variance)
        dac_step = 0.0 if self.dac_bits == "ideal" else 1.0 / (2**self.dac_bits - 1)
        adc_step = 0.0 if adc_range is None or self.adc_bits == "ideal" else adc_range / (2 ** (self.adc_bits - 1) - 1)
        y = np.empty((len(x), self.cols), np.float32)
        draws = np.array([noise.key, noise.events], np.uint64)
        kernel.products(x, _array(seen.weight), variance, dac_step, adc_range or 0.0, adc_step, draws, y)
        if seen.noise_variance is not None:
            noise.events += len(x)
        return y

    def count(self, x: Floats) -> None:
        """Count the products with some inputs."""
        driven = x
        if self.dac_bits != "ideal":
            step = f32(1.0 / (2**self.dac_bits - 1))
            driven = np.rint(x / step) * step
        self.events.mvm_deployment += len(x)
        self.events.drive_time_deployment += ordered_sum(driven)
        self.events.dac_deployment += x.size
        self.events.adc_deployment += len(x) * self.cols


class DeployedPerceptron:
    """A perceptron whose layers lie on cells.

    Args:
        layers: its layers, first layer first.
        training: training images, for the ranges of converters.
        samples_per_read: images between two reads of programmed cells.
        vectors: fixed inputs of global drift compensation.
    """

    def __init__(self, layers: Sequence[DeployedLayer], training: Split, samples_per_read: int, vectors: int) -> None:
        self.layers, self._samples_per_read = list(layers), samples_per_read
        self._measures_ranges = [layer.adc_range is None and layer.adc_bits != "ideal" for layer in layers]
        self._training = training.floats(torch.arange(min(RANGE_IMAGES, len(training)))).numpy()
        self._inputs = [fixed_inputs(vectors, layer.rows) for layer in layers]
        self._ranges: list[float] = []
        self._counting = False

    def renew(self, repetition: int) -> None:
        """Begin a repetition: fresh cells or fresh reads, ranges measured, outputs under fixed inputs noted."""
        for layer in self.layers:
            layer.matrix.renew(repetition)
            layer.factor.fill(1.0)
        self._counting = repetition == 0
        if self._counting:
            for layer in self.layers:
                layer.matrix.count_programming(layer.events)
        self._ranges = [layer.adc_range or 0.0 for layer in self.layers]
        if any(self._measures_ranges):
            self._measure_ranges()
        self._fit_inputs()
        self._fresh = [self._response(number) for number in range(len(self.layers))]
        self._fresh_is_counted = False

    def age(self, time_s: float) -> None:
        """Go to a time of the deployment."""
        for layer in self.layers:
            layer.matrix.age(time_s)

    def compensate(self, how: Compensation) -> None:
        """Set the digital factors for this time.

        Raises:
            SettingError: a compensation that needs batch normalisation.
        """
        if how in ("adabs", "gdc_adabs"):
            raise SettingError(no_batch_norm(how))
        for number, layer in enumerate(self.layers):
            if how == "none":
                layer.factor.fill(1.0)
            else:
                layer.factor[:] = drift_factor(
                    self._fresh[number], self._response(number), by_column=how == "gdc_columns"
                )
        if how != "none" and self._counting:
            self._count_responses()

    def accuracy(self, split: Split, purpose: Purpose = "evaluation") -> float:
        """Return the share of images recognised now, by reads for a purpose."""
        reads = self._reads(purpose)
        right = 0
        for chosen in torch.split(torch.arange(len(split)), self._samples_per_read):
            y = self._forward(split.floats(chosen).numpy(), reads)
            right += kernel.right(y, split.labels[chosen].numpy())
        return right / len(split)

    def _reads(self, purpose: Purpose) -> list[Stream]:
        return [layer.matrix.noise(purpose) for layer in self.layers]

    def _forward(
        self, pixels: Floats, reads: Sequence[Stream], before: Callable[[int, Floats], None] | None = None
    ) -> Floats:
        """Return the outputs for a mini-batch; `before` is told the input of each layer."""
        y = pixels
        for number, (layer, noise) in enumerate(zip(self.layers, reads, strict=True)):
            x = np.concatenate([y, np.ones((len(y), 1), np.float32)], axis=1)
            if before is not None:
                before(number, x)
            y = sigmoid(layer.product(x, noise, adc_range=self._ranges[number]) * layer.factor)
        return y

    def _measure_ranges(self) -> None:
        """Set the range of every layer to its largest output over training images, layer after layer."""

        def measure(number: int, x: Floats) -> None:
            layer = self.layers[number]
            if self._measures_ranges[number]:
                y = layer.product(x, layer.matrix.noise("calibration"))
                self._ranges[number] = float(np.abs(y).max()) or 1.0
                if self._counting:
                    layer.count(x)

        self._forward(self._training, self._reads("calibration"), measure)

    def _fit_inputs(self) -> None:
        """Make the fixed inputs small enough for the converters."""
        self._amplitudes = [1.0] * len(self.layers)
        for number, layer in enumerate(self.layers):
            if layer.adc_bits != "ideal":
                y = layer.product(self._inputs[number], layer.matrix.noise("calibration"))
                self._amplitudes[number] = min(1.0, self._ranges[number] / (float(np.abs(y).max()) or 1.0))

    def _count_responses(self) -> None:
        """Count the products with fixed inputs at this time, and once those at time 0."""
        for _ in range(1 if self._fresh_is_counted else 2):
            for number, layer in enumerate(self.layers):
                layer.count(self._inputs[number] * f32(self._amplitudes[number]))
        self._fresh_is_counted = True

    def _response(self, number: int) -> Floats:
        """Return the magnitudes of the outputs of a layer under its fixed inputs, shape (vectors, cols)."""
        layer = self.layers[number]
        x = self._inputs[number] * f32(self._amplitudes[number])
        return np.abs(layer.product(x, layer.matrix.noise("calibration"), adc_range=self._ranges[number]))


def _array(tensor: torch.Tensor) -> Floats:
    return tensor.contiguous().numpy()
