"""What can be chosen about one phase-change-memory (PCM) cell.

The response to SET pulses, the drift and the read noise follow Nandakumar et al., "A phase-change memory model for
neuromorphic computing", J. Appl. Phys. 124, 152135 (2018). With n the number of SET pulses since the last RESET,
the pulse being applied included, and P_n = exp(-n / history_pulses):

    mean increment   mu    = mean_slope * G + mean_offset_us + mean_history_us * P_n
    its deviation    sigma = std_slope  * G + std_offset_us  + std_history_us  * P_n
    pulse            G    <- clip(G + mu + write_noise_scale * sigma * N(0, 1), g_min_us, g_max_us)
    drift            G(t)  = G * (max(t - t_pulse, T0) / T0) ** -drift_exponent,  T0 = drift_reference_s
    read             G_read = G(t) + read_noise_scale * (read_noise_slope * G(t) + read_noise_offset_us) * N(0, 1)

The values of a measured cell stand in a card of the device library; this file only says what they are and which
values make sense.
"""

import math
from typing import Annotated, Self

from annotated_types import Ge, Gt, Le
from pydantic import model_validator

from dse.devices.base import AbstractCell
from dse.spec import ActsUnless

Conductance = Annotated[float, Ge(0.0), Le(1e6)]
Scale = Annotated[float, Ge(0.0), Le(10.0)]
Slope = Annotated[float, Ge(-1.0), Le(1.0)]
Increment = Annotated[float, Ge(-100.0), Le(100.0)]
Deviation = Annotated[float, Ge(0.0), Le(100.0)]


class PcmSettings(AbstractCell):
    """One PCM cell: conductance window, pulse response, drift, read noise. Conductances in microsiemens."""

    g_min_us: Conductance
    """Lowest conductance that a SET pulse can leave, uS."""
    g_max_us: Conductance
    """Highest conductance that a SET pulse can leave, uS."""
    granularity_us: Annotated[float, Gt(0.0), Le(100.0)]
    """Mean increment of a SET pulse over the range in use, uS: the unit of the threshold epsilon."""
    mean_slope: Annotated[Slope, ActsUnless(nonlinearity=0.0)]
    """Slope of the mean increment over conductance (m1), dimensionless."""
    mean_offset_us: Annotated[Increment, ActsUnless(nonlinearity=0.0)]
    """Mean increment at G = 0 after many pulses (c1), uS."""
    mean_history_us: Annotated[Increment, ActsUnless(nonlinearity=0.0)]
    """What the first pulses add to the mean increment (A1), uS."""
    std_slope: Annotated[Slope, ActsUnless(write_noise_scale=0.0)]
    """Slope of the deviation of the increment over conductance (m2), dimensionless."""
    std_offset_us: Annotated[Deviation, ActsUnless(write_noise_scale=0.0)]
    """Deviation of the increment at G = 0 after many pulses (c2), uS."""
    std_history_us: Annotated[Deviation, ActsUnless(write_noise_scale=0.0)]
    """What the first pulses add to the deviation of the increment (A2), uS."""
    history_pulses: Annotated[float, Gt(0.0), Le(1e3)]
    """Number of pulses over which the history fades by 1/e (alpha)."""
    history_linear_per_us: Increment
    """Pulses that a cell at conductance G counts as having seen when it starts above RESET: linear term, 1/uS."""
    history_quadratic_per_us2: Increment
    """The same: quadratic term, 1/uS^2."""
    history_cubic_per_us3: Increment
    """The same: cubic term, 1/uS^3."""
    nonlinearity: Annotated[float, Ge(0.0), Le(1.0)] = 1.0
    """1 is the measured mean response, 0 one that adds granularity_us at any conductance; between lies a mixture."""
    response_spread: Annotated[float, Ge(0.0), Le(1.0)] = 0.0
    """Deviation from cell to cell of a factor on all increments, around 1 and not below 0; 0 for equal cells."""
    stuck_set_fraction: Annotated[float, Ge(0.0), Le(1.0)] = 0.0
    """Share of the cells that stay at g_max_us whatever the pulses."""
    stuck_reset_fraction: Annotated[float, Ge(0.0), Le(1.0)] = 0.0
    """Share of the cells that stay at reset_mean_us whatever the pulses."""
    write_noise_scale: Scale = 1.0
    """Multiplies the deviation of the increment: 1 is the measured cell, 0 switches write noise off."""
    read_noise_slope: Annotated[Slope, ActsUnless(read_noise_scale=0.0)]
    """Deviation of a read in proportion to conductance (m3), dimensionless."""
    read_noise_offset_us: Annotated[Deviation, ActsUnless(read_noise_scale=0.0)]
    """Deviation of a read at G = 0 (c3), uS."""
    read_noise_scale: Scale = 1.0
    """Multiplies the deviation of a read: 1 is the measured cell, 0 switches read noise off."""
    drift_exponent: Annotated[float, Ge(0.0), Le(1.0)]
    """Exponent nu of the drift; 0 switches drift off."""
    drift_exponent_spread: Annotated[float, Ge(0.0), Le(1.0)] = 0.0
    """Deviation of the drift exponent from cell to cell, not below an exponent of 0; 0 for equal cells."""
    drift_reference_s: Annotated[float, Gt(0.0), Le(1e9), ActsUnless(drift_exponent=0.0, drift_exponent_spread=0.0)]
    """Time T0 after a pulse at which the increments were measured, s; the drift starts there."""
    reset_mean_us: Annotated[Conductance, ActsUnless({"refresh.every_samples": 0}, stuck_reset_fraction=0.0)]
    """Mean conductance after a RESET pulse, uS."""
    reset_std_us: Annotated[Deviation, ActsUnless({"refresh.every_samples": 0})]
    """Deviation of the conductance after a RESET pulse, uS."""
    reset_min_us: Annotated[Conductance, ActsUnless({"refresh.every_samples": 0})]
    """Lowest conductance after a RESET pulse, uS."""

    @model_validator(mode="after")
    def _shares_fit_together(self) -> Self:
        if self.stuck_set_fraction + self.stuck_reset_fraction > 1.0:
            msg = "stuck_set_fraction and stuck_reset_fraction add up to more than 1"
            raise ValueError(msg)
        return self

    def mean_response_us(self, pulses: int) -> list[float]:
        """Return the mean conductance after 0 to `pulses` SET pulses from RESET, uS, the window not regarded.

        The increment is linear in G, so that the mean obeys
        M_n = (1 + mean_slope) M_(n-1) + mean_offset_us + mean_history_us exp(-n / history_pulses) exactly.
        """
        slope, offset, fading = self.mean_terms
        means = [self.reset_mean_us]
        for n in range(1, pulses + 1):
            history = math.exp(-n / self.history_pulses)
            means.append((1 + slope) * means[-1] + offset + fading * history)
        return means

    @property
    def fade(self) -> float:
        """Factor of the history P_n at every pulse."""
        return math.exp(-1.0 / self.history_pulses)

    @property
    def reads_are_noisy(self) -> bool:
        """Whether a read has noise."""
        return self.read_noise_scale > 0.0 and (self.read_noise_slope != 0.0 or self.read_noise_offset_us > 0.0)

    @property
    def is_linear(self) -> bool:
        """Whether every pulse of a cell adds exactly the same, so that many can be applied in one step."""
        quiet = self.write_noise_scale == 0.0 or (
            self.std_slope == 0.0 and self.std_offset_us == 0.0 and self.std_history_us == 0.0
        )
        slope, offset, history = self.mean_terms
        return quiet and slope == 0.0 and history == 0.0 and offset >= 0.0

    @property
    def mean_terms(self) -> tuple[float, float, float]:
        """Slope, offset (uS) and history term (uS) of the mean increment, with the nonlinearity applied."""
        measured, linear = self.nonlinearity, 1.0 - self.nonlinearity
        offset = measured * self.mean_offset_us + linear * self.granularity_us
        return measured * self.mean_slope, offset, measured * self.mean_history_us

    @property
    def drift_begins_s(self) -> float:
        """Time after a pulse until which a conductance stays, s."""
        return self.drift_reference_s

    @property
    def drifts(self) -> bool:
        """Whether any cell drifts."""
        return self.drift_exponent > 0.0 or self.drift_exponent_spread > 0.0
