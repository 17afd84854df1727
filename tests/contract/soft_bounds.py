"""A cell that is no part of the package: soft bounds, pulses in both directions, plain Python.

The larger the conductance, the smaller the steps up and the larger the steps down, linearly (Fusi and Abbott, Nat.
Neurosci. 10:485, 2007; Rasch et al., IEEE AICAS 2021, "soft bounds" device of aihwkit):

    up      G <- G + granularity * (1 - (G - g_min) / (g_max - g_min)) * 2
    down    G <- G - granularity * (G - g_min) / (g_max - g_min) * 2

so that the step is `granularity` in the middle of the window in both directions. There is no drift.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from dse.devices.base import AbstractCell
from dse.streams import Stream


class SoftBounds(AbstractCell):
    """Its settings."""

    write_noise: float = 0.0
    """Standard deviation of a step in units of its mean."""

    model = "soft_bounds"
    about = "steps that shrink towards both ends of the window"
    directions: ClassVar[Literal["up", "both"]] = "both"

    def cells(self, g_us: Tensor, variation: Stream) -> "SoftBoundsCells":
        """Return fresh cells."""
        return SoftBoundsCells(self, g_us.clone(), torch.zeros(g_us.shape, dtype=torch.int64))


@dataclass
class SoftBoundsCells:
    """The state of an array."""

    spec: SoftBounds
    g_us: Tensor
    pulses: Tensor

    def pulse(self, cells: Tensor, count: Tensor, now_s: float, noise: Stream) -> int:
        """Apply pulses, one after the other, up or down."""
        spec, g, life = self.spec, self.g_us.view(-1), self.pulses.view(-1)
        left, up, total = count.abs(), count > 0, int(count.abs().sum())
        while cells.numel():
            share = (g[cells] - spec.g_min_us) / (spec.g_max_us - spec.g_min_us)
            step = torch.where(up, 1.0 - share, -share) * (2.0 * spec.granularity_us)
            draw = noise.normal(life[cells] * g.numel() + cells)
            g[cells] = (g[cells] + step * (1.0 + spec.write_noise * draw)).clamp(spec.g_min_us, spec.g_max_us)
            life[cells] += 1
            more = left > 1
            cells, left, up = cells[more], left[more] - 1, up[more]
        return total

    def reset(self, cells: Tensor, now_s: float, noise: Stream) -> int:
        """Refuse: a cell that goes down needs no RESET."""
        raise NotImplementedError

    def conductance_us(self, now_s: float) -> Tensor:
        """Return the conductances."""
        return self.g_us

    def read_noise_std_us(self, g_us: Tensor) -> Tensor | None:
        """Return None: reads are noise-free."""
        return None

    def wear(self) -> Mapping[str, Tensor]:
        """Return the pulses of each cell."""
        return {"set": self.pulses, "reset": torch.zeros_like(self.pulses)}
