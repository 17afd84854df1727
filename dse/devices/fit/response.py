"""The pulse response of measured cells with its uncertainty.

Cells differ, so that pulses of a cell are not independent: the uncertainty comes from a bootstrap over cells. A
resample takes one Newton step from the estimate, with the scores of its cells, instead of a fit of its own (Davidson
and MacKinnon, "Bootstrap testing in nonlinear models", International Economic Review 40, 1999). The window counts as
known.
"""

import math
from dataclasses import dataclass

import numpy as np

from dse.devices.fit.likelihood import BOUNDS, FLOOR, Array, Given, TrainModel
from dse.errors import DataError, SettingError


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
    model = TrainModel(g / scale, given.read_variance(g) / scale**2, (window[0] / scale, window[1] / scale))
    theta = model.refine(
        model.start(),
        low_is_free=given.noisy and given.g_min_us is None,
        high_is_free=given.noisy and given.g_max_us is None,
    )
    window = (model.window[0] * scale, model.window[1] * scale)
    cells = g.shape[0]
    weights = np.random.default_rng(seed).multinomial(cells, np.full(cells, 1.0 / cells), size=resamples)
    scores, curvature = model.scores(theta), model.curvature(theta)
    steps = (weights - 1.0) @ scores @ np.linalg.pinv(curvature, rcond=1e-10, hermitian=True)
    units = np.array([1.0, scale, scale, 1.0, scale, scale, 1.0])
    draws = np.clip(theta + steps, *BOUNDS.T)
    for rows in (theta, draws):
        rows[..., 6] = np.exp(rows[..., 6])
    return Response(theta * units, draws * units, weights.astype(np.float64), window)


def find_window(g: Array, given: Given) -> tuple[float, float]:
    """Return the ends of the window, uS, after a check that the data suit them and the read noise."""
    mean = np.nanmean(g, axis=0)
    if mean[1:].max() <= mean[0]:
        raise DataError(
            f"the mean conductance does not rise with SET pulses ({mean[0]:.4g} to {mean[1:].max():.4g} uS)"
        )
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
