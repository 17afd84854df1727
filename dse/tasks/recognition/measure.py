"""Accuracy: the share of images that are recognised."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.deployment.measure import AbstractMeasure


class Accuracy(AbstractMeasure):
    """Share of the images whose largest output is that of their class."""

    name = "accuracy"
    about = "accuracy"
    goal = "maximise"
    low, high = 0.0, 1.0

    @classmethod
    def of(cls, outputs: NDArray[np.float32], wanted: NDArray[Any]) -> NDArray[Any]:
        """Return whether each image is recognised; see `AbstractMeasure`."""
        # numpy's argmax takes the first of equal outputs; torch's does not say.
        return outputs.argmax(axis=1) == wanted
