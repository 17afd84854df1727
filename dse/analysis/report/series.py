"""What designs did: learning curves, energy by phase and part, wear. Means over seeds."""

from dataclasses import replace

import polars as pl

from dse.analysis.costs.prices import own_card, prices
from dse.analysis.intervals import half_width
from dse.analysis.report.subject import Json, Subject, by_trial, short, thinned
from dse.analysis.tables.tables import KEYS, present
from dse.pricing.energy import ITEMS

EPOCHS = 60
"""Points of a curve that a page holds."""
KINDS = {"set": "SET pulses", "reset": "RESET pulses", "flip": "bit writes of accumulators"}
QUANTILES = ("q50", "q90", "q99", "q999", "max")


def curves(subject: Subject) -> Json | None:
    """Return learning curves: {trial: {epoch, NAME, ci95_NAME}} for each metric of the curves, the loss last.

    `ci95` only with several seeds.

    None where nothing was learned yet.
    """
    table = subject.tables.curves
    table = table.filter(pl.col("trial").is_in(subject.detailed)) if len(table) else table
    if table.is_empty():
        return None
    last = int(table["epoch"].max())  # type: ignore[arg-type]
    ends = sorted({*thinned(table["epoch"].unique().sort().to_list(), EPOCHS - 1), last})
    table = table.filter(pl.col("epoch").is_in(ends))
    count = pl.len().cast(pl.Int64).alias("count")
    measured = [name for name in table.columns if name not in (*KEYS, "epoch", "loss")]
    names = present(table, [*measured, "loss"])
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


def energy(subject: Subject) -> Json | None:
    """Return the bill of each design on the card of the study: joules for a training image by phase and part.

    None where no design has a price.

    Raises:
        ResultsError: the folder does not name the card that priced it.
        SettingError: the card cannot be read any more.
    """
    layers = subject.tables.layers
    if layers.is_empty():
        return None
    card = own_card(subject.where, subject.tables)
    names = [f"{phase}_{part}_per_sample_j" for phase, part in ITEMS]
    few = replace(subject.tables, layers=layers.filter(pl.col("trial").is_in(subject.detailed)))
    priced = prices(few, [card], [*names, "energy_per_sample_j"]).drop_nulls("energy_per_sample_j")
    if priced.is_empty():
        return None
    used = [item for item, name in zip(ITEMS, names, strict=True) if (priced[name].fill_null(0) != 0).any()]
    columns = [f"{phase}_{part}_per_sample_j" for phase, part in used]
    return {
        "card": card.name,
        "items": [{"phase": phase, "part": part} for phase, part in used],
        "of": {row["trial"]: short([row[name] for name in columns]) for row in priced.iter_rows(named=True)},
        "total": {
            trial: short([total])[0] for trial, total in priced.select("trial", "energy_per_sample_j").iter_rows()
        },
    }


def wear(subject: Subject) -> Json | None:
    """Return writes of single cells by layer, kind and quantile, as the table of layers holds them.

    None where no design has cells that wear.
    """
    layers = subject.tables.layers
    if layers.is_empty():
        return None
    columns = [f"wear_{kind}_{q}" for kind in KINDS for q in QUANTILES]
    layers = layers.filter(pl.col("trial").is_in(subject.detailed))
    means = layers.group_by("trial", "layer").agg(pl.col(columns).mean()).sort("trial", "layer")
    kinds = [kind for kind in KINDS if (means[f"wear_{kind}_max"].fill_null(0) > 0).any()]
    if not kinds:
        return None
    worn = means.filter(pl.any_horizontal(pl.col(f"wear_{kind}_max").fill_null(0) > 0 for kind in kinds))
    found = {
        trial: [
            {"layer": row["layer"], **{k: short([row[f"wear_{k}_{q}"] for q in QUANTILES]) for k in kinds}}
            for row in rows
        ]
        for trial, rows in by_trial(worn).items()
    }
    return {"kinds": {kind: KINDS[kind] for kind in kinds}, "quantiles": list(QUANTILES), "of": found}
