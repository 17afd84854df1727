"""Free axes: choices that change prices and nothing that is simulated, so that they multiply designs afterwards.

    [free]
    card = ["bottom_up_28nm", "bottom_up_14nm"]     cost cards: node, converter topology
    adc_fixed_j = [1e-12, 5e-11]                    any constant of a card
    "accumulator.storage" = ["sram", "dram"]        what holds digital accumulators

Every combination is a variant. A constant that is an axis replaces that of each card.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from dse.errors import SettingError, did_you_mean
from dse.pricing.card import CONSTANTS, CostCard, check_constant, read_cost_card

CARD = "card"
STORAGE = "accumulator.storage"
DIGITAL = ("sram", "dram")
"""Storages of the accumulator that simulate alike; binary PCM wears, and is part of a design."""
MOST = 1_000_000
"""Most variants of a design."""

Value = float | str


@dataclass(frozen=True)
class Variant:
    """One choice on every free axis.

    Attributes:
        card: the cost card.
        storage: what holds digital accumulators; None as simulated.
    """

    card: CostCard
    storage: str | None


@dataclass(frozen=True)
class FreeAxes:
    """Choices that only pricing needs.

    Attributes:
        axes: the values of each axis, by its name.
        cards: the cost cards that the axis "card" names.
    """

    axes: Mapping[str, tuple[Value, ...]] = field(default_factory=dict[str, tuple[Value, ...]])
    cards: Mapping[str, CostCard] = field(default_factory=dict[str, CostCard])

    def __len__(self) -> int:
        return math.prod(map(len, self.axes.values()))

    def choices(self) -> list[dict[str, Value]]:
        """Return what each variant chose, by axis; the last axis varies fastest. One empty choice without axes."""
        return [dict(zip(self.axes, values, strict=True)) for values in itertools.product(*self.axes.values())]

    def variants(self, card: CostCard) -> list[Variant]:
        """Return the variants in the order of `choices`, their cards named "0", "1", ...

        Args:
            card: for variants that choose none.
        """
        return [self._variant(number, choice, card) for number, choice in enumerate(self.choices())]

    def _variant(self, number: int, choice: Mapping[str, Value], card: CostCard) -> Variant:
        chosen = self.cards[str(choice[CARD])] if CARD in choice else card
        constants = {name: float(value) for name, value in choice.items() if name in CONSTANTS}
        storage = choice.get(STORAGE)
        return Variant(chosen.with_values(constants, str(number)), None if storage is None else str(storage))

    def over(self, other: "FreeAxes") -> "FreeAxes":
        """Return these axes and those of another that they do not replace."""
        return FreeAxes({**other.axes, **self.axes}, {**other.cards, **self.cards})


def parse_axes(table: Mapping[str, Any], folder: Path | None = None, where: str = "free") -> FreeAxes:
    """Check a table of free axes.

    Args:
        table: lists of values by the name of the axis.
        folder: where card files lie; the current folder by default.
        where: what to call the table in an error.

    Raises:
        SettingError: an axis that is unknown, no list, empty or with a value twice; a value out of range; no such card;
            too many variants.
    """
    axes = {name: _axis(name, values, where) for name, values in _flat(table).items()}
    found = FreeAxes(axes, {str(name): read_cost_card(str(name), folder) for name in axes.get(CARD, ())})
    if len(found) > MOST:
        raise SettingError(f"{where}: the axes have {len(found)} combinations; {MOST} are allowed")
    return found


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table with `accumulator.storage` under its path, quoted or not."""
    flat = dict(table)
    inner = flat.get("accumulator")
    if isinstance(inner, dict):
        del flat["accumulator"]
        flat |= {f"accumulator.{key}": values for key, values in cast("dict[str, Any]", inner).items()}
    return flat


def _axis(name: str, values: Any, where: str) -> tuple[Value, ...]:
    known = (CARD, STORAGE, *CONSTANTS)
    if name not in known:
        hint = did_you_mean(name, known) or f" (known: {', '.join(known)})"
        raise SettingError(f"{where}: unknown axis {name!r}{hint}; what changes a simulation belongs in [space]")
    if not isinstance(values, (list, tuple)) or not values:
        raise SettingError(f"{where}: {name} = {values!r} must be a list with at least one value")
    checked = tuple(_value(name, value, where) for value in cast("list[Any]", values))
    if len(set(checked)) < len(checked):
        raise SettingError(f"{where}: {name} names a value twice: {', '.join(map(str, checked))}")
    return checked


def _value(name: str, value: Any, where: str) -> Value:
    if name == CARD:
        if not isinstance(value, str):
            raise SettingError(f"{where}: card = {value!r} must be the name of a cost card")
        return value
    if name == STORAGE:
        if value not in DIGITAL:
            raise SettingError(
                f'{where}: {name} = {value!r} must be one of {", ".join(DIGITAL)}; "pcm" wears cells, and belongs in '
                "[space]"
            )
        return str(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SettingError(f"{where}: {name} = {value!r} must be a number in {CONSTANTS[name].unit}")
    check_constant(where, name, float(value))
    return float(value)
