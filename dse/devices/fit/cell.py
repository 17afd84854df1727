"""A cell from measured trains of SET pulses: the fitted response and what follows from it by arithmetic.

- RESET: mean and deviation of the conductances of pulse 0, less the read noise in them; the smallest one.
- `granularity_us`: the mean increment up to two thirds of the rise of the mean curve, the pulse at which it gets there
  interpolated; so it goes with the unit, and a pulse more or less hardly moves it.
- `history_*`: the cubic without constant term that gives the number of pulses for each point of the mean curve.
- Drift and read noise are not in the trains; they are handed in.

Intervals are the 2.5 % and 97.5 % quantiles over resamples of the cells, widened to the estimate where
that lies outside.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dse.devices.card import unit_of
from dse.devices.fit.checks import at_the_ends, misses
from dse.devices.fit.likelihood import ALPHAS, RESPONSE, Array, Given
from dse.devices.fit.response import Response, fit_response
from dse.devices.fit.trains import Trains

HISTORY = ("history_linear_per_us", "history_quadratic_per_us2", "history_cubic_per_us3")
ORDER = (
    "g_min_us", "g_max_us", "granularity_us", *RESPONSE, *HISTORY, "read_noise_slope", "read_noise_offset_us",
    "drift_exponent", "drift_reference_s", "reset_mean_us", "reset_std_us", "reset_min_us",
)  # fmt: skip
SIMULATED_CELLS = 20_000
RANGE = 2 / 3
"""Part of the rise of the mean curve that counts as the range in use."""


@dataclass(frozen=True)
class FittedEntry:
    """One entry of the card; `low` and `high` are None where there is no interval."""

    value: float
    source: str
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True)
class CellFit:
    """A fitted cell.

    Attributes:
        trains: what it was fitted to.
        entries: the card's entries by name, in the card's order.
        goodness: for each pulse mean and deviation in uS, measured and as the model has them.
        faults: why the fit does not describe the trains, in words; none for a good one.
    """

    trains: Trains
    entries: Mapping[str, FittedEntry]
    goodness: list[dict[str, float]]
    faults: list[str]

    def table(self) -> list[dict[str, Any]]:
        """Return the entries for people: parameter, value, low, high, unit."""
        return [
            {"parameter": name, "value": entry.value, "low": entry.low, "high": entry.high, "unit": unit_of(name)}
            for name, entry in self.entries.items()
        ]


def fit_cell(
    trains: Trains, given: Given, others: Mapping[str, FittedEntry], resamples: int = 200, seed: int = 0
) -> CellFit:
    """Fit a cell.

    Args:
        trains: measured trains.
        given: read noise in them and, where known, the window.
        others: the entries that trains do not tell: read noise of one read, drift.
        resamples: bootstrap resamples over cells.
        seed: seed of the resamples and of the simulation behind `goodness`.

    Raises:
        DataError: see `dse.devices.fit.response.fit_response`.
        SettingError: likewise.
    """
    response = fit_response(trains.g_us, given, resamples, seed)
    origin = _Origin(f"fit to {trains.name} ({trains.cells} cells, {trains.pulses} pulses)", resamples)
    entries = {
        **_response_entries(response, origin, given),
        **_curve_entries(trains.g_us, response.weights, origin),
        **_reset_entries(trains.g_us, response.weights, origin, given),
        **_window_entries(response, origin, given),
        **others,
    }
    entries, goodness = {name: entries[name] for name in ORDER}, _goodness(trains.g_us, response, given, seed)
    return CellFit(trains, entries, goodness, _faults(trains.g_us, response, entries, goodness))


def _faults(
    g: Array, response: Response, entries: Mapping[str, FittedEntry], goodness: list[dict[str, float]]
) -> list[str]:
    """Return why a fit does not describe the trains."""
    determined = not entries["history_pulses"].note
    return [
        *at_the_ends(response.theta, float(np.nanmean(g, axis=0).max()), has_history=determined),
        *misses(goodness, np.isfinite(g).sum(axis=0).astype(np.float64)),
    ]


@dataclass(frozen=True)
class _Origin:
    """Where entries come from; makes them, with an interval or without."""

    what: str
    resamples: int

    def fitted(self, value: float, draws: Array, note: str = "") -> FittedEntry:
        """Return an entry with the interval that its draws give."""
        low, high = np.quantile(draws, [0.025, 0.975])
        source = f"{self.what}, 95 % interval from {self.resamples} bootstrap resamples over cells"
        return FittedEntry(value, source, min(float(low), value), max(float(high), value), note)

    def plain(self, value: float, note: str) -> FittedEntry:
        """Return an entry without interval."""
        return FittedEntry(value, self.what, note=note)


def _response_entries(response: Response, origin: _Origin, given: Given) -> dict[str, FittedEntry]:
    deviation = "read noise taken out" if given.noisy else "includes any read noise of the measurement"
    entries = {
        name: origin.fitted(float(value), draws, deviation if name.startswith("std") else "")
        for name, value, draws in zip(RESPONSE, response.theta, response.draws.T, strict=True)
    }
    histories = [entries[name] for name in ("mean_history_us", "std_history_us")]
    if all((entry.low or 0.0) <= 0.0 <= (entry.high or 0.0) for entry in histories):
        note = "not determined: no history was found; the interval is the range that was searched"
        entries["history_pulses"] = replace(entries["history_pulses"], low=ALPHAS[0], high=ALPHAS[1], note=note)
    return entries


def _curve_entries(g: Array, weights: Array, origin: _Origin) -> dict[str, FittedEntry]:
    """Return what follows from the mean curve: granularity and the history of a cell that starts above RESET."""
    curve = np.nanmean(g, axis=0)
    curves = weighted_means(g, weights, curve)
    value, pulses = granularity(curve)
    granularities = np.array([granularity(row)[0] for row in curves])
    note = f"mean increment of the first {pulses:.3g} pulses, two thirds of the rise of the mean curve"
    cubic, cubics = history_cubic(curve), np.stack([history_cubic(row) for row in curves])
    return {
        "granularity_us": origin.fitted(value, granularities, note),
        **{name: origin.fitted(float(cubic[i]), cubics[:, i]) for i, name in enumerate(HISTORY)},
    }


def granularity(curve: Array) -> tuple[float, float]:
    """Return the mean increment over the range in use, uS, and the pulses that it takes to get through that range.

    Args:
        curve: mean conductance after each pulse, uS, from RESET on.
    """
    rise = RANGE * float(curve.max() - curve[0])
    after = max(int(np.argmax(curve - curve[0] >= rise)), 1)
    before, there = float(curve[after - 1] - curve[0]), float(curve[after] - curve[0])
    pulses = after - 1 + (rise - before) / (there - before) if there > before else float(after)
    return (rise / pulses if rise > 0.0 else 0.0), pulses


def weighted_means(g: Array, weights: Array, curve: Array) -> Array:
    """Return the mean curve of each resample, uS, shape (resamples, pulses + 1); `curve` where it holds no cell."""
    there = np.isfinite(g)
    number = weights @ there
    means: Array = (weights @ np.where(there, g, 0.0)) / np.maximum(number, 1.0)
    return np.where(number > 0.0, means, curve)


def history_cubic(curve: Array) -> Array:
    """Return linear, quadratic and cubic coefficient of the pulse number over the mean conductance, 1/uS to 1/uS^3."""
    scale = float(np.abs(curve).max())
    powers = (curve / scale)[:, None] ** np.array([1, 2, 3])
    solved = np.linalg.lstsq(powers, np.arange(len(curve), dtype=np.float64), rcond=None)[0]
    return solved / scale ** np.array([1, 2, 3])


def _reset_entries(g: Array, weights: Array, origin: _Origin, given: Given) -> dict[str, FittedEntry]:
    first = g[:, 0]
    noise = float(np.mean(given.read_variance(first)))
    shares = np.concatenate([np.ones((1, len(first))), weights]) / len(first)
    means, squares = shares @ first, shares @ first**2
    deviations = np.sqrt(np.maximum(squares - means**2 - noise, 0.0))
    return {
        "reset_mean_us": origin.fitted(max(float(means[0]), 0.0), means[1:]),
        "reset_std_us": origin.fitted(float(deviations[0]), deviations[1:]),
        "reset_min_us": origin.plain(max(float(first.min()), 0.0), "smallest conductance of pulse 0; no interval"),
    }


def _window_entries(response: Response, origin: _Origin, given: Given) -> dict[str, FittedEntry]:
    entries: dict[str, FittedEntry] = {}
    ends = (("g_min_us", "smallest", given.g_min_us), ("g_max_us", "largest", given.g_max_us))
    for (name, word, chosen), value in zip(ends, response.window, strict=True):
        found = "estimated with the response" if given.noisy else f"{word} conductance after a SET pulse"
        entries[name] = (
            origin.plain(value, f"{found}; no interval")
            if chosen is None
            else FittedEntry(value, f"given with --{name.replace('_', '-')}")
        )
    return entries


def _goodness(g: Array, response: Response, given: Given, seed: int) -> list[dict[str, float]]:
    """Compare mean and deviation of each pulse with 20,000 simulated cells; these start like measured ones."""
    rng = np.random.default_rng([seed, 1])
    m1, c1, a1, m2, c2, a2, alpha = (float(value) for value in response.theta)
    noise = np.sqrt(np.mean(given.read_variance(g[:, 0])))
    mean, deviation = float(g[:, 0].mean()), math.sqrt(max(float(g[:, 0].var() - noise**2), 0.0))
    level = np.maximum(mean + deviation * rng.standard_normal(SIMULATED_CELLS), 0.0)
    rows: list[dict[str, float]] = []
    for n in range(g.shape[1]):
        if n > 0:
            history = math.exp(-n / alpha)
            sigma = np.maximum(m2 * level + c2 + a2 * history, 0.0)
            step = m1 * level + c1 + a1 * history + sigma * rng.standard_normal(SIMULATED_CELLS)
            level = np.clip(level + step, *response.window)
        spread = math.sqrt(float(level.var() + given.read_variance(level).mean()))
        measured = g[np.isfinite(g[:, n]), n]
        rows.append(
            {
                "pulse": n,
                "mean_us": float(measured.mean()),
                "model_mean_us": float(level.mean()),
                "std_us": float(measured.std()),
                "model_std_us": spread,
            }
        )
    return rows
