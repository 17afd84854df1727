"""What a run remembers of its trials: as little as the proposals and the copies of equal designs need.

Rows are in the table. A design that is proposed again is not simulated again; its row is copied from the one that was
stored, which is read back from a file without a name in the results folder, so that memory does not grow with rows.

    Trial   a design of the study that lacks a row
    Held    rows that the table held when the run began, until a trial takes them
    Twins   designs that were simulated, or are about to be, and the trials that take copies
    Rows    the file
"""

import json
import os
import tempfile
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from dse.designs.design import Design
from dse.errors import ResultsError
from dse.results.reading import PAUSED
from dse.search.executor import code_version, package_versions, plugins_of
from dse.search.steps import Step

Row = dict[str, Any]
WINDOW = 32 << 10
"""How far back a compressed row can name what was there before, bytes."""


@dataclass
class Trial:
    """A design of the study that is not wholly stored yet.

    Attributes:
        number: its number.
        origin: "search", or the name of the control.
        parameters: what the search chose, as JSON.
        design: the design; None where its settings contradict each other.
        description: the whole design, as JSON, or None.
        reason: how its settings contradict each other, or "".
        step: the step of the search that asked for it; None where every design goes through all seeds to its end.
        asked: number of that step in any case; None for a control.
        seeds: the seeds that rows are asked for.
        until: the epoch at which the training pauses; None for its end.
        since: the epoch at which it paused before, or 0.
        values: what it is judged by, by seed; None for a seed that failed.
    """

    number: int
    origin: str
    parameters: str
    design: Design | None
    description: str | None
    reason: str = ""
    step: int | None = None
    asked: int | None = None
    seeds: Sequence[int] = ()
    until: int | None = None
    since: int = 0
    values: dict[int, Sequence[float] | None] = field(default_factory=dict[int, "Sequence[float] | None"])

    @property
    def key(self) -> str | None:
        """Key of the design."""
        return None if self.design is None else self.design.key


def open_control(number: int, origin: str, design: Design, seeds: Sequence[int]) -> Trial:
    """Return a control of which nothing is stored."""
    return Trial(number, origin, "{}", design, json.dumps(design.as_dict()), seeds=seeds)


def open_trial(step: Step, controls: int, design: Design | None, reason: str = "") -> Trial:
    """Return what a step asks of a trial.

    Args:
        step: the step.
        controls: trials before the first of the search.
        design: the design; None where its settings contradict each other.
        reason: how they do, or "".
    """
    return Trial(
        number=controls + step.trial,
        origin="search",
        parameters=json.dumps(dict(step.parameters)),
        design=design,
        description=None if design is None else json.dumps(design.as_dict()),
        reason=reason,
        step=step.number if step.in_steps else None,
        asked=step.number,
        seeds=step.seeds,
        until=step.until,
        since=step.since,
    )


@dataclass(frozen=True)
class HeldRow:
    """What is needed of a row that the table held when the run began."""

    design_key: str | None
    study_key: str
    code: str
    packages: str
    failed: bool
    leads: bool
    values: Sequence[float] | None


class Held:
    """Rows that the table held when the run began, until the trials of the study are proposed again and take them.

    Args:
        keys: keys that their study may have.
    """

    def __init__(self, keys: Collection[str]) -> None:
        self._keys = keys
        self._rows: dict[tuple[int, int, int | None], HeldRow] = {}

    def add(self, row: Row, values: Sequence[float] | None) -> None:
        """Remember a row, with what it is judged by."""
        failed = row["state"] == "failed"
        origin = row["design_key"], row["study_key"], row["code"], row["packages"]
        held = HeldRow(*origin, failed=failed, leads=row["same_as"] is None, values=values)
        self._rows[row["trial"], row["seed"], paused_at(row)] = held

    def take(self, trial: Trial, seed: int) -> HeldRow | None:
        """Return what is known of the row of a trial, and forget it; None where there is none.

        Raises:
            ResultsError: it is the row of another design, or of another study.
        """
        found = self._rows.pop((trial.number, seed, trial.until), None)
        if found is None and trial.until is not None and self._ends_failed(trial.number, seed):
            found = self._rows.pop((trial.number, seed, None))
        if found is not None and (found.design_key != trial.key or found.study_key not in self._keys):
            raise other_design(trial.number, found.design_key, trial.key, found.code, found.packages)
        return found

    def _ends_failed(self, number: int, seed: int) -> bool:
        ended = self._rows.get((number, seed, None))
        return ended is not None and ended.failed


def paused_at(row: Row) -> int | None:
    """Return the epoch at which the training of a row paused; None for a row of its end."""
    return row["epochs"] if row["state"] == PAUSED else None


def other_design(number: int, stored: str | None, proposed: str | None, code: str, packages: str) -> ResultsError:
    """Return the error for a trial whose stored design is not that of its study, with where this can come from.

    Args:
        number: of the trial.
        stored: key of its design in the table.
        proposed: key of its design as the study has it.
        code: version of the framework that wrote the row.
        packages: versions of packages and the kind of arithmetic that it was written with, as JSON.
    """
    head = f"trial {number} in the table has design {stored}; this study proposes {proposed}. "
    was, now = _packages(packages), _packages(package_versions(plugins_of(packages)))
    known = was.pop("arithmetic", None), now.pop("arithmetic", None)
    if code != code_version() or was != now:
        return ResultsError(
            f"{head}The table comes from another version of the framework or of Optuna: it was written by {code}. "
            "Install that version to go on, or start afresh with --out"
        )
    if known[0] != known[1]:
        return ResultsError(
            f"{head}The arithmetic of the processor differs: it was {known[0]} and is {known[1]}, and proposals depend "
            "on it. Go on where it is as it was, or start afresh with --out"
        )
    return ResultsError(
        f"{head}This version of the framework wrote it, so a card or the study file that is kept with the results was "
        "changed since. Undo the change to go on, or start afresh with --out"
    )


def _packages(text: str) -> dict[str, Any]:
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = None
    return dict(cast("dict[str, Any]", found)) if isinstance(found, dict) else {}


class Rows:
    """One row of each simulated design and seed, on disk. Close it.

    Args:
        folder: a folder for the file, which has no name and is gone with the process.
        patiently: does what writes, and tries again while a disk is full; see `Store.patiently`.
    """

    def __init__(self, folder: Path, patiently: Callable[[Callable[[], Any]], Any] = lambda action: action()) -> None:
        self._patiently = patiently
        self._file = patiently(lambda: tempfile.TemporaryFile(dir=folder, buffering=0))  # noqa: SIM115  lives as long as the run
        self._end = 0
        self._places: dict[int, int] = {}
        # Rows of a study are much alike: told what the first was, a row takes about half the room.
        self._first = b""

    def __contains__(self, of: "Of") -> bool:
        return _number(*of) in self._places

    def add(self, row: Row) -> None:
        """Remember the row of a simulation, unless one of the same design and seed is there."""
        place = _number(row["design_key"], row["seed"], paused_at(row))
        if place in self._places:
            return
        plain = json.dumps(row, separators=(",", ":")).encode()
        self._first = self._first or plain[:WINDOW]
        own = zlib.compressobj(zdict=self._first)
        packed = own.compress(plain) + own.flush()
        content = len(packed).to_bytes(4, "little") + packed
        self._patiently(lambda: self._write(content))
        self._places[place] = self._end
        self._end += len(content)

    def _write(self, content: bytes) -> None:
        """Write behind what is there; a disk that is nearly full takes a part of it first."""
        written = 0
        while written < len(content):
            written += os.pwrite(self._file.fileno(), content[written:], self._end + written)

    def get(self, key: str, seed: int, until: int | None) -> Row:
        """Return the row of a design and a seed, at the epoch where it paused or at its end.

        Raises:
            KeyError: there is none.
        """
        place = self._places[_number(key, seed, until)]
        size = int.from_bytes(os.pread(self._file.fileno(), 4, place), "little")
        packed = os.pread(self._file.fileno(), size, place + 4)
        return json.loads(zlib.decompressobj(zdict=self._first).decompress(packed))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


Of = tuple[str, int, int | None]
"""Key of a design, a seed, and the epoch at which the training pauses; None for its end."""


def _number(key: str, seed: int, until: int | None) -> int:
    # An integer takes half the memory of a tuple with a string.
    return (int(key, 16) << 10 | seed) << 32 | (until or 0)


class Twins:
    """Sees to it that a design is simulated once under each seed; other trials of that design take copies of its row.

    Args:
        rows: the rows of what was simulated.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._followers: dict[Of, list[Trial]] = {}

    def add(self, row: Row) -> None:
        """Remember a row that is stored, if it is that of a simulation."""
        if row["same_as"] is None and row["design_key"] is not None:
            self._rows.add(row)

    def stored(self, trial: Trial, seed: int) -> Row | None:
        """Return the row of a trial as a copy of its twin's; None where the design has no row under this seed yet."""
        of = str(trial.key), seed, trial.until
        return copy_for(trial, self._rows.get(*of)) if of in self._rows else None

    def is_under_way(self, of: Of) -> bool:
        """Return whether a simulation is on its way."""
        return of in self._followers

    def follow(self, trial: Trial, of: Of) -> None:
        """Let a trial wait for a simulation that is on its way."""
        self._followers[of].append(trial)

    def lead(self, trial: Trial, seed: int) -> None:
        """Take a trial that is simulated under a seed."""
        self._followers[str(trial.key), seed, trial.until] = []

    def landed(self, row: Row, until: int | None) -> list[Trial]:
        """Return the trials that waited for a simulation.

        Args:
            row: its row.
            until: the epoch that it was asked for, which it has not reached where it failed; None for its end.
        """
        return self._followers.pop((str(row["design_key"]), row["seed"], until), [])


def copy_for(trial: Trial, row: Row) -> Row:
    """Return the row of a trial whose design another has; it names that other."""
    return {
        **row,
        "trial": trial.number,
        "origin": trial.origin,
        "same_as": row["trial"] if row["same_as"] is None else row["same_as"],
        "step": trial.step,
        "parameters": trial.parameters,
    }
