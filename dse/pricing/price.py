"""Prices: a pure function of the table of layers and of cost cards.

One set of polars expressions prices a trial while it runs, a stored table of any length, and any number of cards at
once, so that all of them agree bit for bit. Columns, for every item, phase and part (see `dse.pricing.energy`):

    forward_adc_j, forward_j, adc_j, energy_j           joules over the training
    forward_adc_per_sample_j, ..., energy_per_sample_j    joules for each training image
    adc_per_inference_j, ..., energy_per_inference_j    joules for an inference: the forward phase alone;
                                                        null for a gan, whose discriminator does not infer
    forward_per_sample_s, ..., latency_per_sample_s       seconds for each training image; latency_per_inference_s
    cells_m2, ..., crossbar_m2, area_m2                 square metres; the crossbar is cells and converters
    model_size_bits                                     bits of the model that inference reads
    trainings_to_first_cell, years_to_first_cell, ...   lifetime; see `dse.pricing.wear`

What has no price (ideal converters, resolutions outside of their formula) gives null, never a guess. An inference
reads the cells as they were in training: their mean conductance and the inputs of the training images.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, reduce
from operator import add

import polars as pl

from dse.errors import QueryError, did_you_mean
from dse.pricing.card import CostCard, as_frame, constant
from dse.pricing.energy import ITEMS, LONGEST, PARTS, PHASES, QUANTITIES, SHORTEST, bill
from dse.pricing.hardware import PREPARED, areas, lanes_m2, latencies, with_arrays
from dse.pricing.wear import LIMITS, SHARES, lifetimes, wear_name

KEYS = ("trial", "seed")
CHUNK = 200_000
"""Rows of trials and cards that are priced at once; it bounds the memory, and changes nothing."""


def _total(names: Iterable[str]) -> pl.Expr:
    return reduce(add, (pl.col(name) for name in names))


def _item(phase: str, part: str) -> str:
    return f"{phase}_{part}"


ENERGIES: tuple[str, ...] = (*(_item(*item) for item in ITEMS), *PHASES, *PARTS, "energy")
"""Names of items, phases, parts and the total, without unit."""
INFERENCE: tuple[str, ...] = tuple(part for phase, part in ITEMS if phase == "forward")
AREAS: tuple[str, ...] = (*areas(), "lanes")
HARDWARE: tuple[str, ...] = (
    *(f"{phase}_per_sample_s" for phase in PHASES),
    "latency_per_sample_s",
    "latency_per_inference_s",
    *(f"{name}_m2" for name in AREAS),
    "crossbar_m2",
    "area_m2",
)
COLUMNS: tuple[str, ...] = (
    *(f"{name}_j" for name in ENERGIES),
    *(f"{name}_per_sample_j" for name in ENERGIES),
    *(f"{part}_per_inference_j" for part in INFERENCE),
    "energy_per_inference_j",
    *HARDWARE,
    "model_size_bits",
    *lifetimes(),
)
"""Every column that a price can have, besides card, trial and seed."""


_ITEMS: Mapping[str, pl.Expr] = {f"{_item(*item)}_j": energy for item, energy in bill().items()}


def price(layers: pl.DataFrame, card: CostCard, columns: Sequence[str] = COLUMNS) -> pl.DataFrame:
    """Price trials.

    Args:
        layers: the table of layers: columns trial, seed, layer, train_samples, rows, cols, cells, bits, storage,
            events, wear.
        card: the cost card.
        columns: what to compute.

    Returns:
        One row a trial and seed, in order: trial, seed and `columns`. What has no price is null.
    """
    return price_cards(layers, [card], columns).drop("card")


def price_cards(layers: pl.DataFrame, cards: Sequence[CostCard], columns: Sequence[str] = COLUMNS) -> pl.DataFrame:
    """Price trials on several cards.

    Args:
        layers: as for `price`.
        cards: the cost cards, with different names.
        columns: as for `price`.

    Returns:
        One row a card, trial and seed, cards in the order given, then trial and seed: card, trial, seed and `columns`.

    Raises:
        QueryError: an unknown column, one that is named twice, or two cards of one name.
    """
    _check(columns, [card.name for card in cards])
    ordered = with_arrays(layers).sort(*KEYS, "layer")  # a sum of floats depends on its order
    sums = trials_of(ordered).with_row_index("trial_number")
    ordered = ordered.join(sums.select("trial_number", *KEYS), on=KEYS, how="left", maintain_order="left")
    step = max(1, CHUNK // max(1, len(sums)))
    chunks = [_chunk(ordered, sums, as_frame(cards[n : n + step]), columns) for n in range(0, max(1, len(cards)), step)]
    return pl.concat(chunks)


def _check(columns: Sequence[str], cards: Sequence[str]) -> None:
    for name in columns:
        if name not in COLUMNS:
            raise QueryError(f"prices have no column {name!r}{did_you_mean(name, COLUMNS)}")
    if len(set(columns)) < len(columns):
        raise QueryError(f"a column is named twice: {', '.join(columns)}")
    if len(set(cards)) < len(cards):
        raise QueryError(f"two cost cards have the same name: {', '.join(cards)}")


def _add_up(names: Iterable[str]) -> list[pl.Expr]:
    """Return sums of columns that hold the values of a group as lists, in the order of the layers.

    The sum of a group itself is put together from parts in an order that depends on the size of the table, and may then
    differ in the last bit. What is not a number makes the sum null: a plain sum would pass over a null and report too
    little.
    """
    return [pl.col(name).list.sum().fill_nan(None).alias(name) for name in names]


def _numbers(amounts: Mapping[str, pl.Expr]) -> dict[str, pl.Expr]:
    return {name: amount.cast(pl.Float64).fill_null(math.nan) for name, amount in amounts.items()}


def trials_of(layers: pl.DataFrame) -> pl.DataFrame:
    """Return one row a trial and seed, in the order of `layers`: what the bill and lifetimes need of its layers."""
    worn = [wear_name(kind, share) for kind in LIMITS for share in SHARES]
    return (
        layers.with_columns(**_numbers({**QUANTITIES, **LONGEST, **SHORTEST}))
        .group_by(*KEYS, maintain_order=True)
        .agg(
            pl.col("train_samples").first(),
            *QUANTITIES,
            *(pl.col(name).nan_max().fill_nan(None) for name in LONGEST),
            *(pl.col(name).nan_min().fill_nan(None) for name in SHORTEST),
            *(pl.col(name).max() for name in worn),
            pl.col("cells").sum().alias("wearing"),
            pl.when("infers").then(pl.col("cells")).otherwise(0).sum().alias("read"),
            pl.when((pl.col("cells") == 0) & pl.col("infers"))
            .then(pl.col("rows") * pl.col("cols"))
            .otherwise(0)
            .sum()
            .alias("words"),
            pl.col("infers").all().alias("infers"),
        )
        .with_columns(_add_up(QUANTITIES))
    )


def _chunk(layers: pl.DataFrame, sums: pl.DataFrame, cards: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return the rows of some cards; the query engine leaves out what `columns` do not need."""
    numbered = cards.with_row_index("card_number").lazy()
    pair = (pl.col("card_number").cast(pl.Int64) * len(sums) + pl.col("trial_number")).alias("pair")
    table = numbered.join(sums.lazy(), how="cross", maintain_order="left_right").with_columns(pair)
    if set(columns) & set(HARDWARE):
        prepared = layers.with_columns(**PREPARED).lazy()
        found = _hardware(numbered.join(prepared, how="cross", maintain_order="left_right").with_columns(pair))
        table = table.join(found, on="pair", how="left", maintain_order="left")
    for terms in bill_terms():
        table = table.with_columns(**terms)
    if set(columns) & set(lifetimes()):
        table = table.with_columns(**lifetimes())
    return table.select("card", *KEYS, *columns).collect()


@cache
def bill_terms() -> Sequence[Mapping[str, pl.Expr]]:
    """Return energies and the size of the model from sums over layers and a card; later ones may name those before."""
    total = {"energy_j": _total(f"{phase}_j" for phase in PHASES)}
    return _ITEMS, _sums(), total, {**_shares(), **_model_size()}


def _sums() -> Mapping[str, pl.Expr]:
    phases = {p: [f"{_item(*item)}_j" for item in ITEMS if item[0] == p] for p in PHASES}
    parts = {p: [f"{_item(*item)}_j" for item in ITEMS if item[1] == p] for p in PARTS}
    return {f"{name}_j": _total(items) for name, items in {**phases, **parts}.items()}


def _shares() -> Mapping[str, pl.Expr]:
    images = pl.col("train_samples")
    per_sample = {f"{name}_per_sample_j": pl.col(f"{name}_j") / images for name in ENERGIES}
    inference = {f"{part}_per_inference_j": _inference(pl.col(f"forward_{part}_j") / images) for part in INFERENCE}
    return {**per_sample, **inference, "energy_per_inference_j": _inference(pl.col("forward_j") / images)}


def _inference(amount: pl.Expr) -> pl.Expr:
    """Return null where some layers do not infer, a discriminator's: the forward phase is then more than inference."""
    return pl.when("infers").then(amount).otherwise(None)


def _model_size() -> Mapping[str, pl.Expr]:
    bits = pl.col("read") * constant("cell_bits") + pl.col("words") * constant("digital_word_bits")
    return {"model_size_bits": bits}


def layer_amounts() -> dict[str, pl.Expr]:
    """Return seconds and square metres of a layer on a card, from a table with `PREPARED`; a trial has their sums."""
    amounts = {f"{phase}_s": time for phase, time in latencies().items()}
    return amounts | {f"{name}_m2": area for name, area in areas().items()}


def hardware_terms() -> Sequence[Mapping[str, pl.Expr]]:
    """Return `HARDWARE` from sums of `layer_amounts` and the largest `lanes_m2`; later ones may name those before."""
    images = pl.col("train_samples")
    totals = {
        "latency_per_sample_s": _total(f"{phase}_per_sample_s" for phase in PHASES),
        "latency_per_inference_s": _inference(pl.col("forward_per_sample_s")),
        "crossbar_m2": _total(("cells_m2", "converters_m2")),
        "area_m2": _total(f"{name}_m2" for name in AREAS),
    }
    return {f"{phase}_per_sample_s": pl.col(f"{phase}_s") / images for phase in PHASES}, totals


def _hardware(table: pl.LazyFrame) -> pl.LazyFrame:
    """Return `HARDWARE` for each pair of a card and a trial, from layers beside cards."""
    amounts = layer_amounts()
    found = (
        table.with_columns(**_numbers(amounts), lanes_m2=lanes_m2())
        .group_by("pair", maintain_order=True)
        .agg(pl.col("train_samples").first(), *amounts, pl.col("lanes_m2").max(), pl.col("infers").all())
        .with_columns(_add_up(amounts))
    )
    for terms in hardware_terms():
        found = found.with_columns(**terms)
    return found.select("pair", *HARDWARE)
