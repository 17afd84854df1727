"""Prices: a pure function of the table of layers and of cost cards.

One set of polars expressions prices a trial while it runs, a stored table of any length, and any number of cards at
once, so that all of them agree bit for bit. Columns, for every item, phase and part (see `dse.pricing.energy`):

    forward_adc_j, forward_j, adc_j, energy_j           joules over the training
    forward_adc_per_sample_j, ..., energy_per_sample_j    joules for each training image
    adc_per_inference_j, ..., energy_per_inference_j    joules for an inference: the forward phase alone;
                                                        null for a gan, whose discriminator does not infer
    forward_per_sample_s, ..., latency_per_sample_s       seconds for each training image; latency_per_inference_s
    inferences_per_second                               with layers in turn
    interval_per_inference_s                            seconds between two inferences, where layers are a pipeline, and
    pipelined_inferences_per_second                     its throughput; each takes latency_per_inference_s and more;
                                                        layers that share an array have turns of one length
    energy_per_pipelined_inference_j                    as that of an inference, with the leakage of such an interval
    cells_m2, ..., crossbar_m2, area_m2                 square metres; the crossbar is cells and converters
    model_size_bits                                     bits of the model that inference reads
    trainings_to_first_cell, years_to_first_cell, ...   lifetime; see `dse.pricing.wear`

What has no price (ideal converters, resolutions outside of their formula) gives null, never a guess. An inference
reads the cells as they were in training: their mean conductance and the inputs of the training images.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, reduce
from operator import add
from typing import NamedTuple

import polars as pl

from dse.errors import QueryError, did_you_mean
from dse.pricing.billed import LONGEST, QUANTITIES, SHORTEST, SYSTEM_QUANTITIES
from dse.pricing.card import SYSTEM, CostCard, as_frame, constant
from dse.pricing.energy import ITEMS, PARTS, PHASES, SYSTEM_PARTS, bill, leaked, system_items
from dse.pricing.hardware import PREPARED, areas, lanes_m2, latencies, leakage_w, shared_s, turns, with_arrays
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
    "inferences_per_second",
    "interval_per_inference_s",
    "pipelined_inferences_per_second",
    *(f"{name}_m2" for name in AREAS),
    "crossbar_m2",
    "area_m2",
)
COLUMNS: tuple[str, ...] = (
    *(f"{name}_j" for name in ENERGIES),
    *(f"{name}_per_sample_j" for name in ENERGIES),
    *(f"{part}_per_inference_j" for part in INFERENCE),
    "energy_per_inference_j",
    "energy_per_pipelined_inference_j",
    *HARDWARE,
    "model_size_bits",
    *lifetimes(),
)
"""Every column that a price can have, besides card, trial and seed."""


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
    needed = _terms(tuple(columns), system=any(map(has_system, cards))).needed
    sums = trials_of(ordered, needed).with_row_index("trial_number")
    ordered = ordered.join(sums.select("trial_number", *KEYS), on=KEYS, how="left", maintain_order="left")
    step = max(1, CHUNK // max(1, len(sums)))
    chunks = [_chunk(ordered, sums, cards[n : n + step], columns) for n in range(0, max(1, len(cards)), step)]
    return pl.concat(chunks)


def has_system(card: CostCard) -> bool:
    """Return whether a card gives anything of what a system adds to its parts."""
    return any(card.values[name] > 0.0 for name in SYSTEM)


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


def trials_of(layers: pl.DataFrame, needed: Collection[str]) -> pl.DataFrame:
    """Return one row a trial and seed, in the order of `layers`: what the bill and lifetimes need of its layers.

    Args:
        layers: as for `price`, sorted.
        needed: names of what is needed, among others.
    """
    terms = _trial_terms(frozenset(needed))
    return (
        layers.with_columns(**terms.numbers)
        .group_by(*KEYS, maintain_order=True)
        .agg(**terms.of_trial)
        .with_columns(terms.sums)
    )


class _TrialTerms(NamedTuple):
    """What makes one row of the layers of a trial: columns as numbers, values of a group, and sums over its layers."""

    numbers: Mapping[str, pl.Expr]
    of_trial: Mapping[str, pl.Expr]
    sums: Sequence[pl.Expr]


@cache
def _trial_terms(needed: frozenset[str]) -> _TrialTerms:
    """Return what of the rows of trials is needed; see `trials_of`."""
    quantities = _those({**QUANTITIES, **SYSTEM_QUANTITIES}, needed)
    longest, shortest = _those(LONGEST, needed), _those(SHORTEST, needed)
    words = pl.when((pl.col("cells") == 0) & pl.col("infers")).then(pl.col("rows") * pl.col("cols")).otherwise(0)
    found = {
        **{name: pl.col(name) for name in quantities},
        **{name: pl.col(name).nan_max().fill_nan(None) for name in longest},
        **{name: pl.col(name).nan_min().fill_nan(None) for name in shortest},
        **{name: pl.col(name).max() for name in (wear_name(kind, share) for kind in LIMITS for share in SHARES)},
        "wearing": pl.col("cells").sum(),
        "read": pl.when("infers").then(pl.col("cells")).otherwise(0).sum(),
        "words": words.sum(),
        "infers": pl.col("infers").all(),
        "train_samples": pl.col("train_samples").first(),
    }
    numbers = _numbers({**quantities, **longest, **shortest})
    return _TrialTerms(numbers, _those(found, needed), _add_up(quantities))


def _those(expressions: Mapping[str, pl.Expr], names: Collection[str]) -> dict[str, pl.Expr]:
    return {name: expression for name, expression in expressions.items() if name in names}


def _chunk(layers: pl.DataFrame, sums: pl.DataFrame, cards: Sequence[CostCard], columns: Sequence[str]) -> pl.DataFrame:
    """Return the rows of some cards."""
    terms = _terms(tuple(columns), system=any(map(has_system, cards)))
    numbered = as_frame(cards).with_row_index("card_number").lazy()
    pair = (pl.col("card_number").cast(pl.Int64) * len(sums) + pl.col("trial_number")).alias("pair")
    table = numbered.join(sums.lazy(), how="cross", maintain_order="left_right").with_columns(pair)
    if own := terms.needed & _HARDWARE:
        prepared = layers.with_columns(**PREPARED).lazy()
        found = _hardware(numbered.join(prepared, how="cross", maintain_order="left_right").with_columns(pair), own)
        table = table.join(found, on="pair", how="left", maintain_order="left")
    for together in terms.steps:
        table = table.with_columns(**together)
    return table.select("card", *KEYS, *columns).collect()


class _Terms(NamedTuple):
    """What some columns follow from: steps of expressions, of which later ones name earlier ones, and what is there."""

    steps: Sequence[Mapping[str, pl.Expr]]
    needed: frozenset[str]


@cache
def _terms(columns: tuple[str, ...], *, system: bool) -> _Terms:
    """Return what prices follow from: to leave the others out costs less than to have the query engine do it."""
    return _reaching([*bill_terms(system=system), lifetimes()], frozenset(columns))


def _reaching(steps: Sequence[Mapping[str, pl.Expr]], names: frozenset[str]) -> _Terms:
    """Return those expressions of some steps that names follow from, and the names that these follow from."""
    kept: list[Mapping[str, pl.Expr]] = []
    for together in reversed(steps):
        kept.append(_those(together, names))
        names |= {root for expression in kept[-1].values() for root in expression.meta.root_names()}
    return _Terms(kept[::-1], names)


@cache
def bill_terms(*, system: bool) -> Sequence[Mapping[str, pl.Expr]]:
    """Return energies and the size of the model from sums over layers and a card; later ones may name those before.

    Args:
        system: whether some card gives anything of what a system adds. Where none does, its items are zeros that are
            added to nothing: the same bits, in the time that prices took without them.
    """
    added = system_items() if system else {item: pl.lit(0.0) for item in system_items()}
    items = {f"{_item(*item)}_j": energy for item, energy in {**bill(), **added}.items()}
    total = {"energy_j": _total(f"{phase}_j" for phase in PHASES)}
    return items, _sums(system=system), total, {**_shares(system=system), **_model_size()}


def _sums(*, system: bool) -> Mapping[str, pl.Expr]:
    counted = ITEMS if system else [item for item in ITEMS if item[1] not in SYSTEM_PARTS]
    phases = {p: [f"{_item(*item)}_j" for item in counted if item[0] == p] for p in PHASES}
    parts = {p: [f"{_item(*item)}_j" for item in ITEMS if item[1] == p] for p in PARTS}
    return {f"{name}_j": _total(items) for name, items in {**phases, **parts}.items()}


def _shares(*, system: bool) -> Mapping[str, pl.Expr]:
    images = pl.col("train_samples")
    per_sample = {f"{name}_per_sample_j": pl.col(f"{name}_j") / images for name in ENERGIES}
    inference = {f"{part}_per_inference_j": _inference(pl.col(f"forward_{part}_j") / images) for part in INFERENCE}
    pipelined = pl.col("forward_j") / images
    if system:
        waited = pl.col("forward_per_sample_s") - pl.col("interval_per_inference_s")
        leaks = pl.col("forward_static_j") > 0
        pipelined = pl.when(leaks).then(pipelined - leaked(waited)).otherwise(pipelined)
    return {
        **per_sample,
        **inference,
        "energy_per_inference_j": _inference(pl.col("forward_j") / images),
        "energy_per_pipelined_inference_j": _inference(pipelined),
    }


def _inference(amount: pl.Expr) -> pl.Expr:
    """Return null where some layers do not infer, a discriminator's: the forward phase is then more than inference."""
    return pl.when("infers").then(amount).otherwise(None)


def _model_size() -> Mapping[str, pl.Expr]:
    bits = pl.col("read") * constant("cell_bits") + pl.col("words") * constant("digital_word_bits")
    return {"model_size_bits": bits}


@cache
def layer_amounts() -> Mapping[str, pl.Expr]:
    """Return seconds and square metres of a layer on a card, from a table with `PREPARED`; a trial has their sums."""
    amounts = {f"{phase}_s": time for phase, time in latencies().items()}
    amounts |= {f"{name}_m2": area for name, area in areas().items()}
    return amounts | {"leakage_w": leakage_w(), "shared_s": shared_s()}


@cache
def layer_peaks() -> Mapping[str, pl.Expr]:
    """Return what the largest of all layers counts of: the lanes that it needs, and the seconds of its turns."""
    return {"lanes_m2": lanes_m2(), "slowest_s": latencies()["forward"] * turns()}


def hardware_terms() -> Sequence[Mapping[str, pl.Expr]]:
    """Return `HARDWARE` from sums of `layer_amounts` and `layer_peaks`; later ones may name those before."""
    images = pl.col("train_samples")
    totals = {
        "latency_per_sample_s": _total(f"{phase}_per_sample_s" for phase in PHASES),
        "latency_per_inference_s": _inference(pl.col("forward_per_sample_s")),
        "crossbar_m2": _total(("cells_m2", "converters_m2")),
        "area_m2": _total(f"{name}_m2" for name in AREAS),
        "interval_per_inference_s": _inference(_interval_s() / images),
    }
    rates = {
        "inferences_per_second": 1.0 / pl.col("latency_per_inference_s"),
        "pipelined_inferences_per_second": 1.0 / pl.col("interval_per_inference_s"),
    }
    return {f"{phase}_per_sample_s": pl.col(f"{phase}_s") / images for phase in PHASES}, totals, rates


def _interval_s() -> pl.Expr:
    """Return what a pipeline takes for all inferences; null where the time of some layer is not known."""
    slowest, shared = pl.col("slowest_s"), pl.col("shared_s")
    longest = pl.when(slowest > shared).then(slowest).otherwise(shared)
    return pl.when(pl.col("forward_s") > 0).then(longest).otherwise(None)


_HARDWARE = frozenset((*HARDWARE, *(f"{phase}_s" for phase in PHASES), "leakage_w"))
"""What follows from layers beside cards."""


@cache
def _hardware_terms(names: frozenset[str]) -> _Terms:
    return _reaching(hardware_terms(), names)


def _hardware(table: pl.LazyFrame, names: frozenset[str]) -> pl.LazyFrame:
    """Return some of `_HARDWARE` for each pair of a card and a trial, from layers beside cards."""
    terms = _hardware_terms(names)
    amounts, peaks = _those(layer_amounts(), terms.needed), _those(layer_peaks(), terms.needed)
    found = (
        table.with_columns(**_numbers(amounts), **peaks)
        .group_by("pair", maintain_order=True)
        .agg(pl.col("train_samples").first(), *amounts, *(pl.col(name).max() for name in peaks), pl.col("infers").all())
        .with_columns(_add_up(amounts))
    )
    for together in terms.steps:
        found = found.with_columns(**together)
    return found.select("pair", *sorted(names))
