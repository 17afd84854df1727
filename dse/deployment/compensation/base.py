"""What a compensation is: what is done, digitally, against the drift of a deployed network.

A compensation is a final class below `AbstractCompensation` in a file of its own, and stands in
`dse.deployment.compensation.COMPENSATIONS`.
"""

from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Layer(Protocol):
    """A layer of a deployed network, as compensations see it."""

    def scale(self, factor: Floats | None) -> None:
        """Scale the outputs digitally: one factor, or one for each output; None for none."""
        ...


class Network(Protocol):
    """A deployed network, as compensations see it; see `dse.deployment.network`."""

    @property
    def layers(self) -> Sequence[Layer]:
        """Its layers."""
        ...

    @property
    def fresh(self) -> Sequence[Floats]:
        """Magnitudes of the outputs of each layer under fixed inputs at time 0, shape (vectors, cols)."""
        ...

    def responses(self) -> Sequence[Floats]:
        """Return the same now."""
        ...

    def estimate_norms(self) -> None:
        """Estimate the statistics of batch normalisations anew, on training samples."""
        ...


class AbstractCompensation:
    """A way to compensate drift. Its classes are never made instances of."""

    name: ClassVar[str]
    """Its name in a study file."""
    about: ClassVar[str]
    """What it does, in a line."""
    uses: ClassVar[tuple[str, ...]] = ()
    """Settings of the table `deployment` that it alone uses; they have no effect where nothing uses them."""
    needs_batch_norm: ClassVar[bool] = False
    """Whether it needs batch normalisation."""

    @classmethod
    def apply(cls, network: Network) -> None:
        """Compensate for what the time of a network has done, from a network without any compensation."""
        raise NotImplementedError
