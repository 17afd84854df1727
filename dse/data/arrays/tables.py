"""Tables, CSV or Parquet: a row a sample, columns of numbers, and one or several with the answers."""

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, cast

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from dse.data.arrays.given import Array, Given, parts, refuse
from dse.errors import DataError, SettingError, did_you_mean
from dse.files import Content
from dse.spec import shown

PARTS = ("train", "test")
WIDE = ("Int128", "UInt128")
"""Integers that numpy does not have, by name: not every polars has both."""
MOST_NAMED = 5
"""Columns that a message names."""


def read_csv(content: Content, settings: Mapping[str, Any]) -> Given:
    """Return the samples and answers of a CSV file with a line of names.

    Raises:
        DataError: see `read_table`.
        SettingError: see `read_table`.
    """
    return _read(content, settings, csv=True)


def read_parquet(content: Content, settings: Mapping[str, Any]) -> Given:
    """Return the samples and answers of a Parquet file; for errors see `read_csv`."""
    return _read(content, settings, csv=False)


def _read(content: Content, settings: Mapping[str, Any], *, csv: bool) -> Given:
    refuse(settings, ("channels",), content, "a table, of vectors")
    table = _table(content, csv=csv)
    if not table.height:
        raise DataError(f"{content.name} has names of columns and no rows; give a row for each sample")
    answers, split = _columns(settings, table, content.name), settings.get("split", "")
    features = [name for name in table.columns if name not in {*answers, split}]
    if not features:
        raise DataError(f"{content.name} has no column beside its answers; give columns of numbers to learn from")
    x = _numbers(table, features, content.name)
    y = _answers(table, answers, content.name) if answers else None
    if not split:
        return parts(x, y, None, None)
    is_test = _is_test(table, split, content.name)
    y_train, y_test = (None, None) if y is None else (y[~is_test], y[is_test])
    return parts(x[~is_test], y_train, x[is_test], y_test)


def _table(content: Content, *, csv: bool) -> pl.DataFrame:
    try:
        with content.open() as handle:
            if csv:
                return pl.read_csv(handle, infer_schema_length=None)
            return _parquet(handle)
    except (Exception, pl.exceptions.PanicException) as error:  # polars panics on some damaged files
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"{content.name} is no {'CSV' if csv else 'Parquet'} file that can be read: {reason}"
        ) from error


def _parquet(handle: BinaryIO) -> pl.DataFrame:
    """Return the table of a Parquet file.

    By Arrow: the reader of polars ends the process on some damaged files. What Arrow has read is looked through before
    polars takes it.
    """
    table = pq.ParquetFile(handle).read(use_threads=False)
    table.validate(full=True)
    return cast("pl.DataFrame", pl.from_arrow(table))


def _columns(settings: Mapping[str, Any], table: pl.DataFrame, name: str) -> list[str]:
    """Return the columns of the answers, after checking that all columns that are named are there."""
    given = settings.get("answer", "")
    answers = [str(own) for own in ([given] if isinstance(given, str) else given) if own]
    if not answers and settings.get("answers") != "none":
        raise SettingError(
            f"workload.answer is missing: say which column of {name} holds the answers ({_few(table.columns)}), or "
            'answers = "none"'
        )
    if answers and settings.get("answers") == "none":
        raise SettingError('workload.answer has no effect where answers = "none"; remove it')
    for key, column in (*(("answer", own) for own in answers), ("split", settings.get("split", ""))):
        if column and column not in table.columns:
            hint = did_you_mean(column, table.columns)
            raise SettingError(
                f"workload.{key} = {shown(column)}: {name} has no such column{hint} (it has {_few(table.columns)})"
            )
    if len({*answers, settings.get("split", "")}) < len(answers) + 1 and answers:
        raise SettingError(f"workload.answer and workload.split name a column of {name} twice")
    return answers


def _numbers(table: pl.DataFrame, features: Sequence[str], name: str) -> Array:
    """Return columns of numbers as an array, shape (rows, columns)."""
    chosen = table.select(features)
    text = [own for own, kind in chosen.schema.items() if not (kind.is_numeric() or kind == pl.Boolean)]
    if text:
        raise DataError(
            f"{name}: columns to learn from must be numbers, and {_few(text)} "
            f"{'is' if len(text) == 1 else 'are'} {', '.join(dict.fromkeys(str(chosen.schema[own]) for own in text))}. "
            "Encode text as numbers, or leave it out of the file"
        )
    _check_whole(chosen, name)
    kinds = set(chosen.schema.values())
    byte = kinds <= {pl.UInt8, pl.Boolean}
    return chosen.cast(pl.UInt8 if byte else pl.Float64).to_numpy(order="c")


def _answers(table: pl.DataFrame, columns: Sequence[str], name: str) -> Array:
    chosen = table.select(columns)
    _check_whole(chosen, name)
    if len(columns) > 1:
        return _numbers(table, columns, name).astype(np.float64)
    column = chosen.to_series()
    if column.dtype.is_decimal():
        return column.cast(pl.Float64).to_numpy()
    if (column.dtype.is_numeric() and str(column.dtype) not in WIDE) or column.dtype == pl.Boolean:
        return column.to_numpy()
    if isinstance(column.dtype, (pl.String, pl.Categorical, pl.Enum)):
        return column.cast(pl.String).to_numpy().astype(np.str_)
    raise DataError(f"{name}: the answers {columns[0]!r} are of {column.dtype}; give numbers of 64 bits, or text")


def _check_whole(table: pl.DataFrame, name: str) -> None:
    lacking = [own for own in table.columns if table[own].null_count()]
    if lacking:
        raise DataError(f"{name}: values are missing in {_few(lacking)}; fill them in, or leave those rows out")


def _is_test(table: pl.DataFrame, split: str, name: str) -> Array:
    if table[split].dtype == pl.Boolean:
        table = table.with_columns(pl.col(split).replace_strict({True: "test", False: "train"}, default=None))
    said = table[split].cast(pl.String, strict=False).fill_null("nothing").to_list()
    others = sorted({own for own in said if own not in PARTS})
    if others:
        raise DataError(f'{name}: column {split!r} says {_few(others)}; give "train" or "test" for each sample')
    found = np.array([own == "test" for own in said], np.bool_)
    if found.all() or not found.any():
        raise DataError(f"{name}: column {split!r} says {said[0]!r} of every sample; give both")
    return found


def _few(names: Sequence[str]) -> str:
    """Return names in a line, not all where there are many."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(shown, names[:MOST_NAMED])) + more
