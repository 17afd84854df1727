"""The spool: what actors have finished outlives the driver.

An actor that sees the results folder appends each answer of a call to a file of that call, RESULTS/spool/KEY.jsonl,
as a line of JSON, and synchronises the file before it answers. The driver removes the file when the rows are in the
table. A driver that dies leaves the files behind; the next one takes from them what its study proposes again. A line
is used only for the trial, seed and design it names, so that a line too many does no harm.

In a store of objects, which cannot be appended to, a file would be one object of a call, written when the call ends.
"""

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from dse.designs.outcome import Failure
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
    return json.dumps(entry, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def decode(line: bytes, job: Job, kept_in: Path | None = None) -> Answer:
    """Return the answer to a job from its line; `kept_in` is the file of the spool that holds it.

    Raises:
        ValueError: the line belongs to another job, or is torn.
    """
    entry: dict[str, Any] = json.loads(line)
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
    """Yield what keeps the lines of a call, durable when the block ends; without a spool it keeps nothing."""
    if spool is None:
        yield lambda line: None  # noqa: ARG005
        return
    handle = os.open(_file(spool, key), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        yield lambda line: _write(handle, line)
        os.fdatasync(handle)
    finally:
        os.close(handle)


def open_spool(folder: Path, session: str) -> Path:
    """Make the spool of a results folder, marked as that of a driver, and return it."""
    spool = folder.absolute() / PLACE
    spool.mkdir(exist_ok=True)
    (spool / MARK).write_text(session)
    return spool


def is_here(spool: Path, session: str) -> bool:
    """Return whether this process sees the spool that a driver marked."""
    try:
        return (spool / MARK).read_text() == session and os.access(spool, os.W_OK)
    except OSError:
        return False


def lines_of(spool: Path, key: str) -> list[bytes]:
    """Return the whole lines that were kept of a call; none where there is no such file."""
    try:
        return (_file(spool, key).read_bytes()).split(b"\n")[:-1]
    except OSError:
        return []


class Leftovers:
    """What a driver that died left in the spool of a results folder.

    Args:
        folder: the results folder.
    """

    def __init__(self, folder: Path) -> None:
        spool = folder / PLACE
        self.files = sorted(spool.glob("*.jsonl")) if spool.is_dir() else []
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
    """Remove files of the spool."""
    for file in files:
        file.unlink(missing_ok=True)


def _file(spool: Path, key: str) -> Path:
    return spool / f"{key}.jsonl"


def _write(handle: int, line: bytes) -> None:
    while line:
        line = line[os.write(handle, line) :]
