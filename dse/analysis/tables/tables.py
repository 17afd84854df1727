"""The tables of a study as polars frames; `dse.analysis.queries.sql` runs SQL over them.

trials   a row for each trial and seed; the parameters of the search are columns named by their path
layers   a row for each trial, seed and layer: size, events, wear
curves   a row for each trial, seed and epoch
rungs    as trials, and before the row of a training those of the epochs at which it paused
designs  a row for each trial: objectives as means over its seeds
deployments  a row for each trial, seed, compensation and time of a deployment
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, cast

import polars as pl
import pyarrow as pa

from dse.analysis.tables.nested import NESTED, Nested, frame_of, with_columns_of
from dse.analysis.tables.parameters import Chosen, chosen_of, parameter_columns
from dse.designs.outcome import METRICS
from dse.errors import QueryError, ResultsError
from dse.plugins import load_present
from dse.pricing.bounds import Bound, parse_constraints
from dse.pricing.price import COLUMNS as PRICES
from dse.pricing.quantities import is_test_metric
from dse.pricing.text import counted
from dse.results.address import place_of
from dse.results.place import Where
from dse.results.reading import PAUSED, Damage, read_about, read_pieces, tell
from dse.results.schema import COLUMNS, METRIC_COLUMNS

JUDGING = (
    *("trial", "seed", "origin", "state", "failure_kind", "failure", "design_key", "same_as", "metrics"),
    *("epochs", "cost_card"),
)
"""Columns that say which design a row is of, and how it ended; beside the metrics, all that fronts need."""


@dataclass(frozen=True)
class Tables:
    """The tables of a results folder.

    Attributes:
        about: the description in the folder: name, code version, objectives.
        trials: see the module.
        rungs: see the module.
        nested: the tables of what rows hold of their layers, epochs and times.
        parameters: columns of `trials` that the search chose.
        objectives: names of the objectives.
        metrics: columns of `trials` that measure how good a design is.
        free: parameters that prices alone depend on; see `dse.analysis.costs.priced`.
        variants: designs of each trial, one a choice on the free axes; see `dse.analysis.tables.variants`.
        constraints: what designs must meet to be on a front; see `dse.analysis.fronts.feasible`.
        damages: files that are not what was written, whose rows are missing.
    """

    about: dict[str, Any]
    trials: pl.DataFrame
    nested: Nested
    parameters: list[str]
    objectives: list[str]
    metrics: list[str] = field(default_factory=lambda: list(METRIC_COLUMNS))
    free: list[str] = field(default_factory=list[str])
    variants: int = 1
    rungs: pl.DataFrame = field(default_factory=pl.DataFrame)
    constraints: Sequence[Bound] = ()
    damages: Sequence[Damage] = ()

    @property
    def layers(self) -> pl.DataFrame:
        """A row for each trial, seed and layer."""
        return self.nested.layers

    @property
    def curves(self) -> pl.DataFrame:
        """A row for each trial, seed and epoch."""
        return self.nested.curves

    @property
    def deployments(self) -> pl.DataFrame:
        """A row for each trial, seed, compensation and time of a deployment."""
        return self.nested.deployments

    @property
    def trails(self) -> pl.DataFrame:
        """What the layers of a trial and seed were by epoch, as rows hold it; see `dse.analysis.tables.epochs`."""
        return self.nested.trails

    def with_nested(self, **frames: pl.DataFrame) -> "Tables":
        """Return tables in which some of `layers`, `curves`, `deployments` and `trails` are others."""
        return replace(self, nested=self.nested.with_frames(**frames))

    @cached_property
    def designs(self) -> pl.DataFrame:
        """One row a trial: parameters, metrics as means over seeds (null where one is missing), seeds stored.

        A trial has failed if it failed under any seed, and is running until all its seeds are stored; where the study
        gives seeds to some designs alone, until one is.
        """
        there = set(present(self.trials, self.metrics))
        means = [
            (_mean_of_all(name) if name in there else pl.lit(None, self.trials.schema[name]).first()).alias(name)
            for name in self.metrics
        ]
        failed = pl.col("state") == "failed"
        state = (
            pl.when(failed.any())
            .then(pl.lit("failed"))
            .when(pl.len() < (1 if self.about.get("in_steps") else int(self.about["seeds"])))
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

    @cached_property
    def searched(self) -> pl.DataFrame:
        """Those of `designs` that the search proposed and that are complete, each design once, at its first trial."""
        complete = self.designs.filter((pl.col("origin") == "search") & (pl.col("state") == "complete"))
        return complete.unique("design_key", keep="first", maintain_order=True)

    @property
    def unfinished(self) -> str:
        """How far a study is that has not come to its end, in words; "" for one that has."""
        done = len(self.trials) // self.variants
        if self.about.get("in_steps"):
            return "" if self.about.get("ended") else f"{counted(done, 'simulation')} so far"
        planned = int(self.about["trials"]) * int(self.about["seeds"])
        return "" if done >= planned else f"{done} of {counted(planned, 'simulation')}"


def open_tables(
    where: Where, columns: Sequence[str] | None = None, metrics: Sequence[str] | None = None, *, chosen: bool = True
) -> Tables:
    """Read the tables of a results folder; safe while a run writes.

    What rows hold of layers, epochs and times is read when it is first asked for.

    Args:
        where: the results.
        columns: columns of `trials` to read beside those that say how good a design is; None for all.
        metrics: metrics to read beside those that the study asks for and those of test samples; None for all.
        chosen: whether what the search chose is read, a column for each parameter.

    Raises:
        ResultsError: it is none, or a part of it is damaged.
    """
    about = read_about(where)
    missing = load_present(about["plugins"])
    objectives = [str(name) for name in about["objectives"]]
    constraints = _constraints(about, missing)
    asked = {name: f"the objective {name}" for name in objectives}
    asked = {**{bound.metric: f"the constraint on {bound.metric}" for bound in constraints}, **asked}
    needed = None if metrics is None else {*metrics, *asked}
    flat = [name for name in COLUMNS if name not in NESTED and (name not in METRIC_COLUMNS or _is_needed(name, needed))]
    wanted = flat if columns is None else [name for name in flat if name in (*JUDGING, *METRIC_COLUMNS, *columns)]
    parameters = [str(name) for name in about["parameters"]] if chosen else []
    read = [*wanted, "parameters"] if parameters else wanted
    found = read_pieces(place_of(where), partial(_piece, wanted, needed), about, read)
    tell(place_of(where), about, found.damages)
    rungs = _with_asked(_one_behind_the_other([frame for frame, _ in found.made]), asked, missing)
    if parameters:
        rungs = rungs.with_columns(parameter_columns([own for _, piece in found.made for own in piece], parameters))
    rungs = rungs if found.order is None else rungs[found.order]
    ended = rungs["state"] != PAUSED
    trials = rungs if ended.all() else rungs.filter(ended)
    return Tables(
        about=about,
        trials=trials,
        rungs=rungs,
        nested=Nested(where, trials.select("trial", "seed")),
        parameters=parameters,
        objectives=objectives,
        metrics=[name for name in METRIC_COLUMNS if name in wanted]
        + [name for name in trials.columns if name not in (*COLUMNS, *parameters)],
        constraints=constraints,
        damages=found.damages,
    )


def _piece(columns: Sequence[str], needed: Collection[str] | None, rows: pa.Table) -> tuple[pl.DataFrame, list[Chosen]]:
    """Return the rows of a file as a frame with a column for each metric that is needed, and their parameters."""
    frame = with_columns_of(frame_of(rows.select(list(columns))), "metrics", only=partial(_is_needed, needed=needed))
    return frame, [chosen_of(rows["parameters"])] if "parameters" in rows.column_names else []


def _one_behind_the_other(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the rows of files as one frame; metrics that a file knows by name alone are null in the others."""
    whole = pl.concat(frames, how="diagonal")
    return whole.select(*(name for name in whole.columns if name in COLUMNS), *sorted({*whole.columns} - {*COLUMNS}))


def _is_needed(metric: str, needed: Collection[str] | None) -> bool:
    return needed is None or metric in needed or is_test_metric(metric)


def _constraints(about: Mapping[str, Any], missing: Sequence[str]) -> list[Bound]:
    """Return the constraints that a description names.

    Args:
        about: the description.
        missing: why plug-ins of the study are not loaded.

    Raises:
        ResultsError: one that nothing here knows or can read.
    """
    try:
        return parse_constraints(about["constraints"])
    except QueryError as error:
        raise ResultsError(f"study.json: {error}; {_measured_elsewhere(missing)}") from None


def _measured_elsewhere(missing: Sequence[str]) -> str:
    return "; ".join(missing) or "if a plug-in measures it, install that"


def _with_asked(trials: pl.DataFrame, asked: Mapping[str, str], missing: Sequence[str]) -> pl.DataFrame:
    """Return trials with a column for each metric that the study asks for, of which no row may have a value yet.

    Raises:
        ResultsError: an objective or a constraint that nothing here knows.
    """
    absent = [name for name in asked if name not in (*trials.columns, *PRICES)]
    for name in absent:
        if name not in METRICS:
            raise ResultsError(f"nothing is known of {asked[name]}; {_measured_elsewhere(missing)}")
    return trials.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in absent)


def _mean_of_all(name: str) -> pl.Expr:
    """Return the mean of a column over a group; null where a value is missing."""
    return pl.when(pl.col(name).is_null().any()).then(None).otherwise(pl.col(name).mean())


def present(table: pl.DataFrame, names: Iterable[str]) -> list[str]:
    """Return those of some columns in which a row has a value."""
    return [name for name in names if table[name].null_count() < len(table)]


def search_trials(tables: Tables) -> pl.DataFrame:
    """Return the designs that the search proposed and that are complete, each design once, at its first trial."""
    return tables.searched


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
        waits = tables.rungs.filter(pl.col("trial") == trial) if len(tables.rungs) else tables.rungs
        if len(waits):
            raise QueryError(
                f"trial {trial} waits after {counted(int(waits['epochs'].max() or 0), 'epoch')} and has no end yet; "  # type: ignore[arg-type]
                f"`dse explain` tells of it"
            )
        last = cast("int | None", tables.trials["trial"].max())
        there = "the table is empty" if last is None else f"the table has 0 to {last}"
        raise QueryError(f"no trial {trial}; {there}")
    return rows


def unit(column: str) -> str:
    """Return the unit of a column of `trials`, "" where it has none."""
    known = COLUMNS.get(column)
    return "" if known is None or known.unit in ("", "1") else known.unit
