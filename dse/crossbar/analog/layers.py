"""Linear and convolutional layers on crossbars.

An array holds the weights of a layer with its inputs as rows: a linear layer has one row for each feature, a
convolution one for each channel and place of its kernel, and takes one product for each place of its output (the
unfolded convolution). Biases are digital and added behind the converters.

Where converters are ideal, reads are noiseless and nothing is counted, a layer is torch's own, to the last bit.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dse.crossbar.analog import products
from dse.crossbar.analog.spec import Crossbars, Tile, cuts
from dse.crossbar.events import Events
from dse.errors import SettingError
from dse.streams import Stream, stream

ReadNoise = Tensor | Callable[[], Tensor | None]
"""Variance of one read of each weight, of the shape of the weights, or a function that returns it."""
_NOT_TRANSPOSED = False


class AnalogLayer(nn.Module):
    """What linear and convolutional layers on crossbars share.

    Attributes:
        weight: the weights that learn; clean, or kept in cells by `MixedPrecisionSgd`.
        bias: digital biases, or None.
        effective_weight: what products see instead of `weight`, of its shape; gradients still go to `weight`.
        output_scale: digital factor of the outputs before the bias: one number, or one for each output.
        read_noise: variance of one read of each weight, in units of weight squared, or None for noiseless reads.
        crossbars: arrays and converters.
        ranges: ranges of the forward and backward output converters, weight times full-scale input.
        peaks: largest magnitudes before these converters since the last calibration, where ranges follow them.
        events: what happened while `counting`; see `dse.crossbar.events`.
        counting: whether products are counted, and are part of training.
        watching: whether the ranges of the output converters grow to whatever passes; see `calibrate_on`.
        number: number of the layer, which separates its random streams from those of the others.
    """

    per_column: ClassVar[tuple[int, ...]]
    """Shape in which one number for each output meets the outputs."""

    def __init__(self, weight: Tensor, bias: Tensor | None, crossbars: Crossbars, *, seed: int, number: int) -> None:
        super().__init__()
        self.weight = cast("nn.Parameter", weight)
        self.bias = cast("nn.Parameter | None", bias)
        self.crossbars = crossbars
        self.effective_weight: Tensor | None = None
        self.output_scale: Tensor | None = None
        self.read_noise: ReadNoise | None = None
        self.events = Events()
        self.counting = self.watching = False
        self.number = number
        self.ranges = [crossbars.adc.range, crossbars.adc.backward_range]
        self.peaks = [0.0, 0.0]
        self.noise: dict[str, Stream] = {
            purpose: stream(seed, f"{purpose} read noise", number) for purpose in ("forward", "backward", "evaluation")
        }

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
    def is_plain(self) -> bool:
        """Whether products are exact and uncounted, so that torch can take them."""
        dac, adc = self.crossbars.dac, self.crossbars.adc
        resolutions = (dac.bits, adc.bits, dac.bits_backward, adc.bits_backward)
        exact = all(bits == "ideal" for bits in resolutions) and self.crossbars.operand_bits == "float"
        return exact and self.read_noise is None and not self.counting

    @property
    def held_weight(self) -> Tensor:
        """What products see; gradients go to `weight`."""
        if self.effective_weight is None:
            return self.weight
        return products.seen_through(self.weight, self.effective_weight)

    def read_variance(self) -> Tensor | None:
        """Return the variance of one read of each weight, or None."""
        variance = self.read_noise() if callable(self.read_noise) else self.read_noise
        return None if variance is None else variance.to(self.weight.device)

    def calibrate(self) -> None:
        """Set the ranges of the output converters by the largest products since the last time; see `AdcSpec`."""
        self.ranges = [
            float(np.float32(self.crossbars.adc.headroom * peak)) if peak > 0.0 else held
            for peak, held in zip(self.peaks, self.ranges, strict=True)
        ]
        self.peaks = [0.0, 0.0]

    def forward(self, x: Tensor) -> Tensor:
        """Return the analog product, scaled digitally, plus the bias."""
        scale = self.output_scale
        if self.is_plain and scale is None:
            return self.exact(x, self.held_weight, self.bias)
        y = self.exact(x, self.held_weight) if self.is_plain else products.product(self, x)
        if scale is not None:
            y = y * (scale if scale.dim() == 0 else scale.reshape(self.per_column))
        return y if self.bias is None else y + self.bias.reshape(self.per_column)

    def exact(self, x: Tensor, weight: Tensor, bias: Tensor | None = None, rows: Tile | None = None) -> Tensor:
        """Return the product without converters or noise, of some rows alone where these are given."""
        raise NotImplementedError

    def transposed(self, d: Tensor, weight: Tensor, x: Tensor) -> Tensor:
        """Return the product with the transposed array, of the shape of the inputs x, parts of windows added."""
        raise NotImplementedError

    def unfolded(self, d: Tensor, weight: Tensor) -> Tensor:
        """Return the same before parts of windows are added, shape (samples, vectors, taps, channels)."""
        raise NotImplementedError

    def targets(self, x: Tensor) -> Tensor:
        """Return the place of x that each tap of each vector belongs to, shape (vectors, taps); see `passes`."""
        raise NotImplementedError

    def outer(self, x: Tensor, d: Tensor) -> Tensor:
        """Return the gradient of the weights for inputs and errors."""
        raise NotImplementedError

    def windows(self, x: Tensor) -> Tensor | None:
        """Return how many products each place of an image enters, shape (height, width); None for one."""
        raise NotImplementedError


class AnalogLinear(AnalogLayer):
    """A `torch.nn.Linear` on crossbars; inputs of shape (..., in_features), each vector a sample."""

    per_column = (-1,)

    def __init__(self, digital: nn.Linear, crossbars: Crossbars, *, seed: int = 0, number: int = 0) -> None:
        super().__init__(digital.weight, digital.bias, crossbars, seed=seed, number=number)

    def exact(self, x: Tensor, weight: Tensor, bias: Tensor | None = None, rows: Tile | None = None) -> Tensor:
        """Return the product; see `AnalogLayer`."""
        if rows is not None:
            x, weight = x[:, slice(*rows)], weight[:, slice(*rows)]
        return functional.linear(x, weight, bias)

    def transposed(self, d: Tensor, weight: Tensor, x: Tensor) -> Tensor:  # noqa: ARG002
        """Return the transposed product; see `AnalogLayer`."""
        return d @ weight

    def unfolded(self, d: Tensor, weight: Tensor) -> Tensor:
        """Return the transposed product; see `AnalogLayer`."""
        return (d @ weight)[:, None, None]

    def targets(self, x: Tensor) -> Tensor:  # noqa: ARG002
        """Return the only place; see `AnalogLayer`."""
        return torch.zeros(1, 1, dtype=torch.int64)

    def outer(self, x: Tensor, d: Tensor) -> Tensor:
        """Return the gradient of the weights."""
        return d.t() @ x

    def windows(self, x: Tensor) -> Tensor | None:  # noqa: ARG002
        """Return None: every input enters one product."""
        return None


class AnalogConv2d(AnalogLayer):
    """A `torch.nn.Conv2d` without groups on crossbars; inputs of shape (samples, channels, height, width)."""

    per_column = (-1, 1, 1)

    def __init__(self, digital: nn.Conv2d, crossbars: Crossbars, *, seed: int = 0, number: int = 0) -> None:
        super().__init__(digital.weight, digital.bias, crossbars, seed=seed, number=number)
        if isinstance(digital.padding, str) or digital.groups != 1 or digital.padding_mode != "zeros":
            raise SettingError(f"{digital} cannot go on crossbars; give it padding in numbers, of zeros, and no groups")
        self.kernel_size, self.stride, self.padding, self.dilation = (
            (sizes[0], sizes[1]) for sizes in (digital.kernel_size, digital.stride, digital.padding, digital.dilation)
        )
        self._targets: dict[tuple[int, int], Tensor] = {}

    def exact(self, x: Tensor, weight: Tensor, bias: Tensor | None = None, rows: Tile | None = None) -> Tensor:
        """Return the product; see `AnalogLayer`. Some rows take only the channels that they belong to."""
        if rows is not None:
            places = self.kernel_size[0] * self.kernel_size[1]
            channels = slice(rows[0] // places, -(-rows[1] // places))
            flat = torch.zeros_like(weight).flatten(1)
            flat[:, slice(*rows)] = weight.flatten(1)[:, slice(*rows)]
            x, weight = x[:, channels], flat.view_as(weight)[:, channels]
        return functional.conv2d(x, weight, bias, self.stride, self.padding, self.dilation)

    def transposed(self, d: Tensor, weight: Tensor, x: Tensor) -> Tensor:
        """Return the transposed product; see `AnalogLayer`."""
        return self._gradients(d, x, weight, (True, False))[0]

    def unfolded(self, d: Tensor, weight: Tensor) -> Tensor:
        """Return the transposed product before windows are added; see `AnalogLayer`."""
        vectors = d.permute(0, 2, 3, 1).reshape(d.shape[0], -1, d.shape[1])
        taps = self.kernel_size[0] * self.kernel_size[1]
        parts = vectors @ weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1)
        return parts.view(d.shape[0], -1, taps, weight.shape[1])

    def targets(self, x: Tensor) -> Tensor:
        """Return the place of x that each tap of each vector belongs to; see `AnalogLayer`."""
        size = (x.shape[2], x.shape[3])
        if size not in self._targets:
            down, right = (self._places(axis, size[axis]) for axis in (0, 1))
            # Axes: vector down, vector right, tap down, tap right.
            place = down[:, None, :, None] * size[1] + right[None, :, None, :]
            inside = ((down >= 0) & (down < size[0]))[:, None, :, None] & ((right >= 0) & (right < size[1]))[
                None, :, None
            ]
            whole = np.where(inside, place, size[0] * size[1])
            self._targets[size] = torch.from_numpy(whole.reshape(len(down) * len(right), -1))
        return self._targets[size]

    def outer(self, x: Tensor, d: Tensor) -> Tensor:
        """Return the gradient of the weights."""
        return self._gradients(d, x, self.weight, (False, True))[1]

    def windows(self, x: Tensor) -> Tensor | None:
        """Return how many products each place of an image enters; see `AnalogLayer`."""
        places = x.shape[2] * x.shape[3]
        counts = torch.bincount(self.targets(x).reshape(-1), minlength=places + 1)[:places]
        return counts.double().reshape(x.shape[2:])

    def _places(self, axis: int, size: int) -> np.ndarray:
        """Return the place along an axis of the image of each window and tap, shape (windows, taps)."""
        kernel, stride, pad, dilation = (
            whole[axis] for whole in (self.kernel_size, self.stride, self.padding, self.dilation)
        )
        starts = np.arange((size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1) * stride - pad
        return starts[:, None] + dilation * np.arange(kernel)

    def _gradients(self, d: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool]) -> Any:
        """Return the gradients of inputs and weights, as far as wanted."""
        geometry = (self.stride, self.padding, self.dilation, _NOT_TRANSPOSED, [0, 0], 1)
        return torch.ops.aten.convolution_backward(d, x, weight, None, *geometry, [*wanted, False])


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
