"""Linear and convolutional layers on crossbars.

An array holds the weights of a layer with its inputs as rows: a linear layer has one row for each feature, a
convolution one for each channel and place of its kernel, and takes one product for each place of its output (the
unfolded convolution). Biases are digital and added behind the converters.

Where converters are ideal, reads are noiseless and nothing is counted, a layer is torch's own, to the last bit. So is a
layer whose weights are digital words (`digital`), which counts its products from their shapes.
"""

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dse.crossbar.analog.base import AnalogLayer
from dse.crossbar.analog.convolution import Geometry, convolve, gradients
from dse.crossbar.analog.products import output
from dse.crossbar.analog.spec import Crossbars
from dse.crossbar.cuts import Tile
from dse.errors import SettingError


class AnalogLinear(AnalogLayer):
    """A `torch.nn.Linear` on crossbars; inputs of shape (..., in_features), each vector a sample."""

    per_column = (-1,)

    def __init__(self, digital: nn.Linear, crossbars: Crossbars, *, seed: int = 0, number: int = 0) -> None:
        super().__init__(digital, crossbars, seed=seed, number=number)

    def forward(self, x: Tensor) -> Tensor:
        """Return the analog product, scaled digitally, plus the bias.

        Raises:
            SettingError: the vectors have another length than the array has rows.
        """
        wide, own = (x.shape[-1] if x.dim() else 0), self.weight.shape[1]
        if wide != own:
            raise self._misfit(f"takes vectors of {own} numbers, and got {wide}", x, f"nn.Linear({wide}, {self.cols})")
        return output(self, x)

    def samples(self, x: Tensor) -> int:
        """Return the number of vectors; see `AnalogLayer`."""
        return x.numel() // x.shape[-1]

    def exact(self, x: Tensor, weight: Tensor, bias: Tensor | None = None, rows: Tile | None = None) -> Tensor:
        """Return the product; see `AnalogLayer`."""
        if rows is not None:
            x, weight = x[:, slice(*rows)], weight[:, slice(*rows)]
        return functional.linear(x, weight, bias)

    def transposed(self, d: Tensor, weight: Tensor, x: Tensor) -> Tensor:  # noqa: ARG002
        """Return the transposed product; see `AnalogLayer`."""
        return d @ weight

    def vectors(self, d: Tensor) -> Tensor:
        """Return the errors, each vector a sample; see `AnalogLayer`."""
        return d[:, None]

    def matrix(self, weight: Tensor) -> Tensor:
        """Return the weights; see `AnalogLayer`."""
        return weight

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
        super().__init__(digital, crossbars, seed=seed, number=number)
        if isinstance(digital.padding, str) or digital.groups != 1 or digital.padding_mode != "zeros":
            raise SettingError(f"{digital} cannot go on crossbars; give it padding in numbers, of zeros, and no groups")
        self.kernel_size, *windows = (
            (sizes[0], sizes[1]) for sizes in (digital.kernel_size, digital.stride, digital.padding, digital.dilation)
        )
        self.geometry = Geometry(*windows)
        self._targets: dict[tuple[int, int], Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Return the analog product, scaled digitally, plus the bias.

        Raises:
            SettingError: the images have other channels than the array has rows for.
        """
        deep, own = (x.shape[1] if x.dim() == 4 else None), self.weight.shape[1]
        if deep != own:
            came = f"tensors of {x.dim()} axes" if deep is None else f"{deep}"
            fit = "" if deep is None else f"nn.Conv2d({deep}, {self.cols}, ...)"
            raise self._misfit(f"takes images of {own} channels, and got {came}", x, fit)
        return output(self, x)

    def samples(self, x: Tensor) -> int:
        """Return the number of images; see `AnalogLayer`."""
        return x.shape[0]

    def exact(self, x: Tensor, weight: Tensor, bias: Tensor | None = None, rows: Tile | None = None) -> Tensor:
        """Return the product; see `AnalogLayer`. Some rows take only the channels that they belong to."""
        if rows is not None:
            places = self.kernel_size[0] * self.kernel_size[1]
            channels = slice(rows[0] // places, -(-rows[1] // places))
            flat = torch.zeros_like(weight).flatten(1)
            flat[:, slice(*rows)] = weight.flatten(1)[:, slice(*rows)]
            x, weight = x[:, channels], flat.view_as(weight)[:, channels]
        return convolve(x, weight, bias, self.geometry)

    def transposed(self, d: Tensor, weight: Tensor, x: Tensor) -> Tensor:
        """Return the transposed product; see `AnalogLayer`."""
        return cast("Tensor", gradients(d, x, weight, self.geometry, (True, False, False))[0])

    def vectors(self, d: Tensor) -> Tensor:
        """Return the errors of the windows; see `AnalogLayer`."""
        return d.permute(0, 2, 3, 1).reshape(d.shape[0], -1, d.shape[1])

    def matrix(self, weight: Tensor) -> Tensor:
        """Return the weights, tap by tap; see `AnalogLayer`."""
        return weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1)

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
        return cast("Tensor", gradients(d, x, self.weight, self.geometry, (False, True, False))[1])

    def windows(self, x: Tensor) -> Tensor | None:
        """Return how many products each place of an image enters; see `AnalogLayer`."""
        places = x.shape[2] * x.shape[3]
        counts = torch.bincount(self.targets(x).reshape(-1), minlength=places + 1)[:places]
        return counts.double().reshape(x.shape[2:])

    def _places(self, axis: int, size: int) -> np.ndarray:
        """Return the place along an axis of the image of each window and tap, shape (windows, taps)."""
        kernel, stride, pad, dilation = (whole[axis] for whole in (self.kernel_size, *self.geometry))
        starts = np.arange((size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1) * stride - pad
        return starts[:, None] + dilation * np.arange(kernel)
