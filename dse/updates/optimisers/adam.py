"""Adam: gradients in units of their own size."""

from typing import TYPE_CHECKING

import numpy as np

from dse.updates.optimisers.base import AbstractOptimiser

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 1e-8
"""Added to the root of the mean square (Kingma and Ba, ICLR 2015, algorithm 1)."""


class Adam(AbstractOptimiser):
    """The mean gradient over the root of its mean square, both freed of their start at 0 (Kingma and Ba, ICLR 2015).

    Without momentum the gradient itself is divided, which is RMSProp with its start corrected.
    """

    name = "adam"
    about = "mean gradients over the root of their mean square"
    uses = ("squared_momentum",)

    @property
    def words(self) -> int:
        """The mean square, and the mean with momentum."""
        return 1 + int(self.momentum > 0.0)

    def direction(self, gradient: "Tensor", memory: "list[Tensor]", updates: int) -> "Tensor":
        """Return the direction; see `AbstractOptimiser`."""
        if not memory:
            memory += [gradient.new_zeros(gradient.shape) for _ in range(self.words)]
        square, *means = memory
        kept = self.squared_momentum
        square.mul_(kept).addcmul_(gradient, gradient, value=1.0 - kept)
        size = _root(square / (1.0 - kept**updates)).add_(FLOOR)
        for mean in means:
            mean.mul_(self.momentum).add_(gradient, alpha=1.0 - self.momentum)
            return mean / (1.0 - self.momentum**updates) / size
        return gradient / size


def _root(x: "Tensor") -> "Tensor":
    """Return square roots, on a CPU the same on every processor: torch takes them from a vector library."""
    import torch  # noqa: PLC0415  settings load without

    return torch.from_numpy(np.sqrt(x.numpy())) if x.device.type == "cpu" else x.sqrt()
