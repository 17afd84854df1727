"""What the ends of trainings are expected to be, given everything that was seen so far.

A Gaussian process of every objective and constraint is fitted to all designs at once (`dse.search.samplers.model`). A
value at a rung counts as a value of the end: moved by the median change from there to the end of the designs that were
seen at both, with the spread of that change as its noise. Changes are those of the logarithm of how far a value is from
the best that there is, such as an error: a design that errs rarely gains less than one that errs often. A mean over
several seeds has less noise than one value.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.analysis.fronts.pareto import is_on_front
from dse.metric import Goal, signs_of
from dse.pricing.quantities import quantity
from dse.search.criteria import Criteria, Values, mean
from dse.search.rung_record import Record
from dse.search.samplers.model.belief import Belief, Kept
from dse.search.samplers.model.earlier import EarlierSeen
from dse.search.samplers.model.observations import Observations
from dse.search.samplers.model.scales import Scale
from dse.streams import derived_seed

Floats = NDArray[np.float64]
ENOUGH = 4
"""Designs that were seen at a rung and at the end from which the spread of their changes is taken."""
UNKNOWN = 0.5
"""Spread of the change to the end while too few were seen at both, in deviations of all values."""
FLOOR = 0.05
"""Distance from the best value below which changes count little, in shares of the median distance."""
HOPELESS = 0.01
"""Probability to be feasible below which a design gets no more epochs, once it is known how far ends are from rungs."""
BANDS = 3
"""Bands of an objective that have a variance over seeds of their own."""
DRAWS = 256
"""Draws of the ends of all designs for the probability of each to be on the front."""


@dataclass(frozen=True)
class Place:
    """Where a search looks at designs.

    Attributes:
        criteria: what they are judged by.
        goals: which way is better, for each objective.
        points: gives the points of designs in the cube of the space, shape (designs, dimensions).
        seed: seed of the search.
        startup: designs at the start, proposed without regard to results.
        earlier: designs of earlier results.
    """

    criteria: Criteria
    goals: Sequence[Goal]
    points: Callable[[Sequence[Mapping[str, Any]]], Floats]
    seed: int
    startup: int
    earlier: EarlierSeen

    @property
    def best(self) -> list[float]:
        """The least value of each objective, to be minimised; minus infinity where there is none."""
        known = [quantity(name) for name in self.criteria.objectives]
        return [-own.high if own.goal == "maximise" else own.low for own in known]

    @property
    def signs(self) -> Floats:
        """What makes objectives to be minimised of them."""
        return np.array(signs_of(self.goals))


@dataclass(frozen=True)
class Gap:
    """The scale on which an objective changes as a training goes on.

    Attributes:
        best: the least value that the objective can have, to be minimised; minus infinity where there is none.
        floor: distance from it below which changes count little.
        scale: the scale on which the objective is modelled.
    """

    best: float
    floor: float
    scale: Scale

    @classmethod
    def of(cls, values: Floats, best: float, scale: Scale) -> "Gap":
        """Return the scale for values, to be minimised; NaN among them passed over."""
        known = values[np.isfinite(values)]
        away = np.median(known - best) if len(known) and np.isfinite(best) else 0.0
        return cls(best if away > 0.0 else -np.inf, FLOOR * float(away), scale)

    def to(self, y: Floats) -> Floats:
        """Return the places of values that are given on the scale of the models."""
        if np.isinf(self.best):
            return y
        return np.log10(np.maximum(self.scale.back(y) - self.best, 0.0) + self.floor)

    def moved(self, y: Floats, move: float, spread: float) -> tuple[Floats, Floats]:
        """Return values moved on this scale, and the standard deviation that a spread there is, both on that of models.

        Args:
            y: values on the scale of the models.
            move: how far, on this scale.
            spread: standard deviation on this scale.
        """
        middle, low, high = (self._back(self.to(y) + move + sign * spread) for sign in (0.0, -1.0, 1.0))
        return middle, np.abs(high - low) / 2.0

    def _back(self, places: Floats) -> Floats:
        if np.isinf(self.best):
            return places
        return self.scale.to(self.best + np.maximum(10.0**places - self.floor, 0.0))


class Outlook:
    """What is expected of the designs of a search, at one step.

    Args:
        place: where the search looks at designs.
        records: its designs, in order of their numbers.
        seeds: most seeds of a design.
        kept: scales of the models that were learned before; those that are learned now are added.

    Attributes:
        told: designs of which something is known, in order of their numbers.
        ended: which of them were trained to the end, shape (told,).
        whole: which were under all seeds, shape (told,).
    """

    def __init__(self, place: Place, records: Sequence[Record], seeds: int, kept: Kept) -> None:
        self._place, self._kept, self._records = place, kept, records
        self.told = [own for own in records if own.failed or own.top >= 0]
        self.ended = np.array([own.has_ended for own in self.told], np.bool_)
        self.whole = np.array([own.has_ended and len(own.seeds) >= seeds for own in self.told], np.bool_)
        self._points = place.points([own.parameters for own in self.told])
        before, raw = place.earlier, self._raw()
        every = np.concatenate([before.raw(raw.shape[1]), raw])
        self._scales = [Scale.of(every[:, k], len(before) + place.startup) for k in range(every.shape[1])]
        self._gaps = [
            Gap.of(raw[:, k], best, scale) for k, (best, scale) in enumerate(zip(place.best, self._scales, strict=True))
        ]
        self._y, self._violations, self._noise, self._violation_noise = self._observed()

    @property
    def observations(self) -> Observations:
        """What was seen, as values of the ends."""
        return Observations(
            numbers=[own.trial for own in self.told],
            y=self._y,
            violations=self._violations,
            noise=self._noise,
            violation_noise=self._violation_noise,
            counted=self.ended,
            scales=self._scales,
            seed_variance=self._seeds,
        )

    @property
    def is_enough(self) -> bool:
        """Whether anything can be expected: some designs were seen."""
        return int((~np.isnan(self._y[:, 0])).sum()) >= ENOUGH if len(self.told) else False

    def belief(self, counted: NDArray[np.bool_]) -> Belief:
        """Return the models, and the front of the designs that count, of shape (told,)."""
        pending = [own.parameters for own in self._records if own.top < 0 and not own.failed]
        seen = replace(self.observations, counted=counted)
        return self._place.earlier.belief(seen, self._points, self._place.points(pending), self._kept)

    def best(self, candidates: Sequence[Record], counted: NDArray[np.bool_]) -> tuple[Record, dict[str, Any]] | None:
        """Return the design whose end is expected to gain most over the front of those that count, and why.

        None where all miss a constraint, or fail, as good as surely. That is not held against a design that waits at a
        rung from which too few were seen to go to their ends: what is unknown there is the same for all, so that no
        number of designs that miss a bound at the rung tells that the ends miss it.

        Args:
            candidates: designs of which something is known; one at least.
            counted: which designs make the front, shape (told,).
        """
        belief = self.belief(counted if counted.sum() >= ENOUGH else ~np.isnan(self._y[:, 0]))
        at = [self.told.index(own) for own in candidates]
        chances = belief.log_chances(self._points[at])
        hopeful = [n for n in range(len(at)) if chances[n] >= math.log(HOPELESS) or not self._tells(candidates[n])]
        if not hopeful:
            return None
        candidates, at, chances = [candidates[n] for n in hopeful], [at[n] for n in hopeful], chances[hopeful]
        means, deviations = belief.expected(self._points[at])
        gains = belief.gains(self._points[at], (means, deviations))
        # Chances are told apart where they, and gains with them, are too small for numbers.
        best = max(range(len(at)), key=lambda n: (gains[n], chances[n]))
        return candidates[best], {
            "chance" if belief.seeks_feasible else "gain": float(gains[best]),
            "candidates": len(candidates),
            **self.observations.in_words(means[best], deviations[best], self._place.signs.tolist()),
        }

    def to_certify(self, seeds: int) -> tuple[Record, dict[str, Any]] | None:
        """Return the design on the front that is least sure to be there, and lacks seeds; None where there is none.

        The front is that of the means over the seeds of each design. How sure a member is comes from draws of the ends
        of all designs from the models.
        """
        judged = np.flatnonzero(self.ended & (self._violations <= 0.0).all(axis=1))
        if not len(judged):
            return None
        goals: list[Goal] = ["minimise"] * self._y.shape[1]
        front = judged[is_on_front(self._y[judged], goals)]
        places: list[int] = front.tolist()
        lacking = [n for n in places if self.told[n].waits and len(self.told[n].seeds) < seeds]
        if not lacking:
            return None
        p = dict(zip(judged.tolist(), self._on_front(judged).tolist(), strict=True))
        best = min(lacking, key=lambda n: (abs(p[n] - 0.5), n))
        return self.told[best], {"p_front": p[best], "front": len(front), "candidates": len(lacking)}

    def _on_front(self, judged: NDArray[np.int64]) -> Floats:
        """Return the probability of designs to be on the front of all of these, shape (judged,)."""
        means, deviations = self.belief(self.ended).expected(self._points[judged])
        draws = np.random.Generator(np.random.PCG64(derived_seed(self._place.seed, "certify", len(self._records))))
        normal = draws.standard_normal((DRAWS, *means.shape))
        goals: list[Goal] = ["minimise"] * means.shape[1]
        return np.mean([is_on_front(means + deviations * own, goals) for own in normal], axis=0)

    def expected_end(self, record: Record) -> tuple[list[float], list[float]]:
        """Return objectives and violations that a design is expected to end with, from its own values alone."""
        at = self.told.index(record)
        return self._natural(self._y[at]).tolist(), self._violations[at].tolist()

    def _natural(self, y: Floats) -> Floats:
        """Return objectives from their places on the scales of the models."""
        found = [scale.back(y[k : k + 1]) for k, scale in enumerate(self._scales)]
        return np.concatenate(found) * self._place.signs

    def _raw(self) -> Floats:
        """Return the mean objectives of designs where they were seen last, to be minimised; NaN for failed ones."""
        width = len(self._place.goals)
        rows = [(mean(own.values) or ())[:width] if not own.failed else [np.nan] * width for own in self.told]
        return np.array(rows, np.float64).reshape(len(rows), width) * self._place.signs

    def _observed(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Return values of the ends and violations with the variances of their noise, each shape (told, ...)."""
        y, violations = self._measured()
        noise, violation_noise = np.zeros_like(y), np.zeros_like(violations)
        seeds = self._seed_variance(y)
        self._seeds = seeds.mean(axis=0) if len(seeds) else np.zeros(y.shape[1])
        for n, own in enumerate(self.told):
            if own.failed:
                y[n] = np.nan
                continue
            noise[n] = seeds[n] / max(1, len(own.values))
        for rung in sorted({own.top for own in self.told if not own.failed and not own.has_ended}):
            here = [n for n, own in enumerate(self.told) if own.top == rung and not own.failed and not own.has_ended]
            move, spread = self._change(rung, y, violations)
            width = y.shape[1]
            for k, gap in enumerate(self._gaps):
                y[here, k], deviation = gap.moved(y[here, k], float(move[k]), float(spread[k]))
                noise[here, k] += deviation**2
            violations[here] += move[width:]
            violation_noise[here] += spread[width:] ** 2
        return y, violations, noise, violation_noise

    def _measured(self) -> tuple[Floats, Floats]:
        """Return objectives on the scales of the models, and violations, where designs were seen last."""
        there = [n for n, own in enumerate(self.told) if not own.failed]
        found = self._on_scales([self.told[n].values for n in there])
        every = np.zeros((len(self.told), found.shape[1]))
        every[there] = found
        width = len(self._place.goals)
        return every[:, :width], every[:, width:]

    def _on_scales(self, values: Sequence[Sequence[Values]]) -> Floats:
        """Return mean objectives over seeds on the scales of the models, and the violations of these means.

        Args:
            values: of the seeds of each design, shape (designs, seeds, quantities); seeds may differ in number.
        """
        verdicts = [self._place.criteria.verdict(own) for own in values]
        rows = [[*own.values, *own.margins] for own in verdicts if own is not None]
        if len(rows) < len(values):
            raise ValueError("values that are judged are numbers")
        width = len(self._place.goals)
        every = np.array(rows, np.float64).reshape(len(rows), width + len(self._place.criteria.constraints))
        for k, (scale, sign) in enumerate(zip(self._scales, self._place.signs.tolist(), strict=True)):
            every[:, k] = scale.to(sign * every[:, k])
        return every

    def _change(self, rung: int, y: Floats, violations: Floats) -> tuple[Floats, Floats]:
        """Return the median change of objectives and violations from a rung to the end, and its spread.

        Over the designs that were seen at both, under their first seed; of objectives on the scale of `Gap`.
        """
        both = self._seen_at_both(rung)
        changes = self._on_gaps([own.seen[own.epochs][0] for own in both])
        changes -= self._on_gaps([own.seen[rung][0] for own in both])
        width = changes.shape[1]
        move = np.median(changes, axis=0) if both else np.zeros(width)
        if len(both) >= ENOUGH:
            return move, np.std(changes, axis=0, ddof=1)
        known = [np.nanstd(gap.to(y[:, k])) for k, gap in enumerate(self._gaps)]
        judged = violations[~np.isnan(y[:, 0])]  # what failed misses no bound and meets none
        return move, UNKNOWN * np.array([*known, *np.std(judged, axis=0)], np.float64)

    def _seen_at_both(self, rung: int) -> list[Record]:
        """Return the designs that were seen at a rung and at the end under their first seed."""
        return [own for own in self.told if own.has_ended and 0 in own.seen.get(rung, {}) and 0 in own.seen[own.epochs]]

    def _tells(self, record: Record) -> bool:
        """Return whether enough is known to tell what a design ends with: it did, or enough did that it waits with."""
        return record.has_ended or len(self._seen_at_both(record.top)) >= ENOUGH

    def _on_gaps(self, values: Sequence[Values]) -> Floats:
        """Return objectives of designs under one seed on the scales of `Gap`, and violations, shape (designs, ...)."""
        found = self._on_scales([[own] for own in values])
        for k, gap in enumerate(self._gaps):
            found[:, k] = gap.to(found[:, k])
        return found

    def _seed_variance(self, y: Floats) -> Floats:
        """Return the variance over seeds of the objectives of designs, shape (told, objectives); 0 while it is unknown.

        Pooled over the designs with several seeds, in bands of the objective where there are enough of them.
        """
        several = [n for n, own in enumerate(self.told) if own.has_ended and len(own.seeds) > 1]
        found = np.zeros_like(y)
        if len(several) < ENOUGH:
            return found
        width = y.shape[1]
        single = ([[value] for value in self.told[n].values] for n in several)
        spread = np.array([np.var(self._on_scales(own)[:, :width], axis=0, ddof=1) for own in single])
        bands = BANDS if len(several) >= BANDS * ENOUGH else 1
        for k in range(width):
            order = np.argsort(y[several, k], kind="stable")
            groups = np.array_split(order, bands)
            tops = [y[several, k][group].max() for group in groups[:-1]]
            pooled = np.array([spread[group, k].mean() for group in groups])
            found[:, k] = pooled[np.searchsorted(tops, y[:, k])]
        return found
