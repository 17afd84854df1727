"""Cells that were programmed once and are then only read: programming noise, drift, 1/f noise.

The formulas stand in `ProgrammedCellSpec`. Decisions that the source leaves open:

- Of a differential pair only the device of the right sign is programmed; the other stays in its RESET state, taken as
  no conductance. A weight of exactly 0 programs neither.
- The time t of drift counts from the first read, t_c after programming. The spectrum of the 1/f noise has
  gathered since programming, so that its time is t + t_c.
- Relative noise and drift exponent follow the target conductance, as they were fitted, not the one that was met.
- A read is cut at 0. Below 1 % of the largest conductance the noise exceeds the conductance itself, and a device does
  not conduct backwards.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dse.devices.spec import ProgrammedCellSpec
from dse.kernel import programmed as kernel
from dse.kernel.arithmetic import f32
from dse.streams import Stream


@dataclass
class ProgrammedCells:
    """The state of a matrix of weights, one programmed device each; every tensor has its shape.

    Attributes:
        spec: the cell.
        limit: weight that the largest conductance stands for.
        weight: signed weights at the first read, without read noise, float32; positive ones lie in G+.
        exponent: drift exponent of each programmed device, float32.
        flicker: relative 1/f noise of each device, read_noise_scale * Q, float32.
        programmed: how many devices were programmed.
    """

    spec: ProgrammedCellSpec
    limit: float
    weight: Tensor
    exponent: Tensor
    flicker: Tensor
    programmed: int

    @classmethod
    def program(
        cls, spec: ProgrammedCellSpec, target: Tensor, writes: Stream, exponents: Stream, limit: float | None = None
    ) -> "ProgrammedCells":
        """Return cells that were just programmed.

        Args:
            spec: the cell.
            target: wanted weights, float32, any shape.
            writes: stream of the programming noise; a draw belongs to a cell.
            exponents: stream of the drift exponents; likewise.
            limit: weight that the largest conductance stands for; by default the largest magnitude of `target`.
        """
        wanted = np.ascontiguousarray(target.detach().numpy(), np.float32).reshape(-1)
        limit = limit or float(np.abs(wanted).max(initial=0.0)) or 1.0
        weight, exponent, flicker = (np.empty(wanted.size, np.float32) for _ in range(3))
        keys = np.array([writes.key, exponents.key], np.uint64)
        kernel.program(wanted, _terms(spec, limit), keys, weight, exponent, flicker)
        own = [torch.from_numpy(array).reshape(target.shape) for array in (weight, exponent, flicker)]
        return cls(spec, limit, *own, programmed=int(np.count_nonzero(wanted)))

    def mean_conductance_us(self, time_s: float) -> float:
        """Return the mean conductance of a device at a time, uS, the unprogrammed half of them included."""
        return float(self.weight_at(time_s).abs().mean(dtype=torch.float64)) * self.spec.g_max_us / self.limit / 2.0

    def conductance_us(self, time_s: float) -> Tensor:
        """Return the conductance of the programmed devices at a time without read noise, uS."""
        return self.weight_at(time_s).abs() * (self.spec.g_max_us / self.limit)

    def weight_at(self, time_s: float) -> Tensor:
        """Return the weights at a time after the first read without read noise."""
        age = math.log1p(time_s / self.spec.drift_reference_s)
        if age == 0.0 or not self.spec.drifts:
            return self.weight
        out = np.empty(self.weight.numel(), np.float32)
        kernel.drifted(_flat(self.weight), _flat(self.exponent), f32(age), out)
        return torch.from_numpy(out).reshape(self.weight.shape)

    def read(self, held: Tensor, time_s: float, noise: Stream) -> Tensor:
        """Return one read of all devices as weights.

        Args:
            held: `weight_at` this time, which many reads share.
            time_s: the time, s.
            noise: stream of the reads; each takes the next draws.
        """
        if not self.spec.reads_are_noisy:
            return held
        first, noise.events = noise.events * held.numel(), noise.events + 1
        out = np.empty(held.numel(), np.float32)
        kernel.read(
            _flat(held), _flat(self.flicker), f32(read_band(self.spec, time_s)), np.uint64(noise.key), first, out
        )
        return torch.from_numpy(out).reshape(held.shape)


def read_band(spec: ProgrammedCellSpec, time_s: float) -> float:
    """Return sqrt(ln((t + t_c + t_r) / (2 t_r))): what the 1/f noise has gathered in units of Q."""
    pulse = spec.read_time_s
    return math.sqrt(max(math.log((time_s + spec.drift_reference_s + pulse) / (2.0 * pulse)), 0.0))


def _flat(tensor: Tensor) -> np.ndarray:
    return tensor.contiguous().view(-1).numpy()


def _terms(spec: ProgrammedCellSpec, limit: float) -> np.ndarray:
    """Return the constants of a cell in the order of the kernel; deviations of programming in units of weight."""
    weight = limit / spec.g_max_us
    return np.array(
        [
            limit,
            spec.programming_std_us * weight,
            spec.programming_std_linear_us * weight,
            spec.programming_std_quadratic_us * weight,
            spec.programming_noise_scale,
            spec.drift_mean_slope,
            spec.drift_mean_offset,
            spec.drift_mean_min,
            spec.drift_mean_max,
            spec.drift_std_slope,
            spec.drift_std_offset,
            spec.drift_std_min,
            spec.drift_std_max,
            spec.drift_spread_scale,
            spec.drift_scale,
            spec.read_noise_factor,
            spec.read_noise_exponent,
            spec.read_noise_max,
            spec.read_noise_scale,
        ],
        np.float32,
    )
