"""How good a front is, and how far a design is from it.

hypervolume      the part of objective space that a front dominates, up to a reference point (Zitzler and Thiele, 1998)
knee             expected marginal utility (Branke et al., "Finding knees in multi-objective optimization", PPSN 2004)
epsilon-front    what no other design beats by more than epsilon (epsilon-efficient points; Loridan, 1984)
distance         d+ to the nearest point of the front (Ishibuchi et al., "Modified distance calculation in generational
                 distance and inverted generational distance", EMO 2015)
coverage         share of one set that another weakly dominates (the C metric; Zitzler and Thiele, 1999)

All take points of shape (points, objectives) with NaN where an objective is missing; such points count for nothing.
"""

from collections.abc import Sequence

import moocore
import numpy as np

from dse.analysis.fronts.pareto import as_costs, is_on_front
from dse.metric import Goal

WEIGHTS = 2000
"""Weightings of the objectives over which the utility of a knee is averaged."""
CHUNK = 4_000_000
"""Numbers held at once where points are compared pair by pair."""


def worst(points: np.ndarray, goals: Sequence[Goal]) -> np.ndarray:
    """Return the worst value of each objective over the points that miss none, shape (objectives,); the nadir of all.

    The default reference of a hypervolume. The points that hold a worst value then add nothing to the volume.
    """
    return as_costs(_known(as_costs(points, goals)).max(axis=0, initial=-np.inf), goals)


def ideal(points: np.ndarray, goals: Sequence[Goal]) -> np.ndarray:
    """Return the best value of each objective over the points that miss none, shape (objectives,)."""
    return as_costs(_known(as_costs(points, goals)).min(axis=0, initial=np.inf), goals)


def hypervolume(points: np.ndarray, goals: Sequence[Goal], reference: np.ndarray) -> float:
    """Return the volume that the points dominate, up to a reference point, in the product of the units.

    A point that is not better than the reference in every objective adds nothing. 0 for no points. O(n log n) for up to
    three objectives, O(n^2) for four, worse beyond (Guerreiro and Fonseca, 2018, as in moocore). Infinite where a point
    is infinitely good in an objective.
    """
    costs, corner = _known(as_costs(points, goals)), as_costs(reference, goals)
    inside = costs[(costs < corner).all(axis=1)]
    if not len(inside):
        return 0.0
    # Edges of one order of magnitude: joules next to counts of pulses would lose digits.
    edges = corner - inside.min(axis=0)
    if not np.isfinite(edges).all():
        return float("inf")
    return float(moocore.hypervolume((inside - corner) / edges, ref=np.zeros(len(goals))) * edges.prod())


def distances(points: np.ndarray, goals: Sequence[Goal], on: np.ndarray | None = None) -> np.ndarray:
    """Return how far each point is from a front: 0 on it, and above 0 for all that it dominates.

    For each point of the front take by how much it is better in each objective (0 where it is not), in parts of the
    range of that objective over all points, as a Euclidean length; the distance is the smallest.

    Args:
        points: objectives; NaN where missing.
        goals: which way is better, for each objective.
        on: which points make the front, booleans; by default the front of the points.

    Returns:
        Shape (points,); NaN where an objective is missing. O(n |front|).
    """
    costs = _finite(as_costs(points, goals))
    on = is_on_front(points, goals) if on is None else on
    span = np.ptp(_known(costs), axis=0) if _known(costs).size else np.ones(costs.shape[1])
    scaled = costs / np.where(span > 0, span, 1.0)
    found = np.full(len(points), np.nan)
    known = np.flatnonzero(~np.isnan(costs).any(axis=1))
    for rows in _chunks(known, int(on.sum()) * costs.shape[1]):
        worse = np.maximum(scaled[rows, None, :] - scaled[None, on, :], 0.0)
        found[rows] = np.sqrt((worse**2).sum(axis=2).min(axis=1, initial=np.inf))
    return found


def is_on_epsilon_front(
    points: np.ndarray, goals: Sequence[Goal], epsilon: np.ndarray, relative: np.ndarray
) -> np.ndarray:
    """Return for each point whether no other beats it by more than epsilon.

    A point is left out if another, made worse by epsilon in every objective, still is at least as good in every
    objective and better in one. So epsilon = 0 gives the front, and any other a set that contains it.

    Args:
        points: objectives; NaN where missing.
        goals: which way is better, for each objective.
        epsilon: at least 0, shape (objectives,); below 1 where relative.
        relative: booleans, shape (objectives,): whether epsilon is a fraction of the value or in its unit.

    Returns:
        Booleans, shape (points,). O(n |front|).
    """
    costs = as_costs(points, goals)
    best = costs[is_on_front(points, goals)]
    size = np.where(np.isfinite(best), np.abs(best), 0.0)  # what is infinitely good stays so
    best = best + np.where(relative, epsilon * size, epsilon)
    found = np.zeros(len(points), dtype=bool)
    known = np.flatnonzero(~np.isnan(costs).any(axis=1))
    for rows in _chunks(known, best.size):
        here = costs[rows, None, :]
        beaten = (best <= here).all(axis=2) & (best < here).any(axis=2)
        found[rows] = ~np.any(beaten, axis=1)
    return found


def knees(points: np.ndarray, goals: Sequence[Goal], seed: int = 0) -> np.ndarray:
    """Return the expected marginal utility of each point of the front; the largest is the knee.

    With objectives in parts of their range over the front, and weights drawn evenly from the simplex: how much more the
    best choice would cost if this point were not there, on average over the weights. Equal points share their value.

    Returns:
        Shape (points,); NaN off the front. All 0 where the front has one distinct point. O(weights |front|).
    """
    found = np.full(len(points), np.nan)
    on = is_on_front(points, goals)
    if not on.any():
        return found
    distinct, copies = np.unique(_finite(as_costs(points[on], goals)), axis=0, return_inverse=True)
    utility = np.zeros(len(distinct))
    if len(distinct) > 1:
        span = np.ptp(distinct, axis=0)
        scaled = (distinct - distinct.min(axis=0)) / np.where(span > 0, span, 1.0)
        for weight in weightings(len(goals), seed):
            cost = scaled @ weight
            first, second = np.argpartition(cost, 1)[:2]
            utility[first] += cost[second] - cost[first]
    found[on] = utility[copies.reshape(-1)] / WEIGHTS
    return found


def weightings(objectives: int, seed: int) -> np.ndarray:
    """Return weights drawn evenly from the simplex, shape (WEIGHTS, objectives); each row adds up to 1."""
    return np.random.default_rng(seed).dirichlet(np.ones(objectives), size=WEIGHTS)


def coverage(points: np.ndarray, others: np.ndarray, goals: Sequence[Goal]) -> float:
    """Return the share of `others` to which some of `points` is at least as good in every objective; NaN for none."""
    costs, targets = _known(as_costs(points, goals)), _known(as_costs(others, goals))
    if not len(targets):
        return float("nan")
    return float(np.mean([bool((costs <= target).all(axis=1).any()) for target in targets]))


def _finite(costs: np.ndarray) -> np.ndarray:
    """Return costs with what is infinite, such as a life without wear, one range beyond the finite values."""
    if not np.isinf(costs).any():
        return costs
    finite = np.where(np.isfinite(costs), costs, np.nan)
    ends = [np.where(np.isnan(finite).all(axis=0), 0.0, end) for end in _ends(finite)]
    span = np.where(ends[1] > ends[0], ends[1] - ends[0], 1.0)
    return np.where(np.isposinf(costs), ends[1] + span, np.where(np.isneginf(costs), ends[0] - span, costs))


def _ends(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and the largest number of each column, NaN left out; infinities where there is none."""
    return np.nanmin(values, axis=0, initial=np.inf), np.nanmax(values, axis=0, initial=-np.inf)


def _known(costs: np.ndarray) -> np.ndarray:
    return costs[~np.isnan(costs).any(axis=1)]


def _chunks(rows: np.ndarray, numbers: int) -> list[np.ndarray]:
    """Return row numbers in parts, so that `numbers` for each row fit into `CHUNK`."""
    size = max(1, CHUNK // max(1, numbers))
    return [rows[i : i + size] for i in range(0, len(rows), size)]
