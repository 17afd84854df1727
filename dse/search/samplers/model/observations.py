"""What a model learns from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    """

    numbers: Sequence[int]
    y: Floats
    violations: Floats
    noise: Floats
    violation_noise: Floats
    counted: NDArray[np.bool_]
