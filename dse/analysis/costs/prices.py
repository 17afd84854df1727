"""Prices of a stored study on cost cards, and published figures next to those of cards, as tables to look at."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from dse.analysis.tables.tables import Tables
from dse.errors import QueryError, ResultsError, did_you_mean
from dse.pricing.anchors import compare
from dse.pricing.card import CONSTANTS, DEFAULT_CARD, CostCard, read_cost_card
from dse.pricing.price import COLUMNS, price_cards
from dse.pricing.text import cell
from dse.results.place import Where
from dse.results.source import source_of, study_table, study_text

SHOWN: tuple[str, ...] = (
    "energy_per_sample_j",
    "forward_per_sample_j",
    "backward_per_sample_j",
    "update_per_sample_j",
    "refresh_per_sample_j",
    "energy_per_inference_j",
    "latency_per_sample_s",
    "area_m2",
    "model_size_bits",
    "years_to_first_cell",
)
"""Columns of a price that people see first."""


def open_card(name: str) -> CostCard:
    """Return a card of the library, or from the file `name` where that ends in .toml.

    Raises:
        SettingError: see `read_cost_card`.
    """
    if name.endswith(".toml"):
        path = Path(name)
        return read_cost_card(path.name, path.parent)
    return read_cost_card(name)


def own_card(where: Where, tables: Tables) -> CostCard:
    """Return the card that priced the study in a results folder.

    Raises:
        ResultsError: the folder names none.
        SettingError: see `read_cost_card`.
    """
    return read_cost_card(*own_card_place(where, tables))


def own_card_place(where: Where, tables: Tables) -> tuple[str, Path | None]:
    """Return name and folder of the card that priced the study in a results folder; None for one of the library.

    Raises:
        ResultsError: the folder names none.
    """
    named = str(study_table(where, tables.about, "price").get("card", ""))
    if named.endswith(".toml"):
        return named, source_of(where, tables.about)
    stored = tables.trials["cost_card"].drop_nulls()
    if named or not stored.is_empty():
        return named or str(stored[0]), None
    if study_text(where, tables.about) is None:
        raise ResultsError(f"{where} does not name the card that priced it; name one with --card")
    return DEFAULT_CARD, None


def settings(texts: Iterable[str]) -> dict[str, float]:
    """Return {constant: value} for texts such as "adc_fixed_j=1e-12".

    Raises:
        QueryError: what is wrong with a text.
    """
    return {name: number_of(name, value) for name, value in assignments(texts, CONSTANTS).items()}


def assignments(texts: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """Return {name: value} for the texts of --set, values as they are spelt there.

    Raises:
        QueryError: a text that is no assignment, a name that is unknown or that comes twice.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not value:
            raise QueryError(f"--set {text}: give NAME=VALUE, such as --set adc_fixed_j=1e-12")
        if name not in known:
            hint = did_you_mean(name, known) or f" (known: {', '.join(known)})"
            raise QueryError(f"--set {text}: unknown constant {name!r}{hint}")
        if name in values:
            raise QueryError(f"--set {text}: {name} is set twice")
        values[name] = value
    return values


def number_of(name: str, value: str) -> float:
    """Return the value that --set gives a constant.

    Raises:
        QueryError: it is no number.
    """
    try:
        return float(value)
    except ValueError:
        raise QueryError(
            f"--set {name}={value}: {value!r} is not a number; give {name} in {CONSTANTS[name].unit}"
        ) from None


def with_settings(card: CostCard, values: Mapping[str, float]) -> CostCard:
    """Return a card with some constants replaced; its name lists them.

    Raises:
        SettingError: a value out of range.
    """
    if not values:
        return card
    return card.with_values(values, f"{card.name} ({', '.join(f'{k}={v:g}' for k, v in values.items())})")


def prices(tables: Tables, cards: Sequence[CostCard], columns: Sequence[str] = COLUMNS) -> pl.DataFrame:
    """Return the price of every design on every card: card, trial, origin, seeds and `columns` as means over seeds.

    Failed trials have no price. A mean over seeds of which one has no price is null.

    Raises:
        QueryError: an unknown column.
    """
    origins = tables.trials.group_by("trial").agg(pl.col("origin").first())
    means = [pl.when(pl.col(n).is_null().any()).then(None).otherwise(pl.col(n).mean()).alias(n) for n in columns]
    return (
        price_cards(tables.layers, cards, columns)
        .group_by("card", "trial", maintain_order=True)
        .agg(pl.len().alias("seeds"), *means)
        .join(origins, on="trial", how="left", maintain_order="left")
        .select("card", "trial", "origin", "seeds", *columns)
    )


def without_price(table: pl.DataFrame) -> str:
    """Return a line that names the designs of the table of `prices` without an energy, or ""."""
    if "energy_per_sample_j" not in table.columns:
        return ""
    lacking = table.filter(pl.col("energy_per_sample_j").is_null())
    if lacking.is_empty():
        return ""
    first = lacking.row(0, named=True)
    return (
        f"note: {len(lacking)} of {len(table)} prices are unknown, first trial {first['trial']} ({first['origin']}) on "
        f"{first['card']}: its converters are ideal, or have bits outside of adc_bits_min to adc_bits_max of the card"
    )


def side_by_side(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table of `prices` with a row a trial and a column for each card and quantity, "card: quantity"."""
    keys = ["trial", "origin", "seeds"]
    quantities = [name for name in table.columns if name not in ("card", *keys)]
    names = table["card"].unique(maintain_order=True).to_list()
    if len(names) <= 1:
        return table.drop("card")
    wide = table.select(keys).unique(maintain_order=True)
    for quantity in quantities:
        for name in names:
            one = table.filter(pl.col("card") == name).select("trial", pl.col(quantity).alias(f"{name}: {quantity}"))
            wide = wide.join(one, on="trial", how="left", maintain_order="left")
    return wide


def anchors(cards: Sequence[CostCard]) -> pl.DataFrame:
    """Return published figures and, for each card, its figure and how many times the published one that is, as text."""
    table = compare(cards)
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for row in table.iter_rows(named=True):
        head = {"anchor": row["anchor"], "quantity": row["quantity"]}
        line = rows.setdefault(
            (row["anchor"], row["quantity"]), {**head, "published": cell(row["quantity"], row["published"])}
        )
        known = row["ratio"] is not None
        line[row["card"]] = f"{cell(row['quantity'], row['priced'])} (x {row['ratio']:.3g})" if known else "-"
    return pl.DataFrame(list(rows.values()))
