"""What decides: how much each parameter matters for each objective, and which way.

Permutation importance (Breiman, "Random forests", Machine Learning 45, 2001): a random forest learns an objective from
the parameters; the values of one parameter are shuffled among designs that the forest has not seen, and the importance
is by how much R2 falls. 0: the parameter does not matter, or another parameter carries the same information. 1: it
decides alone.

Each of `RESAMPLES` bootstrap samples of the designs gets a forest of its own, tested on the designs left out; bands are
2.5 and 97.5 % of these. Designs that differ in free axes alone are drawn and left out together. A parameter is shuffled
among the designs where it acts, with all columns it has. Objectives that span more than a factor of ten above 0 are
taken as logarithms. Everything is seeded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from dse.analysis.effects.features import AxisValue, Designs, columns, designs_of, groups, matrix
from dse.analysis.effects.forest import ENTRIES, Forest, grown
from dse.analysis.fronts.pareto import checked
from dse.analysis.tables.tables import Tables, search_trials
from dse.analysis.tables.variants import first_variants
from dse.errors import QueryError, did_you_mean
from dse.pricing.quantities import quantity
from dse.renamed import setting

RESAMPLES = 40
TREES = 40
SHUFFLES = 5
"""Times that a parameter is shuffled for each forest."""
AT_LEAST = 10
"""Fewer designs give no importance."""
AT_MOST = 2000
"""Designs in one bootstrap sample, so that a large study takes no longer than this."""
POINTS = 9
"""Values at which the dependence on a parameter of many values is shown."""


@dataclass(frozen=True)
class Task:
    """What is learned.

    Attributes:
        designs: the designs.
        x: their columns, shape (designs, columns).
        y: the objective on its scale, with mean 0 and standard deviation 1 (a forest treats
            values near 1e-8, such as joules, as equal).
        scale: "linear" or "log10".
        centre: mean of the objective on its scale.
        spread: standard deviation of the objective on its scale.
    """

    designs: Designs
    x: np.ndarray
    y: np.ndarray
    scale: str
    centre: float
    spread: float

    def unscaled(self, y: np.ndarray) -> np.ndarray:
        """Return values of y in the unit of the objective."""
        values = self.centre + self.spread * y
        return 10.0**values if self.scale == "log10" else values


@dataclass(frozen=True)
class Fit:
    """A forest on a bootstrap sample.

    Attributes:
        forest: the regressor.
        held_out: numbers of designs it has not seen.
        random: the stream of this sample.
    """

    forest: Forest
    held_out: np.ndarray
    random: np.random.Generator


def importance(tables: Tables, objectives: Sequence[str], seed: int = 0) -> pl.DataFrame:
    """Return a row for each objective and parameter, the most important first.

    Columns: `objective`, `parameter`, `importance` (mean over resamples), `low`, `high`, `r2` of the forests on designs
    left out (what the parameters explain at all; importances near it or below 0.3 say little), `scale` ("log10" where
    the objective was taken as a logarithm), `designs`.

    Raises:
        QueryError: an objective that is no metric, or too few complete designs.
    """
    checked(objectives)
    return pl.concat([_of_objective(tables, objective, seed) for objective in objectives])


def _of_objective(tables: Tables, objective: str, seed: int) -> pl.DataFrame:
    task = learned(tables, objective)
    names = [p.name for p in task.designs.axes]
    falls: list[np.ndarray] = []
    quality: list[float] = []
    for fit in fits(task, seed):
        base, *mixed = _r2(fit, task, np.stack([task.x[fit.held_out], *_shuffled(fit, task)]))
        quality.append(base)
        falls.append(base - np.reshape(mixed, (len(names), SHUFFLES)).mean(axis=1))
    if not falls:
        raise QueryError(f"{objective} is the same for too many of the {len(task.designs)} designs to say what decides")
    rows = [_summary(objective, name, np.array([fall[i] for fall in falls])) for i, name in enumerate(names)]
    found = pl.DataFrame(rows).sort("importance", descending=True, maintain_order=True)
    return found.with_columns(
        r2=pl.lit(float(np.mean(quality))), scale=pl.lit(task.scale), designs=pl.lit(len(task.designs))
    )


def _summary(objective: str, name: str, values: np.ndarray) -> dict[str, Any]:
    low, high = np.quantile(values, [0.025, 0.975])
    return {
        "objective": objective,
        "parameter": name,
        "importance": float(np.mean(values)),
        "low": float(low),
        "high": float(high),
    }


def learned(tables: Tables, objective: str) -> Task:
    """Return what a forest learns about an objective from the complete designs.

    Raises:
        QueryError: too few designs, nothing that varies, or an objective that is the same for all.
    """
    seen = tables if quantity(objective).priced else first_variants(tables)
    known = search_trials(seen).drop_nulls(objective)
    finite = known.filter(pl.col(objective).cast(pl.Float64).is_finite())
    designs = designs_of(seen, finite)
    if len(designs) < AT_LEAST:
        infinite = len(known) - len(finite)
        more = f", and {infinite} have one that is infinite" if infinite else ""
        raise QueryError(
            f"{len(designs)} complete designs have {objective}{more}; what decides needs at least {AT_LEAST}"
        )
    if not designs.axes:
        raise QueryError("no parameter varies among the complete designs")
    y: np.ndarray = designs.table[objective].cast(pl.Float64).to_numpy()
    if np.ptp(y) == 0:
        raise QueryError(f"{objective} is {y[0]:g} for all {len(designs)} designs; nothing decides it")
    log = bool(y.min() > 0 and y.max() / y.min() > 10)
    y = np.asarray(np.log10(y) if log else y, dtype=np.float64)
    centre, spread = float(y.mean()), float(y.std())
    return Task(designs, matrix(designs), (y - centre) / spread, "log10" if log else "linear", centre, spread)


def fits(task: Task, seed: int) -> Iterator[Fit]:
    """Fit a forest to each bootstrap sample, several together where they are small. O(resamples trees n log n)."""
    together = max(1, ENTRIES // (TREES * min(AT_MOST, len(task.designs))))
    for first in range(0, RESAMPLES, together):
        numbers = range(first, min(first + together, RESAMPLES))
        drawn = {number: found for number in numbers if (found := _sample(task, seed, number)) is not None}
        if not drawn:
            continue
        samples: list[np.ndarray] = []
        for taken, _, random in drawn.values():
            samples.extend(taken[random.integers(0, len(taken), size=(TREES, len(taken)))])
        forest = grown(task.x, task.y, samples, np.random.default_rng([seed, first, 1]))
        for place, (_, held_out, random) in enumerate(drawn.values()):
            yield Fit(forest.part(place * TREES, TREES), held_out, random)


def _sample(task: Task, seed: int, number: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator] | None:
    """Return the designs of a bootstrap sample, those left out, and its stream; None where those say nothing."""
    simulation = task.designs.simulation
    order, count = np.argsort(simulation, kind="stable"), int(simulation.max()) + 1
    ends = np.cumsum(np.bincount(simulation))
    members: list[np.ndarray] = [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    size = min(count, max(1, AT_MOST * count // len(order)))
    random = np.random.default_rng([seed, number])
    drawn = random.integers(0, count, size=size)
    held_out = np.flatnonzero(~np.isin(simulation, drawn))[:AT_MOST]
    if len(held_out) < 2 or np.ptp(task.y[held_out]) == 0:
        return None
    return np.concatenate([members[int(place)] for place in drawn]), held_out, random


def _shuffled(fit: Fit, task: Task) -> Iterator[np.ndarray]:
    """Yield the columns of the designs left out with each parameter shuffled in turn, `SHUFFLES` times."""
    seen = task.x[fit.held_out]
    for name, places in groups(task.designs).items():
        acting = np.flatnonzero(task.designs.acting(name)[fit.held_out])
        for _ in range(SHUFFLES):
            mixed = seen.copy()
            for_them = seen[fit.random.permutation(acting)]
            for place in places:
                mixed[acting, place] = for_them[:, place]
            yield mixed


def _r2(fit: Fit, task: Task, tables: np.ndarray) -> list[float]:
    """Return R2 on the designs left out for each of some tables of their columns, shape (tables, designs, columns)."""
    truth = task.y[fit.held_out]
    predicted = predict(fit, tables)
    total = float(np.sum((truth - np.mean(truth)) ** 2))
    return [1.0 - float(np.sum((truth - row) ** 2)) / total for row in predicted]


def predict(fit: Fit, tables: np.ndarray) -> np.ndarray:
    """Return predictions for tables of columns, shape (tables, designs, columns), in one call of the forest."""
    return fit.forest.predict(tables.reshape(-1, tables.shape[2])).reshape(tables.shape[:2])


def dependence(tables: Tables, objective: str, parameter: str, seed: int = 0) -> pl.DataFrame:
    """Return how an objective depends on a parameter, the others as they are in the designs where it acts.

    Partial dependence (Friedman, "Greedy function approximation", Ann. Stat. 29, 2001): `value` (as text, since numbers
    and strings can mix), the objective `predicted`, and `low` and `high`, 2.5 and 97.5 % over the bootstrap forests.

    Raises:
        QueryError: an unknown objective or parameter, one that does not vary, or too few designs.
    """
    checked([objective])
    task = learned(tables, objective)
    places = groups(task.designs)
    parameter = setting(parameter)
    chosen = {p.name: p for p in task.designs.axes}.get(parameter)
    if chosen is None:
        hint = did_you_mean(parameter, places)
        raise QueryError(f"no parameter {parameter!r} varies{hint} (those that do: {', '.join(places)})")
    numbers = chosen.numbers
    if len(numbers) > POINTS:
        numbers = tuple(float(v) for v in np.quantile(numbers, np.linspace(0, 1, POINTS), method="nearest"))
    values: list[AxisValue] = [*numbers, *chosen.strings]
    acting = task.x[task.designs.acting(parameter)][:AT_MOST]
    tried = np.stack([_at(acting, places[parameter], columns(chosen, [value])) for value in values])
    curves = np.array([predict(fit, tried).mean(axis=1) for fit in fits(task, seed)])
    bands = task.unscaled(np.vstack([curves.mean(axis=0), np.quantile(curves, [0.025, 0.975], axis=0)]))
    names = [f"{value:g}" if isinstance(value, float) else value for value in values]
    return pl.DataFrame(
        {"objective": [objective] * len(names), "parameter": [parameter] * len(names), "value": names}
        | dict(zip(("predicted", "low", "high"), bands.tolist(), strict=True))
    )


def _at(rows: np.ndarray, places: list[int], value: np.ndarray) -> np.ndarray:
    moved = rows.copy()
    moved[:, places] = value
    return moved
