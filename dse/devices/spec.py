"""What can be chosen about PCM cells: those that are pulsed in training, and those that are programmed once."""

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt, Le
from pydantic import model_validator

from dse.devices.pcm_settings import Deviation, Increment, PcmSettings, Scale, Slope
from dse.spec import ActsUnless, Spec

if TYPE_CHECKING:
    from torch import Tensor

    from dse.devices.pcm import PcmCells
    from dse.streams import Stream


class CellSpec(PcmSettings):
    """One PCM cell; the formulas are in `dse.devices.pcm_settings`."""

    compiled = True
    model = "pcm"
    about = "phase-change memory: SET pulses with history and write noise, RESET, drift, read noise"

    def cells(self, g_us: "Tensor", variation: "Stream") -> "PcmCells":
        """Return fresh cells; see `AbstractCell`."""
        from dse.devices.pcm import PcmCells  # noqa: PLC0415  torch

        return PcmCells.start(self, g_us, variation)


class ProgrammedCellSpec(Spec):
    """One PCM cell that is programmed to a conductance once, iteratively, and then only read.

    The statistical model of Joshi et al., Nat. Commun. 11:2473 (2020) and Nandakumar et al., ICECS 2019, calibrated on
    an array of a million cells. With g = G_target / g_max_us in [0, 1] and t the time since the first read, which comes
    t_c = drift_reference_s after programming:

        programming  G(0) = max(G_target + programming_noise_scale * s_p * N(0, 1), 0)
                     s_p  = max(a + b * g + c * g^2, 0)   a, b, c = programming_std{,_linear,_quadratic}_us
        drift        G(t) = G(0) * ((t + t_c) / t_c) ** -nu,   nu drawn once for each cell,
                     nu   = drift_scale * |mu + drift_spread_scale * s * N(0, 1)|
                     mu   = clip(drift_mean_slope * ln g + drift_mean_offset, drift_mean_min, drift_mean_max)
                     s    = clip(drift_std_slope * ln g + drift_std_offset, drift_std_min, drift_std_max)
        1/f noise    G_read = max(G(t) * (1 + read_noise_scale * Q * sqrt(ln((t + t_c + t_r) / (2 t_r))) * N(0, 1)), 0)
                     Q    = min(read_noise_factor / g ** read_noise_exponent, read_noise_max),   t_r = read_time_s
    """

    card: str
    """Name of the card in the device library that gave the values which the design does not give itself."""
    g_max_us: Annotated[float, Gt(0.0), Le(1e6)]
    """Conductance that stands for the largest weight of a layer, uS."""
    programming_std_us: Annotated[Deviation, ActsUnless(programming_noise_scale=0.0)]
    """Deviation of a programmed conductance for a target of 0, uS."""
    programming_std_linear_us: Annotated[Increment, ActsUnless(programming_noise_scale=0.0)]
    """What the deviation gains in proportion to the target g, uS."""
    programming_std_quadratic_us: Annotated[Increment, ActsUnless(programming_noise_scale=0.0)]
    """What the deviation gains in proportion to g^2, uS."""
    programming_noise_scale: Scale = 1.0
    """Multiplies the deviation of programming: 1 is the measured cell, 0 switches programming noise off."""
    programming_pulses: Annotated[float, Ge(0.0), Le(1e6)]
    """Mean number of SET pulses to program a cell, each followed by a read that verifies; only its cost follows it."""
    drift_mean_slope: Annotated[Slope, ActsUnless(drift_scale=0.0)]
    """Slope of the mean drift exponent over ln g, dimensionless."""
    drift_mean_offset: Annotated[Slope, ActsUnless(drift_scale=0.0)]
    """Mean drift exponent at g = 1 before it is clipped."""
    drift_mean_min: Annotated[Slope, ActsUnless(drift_scale=0.0)]
    """Smallest mean drift exponent."""
    drift_mean_max: Annotated[Slope, ActsUnless(drift_scale=0.0)]
    """Largest mean drift exponent."""
    drift_std_slope: Annotated[Slope, ActsUnless(drift_spread_scale=0.0), ActsUnless(drift_scale=0.0)]
    """Slope of the deviation of the drift exponent from cell to cell over ln g, dimensionless."""
    drift_std_offset: Annotated[Slope, ActsUnless(drift_spread_scale=0.0), ActsUnless(drift_scale=0.0)]
    """Deviation of the drift exponent at g = 1 before it is clipped."""
    drift_std_min: Annotated[float, Ge(0.0), Le(1.0), ActsUnless(drift_spread_scale=0.0), ActsUnless(drift_scale=0.0)]
    """Smallest deviation of the drift exponent."""
    drift_std_max: Annotated[float, Ge(0.0), Le(1.0), ActsUnless(drift_spread_scale=0.0), ActsUnless(drift_scale=0.0)]
    """Largest deviation of the drift exponent."""
    drift_scale: Scale = 1.0
    """Multiplies every drift exponent: 1 is the measured cell, 0 switches drift off."""
    drift_spread_scale: Annotated[Scale, ActsUnless(drift_scale=0.0)] = 1.0
    """Multiplies the deviation of the drift exponent: 0 lets all cells of equal conductance drift alike."""
    drift_reference_s: Annotated[float, Gt(0.0), Le(1e9)]
    """Time t_c between programming and the first read, s; drift and the times of a deployment count from there."""
    read_noise_factor: Annotated[float, Ge(0.0), Le(10.0), ActsUnless(read_noise_scale=0.0)]
    """Relative 1/f noise of a cell at g = 1, dimensionless."""
    read_noise_exponent: Annotated[float, Ge(0.0), Le(10.0), ActsUnless(read_noise_scale=0.0)]
    """Exponent with which the relative noise grows towards small g."""
    read_noise_max: Annotated[float, Ge(0.0), Le(10.0), ActsUnless(read_noise_scale=0.0)]
    """Largest relative noise Q."""
    read_noise_scale: Scale = 1.0
    """Multiplies the deviation of a read: 1 is the measured cell, 0 switches read noise off."""
    read_time_s: Annotated[float, Gt(0.0), Le(1.0), ActsUnless(read_noise_scale=0.0)]
    """Width t_r of the pulse that reads, s, where the spectrum of the noise ends."""

    @model_validator(mode="after")
    def _ends_are_in_order(self) -> "ProgrammedCellSpec":
        for name in ("mean", "std"):
            low, high = getattr(self, f"drift_{name}_min"), getattr(self, f"drift_{name}_max")
            if low > high:
                msg = f"drift_{name}_min = {low} is above drift_{name}_max = {high}"
                raise ValueError(msg)
        return self

    @property
    def reads_are_noisy(self) -> bool:
        """Whether a read has noise."""
        return self.read_noise_scale > 0.0 and self.read_noise_factor > 0.0 and self.read_noise_max > 0.0

    @property
    def drifts(self) -> bool:
        """Whether any cell drifts."""
        return self.drift_scale > 0.0
