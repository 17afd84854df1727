"""What is known of a design before it is simulated, exactly: what follows from shapes alone.

A network that takes the same products for every sample drives, converts and adds as often as its shapes say. Areas, the
size of the model, the latency of an inference, the energy of converters and most of a digital network follow from that,
to the last bit of what a simulation comes to. What else is counted depends on what is learned: pulses, wear, the
currents of an array, words of accumulators, inputs of zero that a perceptron leaves out. It stands in the table of
layers as NaN, which goes through the expressions of prices, and whatever it reaches is not known.
"""

import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from dse.crossbar.cuts import cuts, full_lines
from dse.crossbar.events import EVENT_NAMES
from dse.crossbar.packing import facts_of
from dse.crossbar.usage import ARRAY_LINES, OUTPUT_SCALES, PARTIAL_ADDS_DEPLOYMENT, SPARE_ROWS, WEAR_NAMES
from dse.designs.tables import Design
from dse.networks.products import LayerProducts, Products
from dse.pricing.card import CostCard
from dse.pricing.price import COLUMNS, price
from dse.pricing.wear import lifetimes
from dse.updates.bits import FLOAT_BITS, bits_of_weight, whole
from dse.updates.spec import AccumulatorSpec
from dse.updates.training import ModuleTraining

UNKNOWN = math.nan
DEPLOYED = (*(name for name in EVENT_NAMES if name.endswith("_deployment")), PARTIAL_ADDS_DEPLOYMENT)
SIZES = ("weights", "cells", "inference_bits")
"""Metrics that follow from the sizes of layers."""
PULSES = ("worst_writes", "worst_flips", "set_pulses", "reset_pulses")
"""Metrics that are 0 where no cell is written."""
TEXTS = ("chi_storage",)
BITS = (
    *("dac_bits", "dac_backward_bits", "adc_bits", "adc_backward_bits"),
    *("chi_bits", "operand_bits", "deployed_dac_bits", "deployed_adc_bits"),
)
"""Columns of a layer that may be empty."""
EXAMPLE = LayerProducts(rows=2, cols=2, vectors=2, places=2, activations=2, back=True, inside=4, reached=2, bias_rows=1)
"""A layer of which everything is known that can be."""
Layers = list[dict[str, Any]]
"""The table of layers of a design, as far as it is known."""


def known(design: Design, card: CostCard, names: Sequence[str]) -> dict[str, float]:
    """Return the quantities of a design that are known without a simulation, by name; others are left out.

    Args:
        design: the design.
        card: the cost card.
        names: of quantities; see `dse.pricing.quantities`.
    """
    return known_of([design], card, names)[0]


def known_of(designs: Sequence[Design], card: CostCard, names: Sequence[str]) -> list[dict[str, float]]:
    """Return what is known of some designs, all priced at once; see `known`."""
    return _priced(designs, [_layers(design) for design in designs], card, names)


def _priced(
    designs: Sequence[Design], accounts: Sequence[Layers], card: CostCard, names: Sequence[str]
) -> list[dict[str, float]]:
    found = [_metrics(design, layers, names) for design, layers in zip(designs, accounts, strict=True)]
    priced = [name for name in dict.fromkeys(names) if name in COLUMNS and name not in lifetimes()]
    rows = [
        {"trial": trial, "seed": 0, "layer": number, "train_samples": design.train_samples, **layer}
        for trial, (design, layers) in enumerate(zip(designs, accounts, strict=True))
        for number, layer in enumerate(layers)
    ]
    if not priced or not rows:
        return found
    for row in price(_table(rows), card, priced).iter_rows(named=True):
        found[row["trial"]] |= {name: row[name] for name in priced if _is_number(row[name])}
    return found


def knowable(design: Design, card: CostCard, names: Sequence[str]) -> set[str]:
    """Return which quantities could be known of a design if the products of its network were, without asking for these.

    Args:
        design: the design.
        card: the cost card.
        names: of quantities.
    """
    if not _is_accounted(design):
        return set()
    return set(_priced([design], [[_layer(design, EXAMPLE)]], card, names)[0])


def _is_number(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _table(rows: Layers) -> pl.DataFrame:
    types: dict[str, pl.DataType] = {
        **{name: pl.Float64() for name, value in rows[0].items() if isinstance(value, float)},
        **{name: pl.Float64() for row in rows for name, value in row.items() if isinstance(value, float)},
        **dict.fromkeys(BITS, pl.Int64()),
        **dict.fromkeys(TEXTS, pl.String()),
    }
    return pl.DataFrame(rows, schema_overrides=types, infer_schema_length=None)


def _metrics(design: Design, layers: Layers, names: Sequence[str]) -> dict[str, float]:
    if not layers:
        return {}
    found: dict[str, float] = {
        "weights": sum(layer["rows"] * layer["cols"] for layer in layers),
        "cells": sum(layer["cells"] for layer in layers),
        "inference_bits": sum(layer["inference_bits"] for layer in layers),
    }
    if design.device is None:
        found |= dict.fromkeys(PULSES, 0)
    return {name: value for name, value in found.items() if name in names}


def _layers(design: Design) -> Layers:
    """Return what is known of the layers of a design; nothing where their products are not."""
    products = _products(design)
    if products is None:
        return []
    layers = [_layer(design, layer) for layer in products]
    if design.array.packing == "apart":
        return layers
    return [{**own, **part} for own, part in zip(layers, facts_of(layers), strict=True)]


def _layer(design: Design, layer: LayerProducts) -> dict[str, Any]:
    of = _on_crossbars if design.device is not None else _digital
    return {**_unpriced(design), **of(design, layer)}


def _products(design: Design) -> Products | None:
    if not _is_accounted(design):
        return None
    return design.network.products(design.workload.info, design.training)


def _is_accounted(design: Design) -> bool:
    return design.rule.accounted and design.training.passes > 0


def _unpriced(design: Design) -> dict[str, Any]:
    """Return a layer in which nothing happens but in a deployment, and of which nothing is known there."""
    deployed = 0 if design.deployment is None else UNKNOWN
    return {
        **dict.fromkeys(EVENT_NAMES, 0),
        **dict.fromkeys(DEPLOYED, deployed),
        **{f"wear_{name}": 0.0 for name in WEAR_NAMES},
        **dict.fromkeys((*BITS, *TEXTS)),
        "mean_conductance_us": UNKNOWN,
        "deployed_cells": deployed,
        "deployed_conductance_us": UNKNOWN,
    }


def _sizes(layer: LayerProducts) -> dict[str, Any]:
    return {
        **{name: getattr(layer, name) for name in ("rows", "cols", "bias_rows", "places", "infers")},
        "row_tiles": 1,
        "column_tiles": 1,
    }


def _digital(design: Design, layer: LayerProducts) -> dict[str, Any]:
    """Return a layer of digital words."""
    samples, size = design.train_samples, layer.rows * layer.cols
    passed = (layer.rows - layer.bias_rows) * layer.cols if layer.back else 0
    images = samples * layer.vectors // layer.places  # a word is read once for all places
    updated = design.training.updates_of(design.workload.info.samples) * size * (1 + _kept_words(design))
    touched = updated if layer.updates_all else UNKNOWN
    return {
        **_sizes(layer),
        "cells": 0,
        "inference_bits": float(FLOAT_BITS * size) if layer.infers else 0.0,
        "macs_forward": samples * layer.vectors * size,
        "macs_backward": samples * layer.vectors * passed,
        "macs_update": samples * layer.vectors * size if layer.updates_all else UNKNOWN,
        "weight_reads": images * (size + passed) + touched,
        "weight_writes": touched,
        "activations": samples * layer.activations,
    }


def _kept_words(design: Design) -> int:
    """Return the words that the optimiser of a training keeps for each weight."""
    training = design.training
    return training.of_weights.words if design.rule.optimised and isinstance(training, ModuleTraining) else 0


def _on_crossbars(design: Design, layer: LayerProducts) -> dict[str, Any]:
    """Return a layer on crossbars."""
    device, dac, adc, refresh = design.device, design.dac, design.adc, design.refresh
    if device is None or dac is None or adc is None or refresh is None:
        msg = f"the design {design.key} has no crossbars"
        raise TypeError(msg)
    chi: AccumulatorSpec | None = getattr(design, "accumulator", None)
    samples, size = design.train_samples, layer.rows * layer.cols
    tiles = _tiles(design, layer)
    row_tiles, column_tiles = len(cuts(layer.rows, tiles[0])), len(cuts(layer.cols, tiles[1]))
    vectors = samples * layer.vectors
    planes = dac.planes(0, signed=not layer.unsigned) or 1
    back_planes = dac.planes(1, signed=True) or 1
    back = vectors * back_planes if layer.back else 0
    added = samples * (layer.inside * column_tiles * back_planes - layer.reached) if layer.back else 0
    bits = bits_of_weight(device, sum(design.array.worths), chi)
    scales = {"none": 0, "layer": 1, "column": layer.cols, "tile": row_tiles * column_tiles}[design.array.output_scale]
    unknown = ("drive_time_forward", "drive_time_backward", "set_pulses_update", "chi_reads", "chi_writes", "chi_adds")
    refreshed = ("refresh_reads", "resets", "set_pulses_refresh") if refresh.every_samples else ()
    flips = ("chi_flips",) if chi is not None and chi.storage == "pcm" else ()
    optimiser = ("weight_reads", "weight_writes") if _kept_words(design) else ()
    return {
        **dict.fromkeys((*unknown, *refreshed, *flips, *optimiser), UNKNOWN),
        **{f"wear_{name}": UNKNOWN for name in WEAR_NAMES},
        **_sizes(layer),
        "row_tiles": row_tiles,
        "column_tiles": column_tiles,
        "cells": 2 * design.array.pairs_per_weight * size,
        "inference_bits": size * bits + FLOAT_BITS * scales if layer.infers else 0.0,
        "dac_bits": whole(dac.driver_bits(0)),
        "dac_backward_bits": whole(dac.driver_bits(1)),
        "adc_bits": whole(adc.bits),
        "adc_backward_bits": whole(adc.bits_backward),
        "chi_bits": 0 if chi is None else whole(chi.bits),
        "chi_storage": None if chi is None else chi.storage,
        "operand_bits": whole("float" if chi is None else chi.operand_bits),
        "mvm_forward": vectors * planes,
        "dac_forward": vectors * planes * layer.rows * column_tiles,
        "adc_forward": vectors * planes * layer.cols * row_tiles,
        "partial_adds_forward": vectors * layer.cols * (row_tiles * planes - 1),
        "mvm_backward": back,
        "dac_backward": back * layer.cols * row_tiles,
        "adc_backward": back * (layer.rows - layer.bias_rows) * column_tiles,
        "partial_adds_backward": added,
        "macs_update": vectors * size if layer.updates_all else UNKNOWN,
        "activations": samples * layer.activations,
        **_arrays(design, layer),
        **full_lines(cuts(layer.rows, tiles[0]), cuts(layer.cols, tiles[1])),
        **adc.facts,
        **({SPARE_ROWS: design.array.spare_rows} if design.array.spare_rows else {}),
        **dac.facts(signed=not layer.unsigned),
        **(_scaled(design, layer, row_tiles, column_tiles) if scales else {}),
    }


def _scaled(design: Design, layer: LayerProducts, row_tiles: int, column_tiles: int) -> dict[str, int]:
    """Return the multiplications by digital factors: of outputs, and of errors."""
    vectors = design.train_samples * layer.vectors
    learns = design.array.output_scale_kind == "learned"
    forward, backward = vectors * layer.cols, vectors * layer.cols * (1 + learns)
    if design.array.output_scale == "tile":
        back = vectors * (layer.rows - layer.bias_rows) * column_tiles if layer.back else 0
        forward, backward = forward * row_tiles, backward * row_tiles + back
    return dict(zip(OUTPUT_SCALES, (forward, backward), strict=True))


def _arrays(design: Design, layer: LayerProducts) -> dict[str, int]:
    """Return the lines of the arrays of a layer where those that it leaves unused are there."""
    if design.array.unused_lines != "present" or not layer.tiled:
        return {}
    sizes = zip(ARRAY_LINES, (design.array.tile_rows, design.array.tile_columns), (layer.rows, layer.cols), strict=True)
    return {name: own if lines == "whole" else lines for name, lines, own in sizes}


def _tiles(design: Design, layer: LayerProducts) -> tuple[int | None, int | None]:
    """Return the rows and columns of an array; None for as many as a layer has."""
    rows, columns = (
        own if layer.tiled and isinstance(own, int) else None
        for own in (design.array.tile_rows, design.array.tile_columns)
    )
    return rows, columns
