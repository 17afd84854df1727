"""From a design to the hardware that it offers to its network."""

from typing import cast

from dse.designs.tables import Design
from dse.updates.layers import Hardware
from dse.updates.platform import Platform
from dse.updates.spec import AccumulatorSpec


def hardware_of(design: Design) -> Hardware | None:
    """Return the hardware of a design, or None for digital training."""
    if design.device is None or design.dac is None or design.adc is None or design.refresh is None:
        return None
    accumulator = cast("AccumulatorSpec", design.own_tables.get("accumulator", AccumulatorSpec()))
    return Hardware(design.device, design.array, design.dac, design.adc, accumulator, design.refresh)


def platform_of(design: Design, device: str = "cpu") -> Platform:
    """Return where the network of a design learns; `device` is where torch computes."""
    rule, hardware = design.rule, hardware_of(design)
    return Platform(rule, design.array, hardware, design.clock, device, design.own_tables)
