"""Exact Pareto fronts and ranks.

A point is on the front if no other is at least as good in every objective and better in one. Points that are equal in
all objectives are all on the front. A point with a missing objective is on no front and has no rank.

The rank of a point is 0 on the front, 1 on the front of what remains without it, and so on (non-dominated sorting; Deb
et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Trans. Evol. Comput. 6, 2002).
"""

from collections.abc import Sequence

import moocore
import numpy as np
import polars as pl

from dse.analysis.fronts.sieve import sieved
from dse.designs.outcome import METRICS
from dse.errors import QueryError
from dse.metric import Goal, signs_of
from dse.pricing.quantities import quantity


def as_costs(points: np.ndarray, goals: Sequence[Goal]) -> np.ndarray:
    """Return objectives with all to be minimised: the one place of the analysis where signs flip.

    Args:
        points: objectives, shape (..., points, objectives). Not changed.
        goals: which way is better, for each objective.
    """
    return points * np.array(signs_of(goals))


def _orderly(costs: np.ndarray) -> np.ndarray:
    """Return costs of the same order, finite: places in the order of each objective where some are infinite.

    A life without wear has no end, and moocore 0.3.2 leaves its memory where several costs are -inf.
    """
    if np.isfinite(costs).all():
        return costs
    places = [np.unique(column, return_inverse=True)[1] for column in costs.T]
    return np.stack(places, axis=1).astype(np.float64)


def is_on_front(points: np.ndarray, goals: Sequence[Goal]) -> np.ndarray:
    """Return for each point whether it is on the front.

    Args:
        points: objectives, shape (points, objectives); NaN where missing. Not changed.
        goals: which way is better, for each objective.

    Returns:
        Booleans, shape (points,). O(n log n) for up to three objectives (Kung et al., 1975, as in moocore), of those
        points that `sieved` leaves.
    """
    found = np.zeros(len(points), dtype=bool)
    left = sieved(points, goals)
    rest = points if left is None else points[left]
    known = ~np.isnan(rest).any(axis=1)
    if known.any():
        on = moocore.is_nondominated(_orderly(as_costs(rest[known], goals)), keep_weakly=True)
        found[known if left is None else left[known]] = on
    return found


def are_on_fronts(points: np.ndarray, goals: Sequence[Goal]) -> np.ndarray:
    """Return for each point of many small sets whether it is on the front of its set, as `is_on_front` does.

    Args:
        points: objectives, shape (sets, points, objectives); NaN where missing. Not changed.
        goals: which way is better, for each objective.

    Returns:
        Booleans, shape (sets, points). O(sets n^2) by the definition, for all sets together.
    """
    costs = as_costs(points, goals)
    as_good = np.ones((*costs.shape[:2], costs.shape[1]), dtype=bool)  # [set, j, i]: j is as good as i in all
    for k in range(costs.shape[2]):
        as_good &= costs[:, :, None, k] <= costs[:, None, :, k]
    beaten: np.ndarray = np.any(as_good & ~as_good.swapaxes(1, 2), axis=1)
    missing: np.ndarray = np.any(np.isnan(costs), axis=2)
    return np.logical_not(beaten | missing)


def ranks(points: np.ndarray, goals: Sequence[Goal]) -> np.ndarray:
    """Return the rank of each point; equal points have equal ranks.

    Args:
        points: objectives, shape (points, objectives); NaN where missing. Not changed.
        goals: which way is better, for each objective.

    Returns:
        Integers, shape (points,): 0 on the front, -1 where an objective is missing. O(n log n) for two objectives
        (Jensen, 2003, as in moocore); one front after the other beyond, O(fronts n log n) for three.
    """
    known = ~np.isnan(points).any(axis=1)
    found = np.full(len(points), -1, dtype=np.int64)
    if known.any():
        found[known] = moocore.pareto_rank(_orderly(as_costs(points[known], goals)))
    return found


def checked(objectives: Sequence[str]) -> list[Goal]:
    """Return which way is better for each objective.

    Raises:
        QueryError: an objective that is no metric, or that is named twice, or none.
    """
    goals: list[Goal] = [quantity(name).goal for name in objectives]
    if len(set(objectives)) < len(objectives):
        raise QueryError(f"an objective is named twice: {', '.join(objectives)}")
    if not objectives:
        raise QueryError(f"no objective is named (known: {', '.join(METRICS)})")
    return goals


def points_of(table: pl.DataFrame, objectives: Sequence[str]) -> np.ndarray:
    """Return columns as an array, shape (rows, objectives); NaN where missing. One may be named twice."""
    names = list(dict.fromkeys(objectives))
    points = table.select(pl.col(names).cast(pl.Float64)).fill_null(float("nan")).to_numpy()
    return points if len(names) == len(objectives) else points[:, [names.index(name) for name in objectives]]


def best_first(table: pl.DataFrame, objectives: Sequence[str]) -> pl.DataFrame:
    """Return the rows of a table sorted by the objectives, best first in the first."""
    descending = [goal == "maximise" for goal in checked(objectives)]
    return table.sort(list(objectives), descending=descending, maintain_order=True, nulls_last=True)


def front(trials: pl.DataFrame, objectives: Sequence[str]) -> pl.DataFrame:
    """Return the rows of a table that are on its front, best first in the first objective.

    Args:
        trials: a table with a column for each objective.
        objectives: names of metrics; each knows which way is up.

    Raises:
        QueryError: an objective that is no metric.
    """
    goals = checked(objectives)
    return best_first(trials.filter(pl.Series(is_on_front(points_of(trials, objectives), goals))), objectives)
