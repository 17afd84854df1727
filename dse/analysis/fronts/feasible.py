"""Which designs meet the constraints of a study, how many do not, and which of these is nearest.

A design is feasible if the means of its seeds meet every constraint; one that lacks a quantity that is bounded is not.
Fronts, ranks and volumes are those of the feasible designs. Variants on free axes are judged each on its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from dse.analysis.fronts.pareto import points_of
from dse.analysis.tables.tables import Tables, search_trials
from dse.analysis.tables.variants import with_simulated_trials
from dse.errors import QueryError
from dse.pricing.bounds import Bound, values_of
from dse.pricing.text import cell, counted
from dse.spec import written


@dataclass(frozen=True)
class Feasibility:
    """The complete designs of a search, held against the constraints of the study.

    Attributes:
        tables: the tables of a study; without constraints every design is feasible.
    """

    tables: Tables

    @property
    def constraints(self) -> Sequence[Bound]:
        """The constraints of the study."""
        return self.tables.constraints

    @cached_property
    def designs(self) -> pl.DataFrame:
        """The complete designs of the search."""
        return search_trials(self.tables)

    @cached_property
    def violations(self) -> np.ndarray:
        """How far each design is from each constraint, shape (designs, constraints); see `Bound.violations`."""
        return violations_of(self.designs, self.constraints)

    @cached_property
    def met(self) -> np.ndarray:
        """Whether each design is feasible, shape (designs,)."""
        return (self.violations == 0.0).all(axis=1)

    @property
    def feasible(self) -> pl.DataFrame:
        """The feasible designs."""
        return self.designs.filter(pl.Series(self.met, dtype=pl.Boolean))

    @property
    def infeasible(self) -> int:
        """How many complete designs are not feasible."""
        return int((~self.met).sum())

    def counts(self) -> list[tuple[str, int]]:
        """Return each constraint as text, with how many complete designs do not meet it."""
        failing = (self.violations != 0.0).sum(axis=0).tolist()
        return [(str(bound), int(count)) for bound, count in zip(self.constraints, failing, strict=True)]

    def points(self, objectives: Sequence[str]) -> np.ndarray:
        """Return objectives of the designs, shape (designs, objectives); NaN for infeasible designs, too."""
        points = points_of(self.designs, objectives)
        return np.where(self.met[:, None], points, np.nan) if self.constraints else points

    def summary(self) -> str:
        """Return a line on infeasible designs, or "" where the study has no constraints or no complete design."""
        if not self.constraints or self.designs.is_empty():
            return ""
        count = len(self.designs)
        if self.met.all():
            all_ = f"all {count} complete designs are" if count > 1 else "the one complete design is"
            return f"{all_} feasible: {', '.join(map(str, self.constraints))}"
        unmet = "not met: " + ", ".join(f"{text} ({failing})" for text, failing in self.counts() if failing)
        if self.met.any():
            are = "is" if self.infeasible == 1 else "are"
            return f"{self.infeasible} of {count} complete designs {are} infeasible; {unmet}"
        return f"none of {counted(count, 'complete design')} is feasible; {unmet}; {self.nearest()}"

    def nearest(self) -> str:
        """Return which infeasible design is nearest to being feasible, and what it has of what it violates."""
        far = np.where(np.isnan(self.violations), np.inf, self.violations).sum(axis=1)
        far = np.where(self.met, np.inf, far)
        if not np.isfinite(far).any():
            return "no design has all quantities that are bounded"
        place = int(far.argmin())
        row = with_simulated_trials(self.tables, self.designs[place]).row(0, named=True)
        variant = "".join(f", {name} = {written(row[name])}" for name in self.tables.free)
        return f"the nearest is trial {row['trial']}{variant} with {'; '.join(self._off(place))}"

    def missed(self, trial: int) -> str:
        """Return which constraints a design misses, and by how much; "" where it misses none, or is not complete."""
        places = (self.designs["trial"] == trial).arg_true().to_list()
        parts = self._off(places[0]) if places else []
        return f"it misses {', '.join(self._unmet(places[0]))}, with {'; '.join(parts)}" if parts else ""

    def _unmet(self, place: int) -> list[str]:
        own = zip(self.constraints, self.violations[place].tolist(), strict=True)
        return [str(bound) for bound, violation in own if violation]

    def _off(self, place: int) -> list[str]:
        """Return by how much a design misses each constraint that it misses."""
        row = self.designs.row(place, named=True)
        return [
            f"{bound.metric} = {cell(bound.metric, row[bound.metric])}, off by {100 * violation:.2g} %"
            for bound, violation in zip(self.constraints, self.violations[place].tolist(), strict=True)
            if violation
        ]


def violations_of(designs: pl.DataFrame, constraints: Sequence[Bound]) -> np.ndarray:
    """Return how far designs are from constraints, shape (designs, constraints); NaN where a quantity is missing.

    Raises:
        QueryError: the table has no column for a quantity that is bounded.
    """
    found = np.zeros((len(designs), len(constraints)))
    for place, bound in enumerate(constraints):
        if bound.metric not in designs.columns:
            raise QueryError(
                f"the constraint {bound} needs prices, which these tables lack; open them by "
                "dse.analysis.costs.priced.open_priced"
            )
        found[:, place] = bound.violations(values_of(designs, bound.metric))
    return found
