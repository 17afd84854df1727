"""What is believed of designs that were not simulated, and what they are worth."""

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import special as untyped_special

from dse.analysis.fronts.pareto import is_on_front, ranks
from dse.metric import Goal
from dse.search.samplers.model.gain import expected_gain, log_expected_improvement
from dse.search.samplers.model.kriging import Floats, Process, Scales, learned

special = cast("Any", untyped_special)
Places = NDArray[np.int64]
Kept = dict[tuple[int, str], Scales]
"""Scales that were learned: from how many results, and of what."""

SEEN = 400
"""Designs that a model is fitted to, at most."""
LEARNED = 128
"""Designs that its scales are learned from, at most."""
GROWTH = 4
"""Scales are learned anew when results have grown by one in so many."""
DECADE = 10.0
"""Ratio of the largest to the smallest value from which a quantity is modelled by its logarithm."""
MARGIN = 0.1
"""Reach of the box of volumes beyond the values of the front, in shares of its sides."""
TOLERATED = 0.02
"""Violation up to which a design counts as feasible in a model, which knows of no sharp bound."""
BEYOND = 10.0
"""An infinite value counts as so many times the largest finite one."""


def transformed(values: Sequence[Sequence[float] | None]) -> Floats:
    """Return values to be minimised on the scales on which they are modelled; NaN for failed trials.

    A quantity whose values all have one sign and span more than a decade is its logarithm.

    Args:
        values: of the objectives of each trial, or None; one trial at least has some.

    Returns:
        Shape (trials, objectives).
    """
    width = next(len(own) for own in values if own is not None)
    table = np.array([(math.nan,) * width if own is None else own for own in values], np.float64)
    for k in range(width):
        table[:, k] = _transformed(table[:, k])
    return table


def _transformed(own: Floats) -> Floats:
    finite = own[np.isfinite(own)]
    largest = BEYOND * float(np.abs(finite).max(initial=1.0))
    own = np.clip(own, -largest, largest)
    known = own[~np.isnan(own)]
    if (known > 0.0).all() and known.max() > DECADE * known.min():
        return np.log10(own)
    if (known < 0.0).all() and known.min() < DECADE * known.max():
        return -np.log10(-own)
    return own


class Belief:
    """Models of the objectives, of the constraints that some design misses, and of failure.

    Args:
        x: points of the trials told, in order of number, shape (trials, dimensions).
        y: their objectives, transformed, shape (trials, objectives); NaN for failed ones.
        violations: of each constraint, shape (trials, constraints).
        pending: points of trials in flight, shape (trials, dimensions).
        kept: scales learned before; what is learned now is added.

    Attributes:
        best: which trials are on the front of the feasible ones; of all, where none is feasible.
    """

    def __init__(self, x: Floats, y: Floats, violations: Floats, pending: Floats, kept: Kept) -> None:
        self._kept = kept
        complete = ~np.isnan(y[:, 0])
        feasible = complete & (violations <= 0.0).all(axis=1)
        self._any_feasible = bool(feasible.any())
        judged = np.flatnonzero(feasible if self._any_feasible else complete)
        goals: list[Goal] = ["minimise"] * y.shape[1]
        self.best: Places = judged[is_on_front(y[judged], goals)]
        chosen = _chosen(y, complete, self.best, goals)
        names = [f"objective {k}" for k in range(y.shape[1])]
        self._objectives = [
            self._model(name, x, y[:, k], np.flatnonzero(complete), chosen, pending) for k, name in enumerate(names)
        ]
        self._limits = [
            self._model(f"constraint {k}", x, violations[:, k], np.flatnonzero(complete), chosen, pending)
            for k in range(violations.shape[1])
            if violations[complete, k].any()
        ]
        everything = np.arange(len(x))
        failed = (~complete).astype(np.float64)
        self._failures = (
            [self._model("failure", x, failed, everything, everything[-SEEN:], pending[:0])] if failed.any() else []
        )
        self._front = y[self.best]
        span = np.ptp(self._front, axis=0)
        span = np.maximum(span, 1e-6 * np.abs(self._front).max(axis=0) + 1e-12)
        self._ideal, self._span = self._front.min(axis=0) - MARGIN * span, (1.0 + 2.0 * MARGIN) * span

    def _model(self, name: str, x: Floats, y: Floats, known: Places, chosen: Places, pending: Floats) -> "_Model":
        """Return a model of a quantity from the chosen trials.

        Args:
            name: of the quantity.
            x: points of all trials.
            y: values of all trials.
            known: those that have one.
            chosen: those that the model is fitted to.
            pending: points of trials in flight.
        """
        key = _when_learned(len(known)), name
        if key not in self._kept:
            own = known[: key[0]][-LEARNED:]
            self._kept[key] = learned(x[own], _standard(y[own]))
        return _Model(x[chosen], y[chosen], self._kept[key], pending)

    def worth(self, x: Floats) -> Floats:
        """Return what designs are worth, shape (designs,); only their order has a meaning.

        Args:
            x: their points.
        """
        feasible = self._log_feasible(x)
        if not self._any_feasible and self._limits:
            return feasible
        expected = [own.predict(x) for own in self._objectives]
        means, deviations = (np.stack(part, axis=1) for part in zip(*expected, strict=True))
        if means.shape[1] == 1:
            return feasible + log_expected_improvement(means[:, 0], deviations[:, 0], float(self._front.min()))
        scaled, front = (means - self._ideal) / self._span, (self._front - self._ideal) / self._span
        gain = expected_gain(scaled, deviations / self._span, front)
        # Where no gain tells designs apart, those are first whose means are nearest to the front.
        return feasible + np.log(gain + 1e-12) - 1e-6 * _behind(scaled, front)

    def _log_feasible(self, x: Floats) -> Floats:
        """Return the logarithm of the probability that designs are feasible and do not fail."""
        found = np.zeros(len(x))
        for limit in self._limits:
            mean, deviation = limit.predict(x)
            found += special.log_ndtr((TOLERATED - mean) / deviation)
        for failure in self._failures:
            mean, deviation = failure.predict(x)
            found += special.log_ndtr((0.5 - mean) / np.maximum(deviation, 0.1))
        return found


class _Model:
    """A Gaussian process of standardised values; trials in flight count as if they had come out as expected."""

    def __init__(self, x: Floats, y: Floats, scales: Scales, pending: Floats) -> None:
        self._mean, self._std = float(y.mean()), float(y.std()) or 1.0
        z = (y - self._mean) / self._std
        self._process = Process(x, z, scales)
        if len(pending):
            expected, _ = self._process.predict(pending)
            self._process = Process(np.concatenate([x, pending]), np.concatenate([z, expected]), scales)

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """Return means and standard deviations, each shape (designs,)."""
        mean, deviation = self._process.predict(x)
        return self._mean + self._std * mean, self._std * deviation


def _standard(y: Floats) -> Floats:
    return (y - y.mean()) / (float(y.std()) or 1.0)


def _when_learned(count: int) -> int:
    """Return from how many results scales were learned last, where there are some more now."""
    step = 1
    while step + max(1, step // GROWTH) <= count:
        step += max(1, step // GROWTH)
    return step


def _chosen(y: Floats, complete: NDArray[np.bool_], best: Places, goals: Sequence[Goal]) -> Places:
    """Return the trials that models are fitted to: all that are complete, or the front and those of the best ranks."""
    places = np.flatnonzero(complete)
    if len(places) <= SEEN:
        return places
    rank = ranks(y[places], goals)
    rank[np.isin(places, best)] = -1
    return np.sort(places[np.argsort(rank, kind="stable")][:SEEN])


def _behind(points: Floats, front: Floats) -> Floats:
    """Return by how much each point misses dominating some point of a front; 0 or less where it dominates one."""
    return (points[:, None] - front[None]).max(axis=2).min(axis=1)
