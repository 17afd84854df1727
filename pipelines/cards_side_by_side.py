"""Cost cards of the library beside models of others and published chips, at the same work: `findings/cards.md`.

    python -m pipelines.cards_side_by_side > tables.md

prints the tables of that page. Nothing is simulated: an 8-bit product of 256x256 and a training image of 784-250-10 are
the events of `device_library/anchors.toml`, an image through ResNet-20 is what its shapes say, under the assumptions of
the product: arrays of 256x256, half-scale inputs, 5 uS a cell, 8 bits.
"""

from collections.abc import Iterable, Sequence

import polars as pl

from dse.crossbar.cuts import cuts, full_lines
from dse.crossbar.usage import FULL_LINES
from dse.designs.design import compose
from dse.devices.card import library
from dse.networks.products import LayerProducts
from dse.pricing.anchors import read_anchors
from dse.pricing.card import CostCard, read_cost_card
from dse.pricing.price import price_cards
from dse.pricing.text import si

from .common import markdown

ARRAY = 256
HALF_SCALE, MEAN_US, CELLS = 0.5, 5.0, 4
CONVERSIONS = (
    ("hwcomponents-adc 1.0.21, 14 nm, leakage included", 0.362e-12),
    ("ZigZag 3.9.1, 28 nm", 0.701e-12),
    ("NeuroSim, 32 nm", 0.98e-12),
    ("hwcomponents-adc 1.0.21, 28 nm, leakage included", 1.333e-12),
    ("ISAAC, 32 nm (Shafiee et al. 2016)", 1.67e-12),
    ("hwcomponents-adc 1.0.21, 32 nm, leakage included", 1.71e-12),
    ("HERMES, 14 nm, a column, all in (Khaddam-Aljameh et al. 2022)", 48.8e-12),
)
"""Joules of a conversion of 8 bits, as the source says."""
HERMES_J, HERMES_MAC = 12.48e-9, ARRAY * ARRAY
PRODUCTS = (
    ("ZigZag 3.9.1: 8 columns of a bit for each weight, converters alone", 8 * ARRAY * 0.701e-12),
    ("ISAAC: 4 columns of 2 bits, arrays of 128 rows, 8 input bits, converters alone", 4 * 2 * 8 * ARRAY * 1.67e-12),
    ("HERMES core, measured, all in", HERMES_J),
)
"""Joules of a product of 256x256 with 8 bits."""
CHIPS = (
    ("HERMES chip of 64 cores, one phase, 9.76 TOPS/W (Le Gallo et al. 2023)", 9.76e12),
    ("the same, four phases, 2.48 TOPS/W", 2.48e12),
)
"""Operations a joule, of which a multiply-accumulate is two."""
TRAINING_J = 8.32e-8
"""Published for a training image of 784-250-10 (Nandakumar et al. 2020)."""

Row = tuple[str, float | None]


def main() -> None:
    """Print the tables."""
    print("\n".join(tables()))


def tables() -> list[str]:
    """Return the tables in Markdown."""
    cards = [read_cost_card(name) for name in library("costs") if name not in ("digital_fp32", "digital_int8")]
    anchors = {anchor.name: anchor for anchor in read_anchors()}
    product = anchors["hermes_core"].layers
    resnet, macs = resnet20(product)
    chips = [(name, 2 * macs / rate) for name, rate in CHIPS]
    found = (
        ("A conversion of 8 bits", [(card.name, conversion(card)) for card in cards], CONVERSIONS, 48.8e-12),
        ("An 8-bit product of 256x256", priced(product, cards, "energy_per_inference_j"), PRODUCTS, HERMES_J),
        (
            *(
                "A training image of 784-250-10",
                priced(anchors["nandakumar2020_pcm"].layers, cards, "energy_per_sample_j"),
            ),
            *([("published (Nandakumar et al. 2020)", TRAINING_J)], TRAINING_J),
        ),
        (
            f"An image through ResNet-20 (16, 28, 56 channels; {macs / 1e6:.1f} million multiply-accumulates)",
            *(priced(resnet, cards, "energy_per_inference_j"), chips, chips[0][1]),
        ),
        (
            "The same image with layers as a pipeline, which leak for its interval alone",
            *(priced(resnet, cards, "energy_per_pipelined_inference_j"), chips, chips[0][1]),
        ),
    )
    return [table(title, own, others, published) for title, own, others, published in found]


def conversion(card: CostCard) -> float | None:
    """Return the joules of a conversion of 8 bits; None where a card has no price for it."""
    if not card.adc_bits_min <= 8 <= card.adc_bits_max:
        return None
    return card.adc_fixed_j + 8 * card.adc_per_bit_j + 2**8 * card.adc_per_code_j + 4**8 * card.adc_per_code2_j


def priced(layers: pl.DataFrame, cards: Sequence[CostCard], quantity: str) -> list[Row]:
    """Return a quantity of one trial on each card."""
    found = price_cards(layers, cards, [quantity])
    return list(zip(found["card"].to_list(), found[quantity].to_list(), strict=True))


def resnet20(product: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return the layers of an inference by ResNet-20 on 32x32 pixels, and its multiply-accumulates.

    Args:
        product: the layer of an 8-bit product, for all that shapes do not say.
    """
    design = compose({"workload.dataset": "cifar10", "network.name": "resnet20"})
    shapes = design.network.products(design.workload.info, design.training) or ()
    rows = [{**product.row(0, named=True), "layer": number, **events(own)} for number, own in enumerate(shapes)]
    schema = {**product.schema, **dict.fromkeys(FULL_LINES, pl.Int64)}
    rows = [{**dict.fromkeys(FULL_LINES), **row} for row in rows]
    return pl.DataFrame(rows, schema=schema), sum(own.rows * own.cols * own.vectors for own in shapes)


def events(layer: LayerProducts) -> dict[str, float]:
    """Return the size and the events of a layer in an inference."""
    tiles = cuts(layer.rows, ARRAY), cuts(layer.cols, ARRAY)
    row_tiles, column_tiles = map(len, tiles)
    return {
        "rows": layer.rows,
        "cols": layer.cols,
        "cells": CELLS * layer.rows * layer.cols,
        "mean_conductance_us": MEAN_US,
        "row_tiles": row_tiles,
        "column_tiles": column_tiles,
        **full_lines(*tiles),
        "mvm_forward": layer.vectors,
        "line_drives_forward": layer.vectors * layer.rows,
        "drive_time_forward": HALF_SCALE * layer.vectors * layer.rows,
        "dac_forward": layer.vectors * layer.rows * column_tiles,
        "adc_forward": layer.vectors * layer.cols * row_tiles,
        "partial_adds_forward": layer.vectors * layer.cols * (row_tiles - 1),
        "activations": layer.activations,
    }


def table(title: str, own: Iterable[Row], others: Iterable[Row], published: float) -> str:
    """Return a table in Markdown, cheapest first, with the factor to a published figure."""
    rows = [(f"`{name}`", value) for name, value in own] + list(others)
    known = sorted(((name, value) for name, value in rows if value is not None), key=lambda row: row[1])
    lines = [(name, si(value, "J"), f"{value / published:.3g}") for name, value in known]
    lines += [(name, "no price", "-") for name, value in rows if value is None]
    return f"## {title}\n\n{markdown(('card or source', 'energy', 'of the published'), lines)}\n"


if __name__ == "__main__":
    main()
