"""Where cells and weights stand: what shows at once why a network on cells does not learn.

Shares and sizes by name, which go with the wear of a layer (`dse.crossbar.usage.LayerUsage.wear`), so that the table of
layers has them as `wear_NAME`, at the end and after each epoch.

    never_pulsed       share of the cells that took no pulse since they began: their updates are still in accumulators
    above_threshold    share of the cells above the conductance from which a refresh erases a pair
    at_window_end      share of the cells within a hundredth of a microsiemens of the end of their window
    worn               share of the cells that are worn out, where they can be
    weight_steps       root mean square of the weights in units of a step, the granularity of a pulse in a pair
    weight_rms         the same of digital weights, in standard deviations of the initial ones
    weights_beyond_N   share of digital weights beyond N such deviations: with c uS a deviation, N c uS is the window
                       that they would need

Conductances are those of the last pulses, drift left aside.
"""

import math

import torch
from torch import Tensor

from dse.crossbar.pairs import PairArray
from dse.kernel.arithmetic import ordered_sum

END_US = 0.01
"""How near the end of its window a cell is full, uS."""
DEVIATIONS = (8, 16, 24)
"""Deviations of the initial weights beyond which weights are counted: the measured window of 12 uS holds 24 at 0.5 uS a
deviation; a refresh starts at 8 uS."""


def standing_of(array: PairArray, threshold_us: float | None) -> dict[str, float]:
    """Return where the cells of an array stand.

    Args:
        array: pairs of cells.
        threshold_us: conductance from which a refresh erases a pair, uS; None without refresh.
    """
    cells = array.cells
    level, counted = array.conductance_us(0.0), cells.wear()
    rested = (counted["set"] == 0) & (counted["reset"] == 0)
    difference = level[0] - level[1]
    if any(worth != 1 for worth in array.worths):
        difference = difference * torch.tensor(array.worths).view(-1, 1, 1)
    difference = difference.sum(dim=0)
    worn = {} if array.endurance is None else {"worn": _share(array.endurance.worn(cells))}
    found = {
        **worn,
        "never_pulsed": _share(rested),
        "at_window_end": _share(level >= cells.spec.g_max_us - END_US),
        "weight_steps": root_mean_square(difference) / cells.spec.granularity_us,
    }
    return found if threshold_us is None else {**found, "above_threshold": _share(level > threshold_us)}


def size_of(weight: Tensor, deviation: float) -> dict[str, float]:
    """Return how far digital weights have grown.

    Args:
        weight: the weights now.
        deviation: root mean square of the initial ones; 0 where nothing can be told.
    """
    if deviation == 0.0:
        return {}
    size = weight.detach().abs() / deviation
    beyond = {f"weights_beyond_{count}": _share(size > count) for count in DEVIATIONS}
    return {"weight_rms": root_mean_square(size), **beyond}


def root_mean_square(values: Tensor) -> float:
    """Return the root of the mean square, summed in order, so that it is the same on every processor."""
    squares = values.detach().double().square().cpu().numpy().reshape(-1)
    return math.sqrt(ordered_sum(squares) / squares.size)


def _share(where: Tensor) -> float:
    return int(torch.count_nonzero(where)) / where.numel()
