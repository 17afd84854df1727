"""Fits the cell model of `dse.devices.spec` to measured trains of SET pulses, by maximum likelihood.

Given the conductance before pulse n, the one after it is Gaussian with mean and deviation linear in G and
P_n = exp(-n / alpha), clipped to the window. Three things make this more than a regression:

- Clipping: a conductance at an end of the window only says that the pulse led there or beyond. It counts with the
  probability of that (censored likelihood); left out or taken as it is, it would flatten slope and deviation.
- Read noise lies on both sides of an increment: it widens the deviation, couples neighbours and flattens the slope.
  The conductance itself is therefore tracked by a Kalman filter along each train; without read noise the filter is
  the exact likelihood, with it the product of normal densities is an approximation, because its deviations grow
  with conductance. Read noise is not estimated: its deviation is given, divided by the root of the averaged reads.
  From noisy reads the ends of the window are estimated too, if they are not given; intervals then take them as known.
- Cells differ, so that pulses of a cell are not independent: intervals come from a bootstrap over cells. A resample
  takes one Newton step from the estimate, with the scores of its cells (Davidson and MacKinnon, "Bootstrap testing
  in nonlinear models", International Economic Review 40, 1999), instead of a fit of its own.

Arrays: g has the shape (cells, pulses + 1), NaN after the end of a train.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtr

from dse.errors import DataError, SettingError

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

    def read_variance(self, g: Array) -> Array:
        """Return the variance of measured conductances, uS^2; the measured one stands for the true one."""
        return (self.read_noise_slope * np.maximum(g, 0.0) + self.read_noise_offset_us) ** 2 / self.reads_averaged


@dataclass(frozen=True)
class Response:
    """A fitted pulse response.

    Attributes:
        theta: the parameters `RESPONSE`, in uS.
        draws: the same for each resample, shape (resamples, 7).
        weights: how often each resample holds each cell, shape (resamples, cells).
        window: lower and upper end, uS.
    """

    theta: Array
    draws: Array
    weights: Array
    window: tuple[float, float]


def fit_response(g: Array, given: Given, resamples: int, seed: int) -> Response:
    """Fit the pulse response to trains.

    Args:
        g: conductances, uS.
        given: read noise and, where known, the window.
        resamples: number of bootstrap resamples over cells.
        seed: seed of the resamples.

    Raises:
        DataError: the trains do not rise, do not vary, or vary less than the read noise says.
        SettingError: the window that was given does not hold the data.
    """
    window = find_window(g, given)
    scale = float(np.nanmax(np.nanmean(g, axis=0)))
    model = _Model(g / scale, given.read_variance(g) / scale**2, (window[0] / scale, window[1] / scale))
    theta = model.refined(model.start())
    if model.noisy and None in (given.g_min_us, given.g_max_us):
        theta = model.refined_with_window(theta, (given.g_min_us is None, given.g_max_us is None))
        window = (model.window[0] * scale, model.window[1] * scale)
    cells = g.shape[0]
    weights = np.random.default_rng(seed).multinomial(cells, np.full(cells, 1.0 / cells), size=resamples)
    scores, curvature = model.scores(theta), model.curvature(theta)
    steps = (weights - 1.0) @ scores @ np.linalg.pinv(curvature, rcond=1e-10, hermitian=True)
    units = np.array([1.0, scale, scale, 1.0, scale, scale, 1.0])
    draws = np.clip(theta + steps, *_BOUNDS.T)
    for rows in (theta, draws):
        rows[..., 6] = np.exp(rows[..., 6])
    return Response(theta * units, draws * units, weights.astype(np.float64), window)


def find_window(g: Array, given: Given) -> tuple[float, float]:
    """Return the ends of the window, uS, after a check that the data suit them and the read noise."""
    mean = np.nanmean(g, axis=0)
    if mean[1:].max() <= mean[0]:
        raise DataError(f"the mean conductance does not rise with SET pulses ({mean[0]:.4g} to {mean[1:].max():.4g} uS)")
    if np.nanmax(np.nanstd(g, axis=0)) <= FLOOR * mean.max():
        raise DataError("all cells behave the same; a deviation cannot be fitted, write the card by hand")
    spread, noise = float(np.var(g[:, 0])), float(np.mean(given.read_variance(g[:, 0])))
    if spread < 0.5 * noise:
        raise DataError(
            f"the conductances after RESET spread by {math.sqrt(spread):.3g} uS, less than read noise alone would "
            f"({math.sqrt(noise):.3g} uS): give the read noise of the measurement with --read-noise-slope and "
            "--read-noise-offset-us, or the number of reads that each conductance averages with --reads-averaged"
        )
    low = max(float(np.nanmin(g[:, 1:])), 0.0) if given.g_min_us is None else given.g_min_us
    high = float(np.nanmax(g[:, 1:])) if given.g_max_us is None else given.g_max_us
    reach = 5.0 * np.sqrt(given.read_variance(g[:, 1:])) + 1e-6 * (high - low)
    outside = int(np.sum((g[:, 1:] > high + reach) | (g[:, 1:] < low - reach)))
    if outside or low >= high:
        raise SettingError(f"{outside} conductances lie outside the window {low:.4g} to {high:.4g} uS; widen it")
    return low, high


_BOUNDS = np.array(
    [(-1.0, 1.0), (-5.0, 5.0), (-20.0, 20.0), (-1.0, 1.0), (0.0, 5.0), (0.0, 20.0), (math.log(ALPHAS[0]), math.log(ALPHAS[1]))]
)
"""Of theta, with conductances in units of the largest mean conductance and the logarithm of history_pulses."""


class _Model:
    """The likelihood of trains in units of their largest mean conductance."""

    def __init__(self, g: Array, read_variance: Array, window: tuple[float, float]) -> None:
        self.g, self.read_variance, self.window = g, read_variance, window
        self.noisy = bool(np.nanmax(read_variance) > 0.0)
        self.observations = int(np.sum(np.isfinite(g[:, 1:])))

    def start(self) -> Array:
        """Return a first estimate: least squares, linear given alpha, over a grid of alpha."""
        pulse = np.broadcast_to(np.arange(1, self.g.shape[1]), self.g[:, 1:].shape)
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
            candidates.append(np.clip([*mean, *deviation, math.log(alpha)], *_BOUNDS.T))
        return max(candidates, key=lambda theta: float(self.log_likelihoods(theta).sum()))

    def refined(self, theta: Array) -> Array:
        """Return the joint maximum likelihood estimate."""
        found: Any = minimize(
            lambda x: -float(self.log_likelihoods(x).sum()) / self.observations,
            theta,
            jac="3-point",
            method="SLSQP",
            bounds=_BOUNDS,
            options={"maxiter": 300, "ftol": 1e-12},
        )
        return np.asarray(found.x, dtype=np.float64)

    def refined_with_window(self, theta: Array, free: tuple[bool, bool]) -> Array:
        """Return the estimate with the ends of the window that are free estimated too, and keep these."""
        ends = np.array(self.window)
        reach = np.nanquantile(self.g[:, 1:], [0.2, 0.8])
        ranges = np.array([(ends[0], max(reach[0], ends[0])), (min(reach[1], ends[1]), ends[1])])
        ranges[~np.array(free)] = ends[~np.array(free), None]

        def loss(x: Array) -> float:
            self.window = (float(x[-2]), float(x[-1]))
            return -float(self.log_likelihoods(x[:-2]).sum()) / self.observations

        bounds = np.concatenate([_BOUNDS, ranges])
        starts = [ends, np.clip(np.nanquantile(self.g[:, 1:], [0.02, 0.98]), ranges[:, 0], ranges[:, 1])]
        options = {"maxiter": 300, "ftol": 1e-12}
        tries: list[Any] = [
            minimize(loss, np.append(theta, at), jac="3-point", method="SLSQP", bounds=bounds, options=options)
            for at in starts
        ]
        best = np.asarray(min(tries, key=lambda found: float(found.fun)).x, dtype=np.float64)
        loss(best)
        return best[:-2]

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
