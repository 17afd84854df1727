"""Operators on signals: windows and Fourier transforms."""

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor

from dse.networks.onnx.operators.node import Node, number
from dse.networks.onnx.operators.shapes import kind_of

_fft = cast("Callable[..., Tensor]", torch.fft.fft)
_ifft = cast("Callable[..., Tensor]", torch.fft.ifft)
_irfft = cast("Callable[..., Tensor]", torch.fft.irfft)
_COSINES = {
    "HannWindow": (0.5, 0.5, 0.0),
    "HammingWindow": (25 / 46, 21 / 46, 0.0),
    "BlackmanWindow": (0.42, 0.5, 0.08),
}


def window(node: Node, size: Tensor) -> Tensor:
    """Return a window that is a sum of cosines, periodic or symmetric."""
    count = int(number(size))
    period = count if node.get("periodic", 1) else count - 1
    angle = 2.0 * math.pi * torch.arange(count, dtype=torch.float64) / max(period, 1)
    a, b, c = _COSINES[node.kind]
    whole = a - b * torch.cos(angle) + c * torch.cos(2.0 * angle)
    return whole.to(kind_of(node, node.get("output_datatype", 1)))


def _complex(x: Tensor) -> Tensor:
    """Return complex numbers for a last axis of real and imaginary parts, or of real parts alone."""
    if x.shape[-1] == 2:
        return torch.view_as_complex(x.contiguous())
    return torch.complex(x[..., 0], torch.zeros_like(x[..., 0]))


def fourier(node: Node, x: Tensor, size: Tensor | None = None, axis: Tensor | None = None) -> Tensor:
    """Return the discrete Fourier transform along an axis, or its inverse."""
    given = node.get("axis", 1) if node.opset < 20 else (-2 if axis is None else int(number(axis)))
    along, count = given % x.dim(), None if size is None else int(number(size))
    own = _complex(x)
    if node.get("inverse", 0) and node.get("onesided", 0):
        return _irfft(own, n=count, dim=along)[..., None]
    if node.get("inverse", 0):
        found = _ifft(own, n=count, dim=along)
    else:
        found = _fft(own, n=count, dim=along)
    if node.get("onesided", 0):
        found = found.narrow(along, 0, found.shape[along] // 2 + 1)
    return torch.view_as_real(found)


def short_time_fourier(
    node: Node, x: Tensor, step: Tensor, weights: Tensor | None = None, length: Tensor | None = None
) -> Tensor:
    """Return the Fourier transforms of windows of a signal."""
    size = int(number(length)) if length is not None else (x.shape[1] if weights is None else weights.shape[0])
    own = _complex(x) if x.dim() == 3 else torch.complex(x, torch.zeros_like(x))
    frames = own.unfold(1, size, int(number(step)))
    frames = frames if weights is None else frames * weights
    found = _fft(frames, dim=-1)
    return torch.view_as_real(found[..., : size // 2 + 1] if node.get("onesided", 1) else found)


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "BlackmanWindow": window,
    "DFT": fourier,
    "HammingWindow": window,
    "HannWindow": window,
    "STFT": short_time_fourier,
}
"""Operators by name."""
