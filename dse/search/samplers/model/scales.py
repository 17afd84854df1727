"""The scale on which a quantity is modelled: its own, or its logarithm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DECADE = 10.0
"""Ratio of the largest to the smallest value from which a quantity may be modelled by its logarithm."""
LARGEST_STEP = 1e6
"""How far below what was seen a value of a quantity that is modelled by its logarithm counts as such."""
BEYOND = 10.0
"""An infinite value counts as so many times the largest finite one."""


@dataclass(frozen=True)
class Scale:
    """A scale for one quantity.

    Attributes:
        sign: of the values whose logarithm is taken; 0 for values as they are.
        limit: the largest absolute value; what is beyond counts as this.
        least: the smallest absolute value whose logarithm is taken; what is nearer to zero counts as this.
    """

    sign: float
    limit: float
    least: float = 1e-300

    @classmethod
    def of(cls, values: Floats, first: int | None = None) -> "Scale":
        """Return the scale for values.

        It is that of the logarithm where all values have one sign, and the first of them span more than a decade and
        are less skewed so.

        Args:
            values: of the quantity, NaN for those of failed trials.
            first: how many values decide; those of designs that were proposed without regard to results, since others
                crowd at the best values, which are far apart in logarithms. All by default.
        """
        limit = BEYOND * float(np.abs(values[np.isfinite(values)]).max(initial=1.0))
        own = np.clip(values, -limit, limit)
        known = own[~np.isnan(own)]
        sign = -1.0 if (known < 0.0).all() else 1.0
        judged = own[:first][~np.isnan(own[:first])]
        known, judged = sign * known, sign * (judged if len(judged) else known)
        if not len(judged) or not (known > 0.0).all() or judged.max() <= DECADE * judged.min():
            return cls(0.0, limit)
        return cls(sign if _skew(np.log(judged)) < _skew(judged) else 0.0, limit, float(known.min()) / LARGEST_STEP)

    def to(self, values: Floats) -> Floats:
        """Return the places of values, of the same shape; values on the wrong side of zero are those nearest to it."""
        own = np.clip(values, -self.limit, self.limit)
        return self.sign * np.log10(np.maximum(self.sign * own, self.least)) if self.sign else own

    def back(self, places: Floats) -> Floats:
        """Return the values at places, of the same shape."""
        return self.sign * 10.0 ** (self.sign * places) if self.sign else places


def _skew(values: Floats) -> float:
    """Return by how much the third moment of values is off that of a symmetric distribution."""
    away = values - values.mean()
    return float(np.abs((away**3).mean())) / max(float((away**2).mean()) ** 1.5, 1e-300)
