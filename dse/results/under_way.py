"""What is being simulated: a small file beside the table, which a driver replaces now and then while it runs.

It is for people alone. No row depends on it and nothing is decided from it; where it cannot be written, nothing is
said. What a driver that was killed leaves is of no account, since nobody holds the results then.
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from dse.errors import ResultsError
from dse.results.place import Place

FILE = "under_way.json"
MOST = 500
"""Simulations that the file names."""
REST_S = 1.0
"""Shortest time between two versions of the file, s."""
SHARE = 0.02
"""Share of the time of a driver that the file may take."""


@dataclass(frozen=True)
class UnderWay:
    """A simulation that was handed to an actor, and has not been answered.

    Attributes:
        trial: number of the trial.
        seed: seed of the simulation.
        actor: who simulates it, with its machine.
        since: when the actor could begin, UTC, ISO 8601.
    """

    trial: int
    seed: int
    actor: str
    since: str


class Notice:
    """Says of results that are being written what is under way.

    Args:
        place: the results, held by this process.
        under_way: returns what is.
    """

    def __init__(self, place: Place, under_way: Callable[[], Sequence[UnderWay]]) -> None:
        self._place, self._under_way = place, under_way
        self._said: Sequence[UnderWay] = ()
        self._next = 0.0

    def renew(self) -> None:
        """Write the file where something has changed, not too often."""
        started = time.monotonic()
        if started < self._next:
            return
        now = self._under_way()[:MOST]
        if now != self._said:
            with suppress(OSError, ResultsError):
                self._place.note(FILE, json.dumps([asdict(one) for one in now]).encode())
            self._said = now
        took = time.monotonic() - started
        self._next = started + max(REST_S, took / SHARE)

    def clear(self) -> None:
        """Remove the file."""
        with suppress(OSError, ResultsError):
            self._place.remove(FILE)


def read_under_way(place: Place, stored: Iterable[tuple[int, int]]) -> list[UnderWay]:
    """Return what is under way in results that somebody holds; nothing where nothing is said, or it is not understood.

    Args:
        place: the results.
        stored: trial and seed of what has been stored since.
    """
    done = set(stored)
    try:
        found: Any = json.loads(place.read(FILE))
        said = [_one(entry) for entry in found]
    except (OSError, ResultsError, ValueError, LookupError, TypeError):
        return []
    return [one for one in said if (one.trial, one.seed) not in done]


def _one(entry: Any) -> UnderWay:
    return UnderWay(int(entry["trial"]), int(entry["seed"]), str(entry["actor"]), str(entry["since"]))
