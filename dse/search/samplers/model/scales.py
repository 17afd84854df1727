"""The scale on which a quantity is modelled: its own, or its logarithm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DECADE = 10.0
"""Ratio of the largest to the smallest value from which a quantity is modelled by its logarithm."""


@dataclass(frozen=True)
class Scale:
    """A scale.

    Attributes:
        sign: of the values whose logarithm is taken; 0 for values as they are.
    """

    sign: float

    @classmethod
    def of(cls, values: Floats) -> "Scale":
        """Return the scale for values, NaN among them passed over."""
        known = values[np.isfinite(values)]
        for sign in (1.0, -1.0):
            own = sign * known
            if len(own) and (own > 0.0).all() and own.max() > DECADE * own.min():
                return cls(sign)
        return cls(0.0)

    def to(self, value: float) -> float:
        """Return the place of a value; values on the wrong side of zero are those nearest to it."""
        return float(self.sign * np.log10(max(self.sign * value, 1e-300))) if self.sign else value

    def back(self, place: float) -> float:
        """Return the value at a place."""
        return float(self.sign * 10.0 ** (self.sign * place)) if self.sign else place
