"""What a network from elsewhere is worth on cells: decisions that stay the same, outputs that stay near.

Outputs come as (samples, places, classes). At each place a class is decided for, that of the largest output; where
there is one class alone, whether its output is above 0 (a threshold has been subtracted).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.deployment.measure import AbstractMeasure

Outputs = NDArray[np.float32]


def decided(outputs: Outputs) -> NDArray[np.int64]:
    """Return the class that is decided for at each place, shape (samples, places)."""
    # numpy's argmax takes the first of equal outputs; torch's does not say.
    return outputs.argmax(axis=2) if outputs.shape[2] > 1 else (outputs[:, :, 0] > 0.0).astype(np.int64)


class Recognised(AbstractMeasure):
    """Share of the decisions that are those of the answers."""

    name = "accuracy"
    about = "accuracy"
    goal = "maximise"
    low, high = 0.0, 1.0

    @classmethod
    def of(cls, outputs: Outputs, wanted: NDArray[Any]) -> NDArray[Any]:
        """Return the share of each sample; see `AbstractMeasure`."""
        return (decided(outputs) == wanted.reshape(len(wanted), -1)).mean(axis=1, dtype=np.float64)


class Agreement(AbstractMeasure):
    """Share of the decisions that are those of the digital network."""

    name = "agreement"
    about = "share of the decisions that are those of the digital network,"
    goal = "maximise"
    low, high = 0.0, 1.0
    against = "digital"

    @classmethod
    def of(cls, outputs: Outputs, wanted: NDArray[Any]) -> NDArray[Any]:
        """Return the share of each sample; see `AbstractMeasure`."""
        return (decided(outputs) == decided(wanted)).mean(axis=1, dtype=np.float64)


class OutputError(AbstractMeasure):
    """Root mean square of what outputs differ from those of the digital network, over the range of these."""

    name = "output_error"
    about = "root-mean-square error of the outputs, over the range of those of the digital network,"
    goal = "minimise"
    low = 0.0
    against = "digital"

    @classmethod
    def of(cls, outputs: Outputs, wanted: NDArray[Any]) -> NDArray[Any]:
        """Return mean square, least and greatest output of each sample, shape (samples, 3)."""
        whole = wanted.reshape(len(wanted), -1).astype(np.float64)
        squares = ((outputs.reshape(len(outputs), -1) - whole) ** 2).mean(axis=1)
        return np.stack([squares, whole.min(axis=1), whole.max(axis=1)], axis=1)

    @classmethod
    def combined(cls, parts: NDArray[Any]) -> float:
        """Return the root of the mean over the range; where all outputs are equal, the root itself."""
        root = math.sqrt(math.fsum(parts[:, 0]) / len(parts))
        span = float(parts[:, 2].max() - parts[:, 1].min())
        return root / span if span > 0.0 else root
