"""The spool: what actors have finished outlives the driver.

An actor that sees the results folder appends each answer of a call to a file of that call, RESULTS/spool/KEY.jsonl,
as a line of JSON with a checksum, and synchronises the file before it answers. The driver removes the file when the
rows are in the table. A driver that dies leaves the files behind; the next one takes from them what its study proposes
again. A line is used only if it is what was written, and for the trial, seed and design it names, so that a line too
many does no harm; nor does one that is missing, where a disk was full: its trial is simulated again.

In a store of objects, which cannot be appended to, a file would be one object of a call, written when the call ends.
"""

import json
import logging
import os
from base64 import b64decode, b64encode
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from dse.designs.outcome import Failure
from dse.errors import ResultsError
from dse.results.encoding import sealed, unsealed
from dse.results.inside import create_plain, read_plain, refuse_link
from dse.results.rows import result_fields
from dse.search.executor import Answer, Job

PLACE = "spool"
MARK = ".driver"
"""File by which an actor knows that the folder it sees is the driver's."""


RESULT_KEYS = result_fields(Failure("invalid", "")).keys()


class Keep(Protocol):
    """Takes the lines of the answers of a call."""

    def __call__(self, line: bytes) -> None:
        """Take a line."""
        ...


def encode(answer: Answer, *, whole: bool = False) -> bytes:
    """Return an answer as a line of JSON; floats survive to the last bit.

    Args:
        answer: the answer.
        whole: with what a training that paused needs to go on. The spool does without: it saves time alone.
    """
    entry = {
        "trial": answer.job.trial,
        "seed": answer.job.seed,
        "until": answer.job.until,
        "design": None if answer.job.design is None else answer.job.design.key,
        "result": answer.result,
        "host": answer.host,
        "started_at": answer.started_at,
        "wall_s": answer.wall_s,
        "code": answer.code,
        "packages": answer.packages,
    }
    if whole and answer.paused is not None:
        entry["paused"] = b64encode(answer.paused).decode()
    return sealed(entry)


def decode(line: bytes, job: Job, kept_in: Path | None = None) -> Answer:
    """Return the answer to a job from its line; `kept_in` is the file of the spool that holds it.

    Raises:
        ValueError: the line belongs to another job, or is not what was written.
    """
    found = unsealed(line.removesuffix(b"\n"))
    if found is None:
        raise ValueError(f"the line of trial {job.trial} does not have its checksum")
    entry: dict[str, Any] = found
    if (entry.pop("trial"), entry.pop("seed"), entry.pop("until")) != (job.trial, job.seed, job.until):
        raise ValueError(f"the line does not belong to trial {job.trial}")
    if entry["result"].keys() != RESULT_KEYS:
        raise ValueError(f"the line of trial {job.trial} has other columns than this version")
    if entry.pop("design") != (None if job.design is None else job.design.key):
        raise ValueError(f"the line belongs to another design than that of trial {job.trial}")
    if "paused" in entry:
        entry["paused"] = b64decode(entry["paused"])
    return Answer(job=job, kept_in=kept_in, **entry)


@contextmanager
def keeping(spool: Path | None, key: str) -> Generator[Keep]:
    """Yield what keeps the lines of a call, durable when the block ends; without a spool it keeps nothing.

    What cannot be kept, since the disk is full say, is not: the answers reach the driver all the same.
    """
    kept = _Kept() if spool is None else _Kept.begun(_file(spool, key))
    try:
        yield kept.write
    finally:
        kept.close()


class _Kept:
    """A file of the spool that grows as long as it can."""

    def __init__(self, handle: int | None = None) -> None:
        self._handle, self._size = handle, 0

    @classmethod
    def begun(cls, path: Path) -> "_Kept":
        try:
            return cls(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW))
        except OSError:
            return cls()

    def write(self, line: bytes) -> None:
        left = memoryview(line)
        try:
            while left and self._handle is not None:
                left = left[os.write(self._handle, left) :]
            self._size += len(line)
        except OSError:
            self._give_up()

    def close(self) -> None:
        if self._handle is not None:
            with suppress(OSError):
                os.fdatasync(self._handle)
            os.close(self._handle)
            self._handle = None

    def _give_up(self) -> None:
        """Leave whole lines, and write no more."""
        if self._handle is not None:
            with suppress(OSError):
                os.ftruncate(self._handle, self._size)
            self.close()


log = logging.getLogger(__name__)


def open_spool(folder: Path, session: str) -> Path | None:
    """Make the spool of a results folder, marked as that of a driver, and return it; None where it cannot be made.

    Raises:
        ResultsError: it is a link, or lies behind one.
    """
    spool = folder.absolute() / PLACE
    refuse_link(spool)
    try:
        spool.mkdir(exist_ok=True)
        with os.fdopen(create_plain(spool / MARK), "w") as mark:
            mark.write(session)
    except OSError as error:
        log.warning(
            "%s cannot be written (%s): should this process be killed, what actors have finished and is not in the "
            "table by then is simulated again",
            spool,
            error.strerror,
        )
        return None
    return spool


def is_here(spool: Path, session: str) -> bool:
    """Return whether this process sees the spool that a driver marked."""
    try:
        return read_plain(spool / MARK).decode() == session and os.access(spool, os.W_OK)
    except (OSError, ResultsError, UnicodeDecodeError):
        return False


def lines_of(spool: Path, key: str) -> list[bytes]:
    """Return the whole lines that were kept of a call; none where there is no such file."""
    try:
        return read_plain(_file(spool, key)).split(b"\n")[:-1]
    except (OSError, ResultsError):
        return []


def answers_of(lines: Iterable[bytes], jobs: Sequence[Job], kept_in: Path | None = None) -> list[Answer]:
    """Return the answers to jobs that lines of the spool hold; a line that is of none, or damaged, is passed over."""
    left = {(job.trial, job.seed, job.until): job for job in jobs}
    found: list[Answer] = []
    for line in lines:
        try:
            entry: dict[str, Any] = json.loads(line)
            job = left[entry["trial"], entry["seed"], entry["until"]]
            found.append(decode(line, job, kept_in))
            del left[job.trial, job.seed, job.until]
        except (ValueError, LookupError, TypeError):
            continue
    return found


class Leftovers:
    """What a driver that died left in the spool of a results folder.

    Args:
        folder: the results folder.
    """

    def __init__(self, folder: Path) -> None:
        spool = folder / PLACE
        there = spool.is_dir() and not spool.is_symlink()
        self.files = sorted(spool.glob("*.jsonl")) if there else []
        self._lines: dict[tuple[int, int, int | None], tuple[bytes, Path]] = {}
        for file in self.files:
            for line in lines_of(spool, file.stem):
                try:
                    entry = json.loads(line)
                    self._lines[entry["trial"], entry["seed"], entry["until"]] = line, file
                except (ValueError, LookupError, TypeError):
                    continue  # torn by a kill or a full disk: it will be simulated again

    def take(self, job: Job) -> Answer | None:
        """Return the answer to a job, or None where there is none."""
        line, file = self._lines.pop((job.trial, job.seed, job.until), (b"", None))
        try:
            return decode(line, job, file)
        except (ValueError, LookupError, TypeError):
            return None

    def clear(self) -> None:
        """Remove the files, when nothing in them can be of use any more."""
        remove(self.files)
        self._lines.clear()


def remove(files: Iterable[Path]) -> None:
    """Remove files of the spool, those that can be: one that stays does no harm."""
    for file in files:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _file(spool: Path, key: str) -> Path:
    return spool / f"{key}.jsonl"
