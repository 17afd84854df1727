"""Whole tensors through converters, and what they drive: compiled on the CPU, in kernels on accelerators.

Devices without kernels (see `dse.kernel.accelerator.dispatch`) take plain torch.

A tensor of shape (samples, ...) has a scale for each sample, float32, shape (samples,).
"""

import numpy as np
import torch
from torch import Tensor

from dse.crossbar.analog import accelerated
from dse.crossbar.converters import quantise_signed
from dse.kernel import converters
from dse.kernel.arithmetic import ordered_sum
from dse.streams import Stream


def largest_magnitudes(x: Tensor) -> Tensor:
    """Return the largest magnitude of each sample, never below 1e-30, shape (samples,)."""
    if not _plain(x):
        return x.reshape(x.shape[0], -1).abs().amax(dim=1).clamp_min(float(converters.SMALLEST_SCALE))
    out = torch.empty(x.shape[0], dtype=torch.int32)
    converters.largest_rows(_samples(_dense(x)).view(torch.int32).numpy(), out.numpy())
    return out.view(torch.float32).clamp_min(float(converters.SMALLEST_SCALE))


def quantise(x: Tensor, bits: int, scales: Tensor, *, in_place: bool = False) -> tuple[Tensor, int]:
    """Return x on 2^bits - 1 levels within the scale of each sample, and how many values were cut."""
    if not _plain(x):
        full_scale = scales.reshape(-1, *[1] * (x.dim() - 1))
        return quantise_signed(x, bits, full_scale), int(torch.count_nonzero(x.abs() > full_scale))
    x = _dense(x)
    out = x if in_place else torch.empty_like(x)
    levels = np.float32(2 ** (bits - 1) - 1)
    cut = converters.quantise_rows(_samples(x).numpy(), _samples(out).numpy(), scales.numpy(), levels)
    return out, int(cut)


def scale_and_quantise(x: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Return x on 2^bits - 1 levels within the largest magnitude of each sample, and these scales."""
    if accelerated.takes(x):
        return accelerated.drive(x, bits)[:2]
    if not _plain(x):
        scales = largest_magnitudes(x)
        return quantise(x, bits, scales)[0], scales
    x = _dense(x)
    out, scales, levels = torch.empty_like(x), torch.empty(x.shape[0]), np.float32(2 ** (bits - 1) - 1)
    flat = _samples(x)
    arrays = flat.numpy(), flat.view(torch.int32).numpy(), _samples(out).numpy(), scales.numpy()
    converters.scale_and_quantise(*arrays, levels)
    return out, scales


class Folding:
    """Parts on 2^bits - 1 levels within the limit of each sample, added where they belong.

    Args:
        bits: resolution.
        scales: full scale of the inputs of each sample.
        limits: full scale of the converters of each sample.
        targets: place of each tap of each vector, int64, shape (vectors, taps); the number of places for none.
        out: sums, shape (samples, places, channels), contiguous, to add to.
        watches: look for the largest part, too.

    Attributes:
        cut: values that were cut.
        peak: the largest magnitude of a part over the scale of its sample.
    """

    def __init__(
        self, bits: int, scales: Tensor, limits: Tensor, targets: Tensor, out: Tensor, *, watches: bool = False
    ) -> None:
        self.cut, self.peak = 0, 0.0
        self._bits, self._tensors, self._watches = bits, (scales, limits, targets, out), watches
        self._plain = _plain(out)
        if self._plain:
            self._arrays = out.numpy(), scales.numpy(), limits.numpy()
            self._rest = np.float32(2 ** (bits - 1) - 1), targets.numpy(), watches

    def take(self, parts: Tensor, first: int) -> None:
        """Take the parts of some samples from one on, shape (samples, vectors, taps * channels), contiguous."""
        some = slice(first, first + len(parts))
        if self._plain and _plain(parts):
            values, (out, scales, limits), rest = parts.numpy(), self._arrays, self._rest
            own = values, values.view(np.int32), out[some], scales[some], limits[some]
            cut, peak = converters.quantise_and_fold(*own, *rest)
            self.cut, self.peak = self.cut + int(cut), max(self.peak, float(peak))
            return
        scales, limits, targets, out = self._tensors
        if self._watches:
            self.peak = max(self.peak, float((largest_magnitudes(parts) / scales[some]).max()))
        parts, cut = quantise(parts, self._bits, limits[some])
        fold(parts.view(*parts.shape[:2], targets.shape[1], -1), targets, out[some])
        self.cut += cut


def fold(parts: Tensor, targets: Tensor, out: Tensor) -> None:
    """Add converted parts, shape (samples, vectors, taps, channels), where they belong; see `Folding`."""
    inside = (targets.reshape(-1) < out.shape[1]).to(out.device)
    where = targets.reshape(-1).to(out.device)[inside]
    out.index_add_(1, where, parts.reshape(parts.shape[0], -1, parts.shape[3])[:, inside])


def add_noise(y: Tensor, variance: Tensor, noise: Stream) -> bool:
    """Add read noise of a variance to products in place, in the order of their memory; return whether this could be."""
    if not (_plain(y) and _plain(variance) and y.stride() == variance.stride() and _dense(y) is y):
        return False
    values, spread = (_samples(own).view(-1).numpy() for own in (y, variance))
    first, noise.events = noise.events, noise.events + y.numel()
    converters.add_noise(values, spread, np.uint64(noise.key), first)
    return True


def drives(x: Tensor, scales: Tensor, windows: Tensor | None) -> tuple[int, float]:
    """Return how many lines inputs other than zero drive, and the sum of their magnitudes over the full scale.

    Args:
        x: inputs, shape (samples, features) or (samples, channels, height, width).
        scales: full scale of each sample.
        windows: how many products each place of an image enters, float64, shape (height, width); None for one.
    """
    if windows is None:
        windows = torch.ones(1, dtype=torch.float64)
    if not _plain(x):
        weights = windows.to(x.device).reshape(1, 1, -1)
        inputs = x.reshape(x.shape[0], -1, windows.numel())
        lines = ((inputs != 0) * weights).sum()
        return round(float(lines)), float(((inputs.abs() * weights).sum(dim=(1, 2)) / scales.double()).sum())
    x = _dense(x)
    last = x.dim() == 4 and not x.is_contiguous()
    shape = (x.shape[0], -1, x.shape[1]) if last else (x.shape[0], -1, windows.numel())
    if x.dim() == 2:  # features stand where channels do, so that they are added up side by side
        last, shape = True, (x.shape[0], 1, -1)
    inputs = _samples(x).view(shape).numpy()
    driven, total, room = np.zeros((3, inputs.shape[2]))
    converters.drives(inputs, scales.numpy(), windows.reshape(-1).numpy(), last, driven, total, room)
    return round(ordered_sum(driven)), ordered_sum(total)


def _plain(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32


def _dense(x: Tensor) -> Tensor:
    """Return a tensor without gaps in memory, its channels last or not."""
    last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return x if last or x.is_contiguous() else x.contiguous()


def _samples(x: Tensor) -> Tensor:
    """Return a dense tensor as one row a sample, in the order of memory."""
    return (x if x.is_contiguous() else x.permute(0, 2, 3, 1)).view(x.shape[0], -1)
