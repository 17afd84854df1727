"""The tables of what rows hold in lists and maps, each read when it is first asked for, with its columns alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import polars as pl
import pyarrow as pa

from dse.results.place import Where
from dse.results.rows import deviation_of
from dse.results.schema import COLUMNS, LAYER, MAP, WEAR
from dse.results.store import read_table

NESTED = ("layers", "curve", "trail", "deployments")
"""Columns of rows that hold tables, which are most of what a row holds."""
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
_AS_PAIRS = {"metrics": _PAIRS, "layers": _LAYERS, "trail": _TRAIL}
"""Lists of pairs for maps: not every version of polars reads maps."""


def frame_of(table: pa.Table) -> pl.DataFrame:
    """Return columns of the table of trials as a frame, with lists of pairs for maps."""
    types = [(name, _AS_PAIRS.get(name, COLUMNS[name].type)) for name in table.column_names]
    return cast("pl.DataFrame", pl.from_arrow(table.cast(pa.schema(types))))


@dataclass(frozen=True)
class Nested:
    """The tables of what rows hold of their layers, epochs and times.

    Attributes:
        where: the results; None where all frames are given.
        rows: trial and seed of the rows whose tables these are; later ones of a run that still writes are left out.
        given: frames by name, in place of those of the results.
    """

    where: Where | None = None
    rows: pl.DataFrame = field(default_factory=pl.DataFrame)
    given: dict[str, pl.DataFrame] = field(default_factory=dict[str, pl.DataFrame])

    def with_frames(self, **frames: pl.DataFrame) -> "Nested":
        """Return these with some tables replaced."""
        return Nested(self.where, self.rows, {**self.given, **frames})

    def of(self, trials: Sequence[int]) -> "Nested":
        """Return the tables of some trials alone: of a large study, those of all take minutes and gigabytes."""
        few = pl.DataFrame({"trial": trials}, schema={"trial": pl.Int64})
        given = {
            name: frame.join(few, on="trial", how="semi", maintain_order="left") if len(frame) else frame
            for name, frame in self.given.items()
        }
        rows = self.rows.join(few, on="trial", how="semi", maintain_order="left") if len(self.rows) else self.rows
        return Nested(self.where, rows, given)

    @cached_property
    def layers(self) -> pl.DataFrame:
        """A row for each trial, seed and layer: size, events, wear."""
        return self._given("layers", lambda: _layers(self._entries("layers")))

    @cached_property
    def curves(self) -> pl.DataFrame:
        """A row for each trial, seed and epoch."""
        return self._given("curves", lambda: _by_name(self._entries("curve"), ("epoch",), CURVES))

    @cached_property
    def deployments(self) -> pl.DataFrame:
        """A row for each trial, seed, compensation and time of a deployment."""
        keys = ("compensation", "time_s")
        return self._given("deployments", lambda: _by_name(self._entries("deployments"), keys, DEPLOYED))

    @cached_property
    def trails(self) -> pl.DataFrame:
        """What layers were by epoch, as the rows hold it; see `TRAILS`."""
        return self._given("trails", lambda: self._read(TRAILS.names()), pl.DataFrame(schema=TRAILS))

    def _given(self, name: str, read: Callable[[], pl.DataFrame], nothing: pl.DataFrame | None = None) -> pl.DataFrame:
        if name in self.given:
            return self.given[name]
        if self.where is None:
            return pl.DataFrame() if nothing is None else nothing
        return read()

    def _read(self, columns: Sequence[str]) -> pl.DataFrame:
        found = frame_of(read_table(cast("Where", self.where), columns=columns, telling=False))
        return found.join(self.rows, on=["trial", "seed"], how="semi", maintain_order="left")

    def _entries(self, column: str) -> pl.DataFrame:
        """Return a row for each entry of a list, with the trial and seed that it belongs to."""
        raw = self._read([*KEYS, column])
        return raw.filter(pl.col(column).list.len() > 0).explode(column).unnest(column)


def _layers(entries: pl.DataFrame) -> pl.DataFrame:
    return with_columns_of(with_columns_of(entries, "events"), "wear", WEAR)


def with_columns_of(
    table: pl.DataFrame, pairs: str, prefix: str = "", only: Callable[[str], bool] = lambda _: True
) -> pl.DataFrame:
    """Return a table with a column for each name in a column of pairs, which goes; `only` says which names."""
    key, value = (pl.element().struct.field(name) for name in ("key", "value"))
    names = [*filter(only, table[pairs].explode().drop_nulls().struct.field("key").unique().sort())]
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
