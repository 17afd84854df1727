"""A cell whose pulses add equal steps in both directions: what happens in an array of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.devices.base import AbstractCell
from dse.pausing import State, array_of, fill
from dse.streams import Stream


@dataclass
class LinearCells:
    """The state of an array of such cells; see `Cells`."""

    spec: AbstractCell
    step_noise: float
    g_us: Tensor
    pulses: Tensor

    def pulse(self, cells: Tensor, count: Tensor, now_s: float, noise: Stream) -> int:  # noqa: ARG002  no drift
        """Apply pulses; the noise of n steps grows as the root of n."""
        g, life = self.g_us.view(-1), self.pulses.view(-1)
        draw = noise.normal(life[cells] * g.numel() + cells)
        steps = count + self.step_noise * count.abs().sqrt() * draw
        g[cells] = (g[cells] + self.spec.granularity_us * steps).clamp(self.spec.g_min_us, self.spec.g_max_us)
        life[cells] += count.abs()
        return int(count.abs().sum())

    def reset(self, cells: Tensor, now_s: float, noise: Stream) -> int:
        """Refuse: pulses in both directions need no RESET."""
        raise NotImplementedError

    def conductance_us(self, now_s: float) -> Tensor:  # noqa: ARG002  no drift
        """Return the conductances."""
        return self.g_us

    def read_noise_std_us(self, g_us: Tensor) -> Tensor | None:  # noqa: ARG002
        """Return None: reads are noise-free."""
        return None

    def wear(self) -> Mapping[str, Tensor]:
        """Return the pulses of each cell."""
        return {"set": self.pulses, "reset": torch.zeros_like(self.pulses)}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what pulses change, so that trainings can pause."""
        return {"g_us": array_of(self.g_us), "pulses": array_of(self.pulses)}

    def restore(self, state: State) -> None:
        """Go back to a state."""
        fill(self.g_us, state, "g_us")
        fill(self.pulses, state, "pulses")
