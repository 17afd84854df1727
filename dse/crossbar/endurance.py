"""Cells that wear out while they learn: how many pulses each endures, and what becomes of those that are worn.

Every cell endures so many SET pulses (pulses in both directions of one that goes both ways) and so many RESET pulses,
whichever ends first:

    limit = median * exp(spread * N(0, 1)), rounded down, at least 1       drawn for each cell once, SET and RESET apart

Pulses beyond are sent, counted and paid for, and change nothing: a controller that updates blindly does not know. So
learning goes on round worn cells. They stay where their last pulse left them, or go to an end of the window.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dse.devices.base import ENDLESS, AbstractCell, Cells
from dse.kernel.arithmetic import exponential
from dse.streams import stream

MOST = 2.0**62
"""Pulses that no cell reaches."""


@dataclass(frozen=True)
class Endurance:
    """What the cells of an array endure.

    Attributes:
        cell: the cell.
        set_pulses: SET pulses that each endures, int64, of the shape of the cells; likewise
        reset_pulses: RESET pulses.
    """

    cell: AbstractCell
    set_pulses: Tensor
    reset_pulses: Tensor

    def worn(self, cells: Cells) -> Tensor:
        """Return which cells are worn, bool, of their shape."""
        wear = cells.wear()
        return (wear["set"] >= self.set_pulses) | (wear["reset"] >= self.reset_pulses)

    def lasting(self, cells: Cells, chosen: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """Return which of some cells still take pulses, and how many of those that are sent.

        Args:
            cells: the cells.
            chosen: flat indices, int64.
            count: pulses of each, negative ones down.
        """
        wear = cells.wear()
        left = (self.set_pulses - wear["set"]).clamp_min(0).view(-1)[chosen]
        left[(wear["reset"] >= self.reset_pulses).view(-1)[chosen]] = 0
        taken = count.abs().minimum(left) * count.sign()
        alive = taken != 0
        return chosen[alive], taken[alive]

    def shown(self, cells: Cells, g_us: Tensor) -> Tensor:
        """Return conductances with worn cells where they stick, uS."""
        ends = {"set": self.cell.g_max_us, "reset": self.cell.g_min_us}
        if self.cell.worn_state not in ends:
            return g_us
        return torch.where(self.worn(cells), ends[self.cell.worn_state], g_us)


def endurance_of(cell: AbstractCell, shape: tuple[int, ...], *, seed: int, layer: int) -> Endurance | None:
    """Return what the cells of a layer endure, or None where they endure everything."""
    if not cell.wears_out:
        return None
    medians = {"SET": cell.set_endurance_pulses, "RESET": cell.reset_endurance_pulses}
    spreads = {"SET": cell.set_endurance_spread, "RESET": cell.reset_endurance_spread}
    limits: list[Tensor] = []
    count = math.prod(shape)
    for kind, median in medians.items():
        if median == ENDLESS:
            limits.append(torch.full(shape, int(MOST), dtype=torch.int64))
            continue
        draw = spreads[kind] * stream(seed, f"{kind} endurance", layer).next_normal(count)[0]
        # torch's exponential comes from a library whose last bit depends on the processor.
        drawn = float(median) * torch.from_numpy(exponential(draw.numpy())).double()
        limits.append(drawn.clamp(1.0, MOST).floor().to(torch.int64).reshape(shape))
    return Endurance(cell, *limits)
