"""The results folder: what is acknowledged is on the disk, and a study can always be opened.

    RESULTS/
      source/study.toml     the study file as it was given, and the card files it names beside it
      study.json            what this folder is: schema, key of the study, versions, when it began
      log/000003.jsonl      rows since the last part, one line each, synchronised before they are acknowledged
      trials/000002.parquet sealed parts, never changed
      staging/              parts being written; no reader looks here
      lock                  held by the one run that may write

There is one writer. It appends lines to a log of its own. Sealing writes the log as a Parquet part into `staging`,
synchronises it, renames it into `trials`, synchronises the folder, and then removes the log. A kill at any moment
leaves either the log or the part or both; a reader takes logs before parts and each (trial, seed) once. A torn last
line of a log was never acknowledged and is passed over.
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from dse.errors import ResultsError
from dse.results.schema import SCHEMA, VERSION, to_line, to_table

ABOUT = ("schema", "name", "objectives", "parameters", "seeds", "trials", "study_key", "code", "packages")
"""What `study.json` must say."""
SEAL_ROWS = 500
"""Rows of a log after which it is sealed into a part."""


class Store:
    """A results folder, open for writing. Use as a context manager.

    Args:
        folder: the results folder; it must have been made by `create`.

    Raises:
        ResultsError: another run holds the folder, or it is no results folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about = read_about(folder)
        self._lock = FileLock(folder / "lock")
        self._log: int | None = None
        self._pending: list[dict[str, Any]] = []
        self._number = 0

    def __enter__(self) -> Self:
        with _disk_errors(self.folder):
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                holder = _text(self.folder / "owner")
                raise ResultsError(
                    f"{self.folder} is in use by another run{f' ({holder})' if holder else ''}. "
                    "Wait for it, stop it, or choose another folder with --out"
                ) from None
            (self.folder / "owner").write_text(f"process {os.getpid()} on {os.uname().nodename}")
            for leftover in (self.folder / "staging").iterdir():
                leftover.unlink()
            for log in sorted((self.folder / "log").glob("*.jsonl")):
                self._seal(log, read_log(log))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._pending and not isinstance(error, ResultsError):
                self.seal()
        finally:
            self._close_log()
            self._lock.release()

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Make rows durable; when this returns they survive any kill.

        Raises:
            ResultsError: the disk is full or failing; what was acknowledged before is safe.
        """
        lines = b"".join(map(to_line, rows))
        with _disk_errors(self.folder):
            handle = self._open_log() if self._log is None else self._log
            while lines:
                lines = lines[os.write(handle, lines) :]
            os.fdatasync(handle)
        self._pending += rows
        if len(self._pending) >= SEAL_ROWS:
            self.seal()

    def seal(self) -> None:
        """Turn the rows of the log into a Parquet part.

        Raises:
            ResultsError: the disk is full or failing; the log keeps the rows.
        """
        if self._log is None:
            return
        self._close_log()
        with _disk_errors(self.folder):
            self._seal(self.folder / "log" / f"{self._number:06}.jsonl", self._pending)
        self._pending = []

    def _close_log(self) -> None:
        if self._log is not None:
            os.close(self._log)
            self._log = None

    def _open_log(self) -> int:
        taken = [int(p.stem) for place in ("log", "trials") for p in (self.folder / place).iterdir()]
        self._number = 1 + max(taken, default=0)
        # No buffer of our own: what a full disk did not take must not come up again when the file is closed.
        self._log = os.open(self.folder / "log" / f"{self._number:06}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        _sync(self.folder / "log")
        return self._log

    def _seal(self, log: Path, rows: list[dict[str, Any]]) -> None:
        part = self.folder / "trials" / f"{log.stem}.parquet"
        if rows and not part.exists():
            staged = self.folder / "staging" / part.name
            pq.write_table(to_table(rows), staged, compression="zstd")
            _sync(staged)
            staged.replace(part)
            _sync(part.parent)
        log.unlink()


def create(folder: Path, about: dict[str, Any], files: dict[str, bytes]) -> None:
    """Make a results folder, whole or not at all: it is built beside its place and renamed into it.

    Args:
        folder: where; it must not exist or be empty.
        about: what the folder is; the schema version is added.
        files: copies to keep, by path relative to the subfolder `source`; "study.toml" among them.

    Raises:
        ResultsError: the folder holds something else, or cannot be written.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ResultsError(f"{folder} exists and is no results folder; choose another with --out")
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        for place in ("log", "trials", "staging", "source"):
            (new / place).mkdir()
        for name, content in files.items():
            (new / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (new / "source" / name).write_bytes(content)
        (new / "study.json").write_text(json.dumps({"schema": VERSION, **about}, indent=2) + "\n")
        for path in (*new.rglob("*"), new):
            _sync(path)
        new.chmod(0o755)
        new.replace(folder)
        _sync(folder.parent)
    except (OSError, ValueError) as error:
        raise ResultsError(f"cannot make the folder {folder}: {error}; choose another with --out") from None


def discard(folder: Path) -> None:
    """Remove a results folder that has no row and that nobody uses, after a start that failed."""
    lock = FileLock(folder / "lock")
    try:
        with lock.acquire(timeout=0):
            if not any((folder / "trials").glob("*")) and not any((folder / "log").glob("*")):
                shutil.rmtree(folder, ignore_errors=True)
    except (Timeout, OSError):
        return


def read_about(folder: Path) -> dict[str, Any]:
    """Return what a results folder says of itself.

    Raises:
        ResultsError: it is none, or of another version.
    """
    path = folder / "study.json"
    try:
        about: Any = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ResultsError(f"{folder} is no results folder (it has no study.json)") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(f"{path} is unreadable: {error}") from None
    table = cast("dict[str, Any]", about) if isinstance(about, dict) else {}
    if table.get("schema", VERSION) != VERSION:
        raise ResultsError(
            f"{folder} was written with schema {table['schema']}; this version reads {VERSION}. "
            f"Use the version that wrote it: {table.get('code', 'unknown')}"
        )
    missing = [key for key in ABOUT if key not in table]
    if missing:
        raise ResultsError(f"{path} is damaged: it has no {', '.join(missing)}")
    return table


def read_table(folder: Path) -> pa.Table:
    """Return all rows of a results folder, each (trial, seed) once, in order of trial and seed.

    Safe while a run writes.

    Raises:
        ResultsError: a part or a log is damaged, named in the message.
    """
    read_about(folder)
    rows: list[dict[str, Any]] = []
    for log in sorted((folder / "log").glob("*.jsonl")):
        rows += read_log(log)
    tables = [to_table(rows)]
    for part in sorted((folder / "trials").glob("*.parquet")):
        try:
            tables.append(pq.read_table(part, schema=SCHEMA))
        except (pa.ArrowException, OSError) as error:
            raise ResultsError(f"the part {part} is damaged: {error}. Move it away to read the rest") from None
    table = pa.concat_tables(tables)
    keys = list(zip(table["trial"].to_pylist(), table["seed"].to_pylist(), strict=True))
    first = {key: index for index, key in reversed(list(enumerate(keys)))}
    return table.take(pa.array([first[key] for key in sorted(first)], pa.int64()))


def read_log(log: Path) -> list[dict[str, Any]]:
    """Return the rows of a log; a torn last line was never acknowledged and is passed over.

    Raises:
        ResultsError: a line before the last is damaged.
    """
    try:
        raw = log.read_bytes()
    except FileNotFoundError:
        return []  # sealed since the folder was listed; the part has the rows
    *lines, _torn = raw.split(b"\n")
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(json.loads(line))
        except ValueError:
            raise ResultsError(f"line {number} of {log} is damaged; remove that line to read the rest") from None
    return rows


@contextmanager
def _disk_errors(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            reason = "no space is left"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            reason = "writing is not permitted"
        else:
            reason = str(error)
        raise ResultsError(
            f"cannot write to {folder}: {reason}. Finished trials are safe; mend it, then `dse resume {folder}`"
        ) from None


def _sync(path: Path) -> None:
    """Make the content of a file, or the entries of a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
