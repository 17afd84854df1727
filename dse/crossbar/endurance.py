"""Cells that wear out while they learn: how many pulses each endures, and what becomes of those that are worn.

Every cell endures so many SET pulses (pulses in both directions of one that goes both ways) and so many RESET pulses,
whichever ends first:

    limit = median * exp(spread * N(0, 1)), rounded down, at least 1       drawn for each cell once, SET and RESET apart

Pulses beyond are sent, counted and paid for, and change nothing: a controller that updates blindly does not know. So
learning goes on round worn cells. They stay where their last pulse left them, or go to an end of the window. Arrays may
have spare rows, onto which a refresh moves those that are too worn.
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
        seed: seed of the trial.
        layer: number of the layer.
    """

    cell: AbstractCell
    set_pulses: Tensor
    reset_pulses: Tensor
    seed: int
    layer: int

    def replace(self, cells: Cells, chosen: Tensor, generation: int) -> None:
        """Let fresh cells stand where some are; counters go on, and limits with them.

        Args:
            cells: the cells.
            chosen: flat indices, int64.
            generation: how many times cells there were replaced before, from 1, which draws other lives.
        """
        counters = chosen + generation * self.set_pulses.numel()
        for kind, limits in (("SET", self.set_pulses), ("RESET", self.reset_pulses)):
            drawn = _lives(self.cell, kind, stream(self.seed, f"{kind} endurance", self.layer).normal(counters))
            reached = cells.wear()[kind.lower()].reshape(-1)[chosen]
            limits.view(-1)[chosen] = (reached.double() + drawn).clamp_max(MOST).to(torch.int64)

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
        wear = {kind: taken.reshape(-1)[chosen] for kind, taken in cells.wear().items() if kind in ("set", "reset")}
        left = (self.set_pulses.view(-1)[chosen] - wear["set"]).clamp_min(0)
        left[wear["reset"] >= self.reset_pulses.view(-1)[chosen]] = 0
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
    count = math.prod(shape)
    draws = {kind: stream(seed, f"{kind} endurance", layer).next_normal(count)[0] for kind in ("SET", "RESET")}
    limits = {kind: _lives(cell, kind, draw).to(torch.int64).reshape(shape) for kind, draw in draws.items()}
    return Endurance(cell, limits["SET"], limits["RESET"], seed, layer)


def _lives(cell: AbstractCell, kind: str, draw: Tensor) -> Tensor:
    """Return how many pulses of a kind cells endure, whole numbers as float64, from normal draws."""
    is_set = kind == "SET"
    median = cell.set_endurance_pulses if is_set else cell.reset_endurance_pulses
    spread = cell.set_endurance_spread if is_set else cell.reset_endurance_spread
    if median == ENDLESS:
        return torch.full(draw.shape, MOST, dtype=torch.float64)
    # torch's exponential comes from a library whose last bit depends on the processor.
    drawn = float(median) * torch.from_numpy(exponential((spread * draw).numpy())).double()
    return drawn.clamp(1.0, MOST).floor()
