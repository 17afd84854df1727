"""A cell whose steps change linearly over its window: its settings."""

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Le

from dse.devices.two_way.settings import Spread, TwoWayCell

if TYPE_CHECKING:
    from torch import Tensor

    from dse.devices.two_way.cells import TwoWayCells
    from dse.streams import Stream

Slope = Annotated[float, Ge(-1.0), Le(1.0)]


class LinearStepCell(TwoWayCell):
    """Steps that change linearly, by the window of the mean cell; hard ends. The formula: `two_way.settings`."""

    model = "linear_step"
    about = "pulses both ways, steps that change linearly over the window, such as those of ECRAM and capacitors"

    slope_up: Slope
    """By which part steps up are smaller at the upper end of the window than in its middle, and larger below."""
    slope_down: Slope
    """By which part steps down are smaller at the lower end of the window than in its middle, and larger above."""
    slope_spread: Spread = 0.0
    """Standard deviation of both slopes from cell to cell."""

    own_window = False

    @property
    def slopes(self) -> tuple[float, float]:
        """The slopes of steps up and down."""
        return self.slope_up, self.slope_down

    @property
    def slope_spread_from_cell_to_cell(self) -> float:
        """Standard deviation of the slopes from cell to cell."""
        return self.slope_spread

    def cells(self, g_us: "Tensor", variation: "Stream") -> "TwoWayCells":
        """Return fresh cells; see `AbstractCell`."""
        from dse.devices.two_way.cells import TwoWayCells  # noqa: PLC0415  torch

        return TwoWayCells.start(self, g_us, variation)
