"""What if the cards are wrong? Fronts in plausible worlds, and which constants decide.

Sources disagree on many constants of a cost card, which then have a range. A world draws each of them on its own,
evenly between the ends on a logarithmic scale (a linear one where the low end is 0); the rest stays. A design that
is on the front in nearly all worlds is a safe choice. Draws are seeded.

The tornado takes one constant at a time to its ends, the others at their values, and shows what moves: the designs on
the front, the order of designs, and the median of the price.
"""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from dse.analysis.costs.prices import prices
from dse.analysis.fronts.pareto import best_first, checked, is_on_front, points_of
from dse.analysis.tables.tables import Tables, search_trials
from dse.errors import QueryError
from dse.pricing.card import UNITS, CostCard
from dse.pricing.quantities import quantity

WORLDS = 1000
"""Worlds that are drawn by default; the standard error of a share is then below 0.016."""
MOST = 100_000
TORNADO = (
    *("constant", "low", "value", "high", "unit"),
    *("front_low", "swapped_low", "median_low", "front_high", "swapped_high", "median_high"),
)
COMPARED = 1000
"""Designs whose order is compared, pair by pair."""


def drawn_cards(card: CostCard, count: int, seed: int = 0) -> list[CostCard]:
    """Draw cards from the ranges of one; they are named "0", "1", ..."""
    names = sorted(card.ranges)
    low, high = (np.array([card.ranges[name][end] for name in names]) for end in (0, 1))
    u = np.random.default_rng(seed).random((count, len(names)))
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(low > 0, low * (high / low) ** u, low + u * (high - low))
    return [card.with_values(dict(zip(names, map(float, row), strict=True)), str(n)) for n, row in enumerate(values)]


def worlds_table(
    tables: Tables, card: CostCard, objectives: Sequence[str], count: int = WORLDS, seed: int = 0
) -> pl.DataFrame:
    """Return a row for each design that is on the front in some world, the safest first.

    Columns: `trial`, `share` of the worlds in which it is on the front, `on_front` at the values of the card, the
    objectives at these values, `low_NAME` and `high_NAME`, 5 and 95 % of each priced objective over the worlds, and
    the parameters.

    Args:
        tables: the tables of a study.
        card: the cost card whose ranges count.
        objectives: names of quantities, at least one of them priced.
        count: of worlds.
        seed: of the draws.

    Raises:
        QueryError: an unknown objective, none with a price, a card without ranges, or no complete design.
    """
    if not 0 < count <= MOST:
        raise QueryError(f"{count} worlds are not possible; give a number from 1 to {MOST}")
    searched = _searched(tables, card, objectives)
    nominal = _points(tables, searched, [card], objectives)[0]
    points = _points(tables, searched, drawn_cards(card, count, seed), objectives)
    goals = checked(objectives)
    hits = np.zeros(len(searched))
    for world in points:
        hits += is_on_front(world, goals)
    added: dict[str, np.ndarray] = {"share": hits / count, "on_front": is_on_front(nominal, goals)}
    added |= dict(zip(objectives, nominal.T, strict=True))
    for place, name in enumerate(objectives):
        if quantity(name).priced:
            ends = np.quantile(points[:, :, place], [0.05, 0.95], axis=0)
            added |= {f"low_{name}": ends[0], f"high_{name}": ends[1]}
    table = searched.with_columns(**{name: pl.Series(values, strict=False) for name, values in added.items()})
    table = table.with_columns(pl.col(pl.Float64).fill_nan(None)).filter(pl.col("share") > 0)
    found = best_first(table, objectives)
    return found.sort("share", descending=True, maintain_order=True).select("trial", *added, *tables.parameters)


def _searched(tables: Tables, card: CostCard, objectives: Sequence[str]) -> pl.DataFrame:
    checked(objectives)
    if not any(quantity(name).priced for name in objectives):
        raise QueryError(f"none of {', '.join(objectives)} has a price; name one with --objectives")
    if not card.ranges:
        raise QueryError(f"no constant of the card {card.name} has a range; give low and high to those you doubt")
    searched = search_trials(tables)
    if searched.is_empty():
        raise QueryError("no design is complete yet")
    return searched


def _points(tables: Tables, searched: pl.DataFrame, cards: Sequence[CostCard], objectives: Sequence[str]) -> np.ndarray:
    """Return the objectives of designs on some cards, shape (cards, designs, objectives); NaN where there is none."""
    missing = [pl.lit(None, pl.Float64).alias(name) for name in objectives if name not in searched.columns]
    stored = points_of(searched.with_columns(missing), objectives)
    points = np.repeat(stored[None], len(cards), axis=0)
    names = [name for name in objectives if quantity(name).priced]
    kept = tables.layers.join(searched.select("trial"), on="trial", how="semi")
    found = prices(tables.with_nested(layers=kept), cards, names)
    place = {trial: n for n, trial in enumerate(searched["trial"].to_list())}
    rows = found["trial"].replace_strict(place, return_dtype=pl.Int64).to_numpy()
    worlds = np.repeat(np.arange(len(cards)), len(found) // len(cards))
    for name in names:
        points[worlds, rows, objectives.index(name)] = found[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return points


def tornado_table(tables: Tables, card: CostCard, objectives: Sequence[str]) -> pl.DataFrame:
    """Return a row for each constant whose range moves an objective of a design, the most deciding first.

    Columns: `constant`, `low`, `value`, `high`, `unit`; at the two ends `front_low` and `front_high`, the share of the
    designs on either front (at the value, at the end) that is not on both; `swapped_low` and `swapped_high`, the share
    of pairs of designs whose order in a priced objective turns, the largest over these; `median_low` and `median_high`,
    by what factor the median of the first priced objective moves.

    Args:
        tables: the tables of a study.
        card: the cost card.
        objectives: as for `worlds_table`.

    Raises:
        QueryError: as for `worlds_table`.
    """
    searched = _searched(tables, card, objectives)
    goals = checked(objectives)
    names = sorted(card.ranges)
    ends = [card.with_values({name: card.ranges[name][end]}, f"{name} {end}") for name in names for end in (0, 1)]
    nominal, *moved = _points(tables, searched, [card, *ends], objectives)
    front = is_on_front(nominal, goals)
    places = [place for place, name in enumerate(objectives) if quantity(name).priced]
    schema: dict[str, pl.DataType | type[pl.DataType]] = dict.fromkeys(TORNADO, pl.Float64)
    schema |= {"constant": pl.String, "unit": pl.String}
    rows: list[dict[str, float | str]] = []
    for number, name in enumerate(names):
        ends_of = moved[2 * number : 2 * number + 2]
        if all(np.array_equal(points, nominal, equal_nan=True) for points in ends_of):
            continue
        low, high = card.ranges[name]
        row: dict[str, float | str] = {"constant": name, "low": low, "value": card.values[name], "high": high}
        row["unit"] = UNITS[name]
        for end, points in zip(("low", "high"), ends_of, strict=True):
            there = is_on_front(points, goals)
            row[f"front_{end}"] = 1.0 - float((front & there).sum() / max(1, (front | there).sum()))
            row[f"swapped_{end}"] = max(swapped(nominal[:, place], points[:, place]) for place in places)
            medians = [float(np.nanmedian(p[:, places[0]])) for p in (points, nominal)]
            row[f"median_{end}"] = medians[0] / medians[1]
        rows.append(row)
    table = pl.DataFrame(rows, schema=schema)
    order = [pl.max_horizontal(f"{what}_low", f"{what}_high") for what in ("front", "swapped")]
    spread = pl.max_horizontal(*(pl.col(f"median_{end}").log().abs() for end in ("low", "high")))
    return table.sort(*order, spread, descending=True, nulls_last=True, maintain_order=True)


def swapped(a: np.ndarray, b: np.ndarray) -> float:
    """Return the share of pairs whose order turns between two columns; a tie in either has no order to turn.

    Of more than `COMPARED` rows, every so many are compared. O(rows^2).
    """
    known = np.flatnonzero(~(np.isnan(a) | np.isnan(b)))
    if len(known) < 2:
        return 0.0
    taken = known[:: math.ceil(len(known) / COMPARED)]
    orders = [np.sign(values[taken, None] - values[None, taken]) for values in (a, b)]
    return float((orders[0] * orders[1] < 0).sum() / (len(taken) * (len(taken) - 1)))
