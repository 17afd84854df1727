"""Exact Pareto fronts.

A point is on the front if no other is at least as good in every objective and better in one. Points that are equal in
all objectives are all on the front. A point with a missing objective is on no front.
"""

from collections.abc import Sequence

import moocore
import numpy as np
import polars as pl

from dse.design.outcome import METRICS, Goal
from dse.errors import QueryError, did_you_mean


def is_on_front(points: np.ndarray, goals: Sequence[Goal]) -> np.ndarray:
    """Return for each point whether it is on the front.

    Args:
        points: objectives, shape (points, objectives); NaN where missing. Not changed.
        goals: which way is better, for each objective.

    Returns:
        Booleans, shape (points,). O(n log n) for up to three objectives (Kung et al., 1975, as in moocore).
    """
    signs = np.array([-1.0 if goal == "maximise" else 1.0 for goal in goals])
    known = ~np.isnan(points).any(axis=1)
    front = np.zeros(len(points), dtype=bool)
    if known.any():
        front[known] = moocore.is_nondominated(points[known] * signs, keep_weakly=True)
    return front


def front(trials: pl.DataFrame, objectives: Sequence[str]) -> pl.DataFrame:
    """Return the rows of a table that are on its front, best first in the first objective.

    Args:
        trials: a table with a column for each objective.
        objectives: names of metrics; each knows which way is up.

    Raises:
        QueryError: an objective that is no metric.
    """
    for name in objectives:
        if name not in METRICS:
            raise QueryError(f"unknown objective {name!r}{did_you_mean(name, METRICS)} (known: {', '.join(METRICS)})")
    if len(set(objectives)) < len(objectives):
        raise QueryError(f"an objective is named twice: {', '.join(objectives)}")
    points = trials.select(pl.col(list(objectives)).cast(pl.Float64)).fill_null(float("nan")).to_numpy()
    goals: list[Goal] = [METRICS[name].goal for name in objectives]
    descending = [goal == "maximise" for goal in goals]
    keep = pl.Series(is_on_front(points, goals))
    return trials.filter(keep).sort(list(objectives), descending=descending, maintain_order=True)
