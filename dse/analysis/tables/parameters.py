"""The parameters of trials as columns, from the JSON that rows hold."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as typed_compute
import pyarrow.json as pj
from numpy.typing import NDArray

from dse.results.rows import object_of

pc = cast("Any", typed_compute)
PLAIN = (pl.Int64(), pl.Float64(), pl.String(), pl.Boolean(), pl.Null())
"""Kinds of values that are read in columns; a column of others, or of several kinds, is made value by value."""
NUMBERS = (pl.Int64(), pl.Float64())


@dataclass(frozen=True)
class Chosen:
    """The parameters of some rows.

    Attributes:
        texts: as JSON, each once, since the rows of a design under several seeds hold the same.
        number: which of these a row has, shape (rows,).
        columns: a column for each name that is among them, of as many values as there are texts; None where some
            values are of no plain kind.
    """

    texts: "pa.Array[Any]"
    number: NDArray[np.int32]
    columns: pl.DataFrame | None


def chosen_of(texts: "pa.ChunkedArray[Any]") -> Chosen:
    """Return the parameters of some rows, given as JSON."""
    coded = cast("Any", texts.combine_chunks()).dictionary_encode()
    return Chosen(coded.dictionary, coded.indices.to_numpy(), _in_columns(coded.dictionary))


def parameter_columns(pieces: Sequence[Chosen], names: Sequence[str]) -> list[pl.Series]:
    """Return a column for each parameter; numbers mixed with strings become strings, lists JSON.

    Args:
        pieces: the parameters of rows, one behind the other.
        names: names of the parameters; null where a row lacks one.

    Raises:
        ResultsError: a row holds something else.
    """
    found = [_united(pieces, name) for name in names]
    if all(column is not None for column in found):
        return cast("list[pl.Series]", found)
    texts = [text for piece in pieces for text in cast("list[str]", piece.texts.to_pylist())]
    chosen = [object_of(text, "what a row holds of its parameters") for text in texts]
    starts = np.cumsum([0, *(len(piece.texts) for piece in pieces)])
    number = np.concatenate([piece.number + start for piece, start in zip(pieces, starts, strict=False)])
    return [_column(name, [row.get(name) for row in chosen]).gather(number) for name in names]


def _united(pieces: Sequence[Chosen], name: str) -> pl.Series | None:
    """Return a parameter of all rows; None where its values are of several kinds, or of one that is not plain."""
    parts: list[pl.Series] = []
    for piece in pieces:
        if piece.columns is None:
            return None
        there = name in piece.columns.columns
        values = piece.columns[name] if there else pl.Series([None] * len(piece.texts), dtype=pl.Null())
        parts.append(values.gather(piece.number))
    kinds = {part.dtype for part in parts} - {pl.Null()}
    if len(kinds) > 1 and kinds != set(NUMBERS):
        return None
    kind = pl.Float64() if len(kinds) > 1 else next(iter(kinds), pl.Null())
    return pl.concat([part.cast(kind) for part in parts], rechunk=False).alias(name)


def _in_columns(texts: "pa.Array[Any]") -> pl.DataFrame | None:
    """Return the columns of JSON whose values are of one plain kind a name; None where they are not."""
    if not len(texts):
        return pl.DataFrame()
    lines = pc.binary_join(cast("Any", pa.ListArray).from_arrays([0, len(texts)], texts), "\n")[0].as_buffer()
    try:
        table = pj.read_json(
            cast("Any", pa.BufferReader(lines)), parse_options=pj.ParseOptions(newlines_in_values=False)
        )
    except pa.ArrowException:
        return None
    columns = {name: cast("pl.Series", pl.from_arrow(table[name])) for name in table.column_names}
    plain = all(column.dtype in PLAIN for column in columns.values())
    return pl.DataFrame(columns) if plain and table.num_rows == len(texts) else None


def _column(name: str, values: list[Any]) -> pl.Series:
    """Return a parameter as a column; numbers mixed with strings become strings."""
    if any(isinstance(value, str) for value in values):
        values = [None if value is None else str(value) for value in values]
    elif any(isinstance(value, list) for value in values):
        values = [None if value is None else json.dumps(value) for value in values]
    return pl.Series(name, values, strict=False)
