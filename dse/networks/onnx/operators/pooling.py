"""Pooling, in any number of dimensions."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dse.networks.onnx.operators.node import Node, integers
from dse.networks.onnx.operators.windows import Windows, over_windows, padded, pads_of, pool_pads, taps, windows_of

_MAX_POOLS: Mapping[int, Callable[..., Tensor]] = {
    1: functional.max_pool1d,
    2: functional.max_pool2d,
    3: functional.max_pool3d,
}


def average_pool(node: Node, x: Tensor) -> Tensor:
    """Return the mean of every window, over its padding too where asked."""
    kernel = node.get("kernel_shape")
    windows, sizes = windows_of(node, kernel), x.shape[2:]
    pads = pool_pads(node, windows, sizes)
    sums = _sums(padded(x, pads), windows)
    # Padding that only rounds up the number of windows is never counted.
    counted = pads_of(node, windows, sizes) if node.get("count_include_pad", 0) else [(0, 0)] * len(sizes)
    ones = padded(x.new_ones(1, 1, *sizes), counted, 1.0)
    rest = [(b - own[0], a - own[1]) for (b, a), own in zip(pads, counted, strict=True)]
    return sums / _sums(padded(ones, rest), windows)


def _sums(x: Tensor, windows: Windows) -> Tensor:
    """Return the sum of every window."""
    if windows.dilations == [1, 1]:
        return functional.avg_pool2d(x, tuple(windows.kernel), tuple(windows.strides), divisor_override=1)
    return taps(x, windows).sum(-1)


def max_pool(node: Node, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest number of every window, and its place in the whole tensor."""
    kernel = node.get("kernel_shape")
    windows, sizes = windows_of(node, kernel), x.shape[2:]
    pads = pool_pads(node, windows, sizes)
    if x.is_floating_point() and len(kernel) in _MAX_POOLS and len([name for name in node.outputs if name]) < 2:
        found = _MAX_POOLS[len(kernel)](padded(x, pads, -math.inf), *windows[:2], dilation=windows.dilations)
        return found, found
    least: Any = -math.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    chosen = taps(padded(x, pads, least) if x.is_floating_point() else _padded_integers(x, pads, least), windows)
    found = chosen.amax(-1)
    # Of equal numbers the first is found.
    best = chosen == found[..., None]
    first = (best.to(torch.int64).cumsum(-1) == 0).sum(-1)
    places = _places(x, column_major=bool(node.get("storage_order", 0)))
    where = taps(_padded_integers(places, pads, 0), windows)
    return found, where.gather(-1, first[..., None]).squeeze(-1)


def _padded_integers(x: Tensor, pads: list[tuple[int, int]], value: int) -> Tensor:
    return padded(x.to(torch.int64), pads, value).to(x.dtype)


def _places(x: Tensor, *, column_major: bool) -> Tensor:
    """Return the place of every number in the tensor, row by row or column by column within a channel."""
    images, sizes = x.shape[0] * x.shape[1], list(x.shape[2:])
    own = torch.arange(math.prod(sizes), device=x.device)
    inner = own.reshape(sizes[::-1]).permute(*range(len(sizes))[::-1]) if column_major else own.reshape(sizes)
    starts = torch.arange(images, device=x.device) * math.prod(sizes)
    return (starts.reshape(-1, *[1] * len(sizes)) + inner).reshape(x.shape)


def lp_pool(node: Node, x: Tensor) -> Tensor:
    """Return the p-norm of every window."""
    p = node.get("p", 2)
    return over_windows(node, x, node.get("kernel_shape"), 0.0, lambda own: own.abs().pow(p).sum(-1).pow(1.0 / p))


def over_all(function: Callable[[Node, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Return an operator over all places of a channel."""

    def operator(node: Node, x: Tensor) -> Tensor:
        return function(node, x.flatten(2)).reshape(*x.shape[:2], *[1] * (x.dim() - 2))

    return operator


def _norm(node: Node, x: Tensor) -> Tensor:
    p = node.get("p", 2)
    return x.abs().pow(p).sum(-1).pow(1.0 / p)


def max_unpool(node: Node, x: Tensor, where: Tensor, sizes: Tensor | None = None) -> Tensor:
    """Put numbers back where a pool has found them; zeros elsewhere."""
    windows = windows_of(node, node.get("kernel_shape"))
    pads = node.get("pads", [0] * 2 * len(windows.kernel))
    axes = range(len(windows.kernel))
    own = [(x.shape[2 + n] - 1) * windows.strides[n] - pads[n] - pads[n + len(axes)] + windows.kernel[n] for n in axes]
    least = [*x.shape[:2], *own]
    out = x.new_zeros(math.prod(least)).scatter(0, where.reshape(-1), x.reshape(-1)).reshape(least)
    if sizes is None:
        return out
    whole = integers(sizes)
    return padded(out, [(0, w - h) for w, h in zip(whole[2:], own, strict=True)])


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "AveragePool": average_pool,
    "GlobalAveragePool": over_all(lambda node, x: x.mean(-1)),  # noqa: ARG005
    "GlobalLpPool": over_all(_norm),
    "GlobalMaxPool": over_all(lambda node, x: x.amax(-1)),  # noqa: ARG005
    "LpPool": lp_pool,
    "MaxPool": max_pool,
    "MaxUnpool": max_unpool,
}
"""Operators by name."""
