"""Numbers as integers with a scale, and back; weights that a graph holds as integers go on crossbars as numbers."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from dse.networks.onnx.operators.node import Node
from dse.networks.onnx.operators.shapes import KINDS

_LIMITS = {
    torch.uint8: (0, 255),
    torch.int8: (-128, 127),
    torch.uint16: (0, 65535),
    torch.int16: (-32768, 32767),
    torch.int32: (-(2**31), 2**31 - 1),
}


def _spread(node: Node, x: Tensor, values: Tensor) -> Tensor:
    """Return scales or zeros, one for all, for each slice along an axis, or for each block, as they meet a tensor."""
    axis: int = node.get("axis", 1)
    if node.get("block_size", 0):
        return values.repeat_interleave(int(node.get("block_size")), axis).narrow(axis, 0, x.shape[axis])
    if values.numel() == 1:
        return values.reshape(())
    along: int = axis % x.dim()
    return values.reshape([-1 if own == along else 1 for own in range(x.dim())])


def quantise(node: Node, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """Return integers, rounded to even and cut at their limits."""
    kind = zero.dtype if zero is not None else KINDS.get(node.get("output_dtype", 0) or 2)
    if kind not in _LIMITS:
        raise node.refuse(f"integers of kind {kind}")
    shift = 0 if zero is None else _spread(node, x, zero.to(torch.int32))
    whole = torch.round(x / _spread(node, x, scale)) + shift
    return whole.clamp(*_LIMITS[kind]).to(kind)


def dequantise(node: Node, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """Return numbers."""
    own = x.to(torch.int32) if zero is None else x.to(torch.int32) - _spread(node, x, zero.to(torch.int32))
    return own.to(scale.dtype) * _spread(node, x, scale)


def quantise_by_range(node: Node, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ARG001
    """Return bytes over the range of a tensor with their scale and zero."""
    low, high = x.amin().clamp_max(0.0), x.amax().clamp_min(0.0)
    scale = (high - low) / 255.0
    zero = torch.round((0.0 - low) / torch.where(scale == 0, 1.0, scale)).clamp(0.0, 255.0)
    whole = (torch.round(x / torch.where(scale == 0, 1.0, scale)) + zero).clamp(0.0, 255.0)
    return whole.to(torch.uint8), scale, zero.to(torch.uint8)


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "DequantizeLinear": dequantise,
    "DynamicQuantizeLinear": quantise_by_range,
    "QuantizeLinear": quantise,
}
"""Operators by name."""
REFUSED = ("ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul")
"""Products of integers, which no crossbar takes."""
