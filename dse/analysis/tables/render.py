"""Tables for people and for programs."""

import io
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from dse.errors import QueryError, printable
from dse.pricing.text import cell

MAX_ROWS = 60


class UnwritableError(QueryError):
    """A file that the user named cannot be written, whatever shall be in it."""


def render(table: pl.DataFrame, title: str | None = None) -> str:
    """Return a table as text; long ones are cut and say so."""
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for name in table.columns:
        grid.add_column(printable(name), justify="right" if table[name].dtype.is_numeric() else "left", no_wrap=True)
    for row in table.head(MAX_ROWS).iter_rows(named=True):
        grid.add_row(*(printable(cell(name, value)) for name, value in row.items()))
    width = 40 + sum(max(len(name), 12) + 2 for name in table.columns) * 3
    # In a notebook rich would show the table at once, and give no text.
    page = io.StringIO()
    console = Console(
        file=page, width=width, highlight=False, markup=False, emoji=False, force_jupyter=False, color_system=None
    )
    console.print(grid)
    text = page.getvalue()
    # The title is a line of its own: in the grid it would be broken at the width of a narrow table.
    lines = ([] if title is None else [title]) + [line.rstrip() for line in text.splitlines()]
    if len(table) > MAX_ROWS:
        lines.append(f"... {len(table) - MAX_ROWS} more rows; --format csv gives all")
    return "\n".join(lines)


def encode(table: pl.DataFrame, format_: str) -> bytes:
    """Return a table as csv, json (a list of rows) or parquet."""
    if format_ == "json":
        return table.write_json().encode() + b"\n"
    buffer = io.BytesIO()
    if format_ == "csv":
        nested = [name for name, dtype in table.schema.items() if dtype.is_nested()]
        if nested:
            raise QueryError(f"csv cannot hold the nested columns {', '.join(nested)}; use json or parquet")
        table.write_csv(buffer)
    else:
        table.write_parquet(buffer)
    return buffer.getvalue()


def check_writable(path: Path) -> None:
    """Check that a file that the user named can be written, before the work that fills it.

    Raises:
        UnwritableError: it is a folder, there is no folder to hold it, or it may not be written.
    """
    try:
        if path.is_dir():
            raise UnwritableError(f"cannot write {path}: it is a folder; name a file")
        if not path.exists() and not path.parent.is_dir():
            raise UnwritableError(f"cannot write {path}: there is no folder {path.parent}; make it first")
        is_replaced = not path.exists() or (path.is_file() and not path.is_symlink())  # as `write` does
        needed = {"it": path.exists(), "its folder": is_replaced}
        may = {"it": os.access(path, os.W_OK), "its folder": os.access(path.parent, os.W_OK)}
    except OSError as error:  # such as a name that is too long
        raise UnwritableError(f"cannot write {path}: {error.strerror}") from None
    for what, is_needed in needed.items():
        if is_needed and not may[what]:
            raise UnwritableError(f"cannot write {path}: {what} is write-protected")


def check_folder(path: Path) -> None:
    """Check that a folder that the user named can hold files, before the work that makes them; it need not be there.

    Raises:
        UnwritableError: something that is no folder has its name or that of one above it, or it may not be written.
    """
    try:
        there = next(own for own in (path, *path.absolute().parents) if own.exists() or own.is_symlink())
        if not there.is_dir():
            raise UnwritableError(f"cannot make the folder {path}: {there} is no folder")
        may = os.access(there, os.W_OK)
    except OSError as error:
        raise UnwritableError(f"cannot make the folder {path}: {error.strerror}") from None
    if not may:
        raise UnwritableError(f"cannot write into the folder {there}: it is write-protected")


def write(path: Path, content: bytes) -> None:
    """Write a file the user named, completely or not at all: what was there before stays until the new one is whole.

    A link, or what is no plain file, such as /dev/stdout, is written to as it is.

    Raises:
        UnwritableError: it cannot be written.
    """
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_bytes(content)
        else:
            _replace(path, content)
    except OSError as error:
        raise UnwritableError(f"cannot write {path}: {error.strerror}") from None


def _replace(path: Path, content: bytes) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(None, "it is write-protected")
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}-", dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        new.chmod(mode)
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise


def _umask() -> int:
    umask = os.umask(0o022)
    os.umask(umask)
    return umask
