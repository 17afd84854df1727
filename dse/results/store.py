"""The results of a study: what is acknowledged is durable, and a study can always be opened.

    RESULTS/                              a folder, or a prefix of an object store
      source/study.toml                   the study file as it was given, and the card files it names
      study.json, study.json.copy         what this is: schema, key of the study, versions, when it began, checksums of
                                          the files in source/
      parts.json                          which parts there are, so that one that is lost is missed
      log/000003-9f2c41d7.jsonl           rows since the last part, durable before they are acknowledged
      trials/000002-500-1a2b3c4d.parquet  sealed parts, never changed: number, rows, checksum
      decisions/000003-9f2c41d7.jsonl     steps that the search decided, durable before they are acted on
      paused/12-0-3.npz                    trainings that pause: trial, seed and epochs (`dse.search.checkpoints`)
      damaged/                            files that were found damaged, kept as they were
      staging/                            files being written; no reader looks here
      lock, lease/                        held by the one run that may write

There is one writer. It appends lines to a log of its own. Sealing reads the log back, writes it as a Parquet part,
and then removes the log. Small parts are united into larger ones in the same way: first the new, then the end of the
old. A kill at any moment leaves rows twice, never none; readers take each (trial, seed) once (`dse.results.reading`).

A disk that is full, or a store that cannot be reached, makes the writer wait and try again, for as long as it was
told to; nothing that was acknowledged depends on it.
"""

import errno
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pyarrow as pa

from dse.errors import ResultsError
from dse.results.address import place_of
from dse.results.encoding import number_of, rows_of, to_line, to_part, to_sealed
from dse.results.place import Log, Place, Where
from dse.results.reading import (
    COPY,
    DESCRIPTION,
    PARTS,
    TOLD_APART,
    Damage,
    batches_once,
    checksum,
    count_rows,
    each_once,
    has_results,
    is_missing,
    keys_of,
    listed_parts,
    log_names,
    log_or_damage,
    part_or_damage,
    raw_about,
    read_about,
    read_rows,
    read_table,
)
from dse.results.schema import SCHEMA, VERSION

__all__ = ["Store", "create", "discard", "has_results", "read_about", "read_table"]

DECISIONS = "decisions"
"""Subfolder of the decisions of the search; see `dse.search.decisions`."""
SEAL_ROWS = 500
"""Rows of a log after which it is sealed into a part."""
SEAL_BYTES = 1 << 20
"""Size after which it is in any case: as a part it takes a tenth of that, which counts where a disk is nearly full."""
SEAL_APPENDS = 200
"""Appends after which it is sealed in any case: in an object store each is an object."""
UNITE_PARTS = 16
"""Parts of a size that are united into one."""
UNITE_BELOW = (8_000, 128_000)
"""Sizes in rows: parts below the first are united, and then parts below the second; larger ones stay."""
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 60.0
"""How long a pause begins and ends up to be, between two attempts to write."""

log = logging.getLogger(__name__)
T = TypeVar("T")


class _GoneError(ResultsError):
    """Files were taken away while a run wrote to them."""


class _Growing:
    """A log that begins with its first lines.

    Args:
        begin: begins one.
    """

    def __init__(self, begin: Callable[[], Log]) -> None:
        self._begin = begin
        self._log: Log | None = None

    def append(self, lines: bytes) -> None:
        """Add lines. After an OSError the next begin a log of their own, behind whatever this one left."""
        if self._log is None:
            self._log = self._begin()
        try:
            self._log.append(lines)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Write no more to what was begun."""
        if self._log is not None:
            self._log.close()
            self._log = None


class Store:
    """Results, open for writing. Use as a context manager.

    Args:
        where: the results; they must have been made by `create`.
        patience_s: for how long a write that fails is tried again before it is an error, s.

    Raises:
        ResultsError: another run holds them, or there are none.
    """

    def __init__(self, where: Where, patience_s: float = 0.0) -> None:
        self.place: Place = place_of(where)
        self.about = read_about(self.place)
        self._patience_s = patience_s
        self._lock = self.place.lock()
        self._token = uuid.uuid4().hex[:8]
        self._log = _Growing(lambda: self._begin("log"))
        self._decisions = _Growing(lambda: self._begin(DECISIONS))
        self._logged_rows, self._logged_bytes, self._appends = 0, 0, 0
        self._rows = 0
        self._number = 0
        self._parts: list[str] = []
        self._kept: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._waiting_for_space(self._lock.acquire)
        try:
            self.patiently(self._recover)
        except BaseException:
            self._lock.release()
            raise
        return self

    def _recover(self) -> None:
        """Put in order what a killed run left: half files, open logs, damaged files."""
        self.place.prepare()
        self.about = read_about(self.place)  # another run may have extended the study before the lock was ours
        self._mend_description()
        taken = [name for folder in ("log", "trials", "damaged", DECISIONS) for name in self.place.names(folder)]
        self._number = max((number_of(name.rpartition("/")[2]) for name in taken), default=0)
        table, damages = read_rows(self.place, self.about, ["trial"])
        self._rows = table.num_rows
        for damage in damages:
            if is_missing(damage):
                log.warning("%s/%s is damaged: %s", self.place, damage.name, damage.reason)
            elif damage.name.startswith("trials/"):
                self._set_aside(damage.name, damage.reason)
        self._parts = listed_parts(self.place) or []
        self._list_parts(self.place.names("trials"))
        self._seal()
        self._unite()

    def _mend_description(self) -> None:
        """Have the description and its copy alike, and of this version."""
        raw, damaged = raw_about(self.place)
        if raw["schema"] != VERSION or "checksums" not in raw:
            # Before anything of this version is written: earlier ones then refuse the results, and do not take what
            # they cannot read for damaged.
            self._kept = {} if "checksums" in raw else self._checksums()
            if listed_parts(self.place) == []:  # of a version without a list
                self.place.write(PARTS, encode_parts(self.place.names("trials")))
            self.describe(self.about)
            return
        good, other = (COPY, DESCRIPTION) if damaged else (DESCRIPTION, COPY)
        content = self.place.read(good)
        if self._content(other) != content:
            self.place.write(other, content)

    def _checksums(self) -> dict[str, str]:
        """Return the checksums of the files that results of an earlier version keep; they are believed as they lie."""
        names = [f"{self.about['source']}/{name}" for name in self.about["files"]]
        found = {name: self._content(name) for name in names}
        return {name: checksum(content) for name, content in found.items() if content is not None}

    def _content(self, name: str) -> bytes | None:
        try:
            return self.place.read(name)
        except FileNotFoundError:
            return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not isinstance(error, ResultsError):
                self._check_lock()
                self._log.close()
                if error is None:
                    self.patiently(self._seal)
                else:  # stopped: whoever stopped it does not wait for it
                    self._seal()
        except _GoneError as reason:
            log.warning("%s", reason)
        except (OSError, ResultsError) as reason:
            log.warning("%s: the last rows stay in the log (%s); nothing is lost", self.place, reason)
        finally:
            self._log.close()
            self._decisions.close()
            self._lock.release()

    @property
    def folder(self) -> Path:
        """A folder of this machine: the results, or for an object store one in the user's cache."""
        return self.place.work

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Make rows durable; when this returns they survive any kill.

        Raises:
            ResultsError: they could not be written within the patience; what was acknowledged before is safe.
        """
        lines = b"".join(map(to_line, rows))
        self.patiently(lambda: self._log.append(lines))
        self._logged_rows += len(rows)
        self._logged_bytes += len(lines)
        self._rows += len(rows)
        self._appends += 1
        full = self._logged_rows >= SEAL_ROWS or self._logged_bytes >= SEAL_BYTES
        if full or self._appends >= SEAL_APPENDS:
            self.seal()

    def decide(self, lines: list[bytes]) -> None:
        """Make decisions durable; when this returns they survive any kill.

        Raises:
            ResultsError: they could not be written within the patience.
        """
        self.patiently(lambda: self._decisions.append(b"".join(lines)))

    def describe(self, about: dict[str, Any]) -> None:
        """Change the description of the results.

        Raises:
            ResultsError: it could not be written within the patience.
        """
        about = {**about, "checksums": {**about.get("checksums", {}), **self._kept}}
        content = encode_about(about)
        self.patiently(lambda: self.place.write(DESCRIPTION, content))
        self.patiently(lambda: self.place.write(COPY, content))
        self.about = about

    def keep(self, name: str, content: bytes) -> None:
        """Keep a file with the table, such as a later study file; the next `describe` holds its checksum.

        Raises:
            ResultsError: it could not be written within the patience.
        """
        self.patiently(lambda: self.place.write(name, content))
        self._kept[name] = checksum(content)

    def finish(self) -> None:
        """Seal what is in the log, and make sure that every row that was acknowledged is in the table.

        Raises:
            ResultsError: some are not there any more: others removed or damaged files meanwhile. Or it could not be
                written within the patience.
        """
        self.seal()
        self.patiently(self._check_count)

    def _check_count(self) -> None:
        found, there = count_rows(self.place), self.place.names("trials")
        gone = [name for name in self._parts if name not in there]
        if found < self._rows or gone:
            which = f" ({', '.join(gone[:3])} {'is' if len(gone) == 1 else 'are'} gone)" if gone else ""
            raise self._lost(max(self._rows - found, 1), which)

    def _lost(self, count: int, which: str = "") -> ResultsError:
        what = "1 row that was" if count == 1 else f"{count} rows that were"
        return _GoneError(
            f"{what} stored in {self.place} {'is' if count == 1 else 'are'} not there any more{which}: something "
            "removed or changed files there while this run wrote to it. "
            f"`dse resume {self.place}` simulates what is missing"
        )

    def seal(self) -> None:
        """Turn the rows of the log into a Parquet part.

        Raises:
            ResultsError: it could not be written within the patience; the log keeps the rows.
        """
        self._log.close()
        self.patiently(self._seal)
        self.patiently(self._unite)

    def _begin(self, folder: str) -> Log:
        return self.place.open_log(f"{folder}/{self._next():06}-{self._token}")

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _seal(self) -> None:
        """Write the rows of all logs as a part, and remove the logs."""
        names = log_names(self.place)
        tables: list[pa.Table] = []
        damaged: dict[str, str] = {}
        for name in names:
            table, reason = log_or_damage(self.place, name, keys_of(self.about))
            tables.append(table)
            if reason:
                damaged[name] = reason
        found = 0
        if any(table.num_rows for table in tables):
            rows = each_once(tables)
            found = rows.num_rows
            self._list_parts([*self._parts, self._write_part(rows)])
        for name in names:
            if name in damaged:
                self._set_aside(name, damaged[name])
            else:
                self.place.remove(name)
        expected, self._logged_rows, self._logged_bytes, self._appends = self._logged_rows, 0, 0, 0
        if found < expected:
            raise self._lost(expected - found)

    def _write_part(self, rows: pa.Table | Iterable[pa.Table]) -> str:
        part, content = to_part(rows, self._next())
        self.place.write(f"trials/{part}", content)
        return f"trials/{part}"

    def _check_lock(self) -> None:
        try:
            self._lock.check()
        except ResultsError as error:
            raise _GoneError(str(error)) from None

    def _list_parts(self, parts: list[str]) -> None:
        """Say which parts there are: after one was added, before one is removed."""
        if sorted(parts) != sorted(self._parts) or listed_parts(self.place) is None:
            self.place.write(PARTS, encode_parts(parts))
        self._parts = parts

    def _unite(self) -> None:
        """Unite small parts into a larger one, where there are many."""
        for limit in UNITE_BELOW:
            group = [name for name in self.place.names("trials") if rows_of(name.rpartition("/")[2]) < limit]
            if len(group) >= UNITE_PARTS:
                self._unite_group(group)

    def _unite_group(self, group: list[str]) -> None:
        found = {name: part_or_damage(self.place, name, keys_of(self.about), TOLD_APART) for name in group}
        tables = {name: part for name, part in found.items() if not isinstance(part, Damage)}
        damages = [part for part in found.values() if isinstance(part, Damage)]
        self._list_parts([name for name in self._parts if name not in {damage.name for damage in damages}])
        for damage in damages:
            self._set_aside(damage.name, damage.reason)
        if tables:
            new = self._write_part(batches_once(self.place, tables))
            old = [name for name in tables if name != new]
            self._list_parts([*(name for name in self._parts if name not in old), new])
            for name in old:
                self.place.remove(name)

    def _set_aside(self, name: str, reason: str) -> None:
        kept = f"damaged/{name.rpartition('/')[2]}"
        self.place.move(name, kept)
        log.warning(
            "%s/%s is damaged: %s. It is kept as %s; the rows it held are simulated again by `dse resume`",
            self.place,
            name,
            reason,
            kept,
        )

    def patiently(self, action: Callable[[], T]) -> T:
        """Do what writes; where it fails, warn and try again until it works or patience ends.

        Raises:
            ResultsError: patience has ended, or another run has taken over.
        """

        def locked() -> T:
            self._lock.check()
            return action()

        return self._waiting_for_space(locked)

    def _waiting_for_space(self, action: Callable[[], T]) -> T:
        waited, delay = 0.0, FIRST_DELAY_S
        while True:
            try:
                result = action()
            except OSError as error:
                if waited >= self._patience_s:
                    raise self._cannot_write(error) from None
                delay = min(delay, self._patience_s - waited)
                log.warning(
                    "paused: cannot write to %s: %s. Finished trials are safe; trying again in %.3g s; Ctrl-C stops",
                    self.place,
                    _reason(error),
                    delay,
                )
                time.sleep(delay)
                waited, delay = waited + delay, min(2 * delay, LONGEST_DELAY_S)
            else:
                if waited:
                    log.warning("resumed: %s can be written again", self.place)
                return result

    def _cannot_write(self, error: OSError) -> ResultsError:
        return ResultsError(
            f"cannot write to {self.place}: {_reason(error)}. "
            f"Finished trials are safe; solve that, then `dse resume {self.place}`"
        )


def create(where: Where, about: dict[str, Any], files: dict[str, bytes], table: pa.Table | None = None) -> None:
    """Make a place for results, completely or not at all.

    Args:
        where: where; there must be nothing yet.
        about: what the results are; the schema version is added.
        files: copies to keep, by path relative to the subfolder `source`; "study.toml" among them.
        table: rows to begin with.

    Raises:
        ResultsError: there is something else, or it cannot be written.
    """
    place = place_of(where)
    kept = {f"source/{name}": content for name, content in files.items()}
    sums = {name: checksum(content) for name, content in kept.items()}
    described = encode_about(
        {"schema": VERSION, **about, "source": "source", "files": sorted(files), "checksums": sums}
    )
    rows = SCHEMA.empty_table() if table is None else table
    for number, start in enumerate(range(0, rows.num_rows, UNITE_BELOW[-1]), 1):
        name, content = to_part(rows.slice(start, UNITE_BELOW[-1]), number)
        kept[f"trials/{name}"] = content
    kept[PARTS] = encode_parts([name for name in kept if name.startswith("trials/")])
    try:
        place.make({DESCRIPTION: described, COPY: described, **kept})
    except (OSError, ValueError) as error:
        raise ResultsError(f"cannot make the folder {place}: {error}; choose another with --out") from None


def encode_about(about: dict[str, Any]) -> bytes:
    """Return the content of `study.json`."""
    return to_sealed(about)


def encode_parts(parts: Sequence[str]) -> bytes:
    """Return the content of `parts.json`, from names that begin with "trials/"."""
    return to_sealed({"parts": [name.removeprefix("trials/") for name in parts]})


def discard(where: Where) -> bool:
    """Remove results that have no row and that nobody uses, after a start that failed; return whether they are gone."""
    place = place_of(where)
    lock = place.lock()
    try:
        lock.acquire()
        try:
            has_rows = place.names("trials") or place.names("log")
        finally:
            lock.release()  # before the end of all, lest it leaves a lease behind
        if not has_rows:
            place.destroy()
    except (ResultsError, OSError):
        return False
    return not has_rows


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "no space is left"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "writing is not permitted"
    return str(error)
