"""Rows and descriptions as bytes, each with a checksum, so that damage is found and never read.

A line of a log is a row as JSON whose last key is the CRC-32 of what precedes it. The name of a part holds the
number of its rows and the CRC-32 of the file: `000012-500-1a2b3c4d.parquet`. A description is JSON whose key `checksum`
is the SHA-256 of all others.

A row names the study that it belongs to by its key; a row of another study is damage, too.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NoReturn, cast

import pyarrow as pa
import pyarrow.parquet as pq

from dse.results.migration import UNSAID, check_line, check_schema, current_table, table_of_lines
from dse.results.rows import Row, check_row
from dse.results.schema import SCHEMA, VERSION

PART_NAME = re.compile(r"(\d{6,})-(\d+)-([0-9a-f]{8})\.parquet")
_LINE_END = re.compile(rb',"crc":"([0-9a-f]{8})"\}$')


CHECKSUM = "checksum"
"""Key of the checksum in a description."""
PIECE = 1 << 20
"""Bytes of a part that are in memory when its checksum is taken."""
ROWS = 8192
"""Rows of a part that are compressed together, and so are in memory together when it is gone through."""
TOLD_BY = ("trial", "seed", "study_key")
"""Columns that say whether a part belongs here."""
GROUP = 64 << 20
"""Bytes of rows in memory after which they are compressed together, though they are fewer."""
Keys = Collection[str] | None
"""Keys of the studies whose rows belong into a table; None where any may."""


class DamagedError(Exception):
    """A file of the results is not what was written; the message gives the reason."""


def to_sealed(table: Mapping[str, Any]) -> bytes:
    """Return a table as JSON with its checksum, in place of one that it had."""
    own = {key: value for key, value in table.items() if key != CHECKSUM}
    return json.dumps({**own, CHECKSUM: _sum_of(own)}, indent=2).encode() + b"\n"


def from_sealed(content: bytes) -> tuple[dict[str, Any], bool]:
    """Return a table from its JSON, without its checksum, and whether it had one.

    Raises:
        DamagedError: it is not what was written.
    """
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"it is unreadable: {error}") from None
    if not isinstance(found, dict):
        raise DamagedError("it is no table")
    table = cast("dict[str, Any]", found)
    if CHECKSUM not in table:
        return table, False
    try:
        right = table.pop(CHECKSUM) == _sum_of(table)
    except (ValueError, RecursionError):  # such as a surrogate that no text can hold
        right = False
    if not right:
        raise DamagedError("it does not have the checksum that it says")
    return table, True


def _sum_of(table: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(table, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


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


def read_lines(content: bytes, keys: Keys = None) -> tuple[pa.Table, list[int]]:
    """Return the rows of a log and the numbers of its damaged lines, from 1.

    A torn last line was never acknowledged and is passed over. One that is whole but for its end is damaged.

    Args:
        content: the bytes of the log.
        keys: the studies that rows may be of; a line of another is damaged.
    """
    *whole, rest = content.split(b"\n")
    lines = dict(enumerate(whole if _row(rest[:-1]) is None else [*whole, rest], 1))
    rows = {number: row for number, line in lines.items() if (row := _row(line)) is not None and _is_of(row, keys)}
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


def _is_of(line: Line, keys: Keys) -> bool:
    key = line[1].get("study_key")
    return keys is None or key is None or (isinstance(key, str) and key in keys)


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


def to_part(tables: pa.Table | Iterable[pa.Table], number: int) -> tuple[str, bytes]:
    """Return the name and the content of a part, from its rows or from tables that hold them one after the other."""
    sink, count = pa.BufferOutputStream(), 0
    schema = tables.schema if isinstance(tables, pa.Table) else SCHEMA
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for table in _gathered([tables] if isinstance(tables, pa.Table) else tables):
            writer.write_table(table, row_group_size=ROWS)
            count += table.num_rows
    content = sink.getvalue().to_pybytes()
    return f"{number:06}-{count}-{zlib.crc32(content):08x}.parquet", content


def _gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield tables put together and cut to what is compressed together."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting = [*waiting, table]
        if sum(own.num_rows for own in waiting) >= ROWS or sum(own.nbytes for own in waiting) >= GROUP:
            whole = pa.concat_tables(waiting)
            full = whole.num_rows // ROWS * ROWS or whole.num_rows
            yield whole.slice(0, full)
            waiting = [whole.slice(full)] if full < whole.num_rows else []
    if waiting:
        yield pa.concat_tables(waiting)


def rows_of(name: str) -> int:
    """Return the number of rows of a part by its name, 0 where it is none."""
    match = PART_NAME.fullmatch(name)
    return int(match[2]) if match else 0


def number_of(name: str) -> int:
    """Return the number with which the name of a part or of a log begins, 0 where there is none."""
    match = re.match(r"\d{1,18}", name)
    return int(match[0]) if match else 0


def read_part(name: str, file: BinaryIO, keys: Keys = None, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the table of a part; one of an earlier version as if it were of this.

    All bytes of the part are held against its checksum, whatever is read of it.

    Args:
        name: its name, without folders.
        file: the part, opened for reading.
        keys: the studies that its rows may be of.
        columns: those that are needed; None for all.

    Raises:
        DamagedError: it is not what was written under this name, or belongs to another study.
    """
    part = open_part(name, file)
    needed = None if columns is None else list(dict.fromkeys([*columns, *TOLD_BY]))
    return checked(_columns_of(part, needed), keys, columns)


def _columns_of(part: pq.ParquetFile, needed: list[str] | None) -> pa.Table:
    try:
        if needed is None or check_schema(part.schema_arrow) != VERSION:
            table = current_table(part.read())
            return table if needed is None else table.select(needed)
        return part.read(columns=needed)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise DamagedError(str(error)) from None


def part_batches(name: str, file: BinaryIO, rows: int) -> Iterator[pa.Table]:
    """Yield the rows of a part some at a time, which is all that is in memory; those of an earlier version likewise.

    Raises:
        DamagedError: it is not what was written under this name.
    """
    part = open_part(name, file)
    try:
        for batch in part.iter_batches(batch_size=rows):
            yield in_schema(current_table(pa.Table.from_batches([batch], schema=part.schema_arrow)))
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise DamagedError(str(error)) from None


def open_part(name: str, file: BinaryIO) -> pq.ParquetFile:
    """Return a part whose bytes are what was written, ready to be read.

    Raises:
        DamagedError: they are not.
    """
    match = PART_NAME.fullmatch(name)
    if match is None:
        raise DamagedError("its name is not that of a part")
    found, size = 0, 0
    while chunk := file.read(PIECE):
        found, size = zlib.crc32(chunk, found), size + len(chunk)
    if int(match[3], 16) != found:
        raise DamagedError(f"its {size} bytes do not have the checksum in its name")
    try:
        part = pq.ParquetFile(_native(file))
        check_schema(part.schema_arrow)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise DamagedError(str(error)) from None
    return part


def _native(file: BinaryIO) -> pa.NativeFile:
    """Return a file that Arrow reads by itself: its threads may hold one of Python until the interpreter has ended."""
    try:
        return pa.OSFile(f"/dev/fd/{file.fileno()}", "r")
    except OSError:  # it is in memory
        file.seek(0)
        return pa.BufferReader(file.read())


def checked(table: pa.Table, keys: Keys, columns: Sequence[str] | None = None) -> pa.Table:
    """Return some columns of the table of a part that belongs here; `TOLD_BY` are among those it has.

    Raises:
        DamagedError: it has rows of another study, or rows that nobody can tell apart.
    """
    if table["trial"].null_count or table["seed"].null_count:
        raise DamagedError("it has rows without a trial or a seed")
    others = [] if keys is None else sorted({key for key in table["study_key"].unique().to_pylist() if key} - {*keys})
    if others:
        raise DamagedError(f"it does not belong here: it holds rows of another study, with the key {others[0]}")
    return in_schema(table if columns is None else table.select(columns))


def in_schema(table: pa.Table) -> pa.Table:
    """Return a table with what the schema says of its columns, as all tables that are put together have it."""
    return pa.Table.from_arrays(table.columns, schema=schema_of(table.column_names))


def schema_of(columns: Sequence[str]) -> pa.Schema:
    """Return the schema of some columns of the table of trials."""
    return pa.schema([cast("Any", SCHEMA.field(name)) for name in columns], metadata=cast("Any", SCHEMA.metadata))
