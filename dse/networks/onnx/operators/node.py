"""What a graph is once it is read: nodes with their attributes, and the values that are known before it runs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from dse.errors import SettingError

Value = Any
"""What passes between nodes: a tensor, a list of tensors (a sequence), or None for an input that is left out."""
MOST_NUMBERS = 2**30
"""Numbers of a tensor that a file may ask for without holding them; far more are a damaged file."""
FAULTS = (RuntimeError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError)
"""What torch, numpy and the readers raise where a file says what cannot be."""


@dataclass(frozen=True, eq=False)
class Node:
    """An operation of a graph.

    Attributes:
        name: its name, or the name of its first output where it has none.
        kind: its operator, "domain:Operator" outside the standard domain.
        inputs: names of its inputs, "" for one that is left out.
        outputs: names of its outputs, "" for one that nobody asks for.
        attributes: what it says of itself, by name: numbers, texts, lists, tensors, graphs.
        opset: version of the operators of its domain.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    opset: int

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or a default where it is not given."""
        return self.attributes.get(name, default)

    def refuse(self, what: str) -> "UnsupportedError":
        """Return an error that says what of this node is not supported."""
        return UnsupportedError(f"{self.kind} {self.name!r}: {what}")

    def check_room(self, sizes: Sequence[int]) -> None:
        """Check that a tensor of some sizes, which the file asks for, can be.

        Raises:
            UnsupportedError: it is too large.
        """
        if math.prod(sizes) > MOST_NUMBERS:
            raise self.refuse(f"it asks for {'x'.join(map(str, sizes))} numbers; at most {MOST_NUMBERS} are supported")


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in the order in which they run.

    Attributes:
        nodes: the nodes.
        inputs: names of what is fed.
        outputs: names of what it returns.
        constants: tensors that are given with it, by name.
    """

    nodes: Sequence[Node]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


class UnsupportedError(SettingError):
    """A node says something that is not supported; its message names the node."""


def integers(value: Tensor | Sequence[int] | int) -> list[int]:
    """Return a tensor of integers, or a list of them, as a list."""
    if isinstance(value, Tensor):
        return [int(number) for number in cast("list[int]", value.reshape(-1).tolist())]
    return [value] if isinstance(value, int) else list(value)


def number(value: Tensor | float) -> float:
    """Return a tensor of one number as a number."""
    return cast("float", value.reshape(-1)[0].item()) if isinstance(value, Tensor) else value


def sizes_of(x: Tensor) -> Tensor:
    """Return the shape of a tensor as a tensor of integers beside it."""
    return torch.tensor(x.shape, dtype=torch.int64, device=x.device)
