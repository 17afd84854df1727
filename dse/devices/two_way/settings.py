"""What can be chosen about a cell whose pulses raise and lower its conductance, whatever shape its steps have.

With z = -1 at the lower end of the window, 0 in its middle and 1 at its upper end, a pulse changes G by

    up       granularity_us * (1 + a) * max(1 - s_up   * z, 0)
    down   - granularity_us * (1 - a) * max(1 + s_down * z, 0)

on average, a being the asymmetry: the steps in the middle are granularity_us times 1 + a and 1 - a. A model says what
the slopes s are, and whose window z goes by. Then, for each pulse,

    step     mean * (1 + step_noise * N(0, 1)) + granularity_us * step_noise_floor * N(0, 1), the window clips
    leak     G(t) = rest_us + (G - rest_us) * exp(-leak_per_s * (t - t_pulse)); a pulse acts on what has leaked
    shown    G + write_noise_us * N(0, 1), drawn anew by each update of the cell; the steps do not see it
    read     shown + read_noise_us * N(0, 1)

From cell to cell differ: a factor on all steps (step_spread), the asymmetry, and both ends of the window, in units of
half of it. The forms are those of Gokmen and Vlasov, Front. Neurosci. 10:333 (2016), constant steps, and Rasch et al.,
IEEE AICAS 2021 (arXiv:2104.02184), linear steps and soft bounds.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from dse.devices.base import AbstractCell
from dse.spec import ActsUnless, Condition

Noise = Annotated[float, Ge(0.0), Le(100.0)]
Spread = Annotated[float, Ge(0.0), Le(1.0)]
REACH = 4.0
"""Standard deviations within which what differs from cell to cell, and what is shown, is held."""


class TwoWayCell(AbstractCell):
    """One cell that is pulsed both ways. Conductances in microsiemens."""

    granularity_us: Annotated[float, Gt(0.0), Le(100.0)]
    """Mean of a step up and a step down in the middle of the window, uS: the unit of the threshold epsilon."""
    asymmetry: Annotated[float, Ge(-0.9), Le(0.9)]
    """By which part steps up are larger than granularity_us in the middle of the window, and steps down smaller."""
    step_noise: Noise
    """Standard deviation of a step from pulse to pulse, in proportion to its mean."""
    step_noise_floor: Noise = 0.0
    """Standard deviation of a step that does not depend on its mean, in units of granularity_us."""
    write_noise_us: Noise = 0.0
    """Standard deviation of what an update adds to the conductance that is shown, but not to what later steps see."""
    read_noise_us: Noise = 0.0
    """Standard deviation of a read, uS."""
    step_spread: Spread = 0.0
    """Standard deviation from cell to cell of a factor on all steps, around 1 and not below 0; 0 for equal cells."""
    asymmetry_spread: Spread = 0.0
    """Standard deviation of the asymmetry from cell to cell."""
    window_spread: Spread = 0.0
    """Standard deviation of both ends of the window from cell to cell, in units of half of it; within four, above 0."""
    leak_per_s: Annotated[float, Ge(0.0), Le(1e9)] = 0.0
    """Rate at which a conductance goes back to rest_us, 1/s; 0 for a cell that keeps it."""
    rest_us: Annotated[float, Ge(0.0), Le(1e6), ActsUnless(leak_per_s=0.0)]
    """Conductance that a leaking cell ends at, uS."""

    directions: ClassVar[Literal["up", "both"]] = "both"
    defaults: ClassVar[Mapping[str, Any]] = {
        "array.initial_mean_us": 11.0,
        "array.initial_min_us": 1.0,
        "array.initial_max_us": 21.0,
    }
    idle: ClassVar[Mapping[str, Condition]] = {
        "clock.drift_every_samples": {"device.leak_per_s": 0.0},
        "array.read_noise_per": {"device.read_noise_us": 0.0},
    }
    own_window: ClassVar[bool]
    """Whether the shape of the steps goes by the window of each cell, or by that of the mean cell."""

    @property
    def slopes(self) -> tuple[float, float]:
        """How much steps up and down change from the middle of the window to an end, as parts of them."""
        raise NotImplementedError

    @property
    def slope_spread_from_cell_to_cell(self) -> float:
        """Standard deviation of the slopes from cell to cell."""
        return 0.0

    @property
    def reach_us(self) -> tuple[float, float]:
        """Lowest and highest conductance that any such cell can show, uS."""
        ends = [self.g_min_us, self.g_max_us, *([self.rest_us] if self.leak_per_s > 0.0 else [])]
        beyond = REACH * (self.window_spread * 0.5 * (self.g_max_us - self.g_min_us) + self.write_noise_us)
        return max(min(ends) - beyond, 0.0), max(ends) + beyond
