"""What if the card were another? What a page needs to price its designs anew, as its reader changes constants.

The page runs the program of `dse.pricing.program`, so its formulas are those of `dse price`.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from dse.analysis.costs.prices import SHOWN
from dse.analysis.fronts.quality import weightings
from dse.analysis.intervals import t_quantile
from dse.analysis.report.columns import Columns
from dse.analysis.report.subject import Json, Subject
from dse.devices.card import Card, Entry, library
from dse.errors import QueryError, SettingError
from dse.pricing.axes import CARD, DIGITAL, STORAGE, FreeAxes, parse_axes
from dse.pricing.card import CONSTANTS, GROUPS, card_entries
from dse.pricing.price import COLUMNS
from dse.pricing.program import LAYER, TRIAL, Program, inputs, program
from dse.pricing.quantities import QUANTITIES
from dse.results.source import source_of, study_table

Cards = Mapping[str, tuple[Card, Mapping[str, Entry]]]


def whatif(subject: Subject) -> Json | None:
    """Return the program of prices, its numbers for the designs of the page, all cards, and the axes of the study.

    None where no design can be priced.

    Raises:
        ResultsError: the folder does not name the card that priced it.
        SettingError: the card cannot be read any more.
        QueryError: the tables are multiplied by free axes.
    """
    if subject.tables.variants > 1:
        raise QueryError("prices cannot be changed where designs are multiplied by free axes")
    layers = subject.closer.layers
    layers = layers.filter(pl.col("trial").is_in(subject.priced)) if len(layers) else layers
    if layers.is_empty():
        return None
    own, cards, axes = _cards(subject)
    made, columns = program(), Columns()
    return {
        **_numbers(made, layers, columns),
        "program": {"nodes": made.nodes, "outputs": made.outputs},
        "replicates": _replicates(subject, layers, columns),
        "weights": [columns.add(own) for own in weightings(len(subject.objectives), 0).T],
        "columns": columns.packed(),
        "student": {str(n): float(t_quantile(n - 1)) for n in _seeds(layers) if n > 1},
        "constraints": [[bound.metric, bound.sign, bound.bound] for bound in subject.tables.constraints],
        "priced": [{"name": name, **_described(name)} for name in _shown(subject)],
        "study": str(subject.tables.about["name"]),
        "card": own,
        "free": {name: list(values) for name, values in axes.axes.items()},
        **_described_cards(cards),
    }


def _numbers(made: Program, layers: pl.DataFrame, columns: Columns) -> Json:
    """Pack what the program starts from, and what differs where accumulators lie in another digital storage."""
    frames = inputs(made, layers)
    trials, own = frames[TRIAL], frames[LAYER]
    columns.add(trials["trial"].to_numpy())
    sizes = own.group_by("trial", "seed", maintain_order=True).len()["len"].to_numpy()
    columns.add(np.concatenate([[0], np.cumsum(sizes)[:-1]]))
    places = {level: _places(frames[level], columns) for level in (TRIAL, LAYER)}
    storages: dict[str, dict[str, list[tuple[int, int]]]] = {}
    held = pl.col("chi_storage")
    for storage in DIGITAL if "chi_storage" in layers.columns else ():
        moved = layers.with_columns(
            pl.when(held.is_in(DIGITAL)).then(pl.lit(storage)).otherwise(held).alias("chi_storage")
        )
        if moved.equals(layers):
            storages[storage] = {TRIAL: [], LAYER: []}
            continue
        there = {level: _places(frame, columns) for level, frame in inputs(made, moved).items()}
        storages[storage] = {
            level: [(n, place) for n, place in enumerate(there[level]) if place != places[level][n]]
            for level in (TRIAL, LAYER)
        }
    return {**places, "storages": storages}


def _places(frame: pl.DataFrame, columns: Columns) -> list[int]:
    names = [name for name in frame.columns if name.isdecimal()]
    return [columns.add(frame[name].to_numpy()) for name in names]


def _replicates(subject: Subject, layers: pl.DataFrame, columns: Columns) -> dict[str, int] | None:
    """Pack what no card enters and fronts depend on, a value for each trial and seed; None where all have one seed."""
    if not subject.has_intervals:
        return None
    bounded = [bound.metric for bound in subject.tables.constraints]
    names = [name for name in dict.fromkeys([*subject.objectives, *bounded]) if name not in COLUMNS]
    rows = layers.select("trial", "seed").unique().sort("trial", "seed")
    found = rows.join(subject.tables.trials, on=["trial", "seed"], how="left", maintain_order="left")
    return {name: columns.add(found[name].cast(pl.Float64).fill_null(math.nan).to_numpy()) for name in names}


def _seeds(layers: pl.DataFrame) -> list[int]:
    return layers.group_by("trial").agg(pl.col("seed").n_unique())["seed"].unique().sort().to_list()


def _shown(subject: Subject) -> list[str]:
    """Return the prices that a page has: those that people see first, and what the study or the page asks for."""
    bounded = [bound.metric for bound in subject.tables.constraints]
    asked = [*subject.objectives, *bounded, *subject.tables.metrics, *SHOWN]
    return [name for name in dict.fromkeys(asked) if name in COLUMNS]


def _described(name: str) -> Json:
    known = QUANTITIES[name]
    return {"unit": known.unit.removeprefix("1"), "goal": known.goal, "meaning": known.meaning}


def _cards(subject: Subject) -> tuple[str, Cards, FreeAxes]:
    """Return the name of the study's own card, all cards to choose from, it first, and the axes of the study."""
    name, folder = subject.card_place()
    table = study_table(subject.where, subject.tables.about, "free")
    files = source_of(subject.where, subject.tables.about) if table else None
    axes = parse_axes(table, files) if table else FreeAxes()
    found = {name: card_entries(name, folder)}
    for other in map(str, axes.axes.get(CARD, ())):
        found.setdefault(other, card_entries(other, files))
    for other in library("costs"):
        if other not in found and (card := _readable(other)) is not None:
            found[other] = card
    return name, found, axes


def _readable(name: str, folder: Path | None = None) -> tuple[Card, Mapping[str, Entry]] | None:
    try:
        return card_entries(name, folder)
    except SettingError:  # a card of a plug-in, which only the study that names it has to answer for
        return None


def _described_cards(cards: Cards) -> Json:
    """Return constants and cards; sources, which many share, by number."""
    sources: dict[str, int] = {}

    def numbers(entry: Entry) -> Sequence[float | int | None]:
        return [entry.value, entry.low, entry.high, sources.setdefault(entry.source, len(sources))]

    described = {
        name: {
            "title": card.title,
            "library": not name.endswith(".toml"),
            "entries": {key: numbers(entries[key]) for key in CONSTANTS},
        }
        for name, (card, entries) in cards.items()
    }
    return {"constants": _constants(), "cards": described, "sources": list(sources), "storage": STORAGE}


def _constants() -> list[Json]:
    found: list[Json] = []
    group = ""
    for name, known in CONSTANTS.items():
        group = GROUPS.get(name, group)
        own = {"unit": known.unit, "largest": known.largest, "positive": known.positive, "meaning": known.meaning}
        found.append({"name": name, "group": group, **own})
    return found
