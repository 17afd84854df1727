"""The state of a parameter on crossbars: what every engine gives and takes alike."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.pausing import State, below, gathered, taken
from dse.updates.layers import CrossbarLayer


def state_of(layer: CrossbarLayer, since_refresh: int, drifted_at: int) -> dict[str, NDArray[Any]]:
    """Return the state of a layer, the samples since refresh and those by which drift was last evaluated."""
    return {"samples": np.array([since_refresh, drifted_at], np.int64), **gathered({"layer": layer})}


def restored(layer: CrossbarLayer, saved: State) -> tuple[int, int]:
    """Restore a layer, and return the samples since refresh and those by which drift was last evaluated."""
    layer.restore(below(saved, "layer"))
    since, seen = taken(saved, "samples", (2,)).tolist()
    return since, seen
