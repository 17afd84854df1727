"""Kriging: a Gaussian process for one quantity over the unit cube.

Covariance Matern 5/2 with a length for each axis, a constant mean, and noise of its own. The lengths, the signal and
the noise are those of the largest posterior density, under priors that keep a short record from being explained by
noise alone or by one axis alone (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006; log-normal
priors of lengths that grow with the number of axes: Hvarfner, Hellsten and Nardi, ICML 2024).
"""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import linalg as untyped_linalg
from scipy import optimize as untyped_optimize

Floats = NDArray[np.float64]
linalg, optimize = cast("Any", untyped_linalg), cast("Any", untyped_optimize)

ROOT_5 = np.sqrt(5.0)
LOG_LENGTH_STD = 1.0
"""Standard deviation of the logarithm of a length, a priori."""
SIGNAL = (0.0, 1.0)
"""Mean and standard deviation of the logarithm of the variance of the signal, a priori; values have variance 1."""
NOISE = (np.log(1e-2), 2.0)
"""The same of the noise."""
BOUNDS = {"length": (np.log(0.05), np.log(50.0)), "signal": (np.log(1e-2), np.log(1e2)), "noise": (np.log(1e-6), 0.0)}
STEPS = 25
"""Steps of the search for lengths, signal and noise."""
JITTER = 1e-9


@dataclass(frozen=True)
class Scales:
    """What is learned of a quantity before its values are: logarithms.

    Attributes:
        lengths: of each axis, shape (dimensions,).
        signal: variance of the signal.
        noise: variance of the noise.
    """

    lengths: Floats
    signal: float
    noise: float


def prior_length(dimensions: int) -> float:
    """Return the median length, a priori: distances in a cube grow as the root of its dimensions."""
    return float(np.log(0.5 * np.sqrt(max(1, dimensions))))


def learned(x: Floats, y: Floats, known: Floats | None = None, shared: Floats | None = None) -> Scales:
    """Return the scales of the largest posterior density.

    Args:
        x: points, shape (points, dimensions).
        y: values, shape (points,), of mean 0 and variance 1.
        known: variances of the noise that single values have beyond what all have, shape (points,); none by default.
        shared: deviations of noise that values have in common, a column for each such, shape (points, n); none by
            default.
    """
    dimensions = x.shape[1]
    known = np.zeros(len(y)) if known is None else known
    common = 0.0 if shared is None else shared @ shared.T
    start = np.array([prior_length(dimensions)] * dimensions + [SIGNAL[0], NOISE[0]])
    bounds = [BOUNDS["length"]] * dimensions + [BOUNDS["signal"], BOUNDS["noise"]]
    squares = (x.T[:, :, None] - x.T[:, None, :]) ** 2  # (dimensions, points, points)
    best: Floats = optimize.minimize(
        _negative_log_posterior,
        start,
        (squares, y, known, common),
        jac=True,
        bounds=bounds,
        method="L-BFGS-B",
        options={"maxiter": STEPS},
    ).x
    return Scales(best[:dimensions], float(best[dimensions]), float(best[dimensions + 1]))


def _negative_log_posterior(
    theta: Floats, squares: Floats, y: Floats, known: Floats, common: Floats | float = 0.0
) -> tuple[float, Floats]:
    """Return the negative logarithm of the posterior density and its gradient."""
    dimensions, points = squares.shape[:2]
    weights = np.exp(-2.0 * theta[:dimensions])
    signal, noise = np.exp(theta[dimensions]), np.exp(theta[dimensions + 1])
    r = np.sqrt(np.tensordot(weights, squares, 1))
    fall = np.exp(-ROOT_5 * r)
    kernel = signal * (1.0 + ROOT_5 * r + 5.0 / 3.0 * r * r) * fall
    try:
        low: Floats = linalg.cholesky(kernel + np.diag(noise + JITTER + known) + common, lower=True)
    except linalg.LinAlgError:
        return 1e25, np.zeros_like(theta)
    alpha: Floats = linalg.cho_solve((low, True), y)
    inverse: Floats = linalg.cho_solve((low, True), np.eye(points))
    misfit = 0.5 * y @ alpha + np.log(np.diag(low)).sum()
    outer = inverse - np.outer(alpha, alpha)  # twice the gradient by the covariance
    # d kernel / d log length = signal 5/3 (1 + sqrt5 r) exp(-sqrt5 r) weight square
    slope = outer * (signal * 5.0 / 3.0 * (1.0 + ROOT_5 * r) * fall)
    gradient = np.empty_like(theta)
    gradient[:dimensions] = 0.5 * weights * np.tensordot(squares, slope, 2)
    gradient[dimensions] = 0.5 * (outer * kernel).sum()
    gradient[dimensions + 1] = 0.5 * noise * np.trace(outer)
    means = np.array([prior_length(dimensions)] * dimensions + [SIGNAL[0], NOISE[0]])
    deviations = np.array([LOG_LENGTH_STD] * dimensions + [SIGNAL[1], NOISE[1]])
    z = (theta - means) / deviations
    return float(misfit + 0.5 * z @ z), gradient + z / deviations


class Process:
    """A Gaussian process that has seen values.

    Args:
        x: points, shape (points, dimensions).
        y: values, shape (points,).
        scales: see `Scales`.
        known: as for `learned`.
        shared: likewise.
        mean: of the quantity, far from all points; that of the values by default.
    """

    def __init__(
        self,
        x: Floats,
        y: Floats,
        scales: Scales,
        known: Floats | None = None,
        shared: Floats | None = None,
        mean: float | None = None,
    ) -> None:
        self._x, self._scales = x / np.exp(scales.lengths), scales
        covariance = self._covariance(self._x, self._x)
        noise = np.exp(scales.noise) + JITTER + (np.zeros(len(y)) if known is None else known)
        common = 0.0 if shared is None else shared @ shared.T
        self._low: Floats = linalg.cholesky(covariance + np.diag(noise) + common, lower=True)
        self._mean = float(y.mean()) if mean is None else mean
        self._weights: Floats = linalg.cho_solve((self._low, True), y - self._mean)

    def believe(self, x: Floats) -> None:
        """Take values at further points to have come out as expected: means stay as they are, deviations shrink.

        Args:
            x: the points, shape (points, dimensions).
        """
        more = x / np.exp(self._scales.lengths)
        below: Floats = linalg.solve_triangular(self._low, self._covariance(self._x, more), lower=True).T
        rest = self._covariance(more, more) - below @ below.T
        corner: Floats = linalg.cholesky(rest + (np.exp(self._scales.noise) + JITTER) * np.eye(len(x)), lower=True)
        self._low = np.block([[self._low, np.zeros((len(self._x), len(x)))], [below, corner]])
        self._x = np.concatenate([self._x, more])
        self._weights = np.concatenate([self._weights, np.zeros(len(x))])

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """Return means and standard deviations of the quantity without noise, each shape (points,)."""
        cross = self._covariance(x / np.exp(self._scales.lengths), self._x)
        solved: Floats = linalg.solve_triangular(self._low, cross.T, lower=True)
        variance = np.exp(self._scales.signal) - (solved * solved).sum(axis=0)
        return self._mean + cross @ self._weights, np.sqrt(np.maximum(variance, 1e-12))

    def _covariance(self, a: Floats, b: Floats) -> Floats:
        squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - 2.0 * a @ b.T
        r = np.sqrt(np.maximum(squares, 0.0))
        return np.exp(self._scales.signal) * (1.0 + ROOT_5 * r + 5.0 / 3.0 * r * r) * np.exp(-ROOT_5 * r)
