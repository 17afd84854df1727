"""What happens in cells whose pulses go both ways; the formulas are in `dse.devices.two_way.settings`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.devices.two_way.settings import REACH, TwoWayCell
from dse.errors import DivergedError
from dse.kernel.arithmetic import exponential
from dse.pausing import State, array_of, fill
from dse.streams import Stream

MAX_PULSES = 10_000
"""Most pulses that one update can ask of a cell."""
PULSED = ("g_us", "shown_us", "pulsed_at_s", "pulses")
"""What pulses change in a cell."""
DRAWS = 3
"""Draws that belong to a pulse: of the step in proportion to its mean, of the floor, of what is shown."""


@dataclass
class TwoWayCells:
    """The state of an array of cells; every tensor has the shape of the array.

    Attributes:
        spec: the cell.
        g_us: conductance right after the last pulse, uS, float32.
        shown_us: the same with the write noise of the last update.
        pulsed_at_s: time of the last pulse, s, float32.
        pulses: pulses in the life of each cell, both ways, int64; never goes back.
        low_us: lower end of the window, uS.
        high_us: upper end of the window, uS.
        up: mean step up at G = 0, uS, and what it gains for each uS, shape (2, ...).
        down: the same of the size of a step down.
    """

    spec: TwoWayCell
    g_us: Tensor
    shown_us: Tensor
    pulsed_at_s: Tensor
    pulses: Tensor
    low_us: Tensor
    high_us: Tensor
    up: Tensor
    down: Tensor

    @classmethod
    def start(cls, spec: TwoWayCell, g_us: Tensor, variation: Stream) -> "TwoWayCells":
        """Return fresh cells at given conductances, or at the nearer end of their window.

        Args:
            spec: the cell.
            g_us: initial conductances, uS.
            variation: stream of what differs from cell to cell.
        """
        low, high, up, down = _varied(spec, g_us, variation)
        held = g_us.maximum(low).minimum(high)
        return cls(
            spec=spec,
            g_us=held,
            shown_us=held.clone(),
            pulsed_at_s=torch.zeros_like(held),
            pulses=torch.zeros(held.shape, dtype=torch.int64),
            low_us=low,
            high_us=high,
            up=up,
            down=down,
        )

    def pulse(self, cells: Tensor, count: Tensor, now_s: float, noise: Stream) -> int:
        """Apply pulses one after the other, up or down; see `Cells`.

        Raises:
            DivergedError: more than `MAX_PULSES` on one cell.
        """
        if cells.numel() == 0:
            return 0
        number, total = count.abs(), int(count.abs().sum())
        if int(number.max()) > MAX_PULSES:
            raise DivergedError(f"one cell would get more than {MAX_PULSES} pulses at once")
        life = self.pulses.view(-1)
        pulse = life[cells]
        life[cells] += number
        leaked = self._leaked(self.g_us, now_s).view(-1)
        self.pulsed_at_s.view(-1)[cells] = now_s
        # Cells with the most pulses first, so that those that take a further one are the first so many.
        order = number.argsort(descending=True, stable=True)
        own, taken = cells[order], number[order].numpy()
        level = self._stepped(own, leaked[own].numpy(), count[order].sign(), pulse[order].numpy(), taken, noise)
        self.g_us.view(-1)[own] = torch.from_numpy(level)
        self._show(cells, pulse + number - 1, noise)
        return total

    def _stepped(
        self,
        cells: Tensor,
        level: NDArray[np.float32],
        sign: Tensor,
        pulse: NDArray[np.int64],
        number: NDArray[np.int64],
        noise: Stream,
    ) -> NDArray[np.float32]:
        """Return the conductances of cells after pulses one after the other, uS; numbers of pulses fall."""
        spec, up = self.spec, sign > 0
        low, high = self.low_us.view(-1)[cells].numpy(), self.high_us.view(-1)[cells].numpy()
        coefficients = torch.where(up, self.up.view(2, -1)[:, cells], self.down.view(2, -1)[:, cells])
        offset, slope = coefficients.numpy()
        way, counter = sign.to(torch.float32).numpy(), pulse * self.g_us.numel() + cells.numpy()
        # How many cells take a first pulse, a second one, and so on.
        counts = (np.arange(1, int(number[0]) + 1)[:, None] <= number).sum(axis=1).tolist()
        for turn, taking in enumerate(counts):
            now = slice(taking)
            step = way[now] * np.maximum(offset[now] + slope[now] * level[now], np.float32(0.0))
            draws = (counter[now] + turn * self.g_us.numel()) * DRAWS
            if spec.step_noise > 0.0:
                step = step * (np.float32(1.0) + np.float32(spec.step_noise) * noise.normals(draws))
            if spec.step_noise_floor > 0.0:
                step = step + np.float32(spec.granularity_us * spec.step_noise_floor) * noise.normals(draws + 1)
            level[now] = np.minimum(np.maximum(level[now] + step, low[now]), high[now])
        return level

    def _show(self, cells: Tensor, pulse: Tensor, noise: Stream) -> None:
        """Draw what the last pulse of each cell shows beside its conductance."""
        level = self.g_us.view(-1)[cells]
        if self.spec.write_noise_us > 0.0:
            draw = noise.normal((pulse * self.g_us.numel() + cells) * DRAWS + 2).clamp(-REACH, REACH)
            level = (level + self.spec.write_noise_us * draw).clamp_min(0.0)
        self.shown_us.view(-1)[cells] = level

    def reset(self, cells: Tensor, now_s: float, noise: Stream) -> int:
        """Refuse: a cell that goes down needs no RESET, and `TwoWayCell.decided` lets nobody ask for one."""
        raise NotImplementedError

    def conductance_us(self, now_s: float) -> Tensor:
        """Return what the cells show at a time, uS, without read noise."""
        return self._leaked(self.shown_us, now_s)

    def _leaked(self, g_us: Tensor, now_s: float) -> Tensor:
        rate, rest = self.spec.leak_per_s, self.spec.rest_us
        if rate == 0.0:
            return g_us
        # torch's exponential comes from a library whose last bit depends on the processor.
        kept = torch.from_numpy(exponential((-rate * (now_s - self.pulsed_at_s).clamp_min(0.0)).numpy()))
        return rest + (g_us - rest) * kept

    def read_noise_std_us(self, g_us: Tensor) -> Tensor | None:
        """Return the standard deviation of one read, uS, or None where reads are noise-free."""
        return torch.full_like(g_us, self.spec.read_noise_us) if self.spec.read_noise_us > 0.0 else None

    def wear(self) -> Mapping[str, Tensor]:
        """Return the pulses in the life of each cell; those down count and wear as those up do."""
        return {"set": self.pulses, "reset": torch.zeros_like(self.pulses)}

    def balanced_us(self) -> Tensor:
        """Return the conductance at which each cell's mean steps up and down are equal, uS, within its window.

        Pulses up and down in turn lead there, which is how a reference is found (Kim et al., arXiv:1907.10228).
        """
        slope = self.down[1] - self.up[1]
        gap = self.up[0] - self.down[0]
        # Where steps are the same everywhere, the larger ones lead to an end, and equal ones nowhere.
        end = torch.where(gap > 0.0, self.high_us, self.low_us)
        end = torch.where(gap == 0.0, 0.5 * (self.low_us + self.high_us), end)
        found = torch.where(slope.abs() > 0.0, gap / slope, end)
        return found.maximum(self.low_us).minimum(self.high_us)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what pulses change; what differs from cell to cell follows from the seed; see `Pausable`."""
        return {name: array_of(getattr(self, name)) for name in PULSED}

    def restore(self, state: State) -> None:
        """Go back to a state; see `Pausable`."""
        for name in PULSED:
            fill(getattr(self, name), state, name)


def _varied(spec: TwoWayCell, like: Tensor, variation: Stream) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return ends of the window, and mean steps up and down as functions of conductance; see `TwoWayCells`."""
    half, middle = 0.5 * (spec.g_max_us - spec.g_min_us), 0.5 * (spec.g_max_us + spec.g_min_us)

    def drawn(number: int, mean: float, spread: float) -> Tensor:
        if spread == 0.0:
            return torch.full_like(like, mean)
        draw = variation.at(number).next_normal(like.numel())[0].reshape(like.shape)
        return mean + spread * draw.clamp(-REACH, REACH)

    # A cell whose ends would meet keeps a hundredth of the window.
    low = drawn(0, spec.g_min_us, spec.window_spread * half).clamp(0.0, middle - 0.01 * half)
    high = drawn(1, spec.g_max_us, spec.window_spread * half).clamp_min(middle + 0.01 * half)
    gain = drawn(2, 1.0, spec.step_spread).clamp_min(0.0) * spec.granularity_us
    asymmetry = drawn(3, spec.asymmetry, spec.asymmetry_spread).clamp(-1.0, 1.0)
    slopes = [drawn(4 + n, slope, spec.slope_spread_from_cell_to_cell) for n, slope in enumerate(spec.slopes)]
    centre = 0.5 * (low + high) if spec.own_window else torch.full_like(like, middle)
    reach = 0.5 * (high - low) if spec.own_window else torch.full_like(like, half)
    up, down = gain * (1.0 + asymmetry), gain * (1.0 - asymmetry)
    rise, fall = slopes[0] / reach, slopes[1] / reach
    return (
        low,
        high,
        torch.stack([up * (1.0 + rise * centre), -up * rise]),
        torch.stack([down * (1.0 - fall * centre), down * fall]),
    )
