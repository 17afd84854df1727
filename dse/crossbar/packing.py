"""Blocks of several layers in one array: which lie together, by a rule.

A layer is cut into blocks that are at most as large as an array. A block that leaves rows and columns of its array free
can stand beside blocks of other layers, by finite first fit (Berkey and Wang, J. Oper. Res. Soc. 38:423, 1987): blocks
are taken by falling rows, then falling columns, then by the number of their layer. An array is divided along its rows
into shelves, each as high as its first block, on which blocks stand side by side. A block goes on the lowest shelf of
the first array that has room for it; where no shelf has, on a new one in the first array with rows left; else into a
new array. Two blocks of a layer never share an array, since they multiply at the same time; those of different layers
share drivers and converters, and multiply in turn.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

from dse.crossbar.cuts import cuts
from dse.crossbar.usage import ARRAY_LINES, ARRAYS, TURNS, LayerUsage

SHARED = "shared"
"""The packing (`dse.crossbar.spec.Packing`) in which blocks of several layers lie in one array."""


class Matrix(NamedTuple):
    """What a layer asks of arrays.

    Attributes:
        rows: its inputs, bias row included.
        cols: its outputs.
        back: whether its arrays are read backward, too.
    """

    rows: int
    cols: int
    back: bool


class Part(NamedTuple):
    """What a layer has of arrays that layers share.

    Attributes:
        arrays: arrays that count as its own, so that each counts once: for the first of the layers in it that are read
            backward, or the first of all.
        turns: of how many turns one is its own, so that no two layers in an array have the same.
    """

    arrays: int
    turns: int


@dataclass
class _Array:
    """An array that is being filled: rows without a shelf, columns left on its shelves, and the layers in it."""

    rows: int
    shelves: list[int] = field(default_factory=list[int])
    layers: list[int] = field(default_factory=list[int])

    def stand(self, block: "_Block", width: int) -> bool:  # noqa: ARG002
        """Put a block on the lowest shelf that has room for it, and return whether one has."""
        free = [number for number, left in enumerate(self.shelves) if left >= block.cols]
        if not free or block.layer in self.layers:
            return False
        self.shelves[free[0]] -= block.cols
        self.layers.append(block.layer)
        return True

    def raised(self, block: "_Block", width: int) -> bool:
        """Put a block on a shelf of its own, and return whether there is room for one."""
        if self.rows < block.rows or block.layer in self.layers:
            return False
        self.rows -= block.rows
        self.shelves.append(width - block.cols)
        self.layers.append(block.layer)
        return True


class _Block(NamedTuple):
    rows: int
    cols: int
    layer: int


def sharing(layers: Sequence[LayerUsage], packing: str = SHARED) -> list[LayerUsage]:
    """Return the accounts of layers with what they have of the arrays that they share, if they do."""
    if packing != SHARED:
        return list(layers)
    parts = facts_of([{"rows": own.rows, "cols": own.cols, **own.events} for own in layers])
    return [replace(own, events={**own.events, **part}) for own, part in zip(layers, parts, strict=True)]


def facts_of(layers: Sequence[Mapping[str, Any]]) -> list[dict[str, int]]:
    """Return what prices must know of each layer, for its events; nothing of one whose arrays are made to fit.

    Args:
        layers: sizes and events of the layers, by name.
    """
    sized = [own for own in layers if own.get(ARRAY_LINES[0])]
    if not sized:
        return [{} for _ in layers]
    matrices = tuple(Matrix(own["rows"], own["cols"], own["adc_backward"] > 0) for own in sized)
    rows, columns = (int(sized[0][name]) for name in ARRAY_LINES)
    parts = iter(shared(matrices, rows, columns))
    return [dict(zip((ARRAYS, TURNS), next(parts), strict=True)) if own.get(ARRAY_LINES[0]) else {} for own in layers]


@lru_cache(maxsize=1024)
def shared(layers: tuple[Matrix, ...], rows: int, columns: int) -> tuple[Part, ...]:
    """Return what each layer has of the arrays that layers share.

    Args:
        layers: the layers, in their order.
        rows: rows of an array.
        columns: columns of an array, in outputs.
    """
    counts = Counter(
        _Block(last - first, end - start, number)
        for number, own in enumerate(layers)
        for (first, last), (start, end) in product(cuts(own.rows, rows), cuts(own.cols, columns))
    )
    arrays: list[_Array] = []
    for block in sorted(counts, key=lambda own: (-own.rows, -own.cols, own.layer)):
        _place(block, counts[block], arrays, rows, columns)
    owners = Counter(min(own.layers, key=lambda layer: (not layers[layer].back, layer)) for own in arrays)
    turns = _turns([own.layers for own in arrays], len(layers))
    return tuple(Part(owners[layer], turns[layer]) for layer in range(len(layers)))


def _turns(arrays: Sequence[Sequence[int]], layers: int) -> list[int]:
    """Return of how many turns each layer has one, where blocks of a layer work together and those of an array do not.

    Layers take the first turn that none they share an array with has, in their order; as many turns as are taken go
    round among the layers that arrays link to each other.
    """
    beside = [{other for own in arrays if layer in own for other in own} - {layer} for layer in range(layers)]
    taken: list[int] = []
    for layer in range(layers):
        others = {taken[other] for other in beside[layer] if other < layer}
        taken.append(min(set(range(layers)) - others))
    turns = [0] * layers
    for layer in range(layers):
        linked, reached = {layer}, {layer}
        while reached:
            reached = {other for own in reached for other in beside[own]} - linked
            linked |= reached
        turns[layer] = 1 + max(taken[own] for own in linked)
    return turns


def _place(block: _Block, count: int, arrays: list[_Array], rows: int, columns: int) -> None:
    """Place equal blocks of a layer, each in an array of its own; an array that one did not fit into fits none."""
    for put in (_Array.stand, _Array.raised):
        for own in arrays:
            count -= count > 0 and put(own, block, columns)
    for _ in range(count):
        arrays.append(_Array(rows))
        arrays[-1].raised(block, columns)
