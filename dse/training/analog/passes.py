"""Whole tensors through converters, and what they drive: compiled on the CPU, plain torch on other devices.

A tensor of shape (samples, ...) has a scale for each sample, float32, shape (samples,).
"""

import numpy as np
import torch
from torch import Tensor

from dse.crossbar.converters import quantise_signed
from dse.training.kernel import converters


def largest_magnitudes(x: Tensor) -> Tensor:
    """Return the largest magnitude of each sample, never below 1e-30, shape (samples,)."""
    flat = x.reshape(x.shape[0], -1)
    if not _plain(x):
        return flat.abs().amax(dim=1).clamp_min(float(converters.SMALLEST_SCALE))
    out = torch.empty(x.shape[0], dtype=torch.int32)
    converters.largest_rows(flat.contiguous().view(torch.int32).numpy(), out.numpy())
    return out.view(torch.float32).clamp_min(float(converters.SMALLEST_SCALE))


def quantise(x: Tensor, bits: int, scales: Tensor, *, in_place: bool = False) -> tuple[Tensor, int]:
    """Return x on 2^bits - 1 levels within the scale of each sample, and how many values were cut."""
    levels = 2 ** (bits - 1) - 1
    if not _plain(x):
        full_scale = scales.reshape(-1, *[1] * (x.dim() - 1))
        return quantise_signed(x, bits, full_scale), int(torch.count_nonzero(x.abs() > full_scale))
    x = x.contiguous()
    out = x if in_place else torch.empty_like(x)
    flat, to = (tensor.view(tensor.shape[0], -1).numpy() for tensor in (x, out))
    cut = converters.quantise_rows(flat, to, scales.numpy(), np.float32(levels))
    return out, int(cut)


def drives(x: Tensor, scales: Tensor, windows: Tensor | None) -> tuple[int, float]:
    """Return how many lines inputs other than zero drive, and the sum of their magnitudes over the full scale.

    Args:
        x: inputs, shape (samples, features) or (samples, channels, height, width).
        scales: full scale of each sample.
        windows: how many products each place of an image enters, float64, shape (height, width); None for one.
    """
    places = 1 if windows is None else windows.numel()
    inputs = x.reshape(x.shape[0], -1, places) if windows is not None else x.reshape(x.shape[0], 1, -1)
    if _plain(x):
        driven = np.zeros(inputs.shape[2], np.int32)
        total, room = np.zeros(inputs.shape[2]), np.zeros(inputs.shape[2], np.float32)
        converters.drives(inputs.contiguous().numpy(), scales.numpy(), driven, total, room)
        count, sums = torch.from_numpy(driven).double(), torch.from_numpy(total)
    else:
        count = torch.count_nonzero(inputs, dim=(0, 1)).double()
        sums = (inputs.abs().sum(dim=1).double() / scales.double()[:, None]).sum(dim=0)
    weight = torch.ones(1, dtype=torch.float64) if windows is None else windows.reshape(-1)
    weight = weight.to(count.device)
    return round(float((count * weight).sum())), float((sums * weight).sum())


def _plain(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32
