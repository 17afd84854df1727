"""The account of a layer from what held its weights: digital words, or pairs of cells with accumulators."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dse.crossbar.events import EVENT_NAMES, Events
from dse.crossbar.pairs import PairArray
from dse.crossbar.usage import QUANTILES, WEAR_NAMES, LayerUsage
from dse.kernel.arithmetic import ordered_sum
from dse.updates.accumulator import Accumulator
from dse.updates.bits import FLOAT_BITS, bits_of_weight, whole

MANY = 1000
"""Values that are counted in no time, however few numbers there are."""


def usage_of_words(
    number: int, rows: int, cols: int, events: Events, standing: Mapping[str, float] | None = None
) -> LayerUsage:
    """Return the account of a layer whose weights are digital words of 32 bits.

    Args:
        number: number of the layer.
        rows: inputs, bias row included.
        cols: outputs.
        events: what was counted.
        standing: how far its weights have grown; see `dse.updates.standing`.
    """
    return LayerUsage(
        layer=number,
        rows=rows,
        cols=cols,
        cells=0,
        inference_bits=float(FLOAT_BITS * rows * cols),
        events=counts(events),
        wear={**dict.fromkeys(WEAR_NAMES, 0.0), **(standing or {})},
    )


def usage_of_pairs(
    number: int,
    array: PairArray,
    accumulator: Accumulator | None,
    events: Events,
    *,
    size: tuple[int, int],
    ranges: Sequence[float],
    operand_bits: int | str,
    surveys_us: Sequence[float],
    standing: Mapping[str, float] | None = None,
    signed: bool = True,
) -> LayerUsage:
    """Return the account of a layer whose weights are pairs of cells, with accumulators or without.

    Args:
        number: number of the layer.
        array: its pairs.
        accumulator: its accumulators; None for a rule that has none.
        events: what was counted.
        size: inputs, bias row included, and outputs.
        ranges: ranges of the forward and backward output converters.
        operand_bits: resolution of the factors of an update.
        surveys_us: mean conductance of a cell at the ends of the epochs, uS.
        standing: where its cells stand; see `dse.updates.standing`.
        signed: whether its forward inputs are signed.
    """
    (rows, cols), cells, adc, dac = size, array.cells, array.adc, array.dac
    chi, flips = (None, None) if accumulator is None else (accumulator.spec, accumulator.flips)
    return LayerUsage(
        layer=number,
        rows=rows,
        cols=cols,
        cells=array.size,
        inference_bits=rows * cols * bits_of_weight(cells.spec, sum(array.worths), chi),
        dac_bits=whole(dac.driver_bits(0)),
        dac_backward_bits=whole(dac.driver_bits(1)),
        adc_bits=whole(adc.bits),
        adc_backward_bits=whole(adc.bits_backward),
        adc_range=None if adc.bits == "ideal" else ranges[0],
        adc_backward_range=None if adc.bits_backward == "ideal" else ranges[1],
        chi_bits=0 if chi is None else whole(chi.bits),
        chi_storage=None if chi is None else chi.storage,
        operand_bits=whole(operand_bits),
        mean_conductance_us=ordered_sum(np.array(surveys_us)) / len(surveys_us),
        events={**counts(events), **adc.facts, **dac.facts(signed=signed), **array.facts},
        wear={**wear_of(cells.wear()["set"], cells.wear()["reset"], flips), **(standing or {})},
    )


def counts(events: Events) -> dict[str, int | float]:
    """Return events by name."""
    return {name: getattr(events, name) for name in EVENT_NAMES}


def wear_of(set_pulses: torch.Tensor, reset_pulses: torch.Tensor, flips: torch.Tensor | None) -> dict[str, float]:
    """Return maximum and quantiles of the pulses of single cells; quantiles are values that occur ("lower")."""
    wear: dict[str, float] = {}
    for kind, counter in (("set", set_pulses), ("reset", reset_pulses), ("flip", flips)):
        values = (0.0,) * (len(QUANTILES) + 1) if counter is None else quantiles_of(counter.numpy().reshape(-1))
        wear |= zip(_WEAR[kind], values, strict=True)
    wear["writes_max"] = float((set_pulses.numpy() + reset_pulses.numpy()).max())
    return wear


_WEAR = {
    kind: [*(f"{kind}_q{str(q)[2:].ljust(2, '0')}" for q in QUANTILES), f"{kind}_max"]
    for kind in ("set", "reset", "flip")
}


def quantiles_of(counter: NDArray[np.integer[Any]]) -> list[float]:
    """Return the quantiles of whole numbers from 0, values that occur, and their maximum.

    Numbers that are small are counted by value, which is quicker than to order them.
    """
    places = [int(q * (counter.size - 1)) for q in QUANTILES]
    largest = int(counter.max())
    if largest > 2 * counter.size + MANY:
        ordered = np.partition(counter, places)
        return [*(float(ordered[place]) for place in places), float(largest)]
    up_to = np.bincount(counter).cumsum()
    return [*map(float, up_to.searchsorted(places, side="right")), float(largest)]
