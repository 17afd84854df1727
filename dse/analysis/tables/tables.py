"""The tables of a study as polars frames; `dse.analysis.queries.sql` runs SQL over them.

trials   a row for each trial and seed; the parameters of the search are columns named by their path
layers   a row for each trial, seed and layer: size, events, wear
curves   a row for each trial, seed and epoch
designs  a row for each trial: objectives as means over its seeds
deployments  a row for each trial, seed, compensation and time of a deployment
"""

import json
from dataclasses import dataclass, field
from typing import Any, cast

import polars as pl

from dse.design.outcome import METRICS
from dse.errors import QueryError
from dse.results.place import Where
from dse.results.schema import COLUMNS, CURVE_COLUMNS, DEPLOYMENT_COLUMNS, LAYER_COLUMNS
from dse.results.store import read_about, read_table


@dataclass(frozen=True)
class Tables:
    """The tables of a results folder.

    Attributes:
        about: the description in the folder: name, code version, objectives.
        trials: see the module.
        layers: see the module.
        curves: see the module.
        parameters: columns of `trials` that the search chose.
        objectives: names of the objectives.
        metrics: columns of `trials` that measure how good a design is.
        free: parameters that prices alone depend on; see `dse.analysis.costs.priced`.
        variants: designs of each trial, one a choice on the free axes; see `dse.analysis.tables.variants`.
        deployments: see the module.
    """

    about: dict[str, Any]
    trials: pl.DataFrame
    layers: pl.DataFrame
    curves: pl.DataFrame
    parameters: list[str]
    objectives: list[str]
    metrics: list[str] = field(default_factory=lambda: list(METRICS))
    free: list[str] = field(default_factory=list[str])
    variants: int = 1
    deployments: pl.DataFrame = field(default_factory=pl.DataFrame)

    @property
    def designs(self) -> pl.DataFrame:
        """One row a trial: parameters, metrics as means over seeds (null where one is missing), seeds stored.

        A trial has failed if it failed under any seed, and is running until all its seeds are stored.
        """
        means = [
            pl.when(pl.col(name).is_null().any()).then(None).otherwise(pl.col(name).mean()).alias(name)
            for name in self.metrics
        ]
        failed = pl.col("state") == "failed"
        state = (
            pl.when(failed.any())
            .then(pl.lit("failed"))
            .when(pl.len() < int(self.about["seeds"]))
            .then(pl.lit("running"))
            .otherwise(pl.lit("complete"))
        )
        return self.trials.group_by("trial", maintain_order=True).agg(
            pl.col("origin").first(),
            state.alias("state"),
            pl.col("failure").drop_nulls().first(),
            *(pl.col(name).first() for name in ("same_as", "design_key", *self.parameters)),
            *means,
            pl.len().alias("seeds"),
        )


def open_tables(where: Where) -> Tables:
    """Read the tables of a results folder; safe while a run writes.

    Raises:
        ResultsError: it is none, or a part of it is damaged.
    """
    about = read_about(where)
    raw = cast("pl.DataFrame", pl.from_arrow(read_table(where)))
    parameters = [str(name) for name in about["parameters"]]
    chosen = [cast("dict[str, Any]", json.loads(text)) for text in raw["parameters"].to_list()]
    columns = [_column(name, [row.get(name) for row in chosen]) for name in parameters]
    return Tables(
        about=about,
        trials=raw.drop("layers", "curve", "deployments").with_columns(columns),
        layers=_unfold(raw, "layers", list(LAYER_COLUMNS)),
        curves=_unfold(raw, "curve", list(CURVE_COLUMNS)),
        parameters=parameters,
        objectives=[str(name) for name in about["objectives"]],
        deployments=_unfold(raw, "deployments", list(DEPLOYMENT_COLUMNS)),
    )


def _column(name: str, values: list[Any]) -> pl.Series:
    """Return a parameter as a column; numbers mixed with strings become strings."""
    if any(isinstance(value, str) for value in values):
        values = [None if value is None else str(value) for value in values]
    elif any(isinstance(value, list) for value in values):
        values = [None if value is None else json.dumps(value) for value in values]
    return pl.Series(name, values, strict=False)


def _unfold(raw: pl.DataFrame, column: str, fields: list[str]) -> pl.DataFrame:
    keys = raw.select("trial", "seed", "train_samples", column).filter(pl.col(column).list.len() > 0)
    return keys.explode(column).unnest(column).select("trial", "seed", "train_samples", *fields)


def search_trials(tables: Tables) -> pl.DataFrame:
    """Return the designs that the search proposed and that are complete, each design once, at its first trial."""
    complete = tables.designs.filter((pl.col("origin") == "search") & (pl.col("state") == "complete"))
    return complete.unique("design_key", keep="first", maintain_order=True)


def controls(tables: Tables) -> pl.DataFrame:
    """Return the designs that the study file names for comparison."""
    return tables.designs.filter(pl.col("origin") != "search")


def one_trial(tables: Tables, trial: int) -> pl.DataFrame:
    """Return the rows of a trial, one a seed.

    Raises:
        QueryError: no such trial.
    """
    rows = tables.trials.filter(pl.col("trial") == trial)
    if rows.is_empty():
        last = cast("int | None", tables.trials["trial"].max())
        there = "the table is empty" if last is None else f"the table has 0 to {last}"
        raise QueryError(f"no trial {trial}; {there}")
    return rows


def unit(column: str) -> str:
    """Return the unit of a column of `trials`, "" where it has none."""
    known = COLUMNS.get(column)
    return "" if known is None or known.unit in ("", "1") else known.unit
