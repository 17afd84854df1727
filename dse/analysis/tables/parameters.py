"""The parameters of trials as columns, from the JSON that rows hold."""

import io
import json
from collections.abc import Sequence
from typing import Any, cast

import polars as pl
import pyarrow as pa
import pyarrow.json as pj

PLAIN = ("int64", "double", "string", "bool", "null")
"""Kinds of values that are read in columns; a column of others, or of several kinds, is made value by value."""


def parameter_columns(texts: pl.Series, names: Sequence[str]) -> list[pl.Series]:
    """Return a column for each parameter; numbers mixed with strings become strings, lists JSON.

    Args:
        texts: the parameters of rows, as JSON; equal ones are read once.
        names: names of the parameters; null where a row lacks one.
    """
    if not names:
        return []
    # The rows of a design under several seeds hold the same.
    of = texts.alias("text").to_frame()
    each = of.unique(maintain_order=True).with_row_index("number")
    number = of.join(each, on="text", how="left", maintain_order="left")["number"]
    found = _in_columns(each["text"], names)
    if found is None:
        chosen = [cast("dict[str, Any]", json.loads(text)) for text in each["text"].to_list()]
        found = [_column(name, [row.get(name) for row in chosen]) for name in names]
    return [column.gather(number) for column in found]


def _in_columns(texts: pl.Series, names: Sequence[str]) -> list[pl.Series] | None:
    """Return the columns of JSON whose values are of one plain kind a name; None where they are not."""
    lines = "\n".join(texts.to_list()).encode()
    try:
        table = pj.read_json(io.BytesIO(lines), parse_options=pj.ParseOptions(newlines_in_values=False))
    except pa.ArrowException:
        return None
    if table.num_rows != len(texts) or not {str(kind) for kind in table.schema.types} <= {*PLAIN}:
        return None
    there = {name: cast("pl.Series", pl.from_arrow(table[name])) for name in names if name in table.column_names}
    return [there.get(name, pl.Series([None] * len(texts))).alias(name) for name in names]


def _column(name: str, values: list[Any]) -> pl.Series:
    """Return a parameter as a column; numbers mixed with strings become strings."""
    if any(isinstance(value, str) for value in values):
        values = [None if value is None else str(value) for value in values]
    elif any(isinstance(value, list) for value in values):
        values = [None if value is None else json.dumps(value) for value in values]
    return pl.Series(name, values, strict=False)
