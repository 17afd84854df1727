"""What a training came to: from its learning curve and its layers to the metrics that need no price."""

from collections.abc import Mapping, Sequence

from dse.crossbar.usage import ARRAY_LINES, ARRAYS, LayerUsage
from dse.designs.tables import Design
from dse.metric import signs_of
from dse.tasks.curve import Epoch

LIFETIME = "lifetime_samples"
"""The metric of cells that wear out while they learn."""


def learned(last: Epoch) -> dict[str, float]:
    """Return the metrics of the last epoch."""
    return {"loss": last.loss, **last.metrics}


def endured(design: Design, curve: Sequence[Epoch], samples: int) -> dict[str, float]:
    """Return how long the network of a design with cells that wear out kept what it had learned; nothing of others.

    It is lost when what its task measures first, on held-out samples where there are some, falls behind the best of the
    training by more than is tolerated, and does not come back.

    Args:
        design: the design.
        curve: its learning curve.
        samples: training samples of an epoch.
    """
    if design.device is None or not design.device.wears_out or not design.task.measures or not curve:
        return {}
    measure = design.task.measures[0]
    name = f"validation_{measure.name}" if f"validation_{measure.name}" in curve[-1].metrics else measure.name
    sign = signs_of([measure.goal])[0]
    values = [sign * point.metrics[name] for point in curve]
    most = min(values) + design.array.tolerated_loss
    kept = [n for n, value in enumerate(values, 1) if value <= most]
    return {LIFETIME: kept[-1] * samples}


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
    arrays = [layer.events.get(ARRAYS, layer.row_tiles * layer.column_tiles) for layer, *_ in there]
    room = sum(rows * columns * own for (_, rows, columns), own in zip(there, arrays, strict=True))
    return {"utilisation": sum(layer.rows * layer.cols for layer, *_ in there) / room} if room else {}
