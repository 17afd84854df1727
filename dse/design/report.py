"""What a training came to: from layers with their events and wear to the parts of an outcome."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from dse.crossbar.analog import AnalogLayer
from dse.crossbar.events import EVENT_NAMES, Events
from dse.design.outcome import QUANTILES, WEAR_NAMES, LayerOutcome
from dse.devices.spec import CellSpec
from dse.kernel.arithmetic import ordered_sum
from dse.tasks.curve import Epoch
from dse.updates.descent import CrossbarDescent, DigitalDescent
from dse.updates.layers import CrossbarLayer, Layer
from dse.updates.modules import CrossbarParameter
from dse.updates.spec import AccumulatorSpec

FLOAT_BITS = 32


def metrics_of(last: Epoch, layers: Sequence[LayerOutcome]) -> dict[str, float | int | None]:
    """Return the metrics that need no price."""
    return {
        "loss": last.loss,
        **last.metrics,
        "worst_writes": int(max(layer.wear["writes_max"] for layer in layers)),
        "worst_flips": int(max(layer.wear["flip_max"] for layer in layers)),
        "set_pulses": int(sum(e.events["set_pulses_update"] + e.events["set_pulses_refresh"] for e in layers)),
        "reset_pulses": int(sum(layer.events["resets"] for layer in layers)),
        "weights": sum(layer.rows * layer.cols for layer in layers),
        "cells": sum(layer.cells for layer in layers),
        "inference_bits": sum(layer.inference_bits for layer in layers),
    }


def report(number: int, layer: Layer) -> LayerOutcome:
    """Return what happened in a layer of a perceptron."""
    if not isinstance(layer, CrossbarLayer):
        own = _digital(number, layer.rows, layer.cols, layer.events)
    else:
        own = _analog(layer, number, layer.rows, layer.cols, layer.events, layer.array.ranges)
    return replace(own, bias_rows=1)


@dataclass(frozen=True)
class Passes:
    """How many vectors a layer multiplies in a training; it follows from shapes alone.

    Attributes:
        forward: in forward products.
        backward: in backward products.
        update: in outer products that update its weights.
        activations: outputs that a digital function follows: a normalisation, an activation.
        places: see `LayerOutcome.places`.
        infers: see `LayerOutcome.infers`.
    """

    forward: int
    backward: int
    update: int
    activations: int
    places: int = 1
    infers: bool = True


def report_layers(
    descent: DigitalDescent | CrossbarDescent,
    passes: Mapping[AnalogLayer, Passes],
    updates: int,
    chi: AccumulatorSpec | None,
    *,
    first: int = 0,
) -> list[LayerOutcome]:
    """Return what happened in the layers of a deep network.

    Args:
        descent: what moved its weights.
        passes: its layers in their order, with what they multiplied.
        updates: mini-batches.
        chi: the accumulators as the design has them; None for a digital network.
        first: number of the first layer in the outcome.
    """
    pairs = descent.pairs if isinstance(descent, CrossbarDescent) else [None] * len(passes)
    return [
        _of_passes(_report_deep(layer, pair, own, updates * descent.words_an_update, chi), own, first + number)
        for number, ((layer, own), pair) in enumerate(zip(passes.items(), pairs, strict=True))
    ]


def _of_passes(report: LayerOutcome, passes: Passes, number: int) -> LayerOutcome:
    bits = report.inference_bits if passes.infers else 0.0
    return replace(report, layer=number, places=passes.places, infers=passes.infers, inference_bits=bits)


def _report_deep(
    layer: AnalogLayer, pair: CrossbarParameter | None, passes: Passes, updates: int, chi: AccumulatorSpec | None
) -> LayerOutcome:
    """Return what happened in a layer of a deep network; see `report_layers`."""
    if pair is None or chi is None:
        return _digital(layer.number, layer.rows, layer.cols, _digital_events(layer, passes, updates))
    shapes = Events(activations=passes.activations)
    counted = [vars(events) for events in (layer.events, pair.layer.events, shapes)]
    events = Events(**{name: sum(own[name] for own in counted) for name in EVENT_NAMES})
    own = _analog(pair.layer, layer.number, layer.rows, layer.cols, events, layer.ranges)
    tiles = {"row_tiles": len(layer.row_tiles), "column_tiles": len(layer.column_tiles)}
    return replace(own, operand_bits=_bits(chi.operand_bits), **tiles)


def _digital_events(layer: AnalogLayer, passes: Passes, updates: int) -> Events:
    weights = layer.rows * layer.cols
    return Events(
        activations=passes.activations,
        macs_forward=passes.forward * weights,
        macs_backward=passes.backward * weights,
        macs_update=passes.update * weights,
        weight_reads=((passes.forward + passes.backward) // passes.places + updates) * weights,
        weight_writes=updates * weights,
    )


def _digital(number: int, rows: int, cols: int, events: Events) -> LayerOutcome:
    return LayerOutcome(
        layer=number,
        rows=rows,
        cols=cols,
        cells=0,
        inference_bits=float(FLOAT_BITS * rows * cols),
        events=_counts(events),
        wear=dict.fromkeys(WEAR_NAMES, 0.0),
    )


def _analog(
    layer: CrossbarLayer, number: int, rows: int, cols: int, events: Events, ranges: Sequence[float]
) -> LayerOutcome:
    cells, adc, dac = layer.array.cells, layer.hardware.adc, layer.hardware.dac
    surveys, chi = layer.conductance_surveys_us, layer.accumulator.spec
    return LayerOutcome(
        layer=number,
        rows=rows,
        cols=cols,
        cells=cells.g_us.numel(),
        inference_bits=rows * cols * bits_of_weight(cells.spec, layer.array.pairs, chi),
        dac_bits=_bits(dac.bits),
        dac_backward_bits=_bits(dac.bits_backward),
        adc_bits=_bits(adc.bits),
        adc_backward_bits=_bits(adc.bits_backward),
        adc_range=None if adc.bits == "ideal" else ranges[0],
        adc_backward_range=None if adc.bits_backward == "ideal" else ranges[1],
        chi_bits=_bits(chi.bits),
        chi_storage=chi.storage,
        operand_bits=_bits(chi.operand_bits),
        mean_conductance_us=ordered_sum(np.array(surveys)) / len(surveys),
        events=_counts(events),
        wear=_wear(cells.set_pulses, cells.reset_pulses, layer.accumulator.flips),
    )


def bits_of_weight(cell: CellSpec, pairs: int, chi: AccumulatorSpec) -> float:
    """Return the bits of a weight that inference reads.

    The pairs of a weight hold as many levels as pulses can tell apart: 1 + 2 * pairs * window / granularity. With
    `inference = "cells_and_accumulator"` the word of the accumulator comes on top.
    """
    levels = 1.0 + 2.0 * pairs * (cell.g_max_us - cell.g_min_us) / cell.granularity_us
    word = FLOAT_BITS if chi.bits == "float" else chi.bits
    return math.log2(levels) + (word if chi.inference == "cells_and_accumulator" else 0)


def _counts(events: Events) -> dict[str, int | float]:
    return {name: getattr(events, name) for name in EVENT_NAMES}


def _bits(bits: int | str) -> int | None:
    return bits if isinstance(bits, int) else None


def _wear(set_pulses: torch.Tensor, reset_pulses: torch.Tensor, flips: torch.Tensor | None) -> dict[str, float]:
    """Return maximum and quantiles of the pulses of single cells; quantiles are values that occur ("lower")."""
    wear: dict[str, float] = {}
    flips = torch.zeros(1) if flips is None else flips
    for kind, counter in (("set", set_pulses), ("reset", reset_pulses), ("flip", flips)):
        ordered = counter.reshape(-1).sort().values
        for q in QUANTILES:
            wear[f"{kind}_q{str(q)[2:].ljust(2, '0')}"] = float(ordered[int(q * (len(ordered) - 1))])
        wear[f"{kind}_max"] = float(ordered[-1])
    wear["writes_max"] = float((set_pulses + reset_pulses).max())
    return wear
