"""Uniform quantisers: digital-to-analog at the inputs of an array, analog-to-digital at its outputs."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor


def quantise_unsigned(x: Tensor, bits: int | Literal["ideal"], full_scale: float = 1.0) -> Tensor:
    """Return x in [0, full_scale] on 2^bits evenly spaced levels, both ends included (any shape)."""
    if bits == "ideal":
        return x
    step = full_scale / (2**bits - 1)
    return torch.round(x.clamp(0.0, full_scale) / step) * step


def quantise_signed(x: Tensor, bits: int | Literal["ideal"], full_scale: float | Tensor = 1.0) -> Tensor:
    """Return x on 2^bits - 1 evenly spaced levels in [-full_scale, full_scale], zero among them (any shape)."""
    if bits == "ideal":
        return x
    limit: Any = full_scale  # torch takes numbers and tensors alike
    step = limit / (2 ** (bits - 1) - 1)
    return torch.round(x.clamp(-limit, limit) / step) * step


def largest_error(d: Tensor) -> Tensor:
    """Return the largest magnitude of each sample, shape (batch, 1), by which errors are scaled; never zero."""
    return d.abs().amax(dim=1, keepdim=True).clamp_min(1e-30)


def count_cut(x: Tensor, bits: int | Literal["ideal"], full_scale: float) -> int:
    """Return how many values lie beyond the range of a converter; an ideal one has none."""
    return 0 if bits == "ideal" else int(torch.count_nonzero(x.abs() > full_scale))


def calibrated(ranges: Sequence[float], peaks: Sequence[float], headroom: float) -> list[float]:
    """Return the ranges of converters by the largest magnitudes since the last time; see `AdcSpec`.

    Args:
        ranges: ranges until now; they stay where nothing came before a converter.
        peaks: largest magnitudes before each.
        headroom: a range in units of such a magnitude.
    """
    # Ranges are floats of 32 bits, as everything that passes through a converter.
    return [
        float(np.float32(headroom * peak)) if peak > 0.0 else held for peak, held in zip(peaks, ranges, strict=True)
    ]
