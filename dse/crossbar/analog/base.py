"""What linear and convolutional layers on crossbars share, and how a module with such layers is looked through."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd import Function

from dse.crossbar.analog.factors import TileFactors, factors_of
from dse.crossbar.analog.pending import Pending
from dse.crossbar.analog.spec import Crossbars
from dse.crossbar.converter_errors import ConverterErrors, errors_of, noise_of_conversions
from dse.crossbar.converters import calibrated
from dse.crossbar.cuts import Tile, cuts
from dse.crossbar.events import Events
from dse.crossbar.pairs import Slice
from dse.crossbar.traits import traits_of
from dse.errors import SettingError
from dse.pausing import State, gathered, hand_out, taken
from dse.streams import Stream, stream

ReadNoise = Tensor | Callable[[], Tensor | None]
"""Variance of one read of each weight, of the shape of the weights, or a function that returns it."""


class AnalogLayer(nn.Module, ABC):
    """A layer on crossbars: its arrays, converters and noise; the products of its kind are those of a subclass.

    Attributes:
        weight: the weights that learn; clean, or kept in cells by `MixedPrecisionSgd`.
        bias: digital biases, or None.
        effective_weight: what products see instead of `weight`, of its shape; gradients still go to `weight`.
        slices: digits of the weights in columns of their own, which products see instead; empty for whole weights.
        learned_scale: digital factors of the outputs, shape (1,), (outputs,) or (tiles,), which learn or, without a
            gradient, stay; or None.
        scaled: multiplications by them of outputs and of errors, while `counting`.
        output_scale: further digital factor of the outputs before the bias: one number, or one for each output.
        read_noise: variance of one read of each weight, in units of weight squared, or None for noiseless reads.
        crossbars: arrays and converters.
        ranges: ranges of the forward and backward output converters, weight times full-scale input.
        peaks: largest magnitudes before these converters since the last calibration, where ranges follow them.
        events: what happened while `counting`; see `dse.crossbar.events`.
        pending: what of that and of the peaks lies on an accelerator and was not yet asked for.
        counting: whether products are counted, and are part of training.
        digital: whether weights are digital words: multiply-accumulates and words are counted then, not lines and
            conversions.
        traits: what the network says of the layer.
        places: products with the weights that a sample took in the last counted pass: windows of a convolution, else 1.
        words: what a digital product counts, by the shape of its inputs; see `counting`.
        tables: where windows lie, on the accelerator that takes the products; see `accelerated`.
        watching: whether the ranges of the output converters grow to whatever passes; see `calibrate_on`.
        conversions: streams of the noise of converters, by purpose.
        number: number of the layer, which separates its random streams from those of the others.
        seed: seed of the trial.
        label: its name in the module that it was made from, for people.
    """

    per_column: ClassVar[tuple[int, ...]]
    """Shape in which one number for each output meets the outputs."""

    def __init__(self, own: nn.Linear | nn.Conv2d, crossbars: Crossbars, *, seed: int, number: int) -> None:
        super().__init__()
        self.weight = own.weight
        self.bias = cast("nn.Parameter | None", own.bias)
        self.learned_scale = factors_of(crossbars, own.weight)
        self.scaled = [0, 0]
        self.traits = traits_of(own)
        self.crossbars = crossbars
        self.effective_weight: Tensor | None = None
        self.slices: tuple[Slice, ...] = ()
        self.output_scale: Tensor | None = None
        self.read_noise: ReadNoise | None = None
        self.pending = Pending()
        self.events = Events()
        self.counting = self.watching = self.digital = False
        self.places = 1
        self.words: dict[Any, Any] = {}
        self.tables: dict[Any, Tensor] = {}
        self.number, self.seed = number, seed
        self.label = ""
        self.ranges = [crossbars.adc.range, crossbars.adc.backward_range]
        self.peaks = [0.0, 0.0]
        self.noise: dict[str, Stream] = {
            purpose: stream(seed, f"{purpose} read noise", number) for purpose in ("forward", "backward", "evaluation")
        }
        self.conversions = {purpose: noise_of_conversions(noise) for purpose, noise in self.noise.items()}
        self._errors: dict[Any, ConverterErrors | None] = {}

    @property
    def events(self) -> Events:
        """What happened while `counting`."""
        if self.pending.counts:
            self.pending.settle_counts(self._events)
        return self._events

    @events.setter
    def events(self, events: Events) -> None:
        self.pending.settle_counts(getattr(self, "_events", events))
        self._events = events

    @property
    def peaks(self) -> list[float]:
        """Largest magnitudes before the output converters since the last calibration."""
        if self.pending.peaks:
            self.pending.settle_peaks(self._peaks)
        return self._peaks

    @peaks.setter
    def peaks(self, peaks: list[float]) -> None:
        self.pending.peaks.clear()
        self._peaks = peaks

    def count(self, **numbers: float | Tensor) -> None:
        """Add to events by their names; what lies on an accelerator stays there until somebody asks."""
        for name, number in numbers.items():
            if isinstance(number, Tensor):
                self.pending.add(name, number)
            else:
                setattr(self._events, name, getattr(self._events, name) + number)

    @property
    def rows(self) -> int:
        """Inputs of the array, without a bias row."""
        return self.weight[0].numel()

    @property
    def cols(self) -> int:
        """Outputs of the array."""
        return self.weight.shape[0]

    @property
    def row_tiles(self) -> list[Tile]:
        """First and last + 1 row of each tile along the inputs."""
        return cuts(self.rows, self.crossbars.tile_rows)

    @property
    def column_tiles(self) -> list[Tile]:
        """First and last + 1 column of each tile along the outputs."""
        return cuts(self.cols, self.crossbars.tile_columns)

    @property
    def scales_tiles(self) -> bool:
        """Whether its digital factors are those of its tiles."""
        return self.learned_scale is not None and self.crossbars.output_scale == "tile"

    @property
    def tile_factors(self) -> TileFactors | None:
        """The digital factors of its tiles as they are now; None where it has none."""
        if self.learned_scale is None or not self.scales_tiles:
            return None
        return TileFactors(self.learned_scale, (self.row_tiles, self.column_tiles))

    @property
    def is_plain(self) -> bool:
        """Whether products are exact and no cell counts them, so that torch can take them."""
        return self.crossbars.are_exact and self.read_noise is None and (self.digital or not self.counting)

    @property
    def activations(self) -> int:
        """Outputs of digital functions that follow one product."""
        own = self.traits.activations
        return self.weight.shape[0] if own is None else own

    @property
    def held_weight(self) -> Tensor:
        """What products see; gradients go to `weight`."""
        if self.effective_weight is None:
            return self.weight
        return cast("Tensor", _SeenThrough.apply(self.weight, self.effective_weight))

    def converter_errors(self, way: int) -> ConverterErrors | None:
        """Return the errors of the output converters of a direction, 0 for forward, 1 for backward products."""
        crossbars = self.crossbars
        if crossbars.adc.errors is None:
            return None
        key = way, crossbars, len(self.slices)
        if key not in self._errors:
            tiles = (self.column_tiles, self.row_tiles)
            outputs, summed, digits = tiles[way], len(tiles[1 - way]), max(1, len(self.slices))
            self._errors[key] = errors_of(
                crossbars.adc, way, outputs, summed, seed=self.seed, layer=self.number, digits=digits
            )
        return self._errors[key]

    def draw_from(self, noise: Stream, *purposes: str) -> None:
        """Let reads, and the noise of converters with them, draw from another stream for some purposes."""
        self.noise = {**self.noise, **dict.fromkeys(purposes, noise)}
        self.conversions = {**self.conversions, **dict.fromkeys(purposes, noise_of_conversions(noise))}

    def read_variance(self) -> Tensor | None:
        """Return the variance of one read of each weight, or None."""
        variance = self.read_noise() if callable(self.read_noise) else self.read_noise
        return None if variance is None else variance.to(self.weight.device)

    def calibrate(self) -> None:
        """Set the ranges of the output converters by the largest products since the last time; see `AdcSpec`."""
        self.ranges, self.peaks = calibrated(self.ranges, self.peaks, self.crossbars.adc.headroom), [0.0, 0.0]

    def _misfit(self, what: str, x: Tensor, fit: str) -> SettingError:
        """Return the error of inputs that do not fit the array: what it takes and got, and the layer that would fit."""
        name = repr(self.label) if self.label else f"number {self.number}"
        return SettingError(
            f"the layer {name} of the network {what} (inputs of shape {tuple(x.shape)}); mend the layers before it, or "
            f"give it other inputs{f', such as {fit}' if fit else ''}"
        )

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {"events": self.events, "noise": self.noise}
        return parts if self.crossbars.adc.errors is None else {**parts, "conversions": self.conversions}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what it has beside parameters and buffers; see `dse.pausing.Pausable`."""
        numbers: dict[str, Any] = {"ranges": self.ranges, "peaks": self.peaks, "places": self.places}
        if self.learned_scale is not None:
            numbers["scaled"] = self.scaled
        return {**{name: np.array(value) for name, value in numbers.items()}, **gathered(self._parts())}

    def restore(self, state: State) -> None:
        """Go back to a state; see `dse.pausing.Pausable`."""
        self.ranges, self.peaks = (taken(state, name, (2,)).tolist() for name in ("ranges", "peaks"))
        self.places = int(taken(state, "places", ()))
        if self.learned_scale is not None:
            self.scaled = taken(state, "scaled", (2,)).tolist()
        hand_out(self._parts(), state)

    @abstractmethod
    def samples(self, x: Tensor) -> int:
        """Return how many samples inputs are of: a sample drives the array once for each place of its output."""

    @abstractmethod
    def exact(self, x: Tensor, weight: Tensor, bias: Tensor | None = None, rows: Tile | None = None) -> Tensor:
        """Return the product without converters or noise, of some rows alone where these are given."""

    @abstractmethod
    def transposed(self, d: Tensor, weight: Tensor, x: Tensor) -> Tensor:
        """Return the product with the transposed array, of the shape of the inputs x, parts of windows added."""

    @abstractmethod
    def vectors(self, d: Tensor) -> Tensor:
        """Return errors of the outputs as what drives the transposed array, shape (samples, vectors, outputs)."""

    @abstractmethod
    def matrix(self, weight: Tensor) -> Tensor:
        """Return weights as what gives parts of windows of these, not yet added: shape (outputs, taps * channels)."""

    @abstractmethod
    def targets(self, x: Tensor) -> Tensor:
        """Return the place of x that each tap of each vector belongs to, shape (vectors, taps); see `passes`."""

    @abstractmethod
    def outer(self, x: Tensor, d: Tensor) -> Tensor:
        """Return the gradient of the weights for inputs and errors."""

    @abstractmethod
    def windows(self, x: Tensor) -> Tensor | None:
        """Return how many products each place of an image enters, shape (height, width); None for one."""


class _SeenThrough(Function):
    """Effective weights in place of clean ones."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, effective: Tensor) -> Tensor:  # noqa: ARG004
        """Return the effective weights."""
        return effective.view_as(effective)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
        """Hand the gradient to the clean weights."""
        return gradients[0], None


def named_parts(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return a module and all modules inside with their names."""
    return list(cast("Iterable[tuple[str, nn.Module]]", module.named_modules()))


def analog_layers(module: nn.Module) -> Iterator[tuple[str, AnalogLayer]]:
    """Yield the layers of a module that are on crossbars, with their names, in its order."""
    for name, layer in named_parts(module):
        if isinstance(layer, AnalogLayer):
            yield name, layer


def calibrate_on(module: nn.Module, inputs: Iterable[Tensor]) -> None:
    """Set the ranges of all output converters to `headroom` times what some inputs need; nothing is counted."""
    layers = [layer for _, layer in analog_layers(module)]
    for layer in layers:
        layer.watching, layer.peaks = True, [0.0, 0.0]
    try:
        with torch.no_grad():
            for x in inputs:
                module(x)
    finally:
        for layer in layers:
            layer.watching, layer.peaks = False, [0.0, 0.0]
