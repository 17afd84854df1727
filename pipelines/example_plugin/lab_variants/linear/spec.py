"""A cell whose pulses add equal steps in both directions, such as an ideal ECRAM: its settings."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from dse.devices.base import AbstractCell
from dse.spec import Condition

if TYPE_CHECKING:
    from torch import Tensor

    from dse.streams import Stream
    from lab_variants.linear.cells import LinearCells


class LinearCell(AbstractCell):
    """Equal steps of `granularity_us` up and down, with noise on every step; no drift, no read noise."""

    model = "linear"
    about = "equal steps in both directions, with noise on every step"

    step_noise: Annotated[float, Ge(0.0), Le(10.0)] = 0.0
    """Standard deviation of a step in units of its mean."""

    directions: ClassVar[Literal["up", "both"]] = "both"
    defaults: ClassVar[Mapping[str, Any]] = {"array.initial_mean_us": 10.0, "array.initial_max_us": 20.0}
    # Without drift and read noise it does not matter when they are drawn or evaluated.
    idle: ClassVar[Mapping[str, Condition]] = {"clock.drift_every_samples": {}, "array.read_noise_per": {}}

    def cells(self, g_us: "Tensor", variation: "Stream") -> "LinearCells":  # noqa: ARG002  all cells are equal
        """Return fresh cells; see `AbstractCell`."""
        import torch  # noqa: PLC0415  settings load without it

        from lab_variants.linear.cells import LinearCells  # noqa: PLC0415  torch

        return LinearCells(self, self.step_noise, g_us.clone(), torch.zeros(g_us.shape, dtype=torch.int64))
