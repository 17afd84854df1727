"""Gradient descent, with Nesterov's momentum or without."""

from typing import TYPE_CHECKING

from dse.updates.optimisers.base import AbstractOptimiser

if TYPE_CHECKING:
    from torch import Tensor


class Sgd(AbstractOptimiser):
    """v <- m v + g, and the direction g + m v; g alone without momentum (Nesterov, Dokl. Akad. Nauk 269:543, 1983).

    In the form of Sutskever et al. (ICML 2013, section 2) as torch has it, to the last bit.
    """

    name = "sgd"
    about = "plain descent, or Nesterov's momentum"

    @property
    def words(self) -> int:
        """One with momentum, else none."""
        return int(self.momentum > 0.0)

    def direction(self, gradient: "Tensor", memory: "list[Tensor]", updates: int) -> "Tensor":  # noqa: ARG002
        """Return the direction; see `AbstractOptimiser`."""
        if not self.words:
            return gradient
        if memory:
            memory[0].mul_(self.momentum).add_(gradient)
        else:
            memory.append(gradient.clone())
        return gradient.add(memory[0], alpha=self.momentum)
