"""Designs with their prices, and multiplied by the free axes of their study: tables that every analysis takes.

A design of n variants becomes n designs. The axes are parameters like those of the search, so that fronts, importances
and requirements see them; prices are metrics. What `trial` holds in these tables: see `dse.analysis.tables.variants`.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from dse.analysis.costs.prices import assignments, number_of, open_card, own_card
from dse.analysis.tables.tables import Tables, open_tables
from dse.analysis.tables.variants import design_number, with_simulated_trials
from dse.designs.outcome import METRICS
from dse.errors import QueryError
from dse.pricing.axes import CARD, DIGITAL, STORAGE, FreeAxes, Variant, parse_axes
from dse.pricing.card import CONSTANTS, CostCard
from dse.pricing.price import COLUMNS, price_cards
from dse.results.place import Where
from dse.results.source import source_of, study_table

KEPT = ("trial", "seed", "origin", "state", "failure", "same_as", "design_key", "design")


def free_axes(
    where: Where,
    about: dict[str, Any],
    cards: Sequence[str] = (),
    texts: Sequence[str] = (),
    *,
    study: bool = True,
) -> FreeAxes:
    """Return the free axes of a results folder, and those given in addition, which replace its own.

    Args:
        where: the results.
        about: their description: name, code version, objectives.
        cards: names or files of cost cards.
        texts: "NAME=VALUE" or "NAME=VALUE,VALUE,..." for constants and "accumulator.storage".
        study: whether the axes of the study count.

    Raises:
        SettingError: an axis that is not allowed.
        QueryError: a text that cannot be read.
    """
    own = FreeAxes()
    if study and (table := study_table(where, about, "free")):
        own = parse_axes(table, source_of(where, about))
    given = parse_axes(_axes_of(texts), where="--set")
    if cards:
        opened = {card.name: card for card in map(open_card, cards)}
        given = FreeAxes({CARD: tuple(opened), **given.axes}, opened)
    return given.over(own)


def _axes_of(texts: Sequence[str]) -> dict[str, list[float | str]]:
    given = assignments(texts, (*CONSTANTS, STORAGE))
    return {name: [_value(name, value.strip()) for value in values.split(",")] for name, values in given.items()}


def _value(name: str, value: str) -> float | str:
    return value if name == STORAGE else number_of(name, value)


def open_priced(
    where: Where,
    quantities: Sequence[str] | None,
    cards: Sequence[str] = (),
    texts: Sequence[str] = (),
    *,
    study: bool = True,
    constraints: bool = True,
    columns: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    chosen: bool = True,
) -> Tables:
    """Open a results folder for some quantities; as stored where these need no price that it does not hold.

    Args:
        where: the results.
        quantities: names of `dse.pricing.quantities.QUANTITIES`; None for the objectives of the study.
        cards: as for `free_axes`.
        texts: as for `free_axes`.
        study: as for `free_axes`.
        constraints: whether designs are held against the constraints of the study, and have the quantities of these.
        columns: as for `open_tables`.
        metrics: as for `open_tables`.
        chosen: as for `open_tables`.

    Raises:
        SettingError, QueryError, ResultsError: see `free_axes` and `open_tables`.
    """
    tables = open_tables(where, columns, metrics, chosen=chosen)
    if not constraints:
        tables = replace(tables, constraints=())
    axes = free_axes(where, tables.about, cards, texts, study=study)
    asked = [*(tables.objectives if quantities is None else quantities), *(own.metric for own in tables.constraints)]
    names = [name for name in dict.fromkeys(asked) if name in COLUMNS]
    if not names or (not axes.axes and all(name in METRICS for name in names)):
        return tables
    return priced(tables, own_card(where, tables), axes, names, idle=False)


def priced(tables: Tables, card: CostCard, axes: FreeAxes, columns: Sequence[str], *, idle: bool = True) -> Tables:
    """Return tables that hold every design with its prices, once for each variant.

    Args:
        tables: the tables of a study.
        card: for variants that choose none.
        axes: the free axes.
        columns: the prices asked for, of `dse.pricing.price.COLUMNS`.
        idle: keep axes that change none of these prices; without them, designs that differ in nothing are one.

    Returns:
        Tables whose parameters end with the axes and whose metrics hold `columns`, a stored metric of the same name
        replaced. Layers and curves stay by simulation.

    Raises:
        QueryError: a price that there is not, or an axis that varies in the study.
    """
    taken = [name for name in axes.axes if name in tables.parameters]
    if taken:
        raise QueryError(f"{', '.join(taken)} is varied by the search; it cannot be a free axis of the same study")
    found = _prices(tables, axes.variants(card), columns)
    if not idle:
        axes, found = _acting(axes, found, columns)
    stored = [name for name in tables.metrics if name not in columns]
    rows = tables.trials.drop(columns, strict=False)
    if len(axes) > 1:  # what made a row need not be repeated for each variant
        kept = [name for name in KEPT if name in rows.columns]
        rows = rows.select(*kept, *tables.parameters, *stored)
    count = len(axes)
    chosen = pl.DataFrame([{"variant": number, **choice} for number, choice in enumerate(axes.choices())])
    wide = rows.join(chosen, how="cross", maintain_order="left_right")
    wide = wide.join(found, on=["variant", "trial", "seed"], how="left", maintain_order="left")
    number = design_number(pl.col("trial"), pl.col("variant"), count)
    many = [pl.format("{}/{}", "design_key", "variant").alias("design_key")] if count > 1 else []
    many_valued = [name for name, values in axes.axes.items() if len(values) > 1]
    return replace(
        tables,
        trials=wide.with_columns(number.alias("trial"), *many).drop("variant"),
        parameters=[*tables.parameters, *many_valued],
        free=many_valued,
        metrics=[*stored, *columns],
        variants=count,
    )


def _prices(tables: Tables, variants: Sequence[Variant], columns: Sequence[str]) -> pl.DataFrame:
    parts: list[pl.DataFrame] = []
    for storage in dict.fromkeys(variant.storage for variant in variants):
        layers = tables.layers
        if storage is not None:
            own = pl.col("chi_storage")
            layers = layers.with_columns(
                pl.when(own.is_in(DIGITAL)).then(pl.lit(storage)).otherwise(own).alias(own.meta.output_name())
            )
        parts.append(price_cards(layers, [v.card for v in variants if v.storage == storage], columns))
    numbered = pl.concat(parts).with_columns(pl.col("card").cast(pl.Int64).alias("variant")).drop("card")
    return numbered.sort("variant", maintain_order=True)


def _acting(axes: FreeAxes, found: pl.DataFrame, columns: Sequence[str]) -> tuple[FreeAxes, pl.DataFrame]:
    """Return the axes that change a price, and the prices of their variants, numbered anew."""
    shape = [len(values) for values in axes.axes.values()]
    values = found.select(pl.col(list(columns)).cast(pl.Float64)).to_numpy().reshape(*shape, -1)
    idle = [
        place
        for place, _ in enumerate(shape)
        if np.array_equal(*np.broadcast_arrays(values.take([0], place), values), equal_nan=True)
    ]
    numbers = np.arange(len(axes)).reshape(shape)
    for place in idle:
        numbers = numbers.take([0], place)
    kept = numbers.ravel()
    acting = {name: values for place, (name, values) in enumerate(axes.axes.items()) if place not in idle}
    renumbered = pl.DataFrame({"variant": kept, "new": np.arange(len(kept))})
    prices = found.join(renumbered, on="variant", maintain_order="left").drop("variant").rename({"new": "variant"})
    return FreeAxes(acting, axes.cards), prices


def priced_designs(
    where: Where,
    tables: Tables,
    columns: Sequence[str],
    cards: Sequence[str] = (),
    texts: Sequence[str] = (),
    *,
    study: bool = True,
) -> pl.DataFrame:
    """Return a row for each design and variant: metrics, prices, parameters, axes; `trial` as it was simulated.

    Args:
        where: the results.
        tables: their tables.
        columns: as for `priced`.
        cards: as for `free_axes`.
        texts: as for `free_axes`.
        study: as for `free_axes`.

    Raises:
        SettingError, QueryError: see `free_axes`.
    """
    axes = free_axes(where, tables.about, cards, texts, study=study)
    found = priced(tables, own_card(where, tables), axes, columns)
    return with_simulated_trials(found, found.designs)


def priced_columns(sql: str) -> list[str]:
    """Return the prices that a query over the table `priced` needs: those it names, and all where it asks for *."""
    if re.search(r"(select|,|\.)\s*\*", sql, re.IGNORECASE):
        return list(COLUMNS)
    return [name for name in COLUMNS if re.search(rf"\b{name}\b", sql)]
