"""What an optimiser is: what turns the gradients of a parameter into the direction that it moves in.

    weight <- weight - rate * direction        digitally
    chi    <- chi    - rate * direction        on crossbars, where whole pulses leave chi

An optimiser is a final class below `AbstractOptimiser` in a file of its own, and stands in
`dse.updates.optimisers.OPTIMISERS`. It works on tensors and loads without torch.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class AbstractOptimiser(ABC):
    """An optimiser with its settings.

    Attributes:
        momentum: share of the mean gradient that remains after an update.
        squared_momentum: share of the mean square of the gradient that remains.
    """

    name: ClassVar[str]
    """Its name in a study file."""
    about: ClassVar[str]
    """What it does, in a line."""
    uses: ClassVar[tuple[str, ...]] = ()
    """Settings of the table `training` that it uses beside the momentum."""

    momentum: float = 0.0
    squared_momentum: float = 0.999

    @property
    @abstractmethod
    def words(self) -> int:
        """Digital words that it keeps for each weight, read and written once an update."""

    @abstractmethod
    def direction(self, gradient: "Tensor", memory: "list[Tensor]", updates: int) -> "Tensor":
        """Return the direction, of the shape of the gradient, which is left as it is.

        Args:
            gradient: the gradient, float32.
            memory: its words for this parameter, which change in place; empty before the first update.
            updates: updates of the parameter, this one included.
        """
