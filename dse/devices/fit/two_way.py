"""A cell that is pulsed both ways from measured trains of potentiation and depression.

Which pulses go up and which down is seen in the mean curve, at whose turns the direction changes. A mean step is linear
in conductance in both models (`dse.devices.two_way.settings`), so that the mean curve of the model obeys a recursion
with four numbers, u0 + u1 G up and d0 + d1 G down; they are found by least squares over the mean curve, which neither
the noise of steps nor that of reads shifts. Then:

- linear_step: the window is that of the data, or as given; soft_bounds: it ends where steps vanish.
- step_spread: how a factor on all steps differs from cell to cell, beyond what its own error explains.
- step_noise, step_noise_floor: the variance of a step, twice that of a read taken off, in proportion to its mean
  squared, and what remains.

Spreads of asymmetry and window, write noise and leak are not in such trains and stay at 0. Intervals are quantiles over
resamples of the cells.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
from scipy import optimize

from dse.devices.base import AbstractCell
from dse.devices.fit.cell import SIMULATED_CELLS, CellFit, FittedEntry, weighted_means
from dse.devices.fit.checks import FALL, misses
from dse.devices.fit.likelihood import Array
from dse.devices.fit.trains import Trains
from dse.devices.two_way.settings import TwoWayCell
from dse.errors import DataError


@dataclass(frozen=True)
class GivenEnds:
    """What is known beside the trains: the window, uS, and the standard deviation of a read, uS."""

    g_min_us: float | None = None
    g_max_us: float | None = None
    read_noise_us: float = 0.0


def directions(curve: Array) -> Array:
    """Return the direction of each pulse, 1 or -1, from the turns of a mean curve.

    A turn counts when the curve then goes back by more than a tenth of its range.
    """
    least = FALL * float(curve.max() - curve.min())
    signs, start, at, way = np.zeros(len(curve) - 1), 0, 0, 0.0
    for n in range(1, len(curve)):
        if way == 0.0:
            way = float(np.sign(curve[n] - curve[start])) if abs(curve[n] - curve[start]) > least else 0.0
            at = n
        elif way * (curve[n] - curve[at]) >= 0.0:
            at = n
        elif way * (curve[at] - curve[n]) > least:
            signs[start:at] = way
            start, at, way = at, n, -way
    signs[start:] = way
    return signs


def fit_two_way(
    trains: Trains, model: type[AbstractCell], given: GivenEnds, resamples: int = 200, seed: int = 0
) -> CellFit:
    """Fit a cell that is pulsed both ways.

    Args:
        trains: measured trains, pulses up and down.
        model: the model.
        given: what is known beside the trains.
        resamples: bootstrap resamples over cells.
        seed: seed of the resamples and of the simulation behind `goodness`.

    Raises:
        DataError: the trains have pulses in one direction only, or too few in one.
    """
    g = trains.g_us
    curve = np.nanmean(g, axis=0)
    signs = directions(curve)
    _check(trains, signs)
    weights = np.random.default_rng(seed).multinomial(len(g), np.full(len(g), 1.0 / len(g)), size=resamples)
    own = issubclass(model, TwoWayCell) and model.own_window
    window = (_end(given.g_min_us, float(np.nanmin(g))), _end(given.g_max_us, float(np.nanmax(g))))
    steps = _mean_steps(curve, signs)
    value = _values(g, signs, steps, window, own=own, read_us=given.read_noise_us)
    draws = [
        _values(g, signs, _mean_steps(row, signs), window, own=own, read_us=given.read_noise_us, weights=of_cells)
        for row, of_cells in zip(weighted_means(g, weights.astype(float), curve), weights, strict=True)
    ]
    entries = _entries(value, draws, trains, given, own=own, resamples=resamples)
    goodness = _goodness(g, signs, steps, value, given.read_noise_us, seed)
    faults = misses(goodness, np.isfinite(g).sum(axis=0).astype(np.float64))
    if own and not value["g_min_us"] < value["g_max_us"]:
        faults.insert(0, "steps do not fade towards the ends of the window: try the model linear_step")
    told = ", ".join(_spans(signs))
    form = f"{trains.form}, {told}" if trains.form else told
    return CellFit(Trains(trains.name, g, trains.names, form, trains.left_out), entries, goodness, faults)


def _end(given: float | None, found: float) -> float:
    return max(found, 0.0) if given is None else given


def _check(trains: Trains, signs: Array) -> None:
    up, down = int((signs > 0).sum()), int((signs < 0).sum())
    if min(up, down) < 3:
        raise DataError(
            f"{trains.name}: the mean conductance rises with {up} pulses and falls with {down}; a cell that is pulsed "
            "both ways needs at least 3 of each. Rising trains alone: leave --model out, for a PCM cell"
        )


def _spans(signs: Array) -> list[str]:
    """Return which pulses go up and down, in words."""
    turns = [0, *(np.flatnonzero(np.diff(signs)) + 1).tolist(), len(signs)]
    return [f"pulses {start + 1} to {end} {'up' if signs[start] > 0 else 'down'}" for start, end in pairwise(turns)]


def _mean_steps(curve: Array, signs: Array) -> Array:
    """Return u0, u1, d0, d1 of the recursion that comes nearest to a mean curve."""
    first: list[float] = []
    for way in (1.0, -1.0):
        own = signs == way
        basis = np.stack([np.ones(int(own.sum())), curve[:-1][own]], axis=1)
        first += np.linalg.lstsq(basis, way * np.diff(curve)[own], rcond=None)[0].tolist()
    scale = float(np.ptp(curve))
    least_squares = cast("Any", optimize.least_squares)

    def miss(steps: Array) -> Array:
        return (_mean_curve(steps, float(curve[0]), signs) - curve) / scale

    found = least_squares(miss, first, x_scale="jac")
    return np.asarray(found.x, dtype=np.float64)


def _mean_curve(steps: Array, start: float, signs: Array) -> Array:
    u0, u1, d0, d1 = steps
    levels = [start]
    for way in signs:
        g = levels[-1]
        levels.append(g + (u0 + u1 * g if way > 0 else -(d0 + d1 * g)))
    return np.array(levels)


def _step_of(steps: Array, g: Array, signs: Array) -> Array:
    """Return the mean step of each pulse at the conductance before it, uS."""
    u0, u1, d0, d1 = steps
    up = signs > 0
    return up * (u0 + u1 * g) - ~up * (d0 + d1 * g)


def _values(
    g: Array,
    signs: Array,
    steps: Array,
    window: tuple[float, float],
    *,
    own: bool,
    read_us: float,
    weights: Array | None = None,
) -> dict[str, float]:
    """Return what mean steps and increments say, by the names of settings."""
    u0, u1, d0, d1 = (float(number) for number in steps)
    if own:
        window = (-d0 / d1 if d1 else math.nan, -u0 / u1 if u1 else math.nan)
    centre, half = 0.5 * (window[0] + window[1]), 0.5 * (window[1] - window[0])
    up, down = u0 + u1 * centre, d0 + d1 * centre
    values = {
        "g_min_us": max(window[0], 0.0),
        "g_max_us": window[1],
        "granularity_us": 0.5 * (up + down),
        "asymmetry": (up - down) / (up + down),
    }
    if not own:
        values |= {"slope_up": -u1 * half / up, "slope_down": d1 * half / down}
    return {**values, **_noise(g, signs, steps, values["granularity_us"], read_us, weights)}


def _noise(
    g: Array, signs: Array, steps: Array, granularity: float, read_us: float, weights: Array | None
) -> dict[str, float]:
    """Return spread and noise of steps."""
    count = np.ones(len(g)) if weights is None else weights.astype(float)
    mean = _step_of(steps, g[:, :-1], signs)
    there = np.isfinite(g[:, 1:])
    mean, found = np.where(there, mean, 0.0), np.where(there, np.nan_to_num(np.diff(g, axis=1)), 0.0)
    power = (mean**2).sum(axis=1)
    gain = (mean * found).sum(axis=1) / power
    rest = np.where(there, found - gain[:, None] * mean, 0.0)
    error = (rest**2).sum(axis=1) / (there.sum(axis=1) - 1) / power
    total = count.sum()
    middle = float((count * gain).sum() / total)
    spread = float((count * (gain - middle) ** 2).sum() / total - (count * error).sum() / total)
    squares = (rest**2 * count[:, None])[there], (mean**2)[there], np.broadcast_to(count[:, None], there.shape)[there]
    weight = np.sqrt(squares[2])
    basis = np.stack([squares[1] * weight, weight], axis=1)
    nonnegative = cast("Any", optimize.nnls)
    part, floor = nonnegative(basis, squares[0] / np.maximum(weight, 1e-300))[0]
    return {
        "step_noise": math.sqrt(part),
        "step_noise_floor": math.sqrt(max(floor - 2.0 * read_us**2, 0.0)) / abs(granularity),
        "step_spread": math.sqrt(max(spread, 0.0)),
    }


def _entries(
    value: Mapping[str, float],
    draws: list[dict[str, float]],
    trains: Trains,
    given: GivenEnds,
    *,
    own: bool,
    resamples: int,
) -> dict[str, FittedEntry]:
    what = f"fit to {trains.name} ({trains.cells} cells, {trains.pulses} pulses)"
    source = f"{what}, 95 % interval from {resamples} bootstrap resamples over cells"
    entries: dict[str, FittedEntry] = {}
    for name, number in value.items():
        end = {"g_min_us": given.g_min_us, "g_max_us": given.g_max_us}.get(name)
        if not own and name in {"g_min_us", "g_max_us"}:
            said = f"given with --{name.replace('_', '-')}" if end is not None else what
            entries[name] = FittedEntry(number, said, note="" if end is not None else "end of the data; no interval")
            continue
        low, high = np.nanquantile([draw[name] for draw in draws], [0.025, 0.975])
        entries[name] = FittedEntry(number, source, min(float(low), number), max(float(high), number))
    noise = "given with --read-noise-offset-us" if given.read_noise_us else "not measured here; taken as 0"
    entries["read_noise_us"] = FittedEntry(given.read_noise_us, noise)
    rest = 0.5 * (value["g_min_us"] + value["g_max_us"])
    entries["rest_us"] = FittedEntry(rest, "no effect: trains say nothing of a leak, which is taken as 0")
    return entries


def _goodness(
    g: Array, signs: Array, steps: Array, value: Mapping[str, float], read_us: float, seed: int
) -> list[dict[str, float]]:
    """Compare mean and deviation of each pulse with simulated cells, which start like measured ones."""
    rng = np.random.default_rng([seed, 1])
    number = SIMULATED_CELLS // 10
    first = math.sqrt(max(float(g[:, 0].var()) - read_us**2, 0.0))
    ends = value["g_min_us"], value["g_max_us"]
    level = np.clip(g[:, 0].mean() + first * rng.standard_normal(number), *ends)
    gain = np.maximum(1.0 + value["step_spread"] * rng.standard_normal(number), 0.0)
    floor = value["step_noise_floor"] * value["granularity_us"]
    rows: list[dict[str, float]] = []
    for n in range(g.shape[1]):
        if n:
            step = gain * _step_of(steps, level, signs[n - 1])  # no step is reversed, whatever the line says
            step = signs[n - 1] * np.maximum(signs[n - 1] * step, 0.0)
            noisy = step * (1.0 + value["step_noise"] * rng.standard_normal(number))
            level = np.clip(level + noisy + floor * rng.standard_normal(number), *ends)
        measured = g[np.isfinite(g[:, n]), n]
        rows.append(
            {
                "pulse": n,
                "mean_us": float(measured.mean()),
                "model_mean_us": float(level.mean()),
                "std_us": float(measured.std()),
                "model_std_us": math.sqrt(float(level.var()) + read_us**2),
            }
        )
    return rows
