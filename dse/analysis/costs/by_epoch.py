"""Prices by epoch: what a training had cost when it was where a learning curve shows it."""

from collections.abc import Sequence

import polars as pl

from dse.analysis.costs.priced import free_axes
from dse.analysis.costs.prices import own_card
from dse.analysis.tables.epochs import RUN, curves_of, layers_by_epoch
from dse.analysis.tables.tables import Tables
from dse.errors import QueryError
from dse.pricing.card import CostCard
from dse.pricing.price import price
from dse.pricing.wear import lifetimes
from dse.results.place import Where
from dse.results.schema import WEAR


def priced_curves(tables: Tables, card: CostCard, columns: Sequence[str]) -> pl.DataFrame:
    """Return the table of curves with pulses, wear and prices of the training until each epoch.

    Args:
        tables: the tables of a study.
        card: the cost card.
        columns: the prices, of `dse.pricing.price.COLUMNS`; null where a row does not hold its layers by epoch, and
            where something has no price. What a deployment costs is not in them.
    """
    curves = curves_of(tables)
    if not columns or curves.is_empty() or tables.layers.is_empty():
        return curves.with_columns(pl.lit(None, pl.Float64).alias(name) for name in columns)
    worn = any(name in lifetimes() for name in columns)  # nothing else depends on the wear of then
    needed = [name for name in tables.layers.columns if worn or not name.startswith(WEAR)]
    layers = layers_by_epoch(tables, needed)
    points = layers.select(*RUN, "epoch").unique(maintain_order=True).with_row_index("point")
    points = points.with_columns(pl.col("point").cast(tables.layers["trial"].dtype))
    numbered = layers.join(points, on=[*RUN, "epoch"], maintain_order="left").with_columns(
        pl.col("point").alias("trial"), pl.lit(0, tables.layers["seed"].dtype).alias("seed")
    )
    prices = price(numbered, card, columns).drop("seed").rename({"trial": "point"})
    found = points.join(prices, on="point", maintain_order="left").drop("point")
    return curves.join(found, on=[*RUN, "epoch"], how="left", maintain_order="left")


def curves_for(
    where: Where,
    tables: Tables,
    columns: Sequence[str],
    cards: Sequence[str] = (),
    texts: Sequence[str] = (),
) -> pl.DataFrame:
    """Return `priced_curves` on the card of the study, or on one that is given.

    Args:
        where: the results.
        tables: their tables.
        columns: as for `priced_curves`.
        cards: names or files of cost cards, at most one.
        texts: "NAME=VALUE" for constants.

    Raises:
        SettingError, QueryError: see `dse.analysis.costs.priced.free_axes`; several cards or values.
    """
    if not columns:
        return curves_of(tables)
    variants = free_axes(where, tables.about, cards, texts, study=False).variants(own_card(where, tables))
    if len(variants) > 1 or variants[0].storage is not None:
        raise QueryError(
            "curves have prices on one card at a time; give one --card, and --set with one value of each constant"
        )
    return priced_curves(tables, variants[0].card, columns)
