"""What happens in PCM cells: SET pulses with history and write noise, RESET, drift, read noise, wear.

The formulas are in `dse.devices.pcm_settings`. Decisions that the source leaves open:

- A pulse acts on the conductance as it was at T0 after the previous pulse: drift is a relaxation that the pulse
  undoes, and its clock restarts (public implementations of the model do the same).
- Before T0 the conductance is that of T0: the increments were measured there, and extrapolating the power law to
  microseconds would double every conductance on the strength of no data.
- A negative increment is physical; only the window clips.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.devices.pcm_settings import PcmSettings
from dse.errors import DivergedError
from dse.kernel.arithmetic import exponential, power
from dse.pausing import State, array_of, fill
from dse.streams import Stream

MAX_PULSES = 1000
"""Most SET pulses that one update can ask of a cell; the measured cell is saturated after some twenty."""


STUCK_SET, STUCK_RESET = 1, 2
PULSED = ("g_us", "history", "pulsed_at_s", "set_pulses", "reset_pulses")
"""What pulses change in a cell."""


@dataclass
class PcmCells:
    """The state of an array of cells; every tensor has the shape of the array.

    Attributes:
        spec: the cell.
        g_us: conductance at T0 after the last pulse, uS, float32.
        history: P_n = exp(-n / alpha), 1 after RESET, float32.
        pulsed_at_s: time of the last pulse, s, float32.
        set_pulses: SET pulses in the life of each cell, int64; never goes back.
        reset_pulses: RESET pulses in the life of each cell, int64; never goes back.
        gain: factor of each cell on its increments, float32; 0 for a stuck cell.
        exponent: drift exponent of each cell, float32.
        stuck: whether a cell ignores all pulses, bool.
    """

    spec: PcmSettings
    g_us: Tensor
    history: Tensor
    pulsed_at_s: Tensor
    set_pulses: Tensor
    reset_pulses: Tensor
    gain: Tensor
    exponent: Tensor
    stuck: Tensor

    @classmethod
    def start(cls, spec: PcmSettings, g_us: Tensor, variation: Stream | None = None) -> "PcmCells":
        """Return fresh cells at given conductances (float32, any shape), with the history these imply.

        A cell that starts above RESET is taken to have seen n(G) pulses, a cubic polynomial of the card. Stuck cells
        stay where they are stuck.

        Args:
            spec: the cell.
            g_us: initial conductances, uS.
            variation: stream of what differs from cell to cell; only needed where something does.
        """
        gain, exponent, stuck = _varied(spec, g_us.numel(), variation or Stream(0))
        shape = g_us.shape
        held = torch.where(stuck == STUCK_SET, spec.g_max_us, g_us.reshape(-1))
        held = torch.where(stuck == STUCK_RESET, spec.reset_mean_us, held)
        return cls._at(
            spec, held.reshape(shape), gain.reshape(shape), exponent.reshape(shape), (stuck > 0).reshape(shape)
        )

    @classmethod
    def _at(cls, spec: PcmSettings, g_us: Tensor, gain: Tensor, exponent: Tensor, stuck: Tensor) -> "PcmCells":
        pulses = g_us * (
            spec.history_linear_per_us + g_us * (spec.history_quadratic_per_us2 + g_us * spec.history_cubic_per_us3)
        )
        return cls(
            spec=spec,
            g_us=g_us.clone(),
            # torch's exponential comes from a library whose last bit depends on the processor.
            history=torch.from_numpy(exponential((-pulses.clamp_min(0.0) / spec.history_pulses).numpy())),
            pulsed_at_s=torch.zeros_like(g_us),
            set_pulses=torch.zeros(g_us.shape, dtype=torch.int64),
            reset_pulses=torch.zeros(g_us.shape, dtype=torch.int64),
            gain=gain,
            exponent=exponent,
            stuck=stuck,
        )

    @classmethod
    def after_reset(cls, spec: PcmSettings, shape: tuple[int, ...], noise: Stream) -> "PcmCells":
        """Return fresh cells in the RESET state; the first RESET counts no wear."""
        return cls.start(spec, _reset_level(spec, noise.next_normal(math.prod(shape))[0]).reshape(shape)).with_history(
            1.0
        )

    def with_history(self, value: float) -> "PcmCells":
        """Return self with every history set to `value`."""
        self.history.fill_(value)
        return self

    def pulse(self, cells: Tensor, count: Tensor, now_s: float, noise: Stream) -> int:
        """Apply SET pulses one after the other.

        Args:
            cells: flat indices of different cells, int64, shape (k,).
            count: number of pulses for each, at least 1, int64, shape (k,).
            now_s: time of the pulses, s.
            noise: stream of the write noise; a draw depends on the cell and on the number of the pulse in its life.

        Returns:
            The number of pulses applied.

        Raises:
            DivergedError: more than `MAX_PULSES` on one cell that does not respond linearly.
        """
        if cells.numel() == 0:
            return 0
        spec = self.spec
        if not spec.is_linear and int(count.max()) > MAX_PULSES:
            raise too_many_pulses()
        lifetime = self.set_pulses.view(-1)
        pulse = lifetime[cells]
        lifetime.index_add_(0, cells, count)
        self.pulsed_at_s.view(-1)[cells] = now_s
        g, history, gain = self.g_us.view(-1), self.history.view(-1), self.gain.view(-1)[cells]
        slope, offset, fading = spec.mean_terms
        if spec.is_linear:
            # The first pulse lifts a cell into the window; from there every pulse adds the same up to its upper end.
            step = offset * gain
            first = (g[cells] + step).clamp(spec.g_min_us, spec.g_max_us)
            g[cells] = (first + (count - 1) * step).clamp_max(spec.g_max_us)
            return int(count.sum())
        left = count
        while cells.numel():
            p = history[cells] * spec.fade
            level = g[cells]
            step = slope * level + (offset + fading * p)
            if spec.write_noise_scale > 0.0:
                sigma = spec.std_slope * level + (spec.std_offset_us + spec.std_history_us * p)
                step += (spec.write_noise_scale * sigma) * noise.normal(pulse * g.numel() + cells)
            g[cells] = (level + step * gain).clamp(spec.g_min_us, spec.g_max_us)
            history[cells] = p
            more = left > 1
            cells, left, pulse, gain = cells[more], left[more] - 1, pulse[more] + 1, gain[more]
        return int(count.sum())

    def reset(self, cells: Tensor, now_s: float, noise: Stream) -> int:
        """Apply one RESET pulse to each of the cells (flat indices, int64) and return their number."""
        self.reset_pulses.view(-1)[cells] += 1
        counters = self.reset_pulses.view(-1)[cells] * self.g_us.numel() + cells
        level = _reset_level(self.spec, noise.normal(counters))
        self.g_us.view(-1)[cells] = torch.where(self.stuck.view(-1)[cells], self.g_us.view(-1)[cells], level)
        self.history.view(-1)[cells] = 1.0
        self.pulsed_at_s.view(-1)[cells] = now_s
        return cells.numel()

    def conductance_us(self, now_s: float) -> Tensor:
        """Return the drifted conductance at a time, uS, without read noise."""
        spec = self.spec
        if not spec.drifts or now_s <= spec.drift_reference_s:
            return self.g_us
        return self.g_us * self.drift_factor(now_s)

    def drift_factor(self, now_s: float) -> Tensor:
        """Return what drift has left of the conductance at a time, as a factor up to 1."""
        spec = self.spec
        age = (now_s - self.pulsed_at_s).clamp_min(spec.drift_reference_s) / spec.drift_reference_s
        return torch.from_numpy(power(age.numpy(), (-self.exponent).numpy()))

    def read_noise_std_us(self, g_us: Tensor) -> Tensor | None:
        """Return the deviation of one read at given conductances, uS, or None where reads are noise-free."""
        spec = self.spec
        if not spec.reads_are_noisy:
            return None
        return spec.read_noise_scale * (spec.read_noise_slope * g_us + spec.read_noise_offset_us)

    def wear(self) -> Mapping[str, Tensor]:
        """Return the pulses in the life of each cell; see `Cells`."""
        return {"set": self.set_pulses, "reset": self.reset_pulses}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what pulses change; what differs from cell to cell follows from the seed; see `Pausable`."""
        return {name: array_of(getattr(self, name)) for name in PULSED}

    def restore(self, state: State) -> None:
        """Go back to a state, in the memory that compiled code shares; see `Pausable`."""
        for name in PULSED:
            fill(getattr(self, name), state, name)


def too_many_pulses() -> DivergedError:
    """Return the error for an update that asks for more pulses than a cell can tell apart."""
    return DivergedError(f"one cell would get more than {MAX_PULSES} SET pulses at once, and fewer saturate any cell")


def _varied(spec: PcmSettings, number: int, variation: Stream) -> tuple[Tensor, Tensor, Tensor]:
    """Return gain, drift exponent and kind of defect (0 for none) of each cell, shape (number,)."""
    gain = torch.ones(number, dtype=torch.float32)
    exponent = torch.full((number,), spec.drift_exponent, dtype=torch.float32)
    stuck = torch.zeros(number, dtype=torch.int64)
    if spec.response_spread > 0.0:
        gain = (1.0 + spec.response_spread * variation.at(0).next_normal(number)[0]).clamp_min(0.0)
    if spec.drift_exponent_spread > 0.0:
        exponent = (exponent + spec.drift_exponent_spread * variation.at(1).next_normal(number)[0]).clamp_min(0.0)
    if spec.stuck_set_fraction + spec.stuck_reset_fraction > 0.0:
        chance = variation.at(2).next_uniform(number)
        stuck[chance < spec.stuck_set_fraction + spec.stuck_reset_fraction] = STUCK_RESET
        stuck[chance < spec.stuck_set_fraction] = STUCK_SET
        gain[stuck > 0] = 0.0
    return gain, exponent, stuck


def _reset_level(spec: PcmSettings, noise: Tensor) -> Tensor:
    return (spec.reset_mean_us + spec.reset_std_us * noise).clamp_min(spec.reset_min_us)
