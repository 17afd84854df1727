"""A cell card from measured trains of SET pulses: the fitted response and what follows from it by arithmetic.

- RESET: mean and deviation of the conductances of pulse 0, less the read noise in them; the smallest one.
- `granularity_us`: the mean increment of the pulses whose mean conductance stays below 8 uS where the mean curve ends
  between 8 and 12 uS, as the card pcm_gst has it, and below two thirds of the largest mean conductance otherwise.
- `history_*`: the cubic without constant term that gives the number of pulses for each point of the mean curve.
- Drift and read noise are not in the trains; they are given, or taken from the card pcm_gst.

Intervals are the 2.5 % and 97.5 % quantiles over resamples of the cells.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dse.devices.card import KNOBS, read_cell, unit_of
from dse.devices.fit import ALPHAS, RESPONSE, Array, Given, Response, fit_response
from dse.devices.spec import CellSpec
from dse.devices.trains import Trains, read_trains
from dse.errors import SettingError

HISTORY = ("history_linear_per_us", "history_quadratic_per_us2", "history_cubic_per_us3")
ORDER = (
    "g_min_us", "g_max_us", "granularity_us", *RESPONSE, *HISTORY, "read_noise_slope", "read_noise_offset_us",
    "drift_exponent", "drift_reference_s", "reset_mean_us", "reset_std_us", "reset_min_us",
)  # fmt: skip
NOT_MEASURED = ("read_noise_slope", "read_noise_offset_us", "drift_exponent", "drift_reference_s")
DEFAULT_CARD = "pcm_gst"
SIMULATED_CELLS = 20_000


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
    """

    trains: Trains
    entries: Mapping[str, FittedEntry]
    goodness: list[dict[str, float]]

    def table(self) -> list[dict[str, Any]]:
        """Return the entries for people: parameter, value, low, high, unit."""
        return [
            {"parameter": name, "value": entry.value, "low": entry.low, "high": entry.high, "unit": unit_of(name)}
            for name, entry in self.entries.items()
        ]


def fit_file(
    pulses: Path,
    out: Path,
    title: str | None = None,
    *,
    reads_averaged: int = 1,
    g_min_us: float | None = None,
    g_max_us: float | None = None,
    resamples: int = 200,
    seed: int = 0,
    **others: float | None,
) -> CellFit:
    """Fit a cell to the trains in a CSV file and write its card; the command `dse device fit`.

    Args:
        pulses: the CSV file; see `dse.devices.trains`.
        out: the card, a new .toml file.
        title: title of the card.
        reads_averaged: see `Given`.
        g_min_us: see `Given`.
        g_max_us: see `Given`.
        resamples: bootstrap resamples over cells.
        seed: seed of the resamples.
        others: what trains do not tell, `NOT_MEASURED`; None takes the value of the card pcm_gst.

    Raises:
        DataError: the file, or what it holds, does not allow a fit.
        SettingError: the card cannot go there, or a value that was given is not allowed.
    """
    check_target(out)
    told = {name: _told(name, others.get(name)) for name in NOT_MEASURED}
    slope, offset = told["read_noise_slope"].value, told["read_noise_offset_us"].value
    trains = read_trains(pulses, offset / math.sqrt(reads_averaged))
    given = Given(slope, offset, reads_averaged, g_min_us, g_max_us)
    fit = fit_cell(trains, given, told, resamples, seed)
    values = {name: float(_number(entry.value)) for name, entry in fit.entries.items()}
    CellSpec.parse({"card": out.stem, **KNOBS, **values}, where=f"the fit to {pulses}")
    try:
        out.write_text(card_text(fit, title or f"Fit to {pulses.name}"), encoding="utf-8")
    except OSError as error:
        raise SettingError(f"cannot write {out}: {error.strerror}") from None
    return fit


def _told(name: str, value: float | None) -> FittedEntry:
    if value is not None:
        return FittedEntry(value, f"given with --{name.replace('_', '-')}")
    return FittedEntry(read_cell(DEFAULT_CARD)[name], f"not measured here; taken from card {DEFAULT_CARD}")


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
        DataError: see `dse.devices.fit.fit_response`.
        SettingError: likewise.
    """
    response = fit_response(trains.g_us, given, resamples, seed)
    source = (
        f"fit to {trains.name} ({trains.cells} cells, {trains.pulses} pulses), "
        f"95 % interval from {resamples} bootstrap resamples over cells"
    )
    entries = {
        **_response_entries(response, source, given),
        **_curve_entries(trains.g_us, response.weights, source),
        **_reset_entries(trains.g_us, response.weights, source, given),
        **_window_entries(response, given, source),
        **others,
    }
    return CellFit(trains, {name: entries[name] for name in ORDER}, _goodness(trains.g_us, response, given, seed))


def _interval(draws: Array) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _response_entries(response: Response, source: str, given: Given) -> dict[str, FittedEntry]:
    entries: dict[str, FittedEntry] = {}
    for index, name in enumerate(RESPONSE):
        note = ""
        if name.startswith("std"):
            noise = given.read_noise_slope > 0.0 or given.read_noise_offset_us > 0.0
            note = "read noise taken out" if noise else "includes any read noise of the measurement"
        entries[name] = FittedEntry(
            float(response.theta[index]), source, *_interval(response.draws[:, index]), note=note
        )
    histories = [entries[name] for name in ("mean_history_us", "std_history_us")]
    if all((entry.low or 0.0) <= 0.0 <= (entry.high or 0.0) for entry in histories):
        note = "not determined: no history was found; the interval is the range that was searched"
        entries["history_pulses"] = FittedEntry(float(response.theta[6]), source, *ALPHAS, note=note)
    return entries


def _curve_entries(g: Array, weights: Array, source: str) -> dict[str, FittedEntry]:
    """Return what follows from the mean curve: granularity and the history of a cell that starts above RESET."""
    curve, curves = np.nanmean(g, axis=0), weighted_means(g, weights)
    top = float(curve.max())
    threshold, words = (8.0, "8 uS") if 8.0 <= top <= 12.0 else (2 / 3 * top, "two thirds of the largest mean")
    pulses = max(int(np.argmax(curve > threshold)) - 1, 1)
    granularity = (curves[:, pulses] - curves[:, 0]) / pulses
    note = f"mean increment of the first {pulses} pulses, those below {words}"
    entries = {
        "granularity_us": FittedEntry(
            float(curve[pulses] - curve[0]) / pulses, source, *_interval(granularity), note=note
        )
    }
    cubic, cubics = history_cubic(curve), np.stack([history_cubic(row) for row in curves])
    for index, name in enumerate(HISTORY):
        entries[name] = FittedEntry(float(cubic[index]), source, *_interval(cubics[:, index]))
    return entries


def weighted_means(g: Array, weights: Array) -> Array:
    """Return the mean curve of each resample, uS, shape (resamples, pulses + 1)."""
    there = np.isfinite(g)
    return (weights @ np.where(there, g, 0.0)) / np.maximum(weights @ there, 1.0)


def history_cubic(curve: Array) -> Array:
    """Return linear, quadratic and cubic coefficient of the pulse number over the mean conductance, 1/uS to 1/uS^3."""
    scale = float(np.abs(curve).max())
    powers = (curve / scale)[:, None] ** np.array([1, 2, 3])
    solved = np.linalg.lstsq(powers, np.arange(len(curve), dtype=np.float64), rcond=None)[0]
    return solved / scale ** np.array([1, 2, 3])


def _reset_entries(g: Array, weights: Array, source: str, given: Given) -> dict[str, FittedEntry]:
    first = g[:, 0]
    noise = float(np.mean(given.read_variance(first)))

    def deviation(mean: Array, square: Array) -> Array:
        return np.sqrt(np.maximum(square - mean**2 - noise, 0.0))

    total = weights.sum(axis=1)
    means, squares = weights @ first / total, weights @ first**2 / total
    mean = np.array([first.mean()])
    deviations = deviation(means, squares)
    return {
        "reset_mean_us": FittedEntry(max(float(mean[0]), 0.0), source, *_interval(means)),
        "reset_std_us": FittedEntry(
            float(deviation(mean, np.array([np.mean(first**2)]))[0]), source, *_interval(deviations)
        ),
        "reset_min_us": FittedEntry(
            max(float(first.min()), 0.0), source, note="smallest conductance of pulse 0; no interval"
        ),
    }


def _window_entries(response: Response, given: Given, source: str) -> dict[str, FittedEntry]:
    noisy = given.read_noise_slope > 0.0 or given.read_noise_offset_us > 0.0
    found = "estimated with the response; no interval" if noisy else "{} conductance after a SET pulse; no interval"
    entries: dict[str, FittedEntry] = {}
    for name, word, chosen, value in zip(
        ("g_min_us", "g_max_us"), ("smallest", "largest"), (given.g_min_us, given.g_max_us), response.window, strict=True
    ):
        if chosen is None:
            entries[name] = FittedEntry(value, source, note=found.format(word))
        else:
            entries[name] = FittedEntry(value, f"given with --{name.replace('_', '-')}")
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


def card_text(fit: CellFit, title: str) -> str:
    """Return the card as TOML."""
    quoted: Callable[[str], str] = lambda text: json.dumps(text, ensure_ascii=False)  # noqa: E731
    worst = max(abs(row["model_mean_us"] - row["mean_us"]) for row in fit.goodness)
    about = (
        f"Fitted with `dse device fit` to {fit.trains.cells} cells and up to {fit.trains.pulses} SET pulses each. "
        f"The mean curve of the model is within {worst:.2g} uS of the measured one. "
        f"Valid up to the largest mean conductance of the trains, {max(r['mean_us'] for r in fit.goodness):.3g} uS."
    )
    lines = [f"title = {quoted(title)}", f"about = {quoted(about)}"]
    for name, entry in fit.entries.items():
        lines += ["", f"[{name}]", f"value = {_number(entry.value)}", f'unit = "{unit_of(name)}"']
        lines.append(f"source = {quoted(entry.source)}")
        if entry.low is not None and entry.high is not None:
            lines += [f"low = {_number(entry.low)}", f"high = {_number(entry.high)}"]
        if entry.note:
            lines.append(f"note = {quoted(entry.note)}")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return repr(float(f"{value:.6g}"))


def check_target(path: Path) -> None:
    """Check where a card shall go, before the work.

    Raises:
        SettingError: not a .toml file, there already, or without a folder.
    """
    if path.suffix != ".toml":
        raise SettingError(f"--out {path}: a card's name ends in .toml, so that a study file can name it")
    if path.exists():
        raise SettingError(f"{path} exists; name another file, or remove it")
    if not path.parent.is_dir():
        raise SettingError(f"--out {path}: there is no folder {path.parent}")
