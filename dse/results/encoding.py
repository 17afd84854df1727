"""Rows as bytes: lines of a log and Parquet parts, both with a checksum, so that damage is found and never read.

A line of a log is a row as JSON whose last key is the CRC-32 of what precedes it. The name of a part holds the
number of its rows and the CRC-32 of the file: `000012-500-1a2b3c4d.parquet`.
"""

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn, cast

import pyarrow as pa
import pyarrow.parquet as pq

from dse.results.migration import UNSAID, check_columns, check_line, current_table, table_of_lines
from dse.results.rows import Row, check_row
from dse.results.schema import SCHEMA, VERSION

PART_NAME = re.compile(r"(\d{6,})-(\d+)-([0-9a-f]{8})\.parquet")
_LINE_END = re.compile(rb',"crc":"([0-9a-f]{8})"\}$')


class DamagedError(Exception):
    """A file of the results is not what was written; the message gives the reason."""


def to_line(row: Mapping[str, Any]) -> bytes:
    """Return a row as one line of JSON, newline and checksum included. Floats survive to the last bit."""
    check_row(row)
    return sealed({"schema": VERSION, **row})


def sealed(entry: Mapping[str, Any]) -> bytes:
    """Return an entry as one line of JSON, newline and checksum included. Floats survive to the last bit."""
    head = json.dumps(entry, separators=(",", ":"), allow_nan=False).encode()[:-1]
    return head + b',"crc":"%08x"}\n' % zlib.crc32(head)


def unsealed(line: bytes) -> Row | None:
    """Return the entry of a line without its newline; None where it is not what was written."""
    end = _LINE_END.search(line)
    if end is None or int(end[1], 16) != zlib.crc32(line[: end.start()]):
        return None
    try:
        return cast("Row", json.loads(line[: end.start()] + b"}", parse_constant=_refuse))
    except WRONG:
        return None


WRONG = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, pa.ArrowException)
"""What a line raises that has the right checksum and is wrong: no accident, but no reason to fall over it."""
Line = tuple[int, Row]
"""A row, and the version of the schema that it is of."""


def read_lines(content: bytes) -> tuple[pa.Table, list[int]]:
    """Return the rows of a log and the numbers of its damaged lines, from 1.

    A torn last line was never acknowledged and is passed over.
    """
    lines = dict(enumerate(content.split(b"\n")[:-1], 1))
    rows = {number: row for number, line in lines.items() if (row := _row(line)) is not None}
    try:
        table = _table(list(rows.values()))
    except WRONG:
        rows = {number: row for number, row in rows.items() if _fits(row)}
        table = _table(list(rows.values()))
    return table, sorted(lines.keys() - rows.keys())


def _row(text: bytes) -> Line | None:
    row = unsealed(text)
    if row is None:
        return None
    try:
        version = row.pop("schema", UNSAID)
        check_line(row, version)
    except WRONG:
        return None
    return (version, row) if isinstance(row["trial"], int) and isinstance(row["seed"], int) else None


def _table(lines: list[Line]) -> pa.Table:
    """Return rows of any versions as a table of this version."""
    versions = sorted({version for version, _ in lines})
    tables = [table_of_lines([row for own, row in lines if own == version], version) for version in versions]
    return pa.concat_tables([SCHEMA.empty_table(), *tables])


def _fits(line: Line) -> bool:
    try:
        _table([line])
    except WRONG:
        return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def to_part(table: pa.Table, number: int) -> tuple[str, bytes]:
    """Return the name and the content of a part."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content = sink.getvalue().to_pybytes()
    return f"{number:06}-{table.num_rows}-{zlib.crc32(content):08x}.parquet", content


def rows_of(name: str) -> int:
    """Return the number of rows of a part by its name, 0 where it is none."""
    match = PART_NAME.fullmatch(name)
    return int(match[2]) if match else 0


def number_of(name: str) -> int:
    """Return the number with which the name of a part or of a log begins, 0 where there is none."""
    match = re.match(r"\d{1,18}", name)
    return int(match[0]) if match else 0


def read_part(name: str, content: bytes) -> pa.Table:
    """Return the table of a part; one of an earlier version as if it were of this.

    Raises:
        DamagedError: it is not what was written under this name.
    """
    match = PART_NAME.fullmatch(name)
    if match is None:
        raise DamagedError("its name is not that of a part")
    if int(match[3], 16) != zlib.crc32(content):
        raise DamagedError(f"its {len(content)} bytes do not have the checksum in its name")
    try:
        table = pq.read_table(pa.BufferReader(content))
        check_columns(table)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise DamagedError(str(error)) from None
    if table["trial"].null_count or table["seed"].null_count:
        raise DamagedError("it has rows without a trial or a seed")
    return current_table(table)
