"""What is believed of designs that were not simulated, and what they are worth."""

import hashlib
import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy import special as untyped_special

from dse.analysis.fronts.pareto import is_on_front, ranks
from dse.metric import Goal
from dse.search.samplers.model.gain import boxes, expected_gain, log_expected_improvement
from dse.search.samplers.model.kriging import Floats, Process, Scales, learned
from dse.search.samplers.model.scales import Scale

special = cast("Any", untyped_special)
Places = NDArray[np.int64]
Kept = dict[tuple[str, bytes], Scales]
"""Scales that were learned: of what, and a digest of what from. So they never depend on what was asked before."""

SEEN = 400
"""Designs that a model is fitted to, at most."""
LEARNED = 128
"""Designs that its scales are learned from, at most."""
GROWTH = 4
"""Scales are learned anew when results have grown by one in so many."""
MARGIN = 0.1
"""Reach of the box of volumes beyond the values of the front, in shares of its sides."""
SLIGHT = 0.05
"""Share of the sides of a front by which a design may be worse than another that dominates it but for that."""
CLEAR = 0.15
"""Share of the sides by which it is clearly worse; then it does not decide where the box ends."""
LEAST = 1e-12
"""Gain, in shares of the box, below which designs are told apart by how near they are to the front."""
OFFSET = 2.0
"""Deviation of the offset of earlier designs along an axis beside the space, a priori, in deviations of all values."""
FEW_OWN = 4
"""Values of the study itself from which a model goes back to their mean, far from what was seen."""
SURE = 1e-6
"""Standard deviation of what is known, in shares of the box of volumes."""


def transformed(values: Sequence[Sequence[float] | None], first: int | None = None) -> tuple[Floats, list[Scale]]:
    """Return values to be minimised on the scales on which they are modelled, and these; NaN for failed trials.

    Args:
        values: of the objectives of each trial, or None; one trial at least has some.
        first: how many trials decide on the scale; see `Scale.of`.

    Returns:
        Values of shape (trials, objectives), and a scale for each objective.
    """
    width = next(len(own) for own in values if own is not None)
    table = np.array([(math.nan,) * width if own is None else own for own in values], np.float64)
    scales = [Scale.of(table[:, k], first) for k in range(width)]
    return np.stack([scale.to(table[:, k]) for k, scale in enumerate(scales)], axis=1), scales


class Exact(NamedTuple):
    """What is known of designs before they are simulated.

    Attributes:
        values: of objectives, on the scales on which they are modelled, shape (designs, objectives); NaN where unknown.
        met: places of the constraints that each design is known to meet.
    """

    values: Floats
    met: Sequence[Collection[int]]


class Belief:
    """Models of the objectives, of the constraints that some design misses, and of failure.

    Values may have noise of different size, such as means over more or fewer seeds, or values at the end of a training
    that are expected from its begin. It comes on top of the noise that all values share, which is learned.

    Args:
        x: points of the trials told, in order of number, shape (trials, dimensions).
        y: their objectives, transformed, shape (trials, objectives); NaN for failed ones.
        violations: of each constraint, shape (trials, constraints); 0 where it is met, or by how much below 0.
        pending: points of trials in flight, shape (trials, dimensions).
        kept: scales learned before; what is learned now is added.
        noise: variances of the further noise of objectives, in the units of `y`, of its shape; none by default.
        violation_noise: the same of violations.
        counted: which trials may be on the front, shape (trials,); the others inform the models alone. All by default.
        earlier: how many of the first trials are designs of earlier results. They decide no box of volumes.
        beside: how many of the last axes are beside the space. Values may be offset along them as a whole.
        elsewhere: points all over the space, at which designs that meet the bounds are looked for, shape (points,
            dimensions); they decide where volumes end. None by default.

    Attributes:
        best: which trials are on the front of the feasible ones that count; of all that count, where none is feasible;
            of all that are complete, where none counts.
    """

    def __init__(
        self,
        x: Floats,
        y: Floats,
        violations: Floats,
        pending: Floats,
        kept: Kept,
        *,
        noise: Floats | None = None,
        violation_noise: Floats | None = None,
        counted: NDArray[np.bool_] | None = None,
        earlier: int = 0,
        beside: int = 0,
        elsewhere: Floats | None = None,
    ) -> None:
        self._kept, self._earlier, self._beside = kept, earlier, beside
        complete = ~np.isnan(y[:, 0])
        judged = complete if counted is None or not (complete & counted).any() else complete & counted
        feasible = judged & (violations <= 0.0).all(axis=1)
        self._any_feasible = bool(feasible.any())
        places = np.flatnonzero(feasible if self._any_feasible else judged)
        self.best: Places = places[is_on_front(y[places], _goals(y))]
        self._learn(x, y, violations, pending, noise=noise, violation_noise=violation_noise)
        self._front = y[self.best]
        self._ideal, reference = self._ends(y, violations, elsewhere)
        self._span = reference - self._ideal
        self._ahead: Floats = np.concatenate([self._front, self._believed(pending)]) if len(pending) else self._front
        self._free = boxes(self._scaled(self._ahead, self._ahead)[0], np.ones(len(self._span)))

    def _learn(
        self,
        x: Floats,
        y: Floats,
        violations: Floats,
        pending: Floats,
        *,
        noise: Floats | None,
        violation_noise: Floats | None,
    ) -> None:
        """Fit the models; the arguments are those of the class."""
        complete = ~np.isnan(y[:, 0])
        chosen, known = _chosen(y, complete, self.best), np.flatnonzero(complete)
        noise = np.zeros_like(y) if noise is None else noise
        violation_noise = np.zeros_like(violations) if violation_noise is None else violation_noise
        self._objectives = [
            self._model(f"objective {k}", _Data(x, y[:, k], noise[:, k]), known, chosen, pending)
            for k in range(y.shape[1])
        ]
        self._limits = {
            k: self._model(f"constraint {k}", _Data(x, _signed(own), violation_noise[:, k]), known, chosen, pending)
            for k, own in enumerate(violations.T)
            if own[complete].any()
        }
        everything, failed = np.arange(len(x)), (~complete).astype(np.float64)
        data = _Data(x, failed, np.zeros(len(x)))
        self._failures = (
            [self._model("failure", data, everything, everything[-SEEN:], pending[:0])] if failed.any() else []
        )

    def _ends(self, y: Floats, violations: Floats, elsewhere: Floats | None) -> tuple[Floats, Floats]:
        """Return the ideal point of the front and the point where volumes end; the arguments are those of the class."""
        complete = ~np.isnan(y[:, 0])
        own = complete & (np.arange(len(y)) >= self._earlier)
        # What waits at a rung, and is expected to be on the front, would else be beyond the box and worth nothing.
        hoped = own & (violations <= 0.0).all(axis=1) if self._any_feasible else np.zeros_like(own)
        ideal, end = _box(_front_of(y[np.union1d(self.best, np.flatnonzero(hoped))]))
        if elsewhere is not None and self._any_feasible and (violations > 0.0).any():
            end = np.maximum(end, self._end_with(elsewhere))
        # A front that has not spread yet says little of where volumes should end.
        middle: Floats = np.median(y[own if own.any() else complete], axis=0)
        return ideal, np.maximum(end, middle)

    def _end_with(self, x: Floats) -> Floats:
        """Return where volumes end if designs at some points count as what is expected of them, if that is feasible.

        Bounds may leave places that are far apart. Volumes would end with the front in one of them, before the others
        begin, and no design there would gain anything.
        """
        likely = self._log_feasible(x) > math.log(0.5)
        return _box(_front_of(np.concatenate([self._front, self.expected(x)[0][likely]])))[1]

    def _believed(self, pending: Floats) -> Floats:
        """Return the values that trials in flight are expected to have, if they are expected to count.

        So what they will dominate is no gain of others.
        """
        counting = self._log_feasible(pending) > math.log(0.5) if self._any_feasible else np.ones(len(pending), bool)
        return self.expected(pending)[0][counting]

    def _model(self, name: str, data: "_Data", known: Places, chosen: Places, pending: Floats) -> "_Model":
        """Return a model of a quantity from the chosen trials.

        Args:
            name: of the quantity.
            data: of all trials.
            known: those that have a value.
            chosen: those that the model is fitted to.
            pending: points of trials in flight.
        """
        places = self._learned_from(known)
        own, mean = data.of(places), self._mean(data, places)
        key = name, own.digest
        if key not in self._kept:
            scale = float(own.y.std()) or 1.0
            self._kept[key] = learned(own.x, (own.y - mean) / scale, own.noise / scale**2, self._shared(own.x))
        found = data.of(chosen)
        return _Model(found, self._kept[key], pending, self._mean(data, chosen), self._shared(found.x))

    def _mean(self, data: "_Data", places: Places) -> float:
        """Return the mean of some values; of those of the study itself, where there are a few."""
        own = places[places >= self._earlier]
        return float(data.y[own if len(own) >= FEW_OWN else places].mean())

    def _shared(self, x: Floats) -> Floats | None:
        """Return the deviations of offsets that values have in common; None where there is no axis beside the space."""
        return OFFSET * x[:, x.shape[1] - self._beside :] if self._beside else None

    def _learned_from(self, known: Places) -> Places:
        """Return the trials that scales are learned from: the last ones, and up to as many earlier designs."""
        found = known[: _when_learned(len(known))]
        before = found[found < self._earlier][: LEARNED // 2]
        return np.concatenate([before, found[found >= self._earlier][-(LEARNED - len(before)) :]])

    def expected(self, x: Floats) -> tuple[Floats, Floats]:
        """Return means and standard deviations of the objectives of designs, each shape (designs, objectives).

        They are those of the values without noise, given all that was seen: also what was seen of these designs.

        Args:
            x: their points.
        """
        means, deviations = (
            np.stack(part, axis=1) for part in zip(*(m.predict(x) for m in self._objectives), strict=True)
        )
        return means, deviations

    def log_chances(self, x: Floats) -> Floats:
        """Return the logarithm of the probability of designs to be feasible and not to fail, shape (designs,).

        Args:
            x: their points.
        """
        return self._log_feasible(x)

    @property
    def seeks_feasible(self) -> bool:
        """Whether no design that counts meets the bounds yet, so that designs are worth their probability to."""
        return not self._any_feasible and bool(self._limits)

    def gains(self, x: Floats, expected: tuple[Floats, Floats] | None = None) -> Floats:
        """Return the expected gain of designs in hypervolume over the front, times the probability that they count.

        Volumes are shares of the box of the front; of one objective it is the expected improvement. While nothing is
        feasible, it is the probability that a design is.

        Args:
            x: their points; they may have been seen, such as paused trainings, and should not be counted.
            expected: means and standard deviations to take in place of those of `expected`.
        """
        chance, gain, _ = self._judged(x, expected)
        return np.exp(chance + gain)

    def worth(self, x: Floats, exact: Exact | None = None) -> Floats:
        """Return what designs are worth, shape (designs,); only their order has a meaning.

        Args:
            x: their points.
            exact: what is known of them without a model; nothing by default.
        """
        if exact is None:
            chance, gain, behind = self._judged(x, None)
        else:
            (means, deviations), is_known = self.expected(x), ~np.isnan(exact.values)
            expected = np.where(is_known, exact.values, means), np.where(is_known, SURE * self._span, deviations)
            chance, gain, behind = self._judged(x, expected, exact.met)
        # Where no gain tells designs apart, those are first whose means are nearest to the front.
        return chance + np.maximum(gain, math.log(LEAST)) - LEAST * behind

    def _judged(
        self, x: Floats, expected: tuple[Floats, Floats] | None, met: Sequence[Collection[int]] | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Return logarithms of the probability that designs count and of their gain, and how far they are behind."""
        chance, nothing = self._log_feasible(x, met), np.zeros(len(x))
        if self.seeks_feasible:
            return chance, nothing, nothing
        means, deviations = self.expected(x) if expected is None else expected
        if means.shape[1] == 1:
            best = float(self._ahead.min())
            return chance, log_expected_improvement(means[:, 0], deviations[:, 0], best), nothing
        scaled, deviations = self._scaled(means, deviations)
        gain = expected_gain(scaled, deviations, self._free)
        return chance, np.log(np.maximum(gain, 1e-300)), _behind(scaled, self._scaled(self._front, self._front)[0])

    def _scaled(self, means: Floats, deviations: Floats) -> tuple[Floats, Floats]:
        """Return means and standard deviations in the box of volumes."""
        return (means - self._ideal) / self._span, deviations / self._span

    def _log_feasible(self, x: Floats, met: Sequence[Collection[int]] | None = None) -> Floats:
        """Return the logarithm of the probability that designs are feasible and do not fail.

        Args:
            x: their points.
            met: places of the constraints that they meet for sure, for each of them; none by default.
        """
        found = np.zeros(len(x))
        for k, limit in self._limits.items():
            mean, deviation = limit.predict(x)
            chance = special.log_ndtr(-mean / deviation)
            found += chance if met is None else np.where([k in own for own in met], 0.0, chance)
        for failure in self._failures:
            mean, deviation = failure.predict(x)
            found += special.log_ndtr((0.5 - mean) / np.maximum(deviation, 0.1))
        return found


class _Data(NamedTuple):
    """What is known of a quantity.

    Attributes:
        x: points, shape (points, dimensions).
        y: values, shape (points,).
        noise: variances of the further noise of values, shape (points,).
    """

    x: Floats
    y: Floats
    noise: Floats

    def of(self, places: Places) -> "_Data":
        """Return what is known of some points."""
        return _Data(self.x[places], self.y[places], self.noise[places])

    @property
    def digest(self) -> bytes:
        """A hash of the content."""
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in self)).digest()


class _Model:
    """A Gaussian process of standardised values; trials in flight count as if they had come out as expected."""

    def __init__(self, data: _Data, scales: Scales, pending: Floats, mean: float, shared: Floats | None) -> None:
        self._mean, self._std = mean, float(data.y.std()) or 1.0
        y, noise = (data.y - mean) / self._std, data.noise / self._std**2
        self._process = Process(data.x, y, scales, noise, shared, mean=None if shared is None else 0.0)
        if len(pending):
            self._process.believe(pending)

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """Return means and standard deviations, each shape (designs,)."""
        mean, deviation = self._process.predict(x)
        return self._mean + self._std * mean, self._std * deviation


def _signed(violations: Floats) -> Floats:
    """Return violations of a constraint in which those who meet it are below 0, by as much as others miss it.

    A model of values that end at 0 would see no bound there, and a search would go beyond it by a little.
    """
    missed = violations[violations > 0.0]
    if not len(missed) or (violations < 0.0).any():
        return violations
    return np.where(violations == 0.0, -float(np.median(missed)), violations)


def _goals(y: Floats) -> list[Goal]:
    return ["minimise"] * y.shape[1]


def _front_of(y: Floats) -> Floats:
    """Return the rows on the front of values to be minimised."""
    return y[is_on_front(y, _goals(y))]


def _box(front: Floats) -> tuple[Floats, Floats]:
    """Return the ideal point of a front, and the point where volumes end.

    A design that is barely better than another in some objectives and clearly worse in others has no say in where they
    end. Such designs are on most fronts of three and more objectives (Ikeda, Kita and Kobayashi, CEC 2001), and would
    draw a search to the ends of its box.

    Args:
        front: shape (designs, objectives).
    """
    ideal = front.min(axis=0)
    least = 1e-6 * np.abs(front).max(axis=0) + 1e-12
    scaled = (front - ideal) / np.maximum(np.ptp(front, axis=0), least)
    no_better = (scaled[None] <= scaled[:, None] + SLIGHT).all(axis=2)
    clearly_worse = (scaled[None] < scaled[:, None] - CLEAR).any(axis=2)
    own = front[~(no_better & clearly_worse).any(axis=1)]
    own = own if len(own) else front
    span = np.maximum(np.ptp(own, axis=0), least)
    return ideal, own.max(axis=0) + MARGIN * span


def _when_learned(count: int) -> int:
    """Return from how many results scales were learned last, where there are some more now."""
    step = 1
    while step + max(1, step // GROWTH) <= count:
        step += max(1, step // GROWTH)
    return step


def _chosen(y: Floats, complete: NDArray[np.bool_], best: Places) -> Places:
    """Return the trials that models are fitted to: all that are complete, or the front and those of the best ranks."""
    places = np.flatnonzero(complete)
    if len(places) <= SEEN:
        return places
    rank = ranks(y[places], _goals(y))
    rank[np.isin(places, best)] = -1
    return np.sort(places[np.argsort(rank, kind="stable")][:SEEN])


def _behind(points: Floats, front: Floats) -> Floats:
    """Return by how much each point misses dominating some point of a front; 0 or less where it dominates one."""
    return (points[:, None] - front[None]).max(axis=2).min(axis=1)
