"""The squared error of numbers, in units of their variance."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.deployment.measure import AbstractMeasure


class SquaredError(AbstractMeasure):
    """Mean over samples and outputs of the squared error, answers being standardised: 1 is what their mean reaches."""

    name = "squared_error"
    about = "squared error"
    goal = "minimise"
    low = 0.0

    @classmethod
    def of(cls, outputs: NDArray[np.float32], wanted: NDArray[Any]) -> NDArray[Any]:
        """Return the mean over the outputs of each sample; see `AbstractMeasure`."""
        squares = (outputs.astype(np.float64) - wanted) ** 2
        total = np.zeros(len(squares))
        for column in squares.T:  # one after the other, in an order that no library chooses
            total += column
        return total / squares.shape[1]
