"""Layers, pulses and wear by epoch: what rows hold of their trainings on the way, unfolded.

A row holds its layers at the end, and what they were before by epoch where that differs (`dse.tasks.trail`). Rows of
studies before schema 6 hold the end alone.
"""

from collections.abc import Sequence

import polars as pl

from dse.analysis.tables.tables import Tables
from dse.results.schema import WEAR

RUN = ("trial", "seed")
COUNTED = ("set_pulses", "reset_pulses", "worst_writes")
"""Columns that curves have beside what was measured."""
_WORN = f"{WEAR}writes_max"
_PULSES = {"set_pulses": ("set_pulses_update", "set_pulses_refresh"), "reset_pulses": ("resets",)}
_NEEDED = (*(name for names in _PULSES.values() for name in names), _WORN)


def curves_of(tables: Tables) -> pl.DataFrame:
    """Return the table of curves with `COUNTED`, null where a row does not hold its layers by epoch."""
    if tables.curves.is_empty() or tables.layers.is_empty():
        return tables.curves.with_columns(pl.lit(None, pl.Float64).alias(name) for name in COUNTED)
    sums = [pl.sum_horizontal(names).sum().alias(name) for name, names in _PULSES.items()]
    layers = layers_by_epoch(tables, _NEEDED)
    counted = layers.group_by(*RUN, "epoch").agg(*sums, pl.col(_WORN).max().cast(pl.Int64).alias("worst_writes"))
    return tables.curves.join(counted, on=[*RUN, "epoch"], how="left", maintain_order="left")


def layers_by_epoch(tables: Tables, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Return the table of layers with a row for each epoch: a column `epoch`, and `train_samples` until then.

    What a deployment adds is not in it. Rows that do not hold their layers by epoch have one for the last epoch.

    Args:
        tables: the tables of a study.
        columns: what to return as it was then, of the columns of the table; None for all. Others are as at the end.
    """
    epochs = tables.trails.select(*RUN, "epochs").filter(pl.col("epochs") > 0)
    trails = _trails(tables, tables.layers.columns if columns is None else columns)
    said = tables.trails.filter(pl.col("trail").list.len() > 0).select(*RUN, said=pl.lit(value=True))
    layers = tables.layers.join(epochs, on=RUN, how="inner", maintain_order="left")
    layers = layers.join(said, on=RUN, how="left", maintain_order="left").with_columns(
        epoch=pl.when(pl.col("said").is_null())
        .then(pl.concat_list(pl.col("epochs").cast(pl.Int64)))
        .otherwise(pl.int_ranges(1, pl.col("epochs") + 1, dtype=pl.Int64))
    )
    unfolded = layers.drop("said").explode("epoch")
    changed = trails["column"].unique().sort()
    then = [_then(layers, trails.filter(pl.col("column") == name), name) for name in changed if name in layers.columns]
    samples = pl.col("train_samples") // pl.col("epochs") * pl.col("epoch")
    return unfolded.with_columns(samples.alias("train_samples"), *then).drop("epochs")


def _then(layers: pl.DataFrame, trails: pl.DataFrame, name: str) -> pl.Series:
    """Return a column of layers as it was after each epoch, in the order of layers and epochs."""
    own = layers.select(*RUN, "layer", "epoch", name).join(
        trails.select(*RUN, "layer", "values"), on=[*RUN, "layer"], how="left", maintain_order="left"
    )
    end, values, count = pl.col(name).cast(pl.Float64), pl.col("values"), pl.col("epoch").list.len()
    even = values.list.len() == 1
    lists = own.select(
        pl.when(values.list.len() > 1)
        .then(values)
        .otherwise(pl.coalesce(values.list.first(), end).repeat_by(count))
        .alias("value"),
        pl.when(even).then("epoch").otherwise(pl.lit(1, pl.Int64).repeat_by(count)).alias("times"),
    ).explode("value", "times")
    return (lists["value"] * lists["times"]).cast(layers[name].dtype).alias(name)


def _trails(tables: Tables, columns: Sequence[str]) -> pl.DataFrame:
    """Return the trails of all rows in some columns of the table of layers: trial, seed, layer, column, values."""
    entries = tables.trails.lazy().filter(pl.col("trail").list.len() > 0).explode("trail").unnest("trail")
    keys = entries.select(pl.col("key").unique()).collect()["key"]
    column = keys.str.replace(r"^\d+\.", "").str.replace(r"^events\.", "").str.replace(r"^wear\.", WEAR)
    layer = keys.str.extract(r"^(\d+)\.").cast(tables.layers["layer"].dtype)
    known = pl.DataFrame({"key": keys, "layer": layer, "column": column}).filter(pl.col("column").is_in(list(columns)))
    found = entries.join(known.lazy(), on="key", how="inner", maintain_order="left")
    return found.select(*RUN, "layer", "column", values="value").collect()
