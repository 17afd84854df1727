"""What a training came to: from its learning curve and its layers to the metrics that need no price."""

from collections.abc import Mapping, Sequence

from dse.crossbar.usage import ARRAY_LINES, LayerUsage
from dse.tasks.curve import Epoch


def learned(last: Epoch) -> dict[str, float]:
    """Return the metrics of the last epoch."""
    return {"loss": last.loss, **last.metrics}


def counted(layers: Sequence[LayerUsage]) -> Mapping[str, float | int]:
    """Return the metrics of all layers that need no price."""
    return {
        "worst_writes": int(max((layer.wear["writes_max"] for layer in layers), default=0)),
        "worst_flips": int(max((layer.wear["flip_max"] for layer in layers), default=0)),
        "set_pulses": int(sum(e.events["set_pulses_update"] + e.events["set_pulses_refresh"] for e in layers)),
        "reset_pulses": int(sum(layer.events["resets"] for layer in layers)),
        "weights": sum(layer.rows * layer.cols for layer in layers),
        "cells": sum(layer.cells for layer in layers),
        "inference_bits": sum(layer.inference_bits for layer in layers),
        **used(layers),
    }


def used(layers: Sequence[LayerUsage]) -> dict[str, float]:
    """Return the share of the cells of all arrays that hold weights; nothing where arrays are made to fit."""
    there = [(layer, *(layer.events.get(name, 0) for name in ARRAY_LINES)) for layer in layers if layer.cells]
    room = sum(rows * columns * layer.row_tiles * layer.column_tiles for layer, rows, columns in there)
    return {"utilisation": sum(layer.rows * layer.cols for layer, *_ in there) / room} if room else {}
