"""A cell whose steps fade towards both ends of its window: its settings."""

from typing import TYPE_CHECKING

from dse.devices.two_way.settings import TwoWayCell

if TYPE_CHECKING:
    from torch import Tensor

    from dse.devices.two_way.cells import TwoWayCells
    from dse.streams import Stream


class SoftBoundsCell(TwoWayCell):
    """Steps that fade linearly to nothing at the end of the cell's own window. The formula: `two_way.settings`."""

    model = "soft_bounds"
    about = "pulses both ways, steps that fade to nothing at the ends of the window, such as those of filamentary ReRAM"

    own_window = True

    @property
    def slopes(self) -> tuple[float, float]:
        """Both slopes are 1: no step is left at the end."""
        return 1.0, 1.0

    def cells(self, g_us: "Tensor", variation: "Stream") -> "TwoWayCells":
        """Return fresh cells; see `AbstractCell`."""
        from dse.devices.two_way.cells import TwoWayCells  # noqa: PLC0415  torch

        return TwoWayCells.start(self, g_us, variation)
