"""What a model learns from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.search.samplers.model.scales import Scale

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Observations:
    """What was seen of some trials; see `dse.search.samplers.model.belief.Belief`.

    Attributes:
        numbers: of the trials, ascending.
        y: objectives on the scales of the models, shape (trials, objectives); NaN for failed ones.
        violations: of each constraint, shape (trials, constraints).
        noise: variances of the further noise of objectives, of the shape of `y`.
        violation_noise: the same of violations.
        counted: which trials may be on the front, shape (trials,).
        scales: the scale of each objective.
        seed_variance: variance over seeds of each objective on its scale, shape (objectives,), as far as it is part of
            the further noise.
    """

    numbers: Sequence[int]
    y: Floats
    violations: Floats
    noise: Floats
    violation_noise: Floats
    counted: NDArray[np.bool_]
    scales: Sequence[Scale]
    seed_variance: Floats

    def in_words(self, mean: Floats, deviation: Floats, signs: Sequence[float]) -> dict[str, Any]:
        """Return what is expected of objectives, and the ends of a deviation around it, for a reader.

        Args:
            mean: on the scales of the models, shape (objectives,).
            deviation: of the same shape.
            signs: what makes objectives to be minimised of them.
        """
        at = [mean, mean - deviation, mean + deviation]
        found = [
            [s * float(scale.back(own[k : k + 1])[0]) for own in at] for k, (scale, s) in enumerate(self._with(signs))
        ]
        return {"expected": [own[0] for own in found], "range": [sorted(own[1:]) for own in found]}

    def _with(self, signs: Sequence[float]) -> list[tuple[Scale, float]]:
        return list(zip(self.scales, signs, strict=True))
