"""Whether a fit can be made of trains, and whether the fit that was made describes them.

Before the work: a mean conductance that falls with SET pulses, and pulses larger than a card may hold. After it: a
parameter that ended where its search ends, a mean curve or a deviation that the model misses by more than chance and
more than a little. What is wrong is said in words; see `dse.devices.fit.card` for what becomes of it.
"""

import math
from collections.abc import Mapping, Sequence

import annotated_types
import numpy as np
from numpy.typing import NDArray

from dse.devices.base import AbstractCell
from dse.devices.fit.likelihood import ALPHAS, BOUNDS, RESPONSE
from dse.devices.spec import CellSpec

Array = NDArray[np.float64]

FALL = 0.1
"""Part of the rise by which the mean conductance may fall again: saturated cells wander a little."""
CHANCE = 5.0
"""Standard errors by which a mean may be off by chance."""
MISS = 0.05
"""Part of the largest mean conductance by which the mean curve of a model may miss the measured one."""
SPREAD = 1.5
"""Factor by which the deviation of a model may miss the measured one."""
FREE = ("mean_slope", "mean_offset_us", "mean_history_us", "std_slope", "history_pulses")
"""Parameters whose range has two ends that only the search sets; deviations end at 0 by their nature, below."""


def falls(g: Array) -> str:
    """Say how far the mean conductance falls after it has risen; "" where it does not.

    Args:
        g: conductances, uS, shape (cells, pulses + 1).
    """
    mean = np.nanmean(g, axis=0)
    far = np.maximum.accumulate(mean) - mean > FALL * (mean.max() - mean[0])
    if not far.any():
        return ""
    top = int(mean[: int(far.argmax())].argmax())
    again = mean[top + 1 :] > mean[top]
    end = top + 1 + int(again.argmax()) if again.any() else len(mean)
    bottom = top + int(mean[top:end].argmin())
    both = np.isfinite(g[:, top]) & np.isfinite(g[:, bottom])
    drop = g[both, top] - g[both, bottom]
    if len(drop) < 2 or drop.mean() <= FALL * (mean.max() - mean[0]):
        return ""
    if drop.mean() <= CHANCE * drop.std(ddof=1) / math.sqrt(len(drop)):
        return ""
    return (
        f"the mean conductance falls by {drop.mean():.3g} uS, from pulse {top} to pulse {bottom}; a PCM cell rises "
        f"with SET pulses, and only those belong in the file: take out the pulses after {top}, or name a "
        "model of cells that are pulsed both ways with --model"
    )


def beyond_cards(granularity_us: float, g: Array) -> str:
    """Say that pulses move a cell by more than a card may hold; "" where they do not.

    Args:
        granularity_us: mean increment over the range in use, uS.
        g: conductances, uS, shape (cells, pulses + 1).
    """
    first = float(np.nanmean(g[:, 1] - g[:, 0]))
    largest = max(granularity_us, first)
    limit = min(_range_of(name, CellSpec)[1] for name in ("granularity_us", "mean_offset_us"))
    if largest <= limit:
        return ""
    return (
        f"pulses move this cell by {granularity_us:.3g} uS over the range in use and the first one by {first:.3g} uS; "
        f"cards allow {limit:g} uS a pulse. Are the conductances in another unit? Name it in the header, as in "
        '"conductance (nS)". A cell that does move so far is no PCM cell'
    )


def entries_beyond_cards(values: Mapping[str, float], model: type[AbstractCell]) -> list[str]:
    """Say which fitted entries lie beyond what a card of a model may hold."""
    said: list[str] = []
    for name, value in values.items():
        low, high = _range_of(name, model)
        if not low <= value <= high:
            said.append(f"{name} = {value:.4g} lies beyond what a card may hold, {low:g} to {high:g}")
    return said


def _range_of(name: str, model: type[AbstractCell]) -> tuple[float, float]:
    """Return the range of a setting of a cell."""
    low, high = -math.inf, math.inf
    for mark in model.model_fields[name].metadata:
        if isinstance(mark, annotated_types.Ge | annotated_types.Gt):
            low = float(mark.ge if isinstance(mark, annotated_types.Ge) else mark.gt)  # pyright: ignore[reportArgumentType]
        if isinstance(mark, annotated_types.Le):
            high = float(mark.le)  # pyright: ignore[reportArgumentType]
    return low, high


def at_the_ends(theta: Array, scale_us: float, *, has_history: bool) -> list[str]:
    """Say which parameters ended at an end of the range that was searched.

    Args:
        theta: the parameters `RESPONSE`, in uS.
        scale_us: largest mean conductance, uS, which the range goes by.
        has_history: whether any history was found; without one its length means nothing.
    """
    said: list[str] = []
    for name, value, ends in zip(RESPONSE, theta, BOUNDS, strict=True):
        unit = scale_us if name.endswith("_us") else 1.0
        low, high = ALPHAS if name == "history_pulses" else (ends[0] * unit, ends[1] * unit)
        near = 1e-3 * (high - low)
        at_end = value >= high - near or (name in FREE and value <= low + (1e-3 * low if low > 0 else near))
        if at_end and (has_history or name != "history_pulses"):
            said.append(f"{name} = {value:.4g} ended at an end of what was searched, {low:.4g} to {high:.4g}")
    return said


def misses(goodness: Sequence[Mapping[str, float]], counts: Array) -> list[str]:
    """Say where the model misses the data by more than chance and more than a little.

    Args:
        goodness: see `CellFit.goodness`.
        counts: cells measured at each pulse.
    """
    said: list[str] = []
    largest = max(row["mean_us"] for row in goodness)
    worst, n = 0.0, 0
    for row, count in zip(goodness, counts, strict=True):
        off = abs(row["model_mean_us"] - row["mean_us"])
        if off > max(CHANCE * row["std_us"] / math.sqrt(count), MISS * largest) and off > worst:
            worst, n = off, int(row["pulse"])
    if worst:
        row = goodness[n]
        word = "below" if row["model_mean_us"] < row["mean_us"] else "above"
        error = row["std_us"] / math.sqrt(counts[n])
        said.append(
            f"at pulse {n} the mean of the model is {worst:.3g} uS {word} the measured {row['mean_us']:.3g} uS, whose "
            f"standard error is {error:.2g} uS"
        )
    apart = [
        (abs(math.log(row["model_std_us"] / row["std_us"])), row)
        for row, count in zip(goodness[1:], counts[1:], strict=True)
        # The standard error of the logarithm of a deviation is 1 / sqrt(2 (n - 1)) for a Gaussian.
        if row["std_us"] > 0.0
        and row["model_std_us"] > 0.0
        and abs(math.log(row["model_std_us"] / row["std_us"]))
        > max(CHANCE / math.sqrt(2.0 * max(count - 1.0, 1.0)), math.log(SPREAD))
    ]
    if apart:
        row = max(apart, key=lambda one: one[0])[1]
        said.append(
            f"at pulse {int(row['pulse'])} the standard deviation of the model is {row['model_std_us']:.3g} uS, the "
            f"measured one {row['std_us']:.3g} uS"
        )
    return said


def share_explained(goodness: Sequence[Mapping[str, float]]) -> float:
    """Return the coefficient of determination R^2 of the mean curve."""
    measured = np.array([row["mean_us"] for row in goodness])
    model = np.array([row["model_mean_us"] for row in goodness])
    return float(1.0 - np.sum((measured - model) ** 2) / np.sum((measured - measured.mean()) ** 2))
