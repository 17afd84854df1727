"""What a run remembers of its trials: as little as the proposals and the copies of equal designs need.

Rows are in the table. A design that is proposed again is not simulated again; its row is copied from the one that was
stored, which is read back from a file without a name in the results folder, so that memory does not grow with rows.
"""

import json
import os
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dse.design.design import Design

Row = dict[str, Any]


@dataclass
class Trial:
    """A design of the study that is not wholly stored yet.

    Attributes:
        number: its number.
        origin: "search", or the name of the control.
        parameters: what the search chose, as JSON.
        design: the design; None where its settings contradict each other.
        description: the whole design, as JSON, or None.
        values: objectives, by seed; None for a seed that failed.
    """

    number: int
    origin: str
    parameters: str
    design: Design | None
    description: str | None
    values: dict[int, list[float] | None] = field(default_factory=dict[int, "list[float] | None"])

    @property
    def key(self) -> str | None:
        """Key of the design."""
        return None if self.design is None else self.design.key


def open_trial(number: int, origin: str, parameters: Mapping[str, Any], design: Design | None) -> Trial:
    """Return a trial of which nothing is stored."""
    description = None if design is None else json.dumps(design.as_dict())
    return Trial(number, origin, json.dumps(dict(parameters)), design, description)


class Rows:
    """One row of each simulated design and seed, on disk. Close it.

    Args:
        folder: a folder for the file, which has no name and is gone with the process.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  lives as long as the run
        self._end = 0
        self._places: dict[int, int] = {}

    def __contains__(self, of: tuple[str, int]) -> bool:
        return _number(*of) in self._places

    def add(self, row: Row) -> None:
        """Remember the row of a simulation, unless one of the same design and seed is there."""
        place = _number(row["design_key"], row["seed"])
        if place in self._places:
            return
        packed = zlib.compress(json.dumps(row, separators=(",", ":")).encode(), level=1)
        self._file.write(len(packed).to_bytes(4, "little") + packed)
        self._places[place] = self._end
        self._end += 4 + len(packed)

    def get(self, key: str, seed: int) -> Row:
        """Return the row of a design and a seed.

        Raises:
            KeyError: there is none.
        """
        place = self._places[_number(key, seed)]
        size = int.from_bytes(os.pread(self._file.fileno(), 4, place), "little")
        return json.loads(zlib.decompress(os.pread(self._file.fileno(), size, place + 4)))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _number(key: str, seed: int) -> int:
    # An integer takes half the memory of a tuple with a string.
    return int(key, 16) << 10 | seed
