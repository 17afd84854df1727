"""From a design to the hardware that it offers to its network."""

from dse.design.tables import Design
from dse.updates.layers import Hardware
from dse.updates.platform import Platform


def hardware_of(design: Design) -> Hardware | None:
    """Return the hardware of a design, or None for digital training."""
    if (
        design.device is None
        or design.dac is None
        or design.adc is None
        or design.accumulator is None
        or design.refresh is None
    ):
        return None
    return Hardware(design.device, design.array, design.dac, design.adc, design.accumulator, design.refresh)


def platform_of(design: Design, device: str = "cpu") -> Platform:
    """Return where the network of a design learns; `device` is where torch computes."""
    return Platform(design.array, hardware_of(design), design.clock, device)
