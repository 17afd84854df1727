"""What designs did: learning curves, energy by phase and part, wear. Means over seeds."""

from collections.abc import Mapping, Sequence

import polars as pl

from dse.analysis.costs.by_epoch import priced_curves
from dse.analysis.costs.prices import prices
from dse.analysis.intervals import half_width
from dse.analysis.report.subject import Json, Subject, by_trial, short, thinned
from dse.analysis.tables.epochs import COUNTED, curves_of
from dse.analysis.tables.nested import KEYS
from dse.analysis.tables.tables import present
from dse.errors import ResultsError, SettingError
from dse.pricing.card import CostCard, read_cost_card
from dse.pricing.energy import ITEMS
from dse.pricing.price import price
from dse.results.schema import WEAR, WEAR_COLUMNS

ENERGY = "energy_per_sample_j"
GROWN = (ENERGY, *COUNTED)
"""What curves show beside what was measured: the training until an epoch."""
EPOCHS = 60
"""Points of a curve that a page holds."""
KINDS = {"set": "SET pulses", "reset": "RESET pulses", "flip": "bit writes of accumulators"}
"""Kinds of wear whose words are known; any other in the table is shown under its name."""
QUANTILES = ("q50", "q90", "q99", "q999", "max")


def curves(subject: Subject) -> Json | None:
    """Return learning curves: {trial: {epoch, NAME, ci95_NAME}} for each metric of the curves, the loss, and `GROWN`.

    `ci95` only with several seeds.

    None where nothing was learned yet.
    """
    table = _detailed_curves(subject)
    if table.is_empty():
        return None
    last = int(table["epoch"].max())  # type: ignore[arg-type]
    ends = sorted({*thinned(table["epoch"].unique().sort().to_list(), EPOCHS - 1), last})
    table = table.filter(pl.col("epoch").is_in(ends))
    count = pl.len().cast(pl.Int64).alias("count")
    measured = [name for name in table.columns if name not in (*KEYS, "epoch", "loss", *GROWN)]
    names = present(table, [*measured, "loss", *GROWN])
    means = [pl.col(name).mean() for name in names]
    stds = [pl.col(name).std().alias(f"std_{name}") for name in names]
    grouped = table.group_by("trial", "epoch").agg(count, *means, *stds).sort("trial", "epoch")
    widths = [half_width(pl.col(f"std_{name}"), pl.col("count")).alias(f"ci95_{name}") for name in names]
    grouped = grouped.with_columns(widths)
    held = [*names, *present(grouped, [f"ci95_{name}" for name in names])]
    found = {
        key[0]: {name: short(part[name].to_list()) for name in ("epoch", *held)}
        for key, part in grouped.partition_by("trial", as_dict=True).items()
    }
    return {"metrics": names, "of": found}


def _detailed_curves(subject: Subject) -> pl.DataFrame:
    """Return the curves of the designs that are shown, with energies where the card of the study can be read."""
    if subject.closer.curves.is_empty():
        return subject.closer.curves
    shown, names = pl.col("trial").is_in(subject.detailed), ("curves", "layers", "trails")
    few = subject.tables.with_nested(**{name: getattr(subject.closer, name).filter(shown) for name in names})
    try:
        card = read_cost_card(*subject.card_place())
    except (ResultsError, SettingError):  # the panel of energies says so
        return curves_of(few).with_columns(pl.lit(None, pl.Float64).alias(ENERGY))
    return priced_curves(few, card, [ENERGY])


def energy(subject: Subject) -> Json | None:
    """Return the bill of each design on the card of the study: joules for a training image by phase and part.

    None where no design has a price.

    Raises:
        ResultsError: the folder does not name the card that priced it.
        SettingError: the card cannot be read any more.
    """
    layers = subject.closer.layers
    if layers.is_empty():
        return None
    card = read_cost_card(*subject.card_place())
    names = [f"{phase}_{part}_per_sample_j" for phase, part in ITEMS]
    few = subject.tables.with_nested(layers=layers.filter(pl.col("trial").is_in(subject.detailed)))
    priced = prices(few, [card], [*names, "energy_per_sample_j"]).drop_nulls("energy_per_sample_j")
    if priced.is_empty():
        return None
    used = [item for item, name in zip(ITEMS, names, strict=True) if (priced[name].fill_null(0) != 0).any()]
    columns = [f"{phase}_{part}_per_sample_j" for phase, part in used]
    return {
        "card": card.name,
        "layers": _by_layer(few.layers, card),
        "items": [{"phase": phase, "part": part} for phase, part in used],
        "of": {row["trial"]: short([row[name] for name in columns]) for row in priced.iter_rows(named=True)},
        "total": {
            trial: short([total])[0] for trial, total in priced.select("trial", "energy_per_sample_j").iter_rows()
        },
    }


def _by_layer(layers: pl.DataFrame, card: CostCard) -> Json:
    """Return the energy of a training image by layer, {trial: [[layer, joules], ...]}: what each costs alone."""
    # A layer is priced as the trial of a number of its own.
    many = int(layers["layer"].max()) + 1  # type: ignore[arg-type]
    alone = layers.with_columns(pl.col("trial") * many + pl.col("layer"))
    means = price(alone, card, [ENERGY]).group_by("trial").agg(pl.col(ENERGY).mean()).drop_nulls().sort("trial")
    found: Json = {}
    for number, joules in means.iter_rows():
        found.setdefault(number // many, []).append([number % many, short([joules])[0]])
    return found


def wear(subject: Subject) -> Json | None:
    """Return the wear of single cells by layer, kind and quantile, as the table of layers holds it.

    `whole` names the kinds that are one number for a layer.

    None where no design has cells that wear.
    """
    layers = subject.closer.layers
    if layers.is_empty():
        return None
    known = wear_columns(layers.columns)
    layers = layers.filter(pl.col("trial").is_in(subject.detailed))
    means = layers.group_by("trial", "layer").agg(pl.col(_names(known)).mean()).sort("trial", "layer")
    kinds = {kind: own for kind, own in known.items() if any((means[c].fill_null(0) > 0).any() for c in own if c)}
    if not kinds:
        return None
    worn = means.filter(pl.any_horizontal(pl.col(_names(kinds)).fill_null(0) > 0))
    found = {
        trial: [
            {"layer": row["layer"], **{kind: short([c and row[c] for c in own]) for kind, own in kinds.items()}}
            for row in rows
        ]
        for trial, rows in by_trial(worn).items()
    }
    return {
        "kinds": {kind: KINDS.get(kind, kind.replace("_", " ")) for kind in kinds},
        "quantiles": list(QUANTILES),
        "whole": [kind for kind, own in kinds.items() if len(own) == 1],
        "of": found,
    }


def _names(kinds: Mapping[str, Sequence[str | None]]) -> list[str]:
    return [column for own in kinds.values() for column in own if column is not None]


def wear_columns(columns: Sequence[str]) -> dict[str, list[str | None]]:
    """Return the columns of wear among those of the table of layers, by kind.

    Kinds of the framework come first; then what a cell of one's own counts.

    Returns:
        A column for each of `QUANTILES`, None for those that the table lacks; or a single column for a kind that is one
        number for a layer.
    """
    added = [name.removeprefix(WEAR) for name in columns if name.startswith(WEAR) and name not in WEAR_COLUMNS]
    spread, whole = list(KINDS), list[str]()
    for name in added:
        kind, _, quantile = name.rpartition("_")
        if kind and quantile in QUANTILES:
            spread.append(kind)
        else:
            whole.append(name)
    found: dict[str, list[str | None]] = {}
    for kind in dict.fromkeys(spread):
        names = [f"{WEAR}{kind}_{quantile}" for quantile in QUANTILES]
        found[kind] = [name if name in columns else None for name in names]
    for kind in whole:
        found[f"{kind}, of a layer" if kind in found else kind] = [WEAR + kind]
    return found
