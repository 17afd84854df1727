"""Results of earlier versions of the schema, read as if they were of this one.

Every part says its version in its metadata, every line of a log in a key, `study.json` too. So old parts lie beside new
ones, and nothing is written anew for the sake of it. An earlier version is a module `dse.results.version_N`: its
columns, and a step to version N + 1 for tables and for `study.json`; the steps are chained. Whoever changes a column,
or the name of a setting, which rows hold in `parameters` and `design`, adds a version here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa

from dse.results import version_4, version_5
from dse.results.rows import Row, check_row, same_keys, to_table, with_pairs
from dse.results.schema import SCHEMA, VERSION

UNSAID = 4
"""The version of lines of a log that do not say theirs."""


@dataclass(frozen=True)
class Earlier:
    """An earlier version of the schema.

    Attributes:
        columns: the columns of its parts.
        table: takes a table to the next version.
        about: takes what results say of themselves to the next version.
    """

    columns: pa.Schema
    table: Callable[[pa.Table], pa.Table]
    about: Callable[[Mapping[str, Any]], dict[str, Any]]


EARLIER = {
    4: Earlier(version_4.COLUMNS, version_4.table_to_5, version_4.about_to_5),
    5: Earlier(version_5.COLUMNS, version_5.table_to_6, version_5.about_to_6),
}
"""The versions that are read beside this one."""


def check_columns(table: pa.Table) -> int:
    """Check a table as `check_schema` does its schema."""
    return check_schema(table.schema)


def check_schema(schema: pa.Schema) -> int:
    """Check that a schema has the columns of the version that its metadata says, and return the version.

    Raises:
        ValueError: it has not, or it is of none that this one reads.
    """
    version = int((schema.metadata or {}).get(b"dse_schema", b"0"))
    check_version(version)
    columns = SCHEMA if version == VERSION else EARLIER[version].columns
    if not schema.equals(columns):
        raise ValueError(f"its columns are not those of version {version} of the schema")
    return version


def current_table(table: pa.Table) -> pa.Table:
    """Return a table of any version as one of this version.

    Raises:
        ValueError: see `check_columns`.
    """
    version = check_columns(table)
    while version != VERSION:
        table, version = EARLIER[version].table(table), version + 1
    return table


def current_about(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what results of any version say of themselves as those of this version would.

    Raises:
        ValueError: see `check_version`.
        LookupError, TypeError, AttributeError: something is missing, or is not what it should be.
    """
    found, version = dict(about), about.get("schema", VERSION)
    check_version(version)
    while version != VERSION:
        found, version = EARLIER[version].about(found), version + 1
    return found


def check_version(version: Any) -> None:
    """Check that there is a way from a version of the schema to this one.

    Raises:
        ValueError: there is none.
    """
    if version != VERSION and version not in list(EARLIER):
        read = ", ".join(map(str, [*EARLIER, VERSION]))
        raise ValueError(f"was written with schema {version}; this version of the framework reads {read}")


def check_line(row: Row, version: int) -> None:
    """Check that a row from a log has the columns of its version.

    Raises:
        ValueError: it has not, or there is no such version.
    """
    check_version(version)
    if version == VERSION:
        check_row(row)
        return
    columns = EARLIER[version].columns
    same_keys(row, dict.fromkeys(columns.names), "row")
    for name, type_ in zip(columns.names, columns.types, strict=True):
        if pa.types.is_list(type_):
            inner = dict.fromkeys(field.name for field in cast("Any", type_).value_type)
            for entry in row[name]:
                same_keys(entry, inner, name)


def table_of_lines(rows: Sequence[Row], version: int) -> pa.Table:
    """Return rows of a version, from a log, as a table of this version."""
    if version == VERSION:
        return to_table(rows)
    return current_table(pa.Table.from_pylist(list(map(with_pairs, rows)), schema=EARLIER[version].columns))
