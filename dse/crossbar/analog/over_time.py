"""Products of a linear layer over time: recurrent layers, whose inputs wait for the product before.

    steps = Steps(layer, FORWARD, weight, x, y)
    for t in ...: fill x[t];  steps.take(t);  use y[t]
    steps.finish()

A step is what `dse.crossbar.analog.products` does with one mini-batch, with the same draws of noise, and no more than
that: matrices are laid out once for all steps, and what passed is counted once at the end, from shapes and sums. So
counts equal those of single products, sums of magnitudes do to rounding, and products to the rounding of converters.
Autograd does not see any of it; a layer that uses it brings the derivative of the whole sequence.

Digital factors of the outputs act here as they do in single products: on y when a step is taken forwards, and
backwards on the errors before they drive the array. The gradient of factors that learn is a sum over all steps.
"""

from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dse.crossbar.analog.accelerated import takes as accelerates
from dse.crossbar.analog.counting import count_backward, count_forward
from dse.crossbar.analog.earlier import takes_single_steps
from dse.crossbar.analog.layers import AnalogLinear
from dse.crossbar.analog.products import outer
from dse.crossbar.analog.reads import BACKWARD, FORWARD, noisy
from dse.crossbar.cuts import Tile
from dse.kernel import converters, recurrent

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def takes(layer: Any, x: Tensor) -> bool:
    """Return whether the products of a layer can be taken over time, all else being taken one by one.

    They can on a CPU, in float32, where nobody looks at single products: no hook, no calibration of a
    deployment, no bias of the outputs, no factors of tiles; and where converters do not err, and all bits of an input
    drive together.
    """
    if (
        not isinstance(layer, AnalogLinear)
        or takes_single_steps(scaled=not (layer.output_scale is None and layer.learned_scale is None))
        or layer.watching
        or layer.scales_tiles
        or layer.slices
        or layer.crossbars.adc.errors is not None
        or layer.crossbars.dac.coding == "bit_serial"
        or any(getattr(layer, name) for name in HOOKS)
    ):
        return False
    tensors = (x, layer.weight, layer.effective_weight, layer.output_scale, layer.learned_scale)
    plain = all(own is None or (own.device.type == "cpu" and own.dtype == torch.float32) for own in tensors)
    return plain and not accelerates(x) and layer.bias is None and x.dim() == 3


class Factors(NamedTuple):
    """Digital factors of the outputs of a layer, as they are when a sequence begins.

    Attributes:
        learned: those that learn, shape (1,) or (outputs,), or None.
        further: those that come behind them, likewise or of no dimension, or None.
    """

    learned: Tensor | None
    further: Tensor | None

    @classmethod
    def of(cls, layer: AnalogLinear) -> "Factors":
        """Return those of a layer."""
        learned = layer.learned_scale
        return cls(None if learned is None else learned.detach().clone(), layer.output_scale)

    @property
    def whole(self) -> Tensor | None:
        """What an output is multiplied by; None for 1."""
        there = [own for own in self if own is not None]
        return reduce(torch.mul, there) if there else None


UNSCALED = Factors(None, None)
"""Outputs that no factor multiplies."""


class Steps:
    """The products of a layer in one direction, a step at a time.

    Args:
        layer: the layer.
        way: `FORWARD`, or `BACKWARD` for products with the transposed array.
        weight: what products see, shape (outputs, inputs) of the layer.
        x: what drives the array, float32, contiguous, shape (steps, streams, lines); each step is filled before it is
            taken.
        y: products, shape (steps, streams, outputs), likewise; each step is filled when it is taken.
        factors: digital factors of the outputs of the layer.

    Attributes:
        driving: what drives the array, of the shape of x: x itself, or errors times the factors.
        products: what the array returns, of the shape of y: y itself, or y before the factors.
    """

    def __init__(
        self, layer: AnalogLinear, way: int, weight: Tensor, x: Tensor, y: Tensor, factors: Factors = UNSCALED
    ) -> None:
        own, self._factors, self._all_factors = layer.crossbars, factors.whole, factors
        self._given, self._wanted = x, y
        if self._factors is not None:
            x, y = (x, torch.empty_like(y)) if way == FORWARD else (torch.empty_like(x), y)
        self.driving, self.products = x, y
        self._layer, self._way, self._x, self._y = layer, way, x, y
        self._dac, self._adc = (
            (own.dac.bits, own.adc.bits) if way == FORWARD else (own.dac.bits_backward, own.adc.bits_backward)
        )
        purpose = "backward" if way == BACKWARD else "forward" if layer.counting else "evaluation"
        self._noise, self._weight, variance = layer.noise[purpose], weight, layer.read_variance()
        tiles: list[Tile] = layer.row_tiles if way == FORWARD else layer.column_tiles
        self._tiles = [slice(*tile) for tile in tiles] if self._adc != "ideal" else [slice(None)]
        anew = own.read_noise_per == "mini_batch"
        # Noise of the weights, drawn for all vectors of a step; or variances, by which it is drawn at the outputs.
        self._of_weights = variance if anew else None
        self._variances = None if anew or variance is None else self._cut(variance)
        self._matrices = self._cut(weight)
        self._is_exact = self._dac == self._adc == "ideal" and variance is None
        self._sources, self._targets = [[own] for own in x.unbind(0)], y.unbind(0)
        if not self._is_exact:
            self._make_room()

    def _cut(self, matrix: Tensor) -> list[Tensor]:
        """Return the parts of a matrix of the shape of the weights, lines first, that each tile holds."""
        lines_first = matrix.t() if self._way == FORWARD else matrix
        return [lines_first[tile] for tile in self._tiles]

    def _make_room(self) -> None:
        x, y = self._x, self._y
        self._driven = x if self._dac == "ideal" else torch.empty_like(x)
        self._scales, self._cut_off = np.ones((x.shape[0], x.shape[1]), np.float32), 0
        self._part, self._spread, self._square = torch.empty_like(y[0]), torch.empty_like(y[0]), torch.empty_like(x[0])
        self._peak = np.float32(0.0)
        self._arrays = x.numpy(), x.view(torch.int32).numpy(), self._driven.numpy(), y.numpy(), self._part.numpy()
        self._squares = [self._square[:, tile] for tile in self._tiles]
        self._spread_array, whole = self._spread.numpy(), len(self._tiles) == 1
        self._sources = [[own if whole else own[:, tile] for tile in self._tiles] for own in self._driven.unbind(0)]
        self._watches = self._layer.counting and self._layer.crossbars.adc.ranging == "calibrated"

    def take(self, t: int) -> None:
        """Take the products of a step."""
        if self._factors is None:
            self._take(t)
        elif self._way == FORWARD:
            self._take(t)
            torch.mul(self.products[t], self._factors, out=self._wanted[t])
        else:
            torch.mul(self._given[t], self._factors, out=self.driving[t])
            self._take(t)

    def _take(self, t: int) -> None:
        if self._is_exact:
            torch.mm(self._sources[t][0], self._matrices[0], out=self._targets[t])
            return
        self._drive(t)
        matrices, arrays = self._matrices, self._arrays
        if self._of_weights is not None:
            matrices = self._cut(noisy(self._weight, self._of_weights, self._noise))
        elif self._variances is not None:
            torch.mul(self._driven[t], self._driven[t], out=self._square)
        for number, matrix in enumerate(matrices):
            part, values = (self._part, arrays[4]) if number else (self._targets[t], arrays[3][t])
            torch.mm(self._sources[t][number], matrix, out=part)
            if self._variances is not None:
                self._add_noise(self._squares[number], self._variances[number], values)
            if self._adc != "ideal":
                self._convert(t, values)
            if number:
                recurrent.add(arrays[3][t], values)

    def _drive(self, t: int) -> None:
        """Pass a step through the converters of the inputs, and note the full scale of each vector."""
        x, patterns, driven = self._arrays[:3]
        if self._dac != "ideal":
            converters.scale_and_quantise(x[t], patterns[t], driven[t], self._scales[t], _levels(self._dac))
        elif self._adc != "ideal":
            recurrent.scale(x[t], self._scales[t])

    def _add_noise(self, squares: Tensor, variance: Tensor, part: Any) -> None:
        """Draw the read noise of a product at its outputs, with its exact variance."""
        torch.mm(squares, variance, out=self._spread)
        first, self._noise.events = self._noise.events, self._noise.events + part.size
        converters.add_noise(part.reshape(-1), self._spread_array.reshape(-1), np.uint64(self._noise.key), first)

    def _convert(self, t: int, part: Any) -> None:
        """Pass products through the converters of the outputs, and note the largest and how many were cut."""
        full_scale, levels = np.float32(self._layer.ranges[self._way]), _levels(self._adc)
        cut, self._peak = recurrent.convert(part, self._scales[t], full_scale, levels, self._peak)
        self._cut_off += cut

    def finish(self, first: int = 0) -> None:
        """Count what passed, from a step on, where the layer counts."""
        layer = self._layer
        if self._factors is not None and self._way == BACKWARD and first:
            torch.mul(self._given[:first], self._factors, out=self.driving[:first])
        if not layer.counting:
            return
        if self._way == FORWARD and self._all_factors.learned is not None:
            layer.scaled[FORWARD] += self._wanted.numel()
        x, y = (own[first:].flatten(0, 1) for own in (self._x, self._y))
        if layer.is_plain:
            self._count_words(len(x))
            return
        driven, scales, cut = x, np.ones(len(x), np.float32), 0
        if not self._is_exact:
            driven, scales, cut = self._driven[first:].flatten(0, 1), self._scales[first:].reshape(-1), self._cut_off
            if self._watches:
                layer.peaks[self._way] = max(layer.peaks[self._way], float(self._peak))
        drives = recurrent.drives(driven.numpy(), scales, self._dac == self._adc == "ideal")
        if self._way == FORWARD:
            count_forward(layer, driven, y, drives, cut)
        else:
            count_backward(layer, driven, y, drives, cut)

    def gradients(
        self, inputs: Tensor, products: Tensor | None, learns: tuple[bool, bool], first: int = 0
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return the gradients of weights and of learned factors, these at their rate, when all errors have passed.

        Args:
            inputs: what drove the array forwards, shape (steps, streams, inputs).
            products: what it returned, shape (steps, streams, outputs); None where no factor is learned.
            learns: whether weights, and whether factors, want a gradient.
            first: the step from which errors passed back.
        """
        layer, learned = self._layer, self._all_factors.learned
        own = outer(layer, inputs.flatten(0, 1), self.driving.flatten(0, 1)) if learns[0] else None
        if learned is None or products is None:
            return own, None
        errors = self._given
        if layer.counting:
            scaled = errors if any(learns) else errors[first:]
            layer.scaled[BACKWARD] += scaled.numel() * (2 if learns[1] else 1)
        if not learns[1]:
            return own, None
        d = errors if self._all_factors.further is None else errors * self._all_factors.further
        of_columns = (d * products).sum(dim=(0, 1))
        of_factors = of_columns if learned.numel() > 1 else of_columns.sum().reshape(1)
        return own, of_factors * layer.crossbars.output_scale_rate

    def _count_words(self, vectors: int) -> None:
        """Count digital products."""
        events, macs = self._layer.events, vectors * self._layer.weight.numel()
        events.weight_reads += macs
        if self._way == FORWARD:
            self._layer.places = 1
            events.macs_forward += macs
            events.activations += vectors * self._layer.activations
        else:
            events.macs_backward += macs


def _levels(bits: Any) -> Any:
    """Return the levels above zero of a converter."""
    return np.float32(2 ** (bits - 1) - 1)
