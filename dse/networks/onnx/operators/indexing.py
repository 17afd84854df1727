"""Operators that look up, scatter, select and order."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from dse.networks.onnx.operators.node import Node, integers, number

_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def gather(node: Node, x: Tensor, where: Tensor) -> Tensor:
    """Take slices along an axis; places may count from the end."""
    axis: int = node.get("axis", 0) % x.dim()
    places = torch.where(where < 0, where + x.shape[axis], where).to(torch.int64)
    found = x.index_select(axis, places.reshape(-1))
    return found.reshape([*x.shape[:axis], *where.shape, *x.shape[axis + 1 :]])


def _along(x: Tensor, where: Tensor, axis: int) -> Tensor:
    return torch.where(where < 0, where + x.shape[axis], where).to(torch.int64)


def gather_elements(node: Node, x: Tensor, where: Tensor) -> Tensor:
    """Take one entry for each place along an axis."""
    axis = node.get("axis", 0) % x.dim()
    whole = list(where.shape)
    whole[axis] = x.shape[axis]
    return x[tuple(slice(size) for size in whole)].gather(axis, _along(x, where, axis))


def gather_nd(node: Node, x: Tensor, where: Tensor) -> Tensor:
    """Take slices by tuples of places."""
    batch = node.get("batch_dims", 0)
    lead = x.shape[:batch]
    x_, where_ = x.reshape(-1, *x.shape[batch:]), where.reshape(-1, *where.shape[batch:])
    found = [own[_tuples(own, places)] for own, places in zip(x_, where_, strict=True)]
    return torch.stack(found).reshape(*lead, *found[0].shape) if batch else found[0]


def _tuples(x: Tensor, where: Tensor) -> tuple[Tensor, ...]:
    return tuple(_along(x, places, axis) for axis, places in enumerate(where.unbind(-1)))


def scatter_elements(node: Node, x: Tensor, where: Tensor, updates: Tensor) -> Tensor:
    """Put one entry at each place along an axis, or add it there."""
    axis, how = node.get("axis", 0) % x.dim(), node.get("reduction", "none")
    places = _along(x, where, axis)
    if how == "none":
        return x.scatter(axis, places, updates)
    return x.scatter_reduce(axis, places, updates, _REDUCTIONS[how], include_self=True)


def scatter_nd(node: Node, x: Tensor, where: Tensor, updates: Tensor) -> Tensor:
    """Put slices at tuples of places, or add them there."""
    how, depth = node.get("reduction", "none"), where.shape[-1]
    flat = torch.zeros((), dtype=torch.int64, device=x.device)
    for axis, own in enumerate(_tuples(x, where)):
        flat = flat * x.shape[axis] + own
    rows = x.reshape(math.prod(x.shape[:depth]), -1).clone()
    places, new = flat.reshape(-1), updates.reshape(flat.numel(), -1)
    if how == "none":
        for place, row in zip(integers(places), new, strict=True):  # the last of equal places counts
            rows[place] = row
    else:
        rows.scatter_reduce_(0, places[:, None].expand_as(new), new, _REDUCTIONS[how], include_self=True)
    return rows.reshape(x.shape)


def compress(node: Node, x: Tensor, kept: Tensor) -> Tensor:
    """Keep some slices along an axis, or some entries."""
    places = kept.reshape(-1).nonzero().reshape(-1)
    return x.reshape(-1)[places] if node.get("axis") is None else x.index_select(node.get("axis"), places)


def non_zero(node: Node, x: Tensor) -> Tensor:  # noqa: ARG001
    """Return the places of what is not zero, one column each."""
    return x.nonzero().t()


def one_hot(node: Node, where: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    """Return one value at a place along a new axis, and another elsewhere."""
    size = int(number(depth))
    places = where.to(torch.int64) % size
    inside = (where >= -size) & (where < size)
    hot = functional.one_hot(places, size).bool() & inside.unsqueeze(-1)
    axis = node.get("axis", -1)
    return torch.where(hot, values[1], values[0]).movedim(-1, axis if axis >= 0 else where.dim() + 1 + axis)


def largest(node: Node, x: Tensor, count: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the first numbers of an order along an axis, and their places; of equal ones the first comes first."""
    size = node.get("k") if count is None else int(number(count))
    axis = node.get("axis", -1)
    found = torch.sort(x, dim=axis, descending=bool(node.get("largest", 1)), stable=True)
    return found.values.narrow(axis, 0, size), found.indices.narrow(axis, 0, size)


def extreme(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return an operator that says where along an axis the extreme number is: the first of them, or the last."""

    def operator(node: Node, x: Tensor) -> Tensor:
        axis: int = node.get("axis", 0) % max(x.dim(), 1)
        keep = bool(node.get("keepdims", 1))
        own = x.flip(axis) if node.get("select_last_index", 0) else x
        # torch does not say which of equal numbers it finds.
        best = own == function(own, dim=axis, keepdim=True)
        first = (best.to(torch.int64).cumsum(axis) == 0).sum(axis, keepdim=keep)
        return (x.shape[axis] - 1) - first if node.get("select_last_index", 0) else first

    return operator


def unique(node: Node, x: Tensor) -> Sequence[Tensor]:
    """Return the different entries, or slices, where each first stands, which each is, and how many there are."""
    axis = node.get("axis")
    find = cast("Callable[..., tuple[Tensor, Tensor, Tensor]]", torch.unique)
    found, inverse, counts = find(x, return_inverse=True, return_counts=True, dim=axis)
    inverse = inverse.reshape(-1)
    order = torch.arange(inverse.numel(), device=x.device)
    first = torch.full((counts.numel(),), inverse.numel(), device=x.device).scatter_reduce(0, inverse, order, "amin")
    if not node.get("sorted", 1):
        rank = first.argsort()
        found = found[rank] if axis is None else found.index_select(axis, rank)
        inverse, first, counts = rank.argsort()[inverse], first[rank], counts[rank]
    return found, first, inverse, counts


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "ArgMax": extreme(torch.amax),
    "ArgMin": extreme(torch.amin),
    "Compress": compress,
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "NonZero": non_zero,
    "OneHot": one_hot,
    "Scatter": scatter_elements,
    "ScatterElements": scatter_elements,
    "ScatterND": scatter_nd,
    "TopK": largest,
    "Unique": unique,
}
"""Operators by name."""
