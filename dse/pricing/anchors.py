"""Published figures, and what a cost card says for the same events: `device_library/anchors.toml`."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import polars as pl

from dse.crossbar.events import EVENT_NAMES
from dse.devices.card import device_library
from dse.pricing.card import CostCard
from dse.pricing.price import price_cards
from dse.pricing.wear import LIMITS, SHARES, wear_name

WORDS: Mapping[str, pl.DataType] = {
    "chi_storage": pl.String(),
    "mean_conductance_us": pl.Float64(),
    "chi_bits": pl.Int32(),
    "operand_bits": pl.Int32(),
    "deployed_conductance_us": pl.Float64(),
    "deployed_dac_bits": pl.Int32(),
    "deployed_adc_bits": pl.Int32(),
    **{f"{converter}{way}_bits": pl.Int32() for converter in ("dac", "adc") for way in ("", "_backward")},
}
"""Columns of a layer that are null where an anchor does not give them; events and wear are 0."""


@dataclass(frozen=True)
class Published:
    """A published figure.

    Attributes:
        quantity: the column of a price that it stands for.
        value: in the unit of the column.
        status: how far it was confirmed.
    """

    quantity: str
    value: float
    status: str


@dataclass(frozen=True)
class Anchor:
    """A published system.

    Attributes:
        name: its name.
        title: what it is.
        source: where its figures were published.
        published: the figures.
        layers: the table of layers whose events it stands for.
    """

    name: str
    title: str
    source: str
    published: tuple[Published, ...]
    layers: pl.DataFrame


@cache
def read_anchors() -> tuple[Anchor, ...]:
    """Return the anchors of the device library."""
    text = (device_library() / "anchors.toml").read_text(encoding="utf-8")
    tables = cast("dict[str, dict[str, Any]]", tomllib.loads(text))
    return tuple(
        Anchor(
            name=name,
            title=table["title"],
            source=table["source"],
            published=tuple(Published(p["quantity"], float(p["value"]), p["status"]) for p in table["published"]),
            layers=_layers(table["layers"]),
        )
        for name, table in tables.items()
    )


def _layers(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    wear = [wear_name(kind, share) for kind in LIMITS for share in SHARES]
    empty = {
        **dict.fromkeys(WORDS),
        **dict.fromkeys((*EVENT_NAMES, *wear, "cells", "deployed_cells"), 0),
        "bias_rows": 0,
        "places": 1,
        "infers": True,
        "row_tiles": 1,
        "column_tiles": 1,
    }
    table = [{"trial": 0, "seed": 0, "layer": number, **empty, **row} for number, row in enumerate(rows)]
    return pl.DataFrame(table, infer_schema_length=None, schema_overrides=WORDS)


def compare(cards: Sequence[CostCard]) -> pl.DataFrame:
    """Return what every card says of every published figure.

    Returns:
        A row for each anchor, figure and card: anchor, quantity, published, card, priced, ratio (priced / published).
        A figure that a card cannot price is null.
    """
    rows: list[dict[str, Any]] = []
    for anchor in read_anchors():
        quantities = [figure.quantity for figure in anchor.published]
        priced = price_cards(anchor.layers, cards, quantities)
        for figure in anchor.published:
            for card, value in zip(priced["card"], priced[figure.quantity], strict=True):
                row = {"anchor": anchor.name, "quantity": figure.quantity, "published": figure.value}
                ratio = None if value is None else value / figure.value
                rows.append({**row, "card": card, "priced": value, "ratio": ratio})
    floats: dict[str, pl.DataType] = {name: pl.Float64() for name in ("published", "priced", "ratio")}
    return pl.DataFrame(rows, schema_overrides=floats, infer_schema_length=None)
