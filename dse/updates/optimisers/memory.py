"""What an optimiser remembers of the parameters that it moves."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.pausing import State, UnlikeStateError, array_of, below, fill, taken
from dse.updates.optimisers.base import AbstractOptimiser


class Memory:
    """The words of an optimiser for one parameter.

    Attributes:
        optimiser: the optimiser.

    Args:
        optimiser: the optimiser.
        like: a tensor of the shape of its gradients, on their device.
    """

    def __init__(self, optimiser: AbstractOptimiser, like: Tensor) -> None:
        self.optimiser, self._shape, self._device = optimiser, like.shape, like.device
        self._words: list[Tensor] = []
        self._updates = 0

    def direction(self, gradient: Tensor) -> Tensor:
        """Return the direction for a gradient, and remember it; see `AbstractOptimiser.direction`."""
        self._updates += 1
        return self.optimiser.direction(gradient, self._words, self._updates)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the words, with their order in memory, and the updates; see `dse.pausing.Pausable`.

        Sums of tensors of different orders in memory may differ in their last bit.
        """
        found: dict[str, NDArray[Any]] = {"updates": np.array(self._updates)}
        for number, word in enumerate(self._words):
            found |= {f"{number}/strides": np.array(word.stride()), f"{number}/word": array_of(word)}
        return found

    def restore(self, state: State) -> None:
        """Go back to a state; see `dse.pausing.Pausable`.

        Raises:
            UnlikeStateError: it is that of another optimiser or shape.
        """
        self._updates = int(taken(state, "updates", ()))
        words, found = self.optimiser.words if self._updates else 0, sum(name.endswith("/word") for name in state)
        if found != words:
            raise UnlikeStateError(f"an optimiser kept {found} words a value in the state, and {words} here")
        self._words = []
        for number in range(words):
            own = below(state, str(number))
            strides = taken(own, "strides", (len(self._shape),)).tolist()
            word = torch.empty_strided(self._shape, strides, dtype=torch.float32, device=self._device)
            fill(word, own, "word")
            self._words.append(word)
