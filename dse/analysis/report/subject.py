"""What a page is about: the designs that it holds, with their ranks, intervals and columns."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from dse.analysis.costs.prices import own_card_place
from dse.analysis.effects.features import value_of
from dse.analysis.fronts.confidence import half_widths
from dse.analysis.fronts.feasible import Feasibility
from dse.analysis.fronts.pareto import best_first, checked
from dse.analysis.fronts.plot import is_log
from dse.analysis.fronts.table import front_table
from dse.analysis.report.columns import Columns
from dse.analysis.tables.tables import Tables, controls
from dse.errors import ResultsError
from dse.pricing.card import read_cost_card
from dse.pricing.quantities import QUANTITIES
from dse.results.place import Where

HELD = 100_000
"""Designs that a page holds besides the controls; more would make it larger than what is sent and opened at ease."""
PRICED = 2000
"""Designs that a page can price anew; their events take some hundred numbers each."""
FRONT_PRICED = 6000
"""Of a larger front than `PRICED`, so many."""
EXACT = 20_000
"""Of more designs, what no front depends on is held to seven digits, and intervals for objectives alone."""
DETAILED = 300
"""Designs of which a page also holds curve, bill and wear."""
DIGITS = 6
"""Significant digits of a number in the curves and bills of a page."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """One of several studies that a page sets side by side.

    Attributes:
        name: its letter.
        where: its results.
        tables: its tables.
        first: what its numbers of trials begin at in the tables of all.
        end: where those of the next begin.
    """

    name: str
    where: Where
    tables: Tables
    first: int
    end: int


@dataclass(frozen=True)
class Subject:
    """What a page is about.

    Attributes:
        where: the results.
        tables: its tables.
        objectives: names of metrics; the front is that of all of them.
        sides: the studies whose tables these are, where they are several.
    """

    where: Where
    tables: Tables
    objectives: Sequence[str]
    sides: Sequence[Side] = ()

    def __post_init__(self) -> None:
        """Refuse objectives that are no metrics.

        Raises:
            QueryError: naming them.
        """
        checked(self.objectives)

    def card_place(self) -> tuple[str, Path | None]:
        """Return name and folder of the card that priced the designs; see `own_card_place`.

        Raises:
            ResultsError: the folder names none, or several studies have different ones.
        """
        places = [own_card_place(side.where, side.tables) for side in self.sides]
        if any(read_cost_card(*place).values != read_cost_card(*places[0]).values for place in places[1:]):
            named = ", ".join(f"{side.name}: {place[0]}" for side, place in zip(self.sides, places, strict=True))
            raise ResultsError(
                f"the studies are priced on different cards ({named}); set both on one to compare prices"
            )
        return places[0] if places else own_card_place(self.where, self.tables)

    def name_of(self, trial: int) -> str:
        """Return the number of a trial; of several studies with its letter, as "A 12"."""
        side = next((side for side in reversed(self.sides) if side.first <= trial), None)
        return str(trial) if side is None else f"{side.name} {trial - side.first}"

    def own_trials(self) -> list[int]:
        """Return the numbers of the trials of `drawn` in their studies."""
        starts = [side.first for side in reversed(self.sides)]
        trials: list[int] = self.drawn["trial"].to_list()
        return [trial - next((first for first in starts if first <= trial), 0) for trial in trials]

    @cached_property
    def judged(self) -> Feasibility:
        """The complete designs of the search, held against the constraints of the study."""
        return Feasibility(self.tables)

    @property
    def searched(self) -> pl.DataFrame:
        """The complete designs of the search, each once; those that are infeasible among them."""
        return self.judged.designs

    @cached_property
    def violations(self) -> pl.DataFrame:
        """`trial` and `violation` of each complete design: the sum over constraints, null where a quantity is missing.

        Without constraints there is no row.
        """
        rows = self.searched["trial"] if self.tables.constraints else self.searched["trial"].clear()
        sums = self.judged.violations.sum(axis=1)[: len(rows)]
        return pl.DataFrame([rows, pl.Series("violation", sums, pl.Float64).fill_nan(None)])

    @cached_property
    def infeasible(self) -> set[int]:
        """The trials of complete designs that do not meet the constraints."""
        return set(self.searched.filter(pl.Series(~self.judged.met, dtype=pl.Boolean))["trial"])

    @cached_property
    def ranked(self) -> pl.DataFrame:
        """As `dse front --ranks --knee` gives it: all feasible designs that miss no objective."""
        return front_table(self.tables, self.objectives, ranked=True, knee=True)

    @cached_property
    def front(self) -> pl.DataFrame:
        """The rows of `ranked` on the front, best first in the first objective."""
        return best_first(self.ranked.filter(pl.col("rank") == 0), self.objectives)

    @cached_property
    def controls(self) -> pl.DataFrame:
        """The controls that came to a result."""
        return controls(self.tables).filter(pl.col("state") != "failed")

    @cached_property
    def has_intervals(self) -> bool:
        """Whether any design has several seeds."""
        return bool((self.searched["seeds"] > 1).any())

    @cached_property
    def drawn(self) -> pl.DataFrame:
        """The designs that the page holds, a row each.

        With `rank`, `knee`, `p_front`, `violation` where there are constraints, and `ci95_NAME` of each metric.

        Controls first, then the front, best first, then others in the order of their trials, evenly thinned out.
        """
        taken = [*self.controls["trial"].to_list(), *self.front["trial"].to_list()[:HELD]]
        taken += thinned(self._others, max(0, HELD - len(self.front)))
        added = [name for name in ("rank", "knee", "p_front") if name in self.ranked.columns]
        table = pl.DataFrame({"trial": taken}, schema={"trial": pl.Int64})
        designs = pl.concat([self.controls, self.searched])
        sure = self.tables.metrics if len(taken) <= EXACT else self.objectives
        parts = [designs, self.ranked.select("trial", *added), half_widths(self.tables, sure)]
        parts += [self.violations] if self.tables.constraints else []
        for part in parts:
            table = table.join(part, on="trial", how="left", maintain_order="left")
        return table

    @cached_property
    def _others(self) -> list[int]:
        """The trials of complete designs that are not on the front."""
        return self.searched.join(self.front, on="trial", how="anti", maintain_order="left")["trial"].to_list()

    @cached_property
    def priced(self) -> list[int]:
        """The trials that the page can price anew: controls, the front, then others, evenly thinned out."""
        front = thinned(self.front["trial"].to_list(), FRONT_PRICED)
        others = thinned(self._others, max(0, PRICED - len(front)))
        return [*self.controls["trial"].to_list(), *front, *others]

    @cached_property
    def detailed(self) -> list[int]:
        """The trials of which the page holds curve, bill and wear: controls, the front, then the rest by rank."""
        held = set(self.drawn["trial"].to_list())
        parts = (self.front["trial"], self.ranked["trial"], self.searched["trial"])
        ordered = dict.fromkeys(itertools.chain.from_iterable(parts))
        chosen = itertools.islice((trial for trial in ordered if trial in held), DETAILED)
        return [*self.controls["trial"].to_list(), *chosen]

    @cached_property
    def closer(self) -> Tables:
        """The tables, with layers and curves of those designs alone that the page has more of: priced or detailed."""
        return replace(self.tables, nested=self.tables.nested.of([*{*self.priced, *self.detailed}]))

    def describe(self) -> Json:
        """Return what every picture of the page draws from: columns, and the designs as lists by column.

        `values` and `ci95` are places among the columns that are `packed`, or a place and the words that its numbers
        stand for.
        """
        columns = [
            *map(self._metric, self.tables.metrics),
            *map(self._parameter, self.tables.parameters),
            *self._of_the_search(),
        ]
        held = [c for c in columns if self.drawn[c["name"]].null_count() < len(self.drawn) or c["role"] == "objective"]
        names = [c["name"] for c in held]
        trials = self.drawn["trial"].to_list()
        widths = [name for name in names if f"ci95_{name}" in self.drawn.columns]
        packed = Columns()
        many = len(trials) > EXACT
        deciding = {*self.objectives, *(bound.metric for bound in self.tables.constraints), "rank", "violation"}
        widths = [name for name in widths if not many or name in self.objectives]
        values = {
            name: _packed(self.drawn[name], packed, single=many and name not in deciding)
            for name in names
            if name != "trial"
        }
        return {
            "columns": held,
            "trial": trials,
            "names": [self.name_of(trial) for trial in trials] if self.sides else None,
            "role": [self._role(*row) for row in self.drawn.select("trial", "origin", "rank").iter_rows()],
            "origin": self.drawn["origin"].to_list(),
            "seeds": self.drawn["seeds"].to_list(),
            "detailed": self.detailed,
            "values": {"trial": packed.add(self.own_trials()), **values},
            "ci95": {name: _packed(self.drawn[f"ci95_{name}"], packed, single=many) for name in widths}
            if self.has_intervals
            else {},
            "packed": packed.packed(),
        }

    def _role(self, trial: int, origin: str, rank: int | None) -> str:
        if origin != "search":
            return "control"
        return "infeasible" if trial in self.infeasible else "front" if rank == 0 else "searched"

    def _metric(self, name: str) -> Json:
        metric = QUANTITIES.get(name)
        known = {"unit": "", "goal": "", "meaning": ""}  # of a plug-in that is not here
        if metric is not None:
            known = {"unit": metric.unit.removeprefix("1"), "goal": metric.goal, "meaning": metric.meaning}
        role = "objective" if name in self.objectives else "metric"
        varies = self.searched[name].n_unique() > 1
        return {"name": name, "role": role, "log": is_log(self.searched, name), "varies": varies, **known}

    def _parameter(self, name: str) -> Json:
        values = {_text(v): value_of(v) for v in self.drawn[name].unique().drop_nulls().to_list()}
        numbers = [v for v in values.values() if isinstance(v, float)]
        # Numbers among strings ("float" among bits) are categories, in their order and before the strings.
        order = sorted(values, key=lambda text: (isinstance(values[text], str), values[text]))
        levels = order if len(numbers) < len(values) else None
        log = levels is None and bool(numbers) and min(numbers) > 0 and max(numbers) / min(numbers) > 4
        return {"name": name, "role": "parameter", "log": log, "levels": levels}

    def _of_the_search(self) -> list[Json]:
        """Return columns on the progress of the search (trial, rank); they can be axes and colours too."""
        meanings = {
            "trial": "number of the trial: designs in the order of the search",
            "rank": "0 on the front, 1 on the front without it, and so on",
            "p_front": "probability to be on the front, over draws of the means",
            "violation": "how far constraints are from being met: the sum of |value - bound| / max(|value|, |bound|)",
        }
        there = [name for name in meanings if name in self.drawn.columns]
        return [{"name": name, "role": "search", "log": False, "meaning": meanings[name]} for name in there]


def _packed(column: pl.Series, packed: Columns, *, single: bool) -> int | list[Any]:
    """Pack a column of a page; words as their places in a list."""
    if column.dtype.is_numeric():
        return packed.add(column.cast(pl.Float64).fill_null(math.nan).to_numpy(), single=single)
    words = column.cast(pl.String)
    known = words.unique().drop_nulls().sort().to_list()
    places = words.replace_strict(known, list(range(len(known))), default=None, return_dtype=pl.Float64)
    return [packed.add(places.fill_null(math.nan).to_numpy()), known]


def thinned(items: Sequence[int], most: int) -> list[int]:
    """Return at most so many items, evenly spread over their order; the first among them."""
    if len(items) <= most:
        return list(items)
    return [items[i * len(items) // most] for i in range(most)]


def short(values: Sequence[Any]) -> list[Any]:
    """Return values for a page: floats of `DIGITS` digits, null for what is no number, the rest as it is."""
    return [_short(value) for value in values]


def _short(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def by_trial(table: pl.DataFrame) -> Mapping[int, list[Json]]:
    """Return the rows of a table by trial, each without it."""
    found: dict[int, list[Json]] = {}
    for row in table.iter_rows(named=True):
        found.setdefault(row.pop("trial"), []).append(row)
    return found
