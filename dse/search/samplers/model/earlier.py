"""Designs of earlier results, as models see them: places in the cube and values, beside those of the study."""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dse.analysis.fronts.pareto import ranks
from dse.designs.space import Parameter, Value
from dse.metric import Goal
from dse.search.samplers.base import EarlierDesign
from dse.search.samplers.model.belief import Belief, Kept
from dse.search.samplers.model.encoding import Encoding
from dse.search.samplers.model.observations import Observations
from dse.search.samplers.model.scales import Scale

Floats = NDArray[np.float64]
SEEN = 200
"""Earlier designs that models are fitted to, at most: half of them of the best ranks, half evenly among the others."""


def encoding_of(
    space: Mapping[str, Parameter],
    acts: Callable[[Mapping[str, Value]], Collection[str]] | None,
    earlier: Sequence[EarlierDesign],
) -> Encoding:
    """Return how designs of a space become points, with the axes that earlier designs need beside it."""
    return Encoding(space, acts, beside=len(earlier[0].beside) if earlier else 0)


class EarlierSeen:
    """Earlier designs as models see them.

    Args:
        designs: the designs; none is a number as any other.
        encoding: how designs become points.
        signs: what makes objectives to be minimised of them.

    Attributes:
        points: shape (designs, dimensions).
        positions: of the nearest designs of the space, shape (designs, parameters).
        values: objectives to be minimised, one entry a design.
        violations: of each constraint, shape (designs, constraints).
        seeds: over which values are means, shape (designs,).
    """

    def __init__(self, designs: Sequence[EarlierDesign], encoding: Encoding, signs: Sequence[float]) -> None:
        own = [designs[place] for place in _some(designs, signs)]
        width = len(own[0].violations) if own else 0
        self.points = np.array([encoding.outside(one.settings, one.beside) for one in own])
        self.points = self.points.reshape(len(own), encoding.dimensions)
        self.positions = np.array([encoding.nearest(one.settings) for one in own])
        self.positions = self.positions.reshape(len(own), encoding.positions([]).shape[1])
        self.values = [tuple(s * float(v) for s, v in zip(signs, one.values, strict=True)) for one in own]
        self.violations = np.array([one.violations for one in own], np.float64).reshape(len(own), width)
        self._beside = len(own[0].beside) if own else 0
        self.seeds = np.array([one.seeds for one in own], np.float64)

    def __len__(self) -> int:
        return len(self.values)

    def raw(self, objectives: int) -> Floats:
        """Return the objectives to be minimised, shape (designs, objectives)."""
        return np.array(self.values, np.float64).reshape(len(self), objectives)

    def belief(
        self, seen: Observations, points: Floats, pending: Floats, kept: Kept, elsewhere: Floats | None = None
    ) -> Belief:
        """Return the models of what was seen of a study, with what earlier designs say.

        Args:
            seen: what was seen of its trials.
            points: of these.
            pending: points of trials in flight.
            kept: scales learned before; what is learned now is added.
            elsewhere: see `Belief`.
        """
        if not len(self):
            before = seen.y[:0], seen.violations[:0]
        else:
            before = self._on(seen.scales), self.violations
        noise = seen.seed_variance[None] / self.seeds[:, None]
        return Belief(
            np.concatenate([self.points, points]),
            np.concatenate([before[0], seen.y]),
            np.concatenate([before[1], seen.violations]),
            pending,
            kept,
            noise=np.concatenate([noise, seen.noise]),
            violation_noise=np.concatenate([np.zeros_like(before[1]), seen.violation_noise]),
            counted=np.concatenate([np.zeros(len(self), np.bool_), seen.counted]),
            earlier=len(self),
            beside=self._beside,
            elsewhere=elsewhere,
        )

    def _on(self, scales: Sequence[Scale]) -> Floats:
        """Return the objectives on the scales of the models, shape (designs, objectives)."""
        raw = self.raw(len(scales))
        return np.stack([scale.to(raw[:, k]) for k, scale in enumerate(scales)], axis=1)


def _some(designs: Sequence[EarlierDesign], signs: Sequence[float]) -> list[int]:
    """Return the places of the designs that models are fitted to, ascending."""
    if len(designs) <= SEEN:
        return list(range(len(designs)))
    goals: list[Goal] = ["minimise"] * len(signs)
    order = np.argsort(ranks(np.array([one.values for one in designs]) * np.array(signs), goals), kind="stable")
    rest = np.sort(order[SEEN // 2 :])
    even = rest[np.linspace(0, len(rest) - 1, SEEN - SEEN // 2).round().astype(np.int64)]
    return sorted({*order[: SEEN // 2].tolist(), *even.tolist()})
