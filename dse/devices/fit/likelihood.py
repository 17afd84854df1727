"""The likelihood of measured trains of SET pulses under the cell model of `dse.devices.pcm_settings`, and its maximum.

Given the conductance before pulse n, the one after it is Gaussian with mean and deviation linear in G and
P_n = exp(-n / alpha), clipped to the window. Two things make this more than a regression:

- Clipping: a conductance at an end of the window only says that the pulse led there or beyond. It counts with the
  probability of that (censored likelihood); left out or taken as it is, it would flatten slope and deviation.
- Read noise lies on both sides of an increment: it widens the deviation, couples neighbours and flattens the slope.
  The conductance itself is therefore tracked by a Kalman filter along each train; without read noise the filter is
  the exact likelihood, with it the product of normal densities is an approximation, because its deviations grow
  with conductance. Read noise is not estimated: its deviation is given, divided by the root of the averaged reads.
  From noisy reads the ends of the window are estimated too, where they are not given.

Arrays: g has the shape (cells, pulses + 1), NaN after the end of a train.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import log_ndtr, ndtr

Array = NDArray[np.float64]

RESPONSE = (
    "mean_slope", "mean_offset_us", "mean_history_us", "std_slope", "std_offset_us", "std_history_us", "history_pulses",
)  # fmt: skip
"""The fitted parameters in the order of the vector theta; the last one enters as its logarithm."""
ALPHAS = (0.3, 100.0)
"""Range of history_pulses that is searched."""
FLOOR = 1e-4
"""Smallest deviation of an increment, as a part of the largest mean conductance; keeps the deviation positive."""


@dataclass(frozen=True)
class Given:
    """What is known beside the trains.

    Attributes:
        read_noise_slope: deviation of one read in proportion to conductance.
        read_noise_offset_us: deviation of one read at G = 0, uS.
        reads_averaged: number of reads that each measured conductance is the mean of.
        g_min_us: lower end of the window, uS; by default the smallest conductance after a SET pulse without read
            noise, an estimate of the same likelihood with it.
        g_max_us: upper end of the window, uS; by default the largest conductance, or an estimate, likewise.
    """

    read_noise_slope: float = 0.0
    read_noise_offset_us: float = 0.0
    reads_averaged: int = 1
    g_min_us: float | None = None
    g_max_us: float | None = None

    @property
    def noisy(self) -> bool:
        """Whether reads have noise."""
        return self.read_noise_slope > 0.0 or self.read_noise_offset_us > 0.0

    def read_variance(self, g: Array) -> Array:
        """Return the variance of measured conductances, uS^2; the measured one stands for the true one."""
        return (self.read_noise_slope * np.maximum(g, 0.0) + self.read_noise_offset_us) ** 2 / self.reads_averaged


BOUNDS = np.array(
    [
        (-1.0, 1.0),
        (-5.0, 5.0),
        (-20.0, 20.0),
        (-1.0, 1.0),
        (0.0, 5.0),
        (0.0, 20.0),
        (math.log(ALPHAS[0]), math.log(ALPHAS[1])),
    ]
)
"""Of theta, with conductances in units of the largest mean conductance and the logarithm of history_pulses."""


class TrainModel:
    """The likelihood of trains in units of their largest mean conductance."""

    def __init__(self, g: Array, read_variance: Array, window: tuple[float, float]) -> None:
        self.g, self.read_variance, self.window = g, read_variance, window
        self.noisy = bool(np.nanmax(read_variance) > 0.0)
        self.observations = int(np.sum(np.isfinite(g[:, 1:])))

    def start(self) -> Array:
        """Return a first estimate: least squares, linear given alpha, over a grid of alpha."""
        pulse = np.broadcast_to(np.arange(1.0, self.g.shape[1]), self.g[:, 1:].shape)
        low, high = self.window
        edge = 1e-6 * (high - low)
        seen = np.isfinite(self.g[:, 1:]) & (self.g[:, 1:] > low + edge) & (self.g[:, 1:] < high - edge)
        before, step, n = self.g[:, :-1][seen], np.diff(self.g, axis=1)[seen], pulse[seen]
        candidates: list[Array] = []
        for alpha in np.geomspace(0.5, 20.0, 12):
            basis = np.stack([before, np.ones_like(before), np.exp(-n / alpha)], axis=1)
            mean = np.linalg.lstsq(basis, step, rcond=None)[0]
            off = np.abs(step - basis @ mean) * math.sqrt(math.pi / 2)
            deviation = np.linalg.lstsq(basis, off, rcond=None)[0]
            candidates.append(np.clip([*mean, *deviation, math.log(alpha)], *BOUNDS.T))
        return max(candidates, key=lambda theta: float(self.log_likelihoods(theta).sum()))

    def refine(self, theta: Array, *, low_is_free: bool, high_is_free: bool) -> Array:
        """Return the joint maximum likelihood estimate; ends of the window that are free become part of the model."""
        ends = np.array(self.window)
        ranges = np.stack([ends, ends], axis=1)
        reach = np.nanquantile(self.g[:, 1:], [0.2, 0.8])
        if low_is_free:
            ranges[0, 1] = max(reach[0], ends[0])
        if high_is_free:
            ranges[1, 0] = min(reach[1], ends[1])
        starts = [ends]
        if low_is_free or high_is_free:
            starts.append(np.clip(np.nanquantile(self.g[:, 1:], [0.02, 0.98]), ranges[:, 0], ranges[:, 1]))
        bounds = np.concatenate([BOUNDS, ranges])
        tries = [_minimum(self._loss, np.append(theta, at), bounds) for at in starts]
        best = min(tries, key=self._loss)
        self.window = (float(best[-2]), float(best[-1]))
        return best[:-2]

    def _loss(self, x: Array) -> float:
        self.window = (float(x[-2]), float(x[-1]))
        return -float(self.log_likelihoods(x[:-2]).sum()) / self.observations

    def log_likelihoods(self, theta: Array) -> Array:
        """Return the log likelihood of each train."""
        m1, c1, a1, m2, c2, a2, log_alpha = (float(value) for value in theta)
        level, variance = self._after_reset()
        total = np.zeros(self.g.shape[0])
        for n in range(1, self.g.shape[1]):
            history = math.exp(-n / math.exp(log_alpha))
            sigma = np.maximum(m2 * level + (c2 + a2 * history), FLOOR)
            mean = (1 + m1) * level + (c1 + a1 * history)
            spread = sigma**2 + ((1 + m1) ** 2 + m2**2) * variance
            observe = self._noisy_read if self.noisy else self._exact_read
            logs, level, variance = observe(n, mean, spread)
            total += np.where(np.isnan(self.g[:, n]), 0.0, logs)
        return total

    def _after_reset(self) -> tuple[Array, Array]:
        """Return mean and variance of the conductances after RESET, given their reads."""
        first, noise = self.g[:, 0], self.read_variance[:, 0]
        if not self.noisy:
            return first, np.zeros_like(first)
        prior = max(float(np.var(first) - noise.mean()), 0.0)
        return (prior * first + noise * first.mean()) / (prior + noise), prior * noise / (prior + noise)

    def _exact_read(self, n: int, mean: Array, spread: Array) -> tuple[Array, Array, Array]:
        """Return log likelihood, mean and variance after pulse n; ends of the window are censored."""
        y, (low, high) = self.g[:, n], self.window
        edge = 1e-6 * (high - low)
        deviation = np.sqrt(spread)
        z = (y - mean) / deviation
        logs = _log_normal(z, spread)
        top, bottom = y >= high - edge, y <= low + edge
        logs[top] = log_ndtr(-z[top])
        logs[bottom] = log_ndtr(z[bottom])
        return logs, y, np.zeros_like(y)

    def _noisy_read(self, n: int, mean: Array, spread: Array) -> tuple[Array, Array, Array]:
        """Return the same where a read has noise: the conductance is at the bottom, inside or at the top."""
        y, noise, (low, high) = self.g[:, n], self.read_variance[:, n], self.window
        gain = spread / (spread + noise)
        inner, deviation = mean + gain * (y - mean), np.sqrt(gain * noise)
        a, b = (low - inner) / deviation, (high - inner) / deviation
        inside = np.maximum(ndtr(b) - ndtr(a), 1e-20)
        phi_a, phi_b = np.exp(-0.5 * a**2) / _ROOT, np.exp(-0.5 * b**2) / _ROOT
        shift = (phi_a - phi_b) / inside
        width = 1 + (a * phi_a - b * phi_b) / inside - shift**2
        logs = np.stack(
            [
                log_ndtr((low - mean) / np.sqrt(spread)) + _log_normal((y - low) / np.sqrt(noise), noise),
                _log_normal((y - mean) / np.sqrt(spread + noise), spread + noise) + np.log(inside),
                log_ndtr((mean - high) / np.sqrt(spread)) + _log_normal((y - high) / np.sqrt(noise), noise),
            ]
        )
        total = np.logaddexp.reduce(logs, axis=0)
        share = np.exp(logs - total)
        levels = np.stack([np.full_like(y, low), np.clip(inner + deviation * shift, low, high), np.full_like(y, high)])
        level = (share * levels).sum(axis=0)
        within = share[1] * np.clip(width, 0.0, 1.0) * deviation**2
        return total, level, within + (share * (levels - level) ** 2).sum(axis=0)

    def scores(self, theta: Array) -> Array:
        """Return the derivative of each train's log likelihood, shape (cells, 7), by central differences."""
        columns = [
            (self.log_likelihoods(theta + step) - self.log_likelihoods(theta - step)) / (2 * _STEP)
            for step in np.eye(len(theta)) * _STEP
        ]
        return np.stack(columns, axis=1)

    def curvature(self, theta: Array) -> Array:
        """Return minus the second derivative of the log likelihood, shape (7, 7)."""
        rows = [
            (self.scores(theta - step).sum(axis=0) - self.scores(theta + step).sum(axis=0)) / (2 * _STEP)
            for step in np.eye(len(theta)) * _STEP
        ]
        whole = np.stack(rows)
        return (whole + whole.T) / 2


_ROOT = math.sqrt(2 * math.pi)
_STEP = 1e-4


def _log_normal(z: Array, variance: Array) -> Array:
    return -0.5 * (z**2 + np.log(2 * math.pi * variance))


def _minimum(loss: Callable[[Array], float], start: Array, bounds: Array) -> Array:
    minimize = cast("Callable[..., Any]", optimize.minimize)
    options = {"maxiter": 300, "ftol": 1e-12}
    found = minimize(loss, start, jac="3-point", method="SLSQP", bounds=bounds, options=options)
    return np.asarray(found.x, dtype=np.float64)
