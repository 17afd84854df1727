"""The tables of a study as polars frames; `dse.analysis.queries.sql` runs SQL over them.

trials   a row for each trial and seed; the parameters of the search are columns named by their path
layers   a row for each trial, seed and layer: size, events, wear
curves   a row for each trial, seed and epoch
rungs    as trials, and before the row of a training those of the epochs at which it paused
designs  a row for each trial: objectives as means over its seeds
deployments  a row for each trial, seed, compensation and time of a deployment
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import polars as pl
import pyarrow as pa

from dse.designs.outcome import METRICS
from dse.errors import QueryError, ResultsError
from dse.plugins import load_present
from dse.pricing.bounds import Bound, parse_constraints
from dse.pricing.price import COLUMNS as PRICES
from dse.pricing.text import counted
from dse.results.place import Where
from dse.results.reading import PAUSED
from dse.results.rows import deviation_of
from dse.results.schema import COLUMNS, LAYER, MAP, METRIC_COLUMNS, WEAR
from dse.results.store import read_about, read_table

KEYS = ("trial", "seed", "train_samples")
"""What every table begins with."""
CURVES = (
    *("loss", "validation_accuracy", "accuracy", "validation_bits_per_character", "bits_per_character"),
    *("validation_frechet_distance", "frechet_distance"),
)
"""Columns that `curves` has in any case; a metric that no trial has is null."""
DEPLOYED = ("accuracy", "validation_accuracy")
"""Metrics whose columns `deployments` has in any case."""

TRAILS = pl.Schema(
    {
        "trial": pl.Int64(),
        "seed": pl.Int64(),
        "epochs": pl.Int32(),
        "trail": pl.List(pl.Struct({"key": pl.String(), "value": pl.List(pl.Float64())})),
    }
)
"""Columns of `trails`."""

_PAIRS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.float64())]))
_TRAIL = pa.list_(pa.struct([("key", pa.string()), ("value", pa.list_(pa.float64()))]))
_LAYERS = pa.list_(pa.struct([(name, _PAIRS if type_ is MAP else type_) for name, type_ in LAYER.items()]))
_AS_PAIRS = pa.schema(
    [
        (name, {"metrics": _PAIRS, "layers": _LAYERS, "trail": _TRAIL}.get(name, column.type))
        for name, column in COLUMNS.items()
    ]
)
"""The schema with lists of pairs for maps: not every version of polars reads maps."""


@dataclass(frozen=True)
class Tables:
    """The tables of a results folder.

    Attributes:
        about: the description in the folder: name, code version, objectives.
        trials: see the module.
        rungs: see the module.
        trails: what the layers of a trial and seed were by epoch, as the rows hold it; see
            `dse.analysis.tables.epochs`.
        layers: see the module.
        curves: see the module.
        parameters: columns of `trials` that the search chose.
        objectives: names of the objectives.
        metrics: columns of `trials` that measure how good a design is.
        free: parameters that prices alone depend on; see `dse.analysis.costs.priced`.
        variants: designs of each trial, one a choice on the free axes; see `dse.analysis.tables.variants`.
        deployments: see the module.
        constraints: what designs must meet to be on a front; see `dse.analysis.fronts.feasible`.
    """

    about: dict[str, Any]
    trials: pl.DataFrame
    layers: pl.DataFrame
    curves: pl.DataFrame
    parameters: list[str]
    objectives: list[str]
    metrics: list[str] = field(default_factory=lambda: list(METRIC_COLUMNS))
    free: list[str] = field(default_factory=list[str])
    variants: int = 1
    deployments: pl.DataFrame = field(default_factory=pl.DataFrame)
    rungs: pl.DataFrame = field(default_factory=pl.DataFrame)
    trails: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TRAILS))
    constraints: Sequence[Bound] = ()

    @property
    def designs(self) -> pl.DataFrame:
        """One row a trial: parameters, metrics as means over seeds (null where one is missing), seeds stored.

        A trial has failed if it failed under any seed, and is running until all its seeds are stored; where the study
        gives seeds to some designs alone, until one is.
        """
        means = [
            pl.when(pl.col(name).is_null().any()).then(None).otherwise(pl.col(name).mean()).alias(name)
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

    @property
    def unfinished(self) -> str:
        """How far a study is that has not come to its end, in words; "" for one that has."""
        done = len(self.trials) // self.variants
        if self.about.get("in_steps"):
            return "" if self.about.get("ended") else f"{counted(done, 'simulation')} so far"
        planned = int(self.about["trials"]) * int(self.about["seeds"])
        return "" if done >= planned else f"{done} of {counted(planned, 'simulation')}"


def open_tables(where: Where) -> Tables:
    """Read the tables of a results folder; safe while a run writes.

    Raises:
        ResultsError: it is none, or a part of it is damaged.
    """
    about = read_about(where)
    missing = load_present(about["plugins"])
    everything = cast("pl.DataFrame", pl.from_arrow(read_table(where, paused=True).cast(_AS_PAIRS)))
    ended = everything["state"] != PAUSED
    raw = everything.filter(ended)
    parameters = [str(name) for name in about["parameters"]]
    chosen = [cast("dict[str, Any]", json.loads(text)) for text in everything["parameters"].to_list()]
    columns = [_column(name, [row.get(name) for row in chosen]) for name in parameters]
    objectives = [str(name) for name in about["objectives"]]
    constraints = _constraints(about, missing)
    asked = {name: f"the objective {name}" for name in objectives}
    asked = {**{bound.metric: f"the constraint on {bound.metric}" for bound in constraints}, **asked}
    rungs = _with_columns(everything.drop("layers", "curve", "trail", "deployments"), "metrics")
    rungs = _with_asked(rungs, asked, missing).with_columns(columns)
    trials = rungs.filter(ended)
    return Tables(
        about=about,
        trials=trials,
        rungs=rungs,
        trails=raw.select(TRAILS.names()),
        layers=_layers(_exploded(raw, "layers")),
        curves=_by_name(_exploded(raw, "curve"), ("epoch",), CURVES),
        parameters=parameters,
        objectives=objectives,
        metrics=[*METRIC_COLUMNS, *(name for name in trials.columns if name not in (*COLUMNS, *parameters))],
        deployments=_by_name(_exploded(raw, "deployments"), ("compensation", "time_s"), DEPLOYED),
        constraints=constraints,
    )


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


def _column(name: str, values: list[Any]) -> pl.Series:
    """Return a parameter as a column; numbers mixed with strings become strings."""
    if any(isinstance(value, str) for value in values):
        values = [None if value is None else str(value) for value in values]
    elif any(isinstance(value, list) for value in values):
        values = [None if value is None else json.dumps(value) for value in values]
    return pl.Series(name, values, strict=False)


def _exploded(raw: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return a row for each entry of a list, with the trial and seed that it belongs to."""
    return raw.select(*KEYS, column).filter(pl.col(column).list.len() > 0).explode(column).unnest(column)


def _layers(entries: pl.DataFrame) -> pl.DataFrame:
    return _with_columns(_with_columns(entries, "events"), "wear", WEAR)


def _with_columns(table: pl.DataFrame, pairs: str, prefix: str = "") -> pl.DataFrame:
    """Return a table with a column for each name in a column of pairs, which goes."""
    key, value = (pl.element().struct.field(name) for name in ("key", "value"))
    names = table[pairs].explode().drop_nulls().struct.field("key").unique().sort().to_list()
    found = [pl.col(pairs).list.eval(value.filter(key == name)).list.first().alias(prefix + name) for name in names]
    return table.with_columns(found).drop(pairs)


def _by_name(entries: pl.DataFrame, keys: Sequence[str], fixed: Sequence[str]) -> pl.DataFrame:
    """Return entries of one name each as a table with a column for each name.

    Args:
        entries: columns `name` and `value`, perhaps `deviation`, and those of `keys`.
        keys: what tells the rows of a trial and seed apart.
        fixed: names whose columns are there in any case, first.
    """
    more = [name for name in entries["name"].unique().sort() if name not in fixed]
    repetitions = [pl.col(name).first() for name in ("repetitions",) if name in entries.columns]
    values = [_of_name(name, "value").alias(name) for name in (*fixed, *more)]
    if "deviation" in entries.columns:
        values += [_of_name(name, "deviation").alias(deviation_of(name)) for name in (*fixed, *more)]
    return entries.group_by(*KEYS, *keys, maintain_order=True).agg(*values, *repetitions)


def _of_name(name: str, column: str) -> pl.Expr:
    return pl.when(pl.col("name") == name).then(pl.col(column)).max()


def present(table: pl.DataFrame, names: Iterable[str]) -> list[str]:
    """Return those of some columns in which a row has a value."""
    return [name for name in names if table[name].null_count() < len(table)]


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
