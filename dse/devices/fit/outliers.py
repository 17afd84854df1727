"""Single cells that are not like the others: stuck, shorted or open, or with a reading that jumps.

A fit describes a population; one bad cell in fifty moves its mean little and its deviation much. A cell is left out for
one of three reasons, each measured against the other cells by median and median absolute deviation (times 1.4826, which
is the standard deviation of a Gaussian; Rousseeuw and Croux, J. Am. Stat. Assoc. 88:1273, 1993):

- stuck: its conductance moves by less than a twentieth of what the median curve moves;
- far off: half of its readings lie beyond 6 deviations of their pulse;
- a jump: a reading leaves the mean of its neighbours by more than 10 deviations of that difference.

The deviation is at least a twentieth of what the median curve moves, so that equal cells do not make each other stand
out. Of 10,000 Gaussian cells none is left out.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dse.devices.fit.trains import MIN_CELLS, Trains
from dse.errors import DataError

Array = NDArray[np.float64]

STUCK = 0.05
FAR, JUMP = 6.0, 10.0
MOST = 0.2
"""Share of cells that may be left out; beyond it they are a population of their own."""


def without_outliers(trains: Trains, *, path: str) -> Trains:
    """Return trains without the cells that are not like the others.

    Args:
        trains: the trains.
        path: what to call the file.

    Raises:
        DataError: too many cells would be left out, or too few would stay.
    """
    reasons = _reasons(trains.g_us)
    keep = np.array([reason == "" for reason in reasons])
    left_out = {name: reason for name, reason in zip(trains.names, reasons, strict=True) if reason}
    if not left_out:
        return trains
    shown = "; ".join(f"cell {name}: {reason}" for name, reason in list(left_out.items())[:3])
    if len(left_out) > MOST * len(keep):
        raise DataError(
            f"{path}: {len(left_out)} of {len(keep)} cells are not like the others ({shown}); these are two "
            "populations: fit each from a file of its own, or give --keep-all-cells"
        )
    if keep.sum() < MIN_CELLS:
        raise DataError(
            f"{path}: without {len(left_out)} cells that are not like the others ({shown}) {keep.sum()} are left; a "
            f"fit needs at least {MIN_CELLS}"
        )
    names = tuple(name for name, stays in zip(trains.names, keep, strict=True) if stays)
    return replace(trains, g_us=trains.g_us[keep], names=names, left_out=left_out)


def _reasons(g: Array) -> list[str]:
    """Return for each cell why it is to be left out; "" where it is like the others."""
    curve = np.nanmedian(g, axis=0)
    moved = float(curve.max() - curve.min())
    least = STUCK * moved
    far = np.nanmedian(np.abs(g - curve) / _deviations(g, least), axis=1)
    span = np.nanmax(g, axis=1) - np.nanmin(g, axis=1)
    bend = g[:, 1:-1] - (g[:, :-2] + g[:, 2:]) / 2
    jumps = np.nan_to_num(np.abs(bend - np.nanmedian(bend, axis=0)) / _deviations(bend, least))
    return [
        f"stuck, its conductance moves by {own_span:.3g} uS where others move by {moved:.3g} uS"
        if own_span < least
        else f"its curve is {own_far:.1f} deviations from that of the others"
        if own_far > FAR
        else f"its reading jumps at pulse {int(own_jumps.argmax()) + 1}"
        if own_jumps.max() > JUMP
        else ""
        for own_span, own_far, own_jumps in zip(span, far, jumps, strict=True)
    ]


def _deviations(values: Array, least: float) -> Array:
    """Return the deviation of each column by its median absolute deviation, and at least a given one."""
    middle = np.nanmedian(values, axis=0)
    return np.maximum(1.4826 * np.nanmedian(np.abs(values - middle), axis=0), max(least, 1e-300))
