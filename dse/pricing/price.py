"""Prices: a pure function of the table of layers and of cost cards.

One set of polars expressions prices a trial while it runs, a stored table of any length, and any number of cards at
once, so that all of them agree bit for bit. Columns, for every item, phase and part (see `dse.pricing.energy`):

    forward_adc_j, forward_j, adc_j, energy_j           joules over the training
    forward_adc_per_image_j, ..., energy_per_image_j    joules for each training image
    adc_per_inference_j, ..., energy_per_inference_j    joules for an inference: the forward phase alone
    forward_per_image_s, ..., latency_per_image_s       seconds for each training image; latency_per_inference_s
    cells_m2, ..., crossbar_m2, area_m2                 square metres; the crossbar is cells and converters
    model_size_bits                                     bits of the model that inference reads
    trainings_to_first_cell, years_to_first_cell, ...   lifetime; see `dse.pricing.wear`

What has no price (ideal converters, resolutions beyond the converter's formula) gives null, never a guess. An inference
reads the cells as they were in training: their mean conductance and the inputs of the training images.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import add

import polars as pl

from dse.errors import QueryError, did_you_mean
from dse.pricing.card import CostCard, as_frame, constant
from dse.pricing.energy import ITEMS, LONGEST, PARTS, PHASES, QUANTITIES, bill
from dse.pricing.hardware import areas, lanes_m2, latencies
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
    *(f"{phase}_per_image_s" for phase in PHASES),
    "latency_per_image_s",
    "latency_per_inference_s",
    *(f"{name}_m2" for name in AREAS),
    "crossbar_m2",
    "area_m2",
)
COLUMNS: tuple[str, ...] = (
    *(f"{name}_j" for name in ENERGIES),
    *(f"{name}_per_image_j" for name in ENERGIES),
    *(f"{part}_per_inference_j" for part in INFERENCE),
    "energy_per_inference_j",
    *HARDWARE,
    "model_size_bits",
    *lifetimes(),
)
"""Every column that a price can have, besides card, trial and seed."""


def price(layers: pl.DataFrame, card: CostCard, columns: Sequence[str] = COLUMNS) -> pl.DataFrame:
    """Price trials.

    Args:
        layers: the table of layers: columns trial, seed, layer, train_images, rows, cols, cells, bits, storage, events,
            wear.
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
        QueryError: an unknown column, or two cards of one name.
    """
    for name in columns:
        if name not in COLUMNS:
            raise QueryError(f"prices have no column {name!r}{did_you_mean(name, COLUMNS)}")
    names = [card.name for card in cards]
    if len(set(names)) < len(names):
        raise QueryError(f"two cost cards have the same name: {', '.join(names)}")
    ordered = layers.sort(*KEYS, "layer")  # a sum of floats depends on its order
    sums = _trials(ordered)
    step = max(1, CHUNK // max(1, len(sums)))
    chunks = [_chunk(ordered, sums, as_frame(cards[n : n + step]), columns) for n in range(0, max(1, len(cards)), step)]
    return pl.concat(chunks)


def _strict(aggregate: pl.Expr, name: str) -> pl.Expr:
    # The aggregate of a group with a null is null: a plain sum would pass over it and report too little.
    return pl.when(pl.col(name).is_null().any()).then(None).otherwise(aggregate).alias(name)


def _trials(layers: pl.DataFrame) -> pl.DataFrame:
    """Return one row a trial and seed, in the order of `layers`: what the bill and lifetimes need of its layers."""
    worn = [wear_name(kind, share) for kind in LIMITS for share in SHARES]
    return (
        layers.with_columns(**QUANTITIES, **LONGEST)
        .group_by(*KEYS, maintain_order=True)
        .agg(
            pl.col("train_images").first(),
            *(_strict(pl.col(name).sum(), name) for name in QUANTITIES),
            *(_strict(pl.col(name).max(), name) for name in LONGEST),
            *(pl.col(name).max() for name in worn),
            pl.col("cells").sum().alias("wearing"),
            pl.when(pl.col("cells") > 0).then(0).otherwise(pl.col("rows") * pl.col("cols")).sum().alias("words"),
        )
    )


def _chunk(layers: pl.DataFrame, sums: pl.DataFrame, cards: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return the rows of some cards; the query engine leaves out what `columns` do not need."""
    numbered = cards.with_row_index("card_number").lazy()
    table = numbered.join(sums.lazy(), how="cross").sort("card_number", *KEYS)
    if set(columns) & set(HARDWARE):
        found = _hardware(layers.lazy().join(numbered, how="cross"))
        table = table.join(found, on=["card_number", *KEYS], how="left", maintain_order="left")
    energies = {_item(*item): energy for item, energy in bill().items()}
    table = table.with_columns(**{f"{name}_j": energy for name, energy in energies.items()})
    table = table.with_columns(**_sums()).with_columns(_total(f"{phase}_j" for phase in PHASES).alias("energy_j"))
    table = table.with_columns(**_shares(), **_model_size())
    if set(columns) & set(lifetimes()):
        table = table.with_columns(**lifetimes())
    return table.select("card", *KEYS, *columns).collect()


def _sums() -> Mapping[str, pl.Expr]:
    phases = {p: [f"{_item(*item)}_j" for item in ITEMS if item[0] == p] for p in PHASES}
    parts = {p: [f"{_item(*item)}_j" for item in ITEMS if item[1] == p] for p in PARTS}
    return {f"{name}_j": _total(items) for name, items in {**phases, **parts}.items()}


def _shares() -> Mapping[str, pl.Expr]:
    images = pl.col("train_images")
    per_image = {f"{name}_per_image_j": pl.col(f"{name}_j") / images for name in ENERGIES}
    inference = {f"{part}_per_inference_j": pl.col(f"forward_{part}_j") / images for part in INFERENCE}
    return {**per_image, **inference, "energy_per_inference_j": pl.col("forward_j") / images}


def _model_size() -> Mapping[str, pl.Expr]:
    bits = pl.col("wearing") * constant("cell_bits") + pl.col("words") * constant("digital_word_bits")
    return {"model_size_bits": bits}


def _hardware(table: pl.LazyFrame) -> pl.LazyFrame:
    """Return `HARDWARE` for each card, trial and seed, cards first, from layers beside cards."""
    seconds = {f"{phase}_s": time for phase, time in latencies().items()}
    square = {f"{name}_m2": area for name, area in areas().items()}
    images = pl.col("train_images")
    return (
        table.with_columns(**seconds, **square, lanes_m2=lanes_m2())
        .sort("card_number", *KEYS, "layer")
        .group_by("card_number", *KEYS, maintain_order=True)
        .agg(
            images.first(),
            *(_strict(pl.col(name).sum(), name) for name in (*seconds, *square)),
            pl.col("lanes_m2").max(),
        )
        .with_columns(**{f"{phase}_per_image_s": pl.col(f"{phase}_s") / images for phase in PHASES})
        .with_columns(
            _total(f"{phase}_per_image_s" for phase in PHASES).alias("latency_per_image_s"),
            pl.col("forward_per_image_s").alias("latency_per_inference_s"),
            _total(("cells_m2", "converters_m2")).alias("crossbar_m2"),
            _total(f"{name}_m2" for name in AREAS).alias("area_m2"),
        )
        .select("card_number", *KEYS, *HARDWARE)
    )
