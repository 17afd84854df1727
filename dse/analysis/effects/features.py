"""Designs as numbers for a model: what the search chose, one or several columns a parameter.

A parameter of numbers is one column. Strings (a rounding rule, or "float" among numbers of bits) get a column each, 1
where that string was chosen. Where a parameter does not act (an accumulator of a float network) its column holds
the median of the numbers that occur, and so no information: what switched it off is another column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from dse.analysis.tables.tables import Tables
from dse.analysis.tables.variants import simulation_groups
from dse.designs.design import flatten
from dse.designs.settings import CELL, completed, is_idle, is_left_out
from dse.results.rows import object_of

AxisValue = float | str


@dataclass(frozen=True)
class Axis:
    """The values that one parameter takes in the designs of a study.

    Attributes:
        name: its path.
        numbers: the numbers that occur, sorted.
        strings: the strings that occur, sorted.
        whole: whether the numbers are integers.
    """

    name: str
    numbers: tuple[float, ...]
    strings: tuple[str, ...]
    whole: bool

    @property
    def is_ordered(self) -> bool:
        """Whether it is made of numbers alone."""
        return not self.strings

    @property
    def is_log(self) -> bool:
        """Whether its numbers span more than a factor of four, all above 0, so that a log scale fits better."""
        return bool(self.numbers) and self.numbers[0] > 0 and self.numbers[-1] / self.numbers[0] > 4

    @property
    def is_free(self) -> bool:
        """Whether values between those that occur are allowed."""
        return not self.whole and len(self.numbers) > 12


@dataclass(frozen=True)
class Designs:
    """Designs of a study with what was chosen for each.

    Attributes:
        table: a row a design, as `search_trials` gives it.
        axes: the parameters that vary.
        values: by parameter a value for each design: a number, a string, or None where it does not act.
        base: the settings that designs share, flat; of one of them.
        models: the model of the cell by card, where cards vary.
        simulation: numbers from 0, equal for designs that differ in free axes alone, shape (designs,).
        free: axes that prices alone depend on.
    """

    table: pl.DataFrame
    axes: tuple[Axis, ...]
    values: Mapping[str, list[AxisValue | None]]
    base: Mapping[str, Any]
    simulation: np.ndarray
    free: frozenset[str]
    models: Mapping[AxisValue | None, str] = field(default_factory=dict[AxisValue | None, str])

    def __len__(self) -> int:
        return len(self.table)

    def acting(self, name: str) -> np.ndarray:
        """Return for each design whether a parameter acts, shape (designs,)."""
        return np.array([value is not None for value in self.values[name]], dtype=bool)


def designs_of(tables: Tables, table: pl.DataFrame) -> Designs:
    """Return the designs in the rows of a table of trials or designs, with the parameters that vary among them."""
    stored = tables.trials.select("trial", "design").unique("trial", keep="first")
    texts = table.select("trial").join(stored, on="trial", how="left", maintain_order="left")["design"].to_list()
    settings = [flatten(object_of(text, "the design of a trial")) if text else {} for text in texts]
    values = {
        name: [
            value_of(v) if name in s or not s or name in tables.free or is_left_out(name, v, s) else None
            for v, s in zip(table[name].to_list(), settings, strict=True)
        ]
        for name in tables.parameters
    }
    axes = [_axis(name, values[name]) for name in tables.parameters]
    varying = tuple(p for p in axes if len(p.numbers) + len(p.strings) > 1)
    simulation = simulation_groups(tables, table["trial"])
    cards = values.get(CELL.card, [])
    models = {card: s[CELL.path] for card, s in zip(cards, settings, strict=False) if CELL.path in s}
    base = settings[0] if settings else {}
    return Designs(table, varying, values, base, simulation, frozenset(tables.free), models)


def value_of(value: Any) -> AxisValue | None:
    """Return a stored value as a number where it is one, and as a string elsewhere."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def _axis(name: str, values: Sequence[AxisValue | None]) -> Axis:
    numbers = tuple(sorted({v for v in values if isinstance(v, float)}))
    strings = tuple(sorted({v for v in values if isinstance(v, str)}))
    return Axis(name, numbers, strings, all(v.is_integer() for v in numbers))


def columns(axis: Axis, values: Sequence[AxisValue | None]) -> np.ndarray:
    """Return the columns of one axis, shape (designs, 1 + strings), or (designs, strings) where it has no numbers."""
    parts = [np.array([value == text for value in values], dtype=float) for text in axis.strings]
    if axis.numbers:
        numbers = np.array([v if isinstance(v, float) else np.nan for v in values])
        middle = float(np.median(axis.numbers))
        parts.insert(0, np.where(np.isnan(numbers), middle, numbers))
    return np.stack(parts, axis=1)


def matrix(designs: Designs, values: Mapping[str, Sequence[AxisValue | None]] | None = None) -> np.ndarray:
    """Return all columns, shape (designs, columns), of the designs or of other values for their parameters."""
    chosen = designs.values if values is None else values
    return np.concatenate([columns(p, chosen[p.name]) for p in designs.axes], axis=1)


def groups(designs: Designs) -> dict[str, list[int]]:
    """Return which columns of `matrix` belong to each parameter."""
    found: dict[str, list[int]] = {}
    start = 0
    for axis in designs.axes:
        width = len(axis.strings) + bool(axis.numbers)
        found[axis.name] = list(range(start, start + width))
        start += width
    return found


def without_idle(designs: Designs, settings: Mapping[str, AxisValue]) -> dict[str, AxisValue | None]:
    """Return a choice for each parameter with None for those that other choices switch off."""
    of_designs = {name: value for name, value in settings.items() if name not in designs.free}
    whole = {**designs.base, **of_designs}
    if CELL.card in of_designs:
        whole[CELL.path] = designs.models.get(of_designs[CELL.card], next(iter(CELL.names)))
    whole = completed(whole)
    return {
        name: value if name in designs.free or not is_idle(name, whole) else None for name, value in settings.items()
    }
