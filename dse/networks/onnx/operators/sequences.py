"""Lists of tensors."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from dse.networks.onnx.operators.node import Node, integers, number

Tensors = list[Tensor]


def construct(node: Node, *inputs: Tensor) -> Tensors:  # noqa: ARG001
    """Return a list."""
    return list(inputs)


def empty(node: Node) -> Tensors:  # noqa: ARG001
    """Return an empty list."""
    return []


def at(node: Node, whole: Tensors, place: Tensor) -> Tensor:  # noqa: ARG001
    """Return an entry."""
    return whole[int(number(place))]


def insert(node: Node, whole: Tensors, entry: Tensor, place: Tensor | None = None) -> Tensors:  # noqa: ARG001
    """Return a list with one more entry."""
    where = len(whole) if place is None else int(number(place))
    where += len(whole) if where < 0 else 0
    return [*whole[:where], entry, *whole[where:]]


def erase(node: Node, whole: Tensors, place: Tensor | None = None) -> Tensors:  # noqa: ARG001
    """Return a list with one entry less."""
    where = (-1 if place is None else int(number(place))) % len(whole)
    return [*whole[:where], *whole[where + 1 :]]


def length(node: Node, whole: Tensors) -> Tensor:  # noqa: ARG001
    """Return the number of entries."""
    return torch.tensor(len(whole))


def together(node: Node, whole: Tensors) -> Tensor:
    """Return the entries behind each other, or along a new axis."""
    return (torch.stack if node.get("new_axis", 0) else torch.cat)(whole, node.get("axis"))


def apart(node: Node, x: Tensor, sizes: Tensor | None = None) -> Tensors:
    """Return a tensor cut along an axis."""
    axis = node.get("axis", 0)
    if sizes is None:
        parts = torch.split(x, 1, axis)
        return list(parts) if node.get("keepdims", 1) else [part.squeeze(axis) for part in parts]
    own = integers(sizes)
    return list(torch.split(x, own if sizes.dim() else own[0], axis))


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "ConcatFromSequence": together,
    "SequenceAt": at,
    "SequenceConstruct": construct,
    "SequenceEmpty": empty,
    "SequenceErase": erase,
    "SequenceInsert": insert,
    "SequenceLength": length,
    "SplitToSequence": apart,
}
"""Operators by name."""
LISTS = frozenset({"SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SplitToSequence"})
"""Operators whose one output is a list."""
