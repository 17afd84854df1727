"""Where the windows of convolutions and pools lie: padding by rule or by number, strides, dilations."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from dse.networks.onnx.operators.node import Node

Pads = list[tuple[int, int]]
"""Places before and behind, for each axis."""


class Windows(NamedTuple):
    """Windows over the last axes of a tensor, each entry for one axis.

    Attributes:
        kernel: taps.
        strides: places from one window to the next.
        dilations: places from one tap to the next.
    """

    kernel: list[int]
    strides: list[int]
    dilations: list[int]

    @property
    def reach(self) -> list[int]:
        """Places from the first to the last tap of a window, both included."""
        return [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]


def windows_of(node: Node, kernel: Sequence[int]) -> Windows:
    """Return the windows that a node describes."""
    axes = len(kernel)
    return Windows(list(kernel), list(node.get("strides", [1] * axes)), list(node.get("dilations", [1] * axes)))


def pads_of(node: Node, windows: Windows, sizes: Sequence[int]) -> Pads:
    """Return the padding of a node for inputs of some sizes along the axes of the windows."""
    rule, axes = node.get("auto_pad", "NOTSET"), len(sizes)
    if rule == "VALID":
        return [(0, 0)] * axes
    if rule in ("SAME_UPPER", "SAME_LOWER"):
        whole = zip(sizes, windows.strides, windows.reach, strict=True)
        return [_same(*each, first=rule == "SAME_LOWER") for each in whole]
    given = list(node.get("pads", [0] * 2 * axes))
    return [(given[axis], given[axis + axes]) for axis in range(axes)]


def _same(size: int, stride: int, reach: int, *, first: bool) -> tuple[int, int]:
    """Return the padding under which there is a window for every stride; an odd place goes first or last."""
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    less, more = total // 2, total - total // 2
    return (more, less) if first else (less, more)


def padded(x: Tensor, pads: Pads, value: float = 0.0) -> Tensor:
    """Return a tensor with places of a value around its last axes; negative numbers of places take some away."""
    if not any(map(any, pads)):
        return x
    return functional.pad(x, [places for pair in reversed(pads) for places in pair], value=value)


def with_last_windows(pads: Pads, windows: Windows, sizes: Sequence[int]) -> Pads:
    """Return padding that lets windows reach beyond the end where rounding up their number asks for it."""
    found: Pads = []
    for (before, behind), reach, stride, size in zip(pads, windows.reach, windows.strides, sizes, strict=True):
        room = size + before + behind - reach
        count = -(-room // stride) + 1
        # A window that begins in the padding behind sees no input, and is left out.
        if (count - 1) * stride >= size + before:
            count -= 1
        found.append((before, behind + (count - 1) * stride - room))
    return found


def taps(x: Tensor, windows: Windows) -> Tensor:
    """Return the inputs of every window, shape (..., windows of each axis, taps of all axes).

    Args:
        x: inputs with their padding.
        windows: over its last axes.
    """
    axes = len(windows.kernel)
    lead = x.dim() - axes
    for axis in range(lead, lead + axes):
        x = _unfolded(x, axis, *(own[axis - lead] for own in windows))
    return x.flatten(-axes) if axes > 1 else x


def _unfolded(x: Tensor, axis: int, kernel: int, stride: int, dilation: int) -> Tensor:
    """Return the windows along an axis in its place, and their taps behind everything."""
    count = (x.shape[axis] - (kernel - 1) * dilation - 1) // stride + 1
    where = torch.arange(count, device=x.device)[:, None] * stride + torch.arange(kernel, device=x.device) * dilation
    chosen = x.index_select(axis, where.reshape(-1))
    return chosen.reshape(*x.shape[:axis], count, kernel, *x.shape[axis + 1 :]).movedim(axis + 1, -1)


def over_windows(
    node: Node, x: Tensor, kernel: Sequence[int], value: float, reduce: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return what a function makes of the taps of every window of a pool, its padding having a value."""
    windows = windows_of(node, kernel)
    pads = pool_pads(node, windows, x.shape[2:])
    return reduce(taps(padded(x, pads, value), windows))


def pool_pads(node: Node, windows: Windows, sizes: Sequence[int]) -> Pads:
    """Return the padding of a pool, which may round the number of its windows up."""
    pads = pads_of(node, windows, sizes)
    return with_last_windows(pads, windows, sizes) if node.get("ceil_mode", 0) else pads
