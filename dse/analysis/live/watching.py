"""What `dse watch` serves: the page of a study and its progress, as the stored results have them now.

Everything is read from the results, so it does not matter whether a driver runs, was killed, or is on another machine.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dse.analysis.costs.priced import open_priced
from dse.analysis.fronts.feasible import Feasibility
from dse.analysis.fronts.pareto import checked
from dse.analysis.fronts.quality import hypervolume, ideal, worst
from dse.analysis.queries.status import status_of, tables_of_status
from dse.analysis.report.page import page
from dse.analysis.report.subject import Subject
from dse.analysis.tables.tables import Tables
from dse.errors import DseError
from dse.results.place import Where
from dse.results.reading import checksum

REST_S = 2.0
"""Results are read again after this time at the soonest, and after three times as long as the reading took."""
POINTS = 60
"""Points of the growth of the volume."""


@dataclass
class Watching:
    """A study that is watched.

    Attributes:
        where: its results.
        objectives: names of metrics; those of the study by default.
        without: panels to leave out.
    """

    where: Where
    objectives: Sequence[str] = ()
    without: Sequence[str] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _progress: tuple[float, dict[str, Any]] | None = None
    _page: tuple[str, str] | None = None

    def progress(self) -> dict[str, Any]:
        """Return how far the study is.

        That is `dse.analysis.queries.status.Status`, `stamp`, which changes with the results, and `growth`, pairs of
        complete designs and the share of the box that their front dominates.

        Raises:
            DseError: there are no results, or they cannot be read.
        """
        with self._lock:
            return self._fresh()

    def html(self) -> str:
        """Return the page.

        Raises:
            DseError: as for `progress`.
        """
        with self._lock:
            stamp = str(self._fresh()["stamp"])
            if self._page is None or self._page[0] != stamp:
                self._page = stamp, self._made(stamp)
            return self._page[1]

    def _fresh(self) -> dict[str, Any]:
        now = time.monotonic()
        if self._progress is None or now >= self._progress[0]:
            found = self._read()
            took = time.monotonic() - now
            self._progress = now + took + max(REST_S, 3 * took), found
        return self._progress[1]

    def _read(self) -> dict[str, Any]:
        tables = tables_of_status(self.where, self.objectives)
        found = status_of(self.where, tables).as_dict()
        asks = checksum(json.dumps(tables.about, sort_keys=True).encode())[:8]  # constraints may have changed
        stamp = "-".join([*(str(found[name]) for name in ("done", "epochs", "total")), asks])
        return {**found, "stamp": stamp, "growth": self._growth(tables)}

    def _growth(self, tables: Tables) -> list[tuple[int, float]]:
        names = list(self.objectives) or tables.objectives
        points = Feasibility(tables).points(names)
        return growth(points[np.isfinite(points).all(axis=1)], names)

    def _made(self, stamp: str) -> str:
        tables = open_priced(self.where, list(self.objectives) or None, study=False)
        names = list(self.objectives) or tables.objectives
        return page(Subject(self.where, tables, names), self.without, live=stamp)


def growth(points: np.ndarray, objectives: Sequence[str]) -> list[tuple[int, float]]:
    """Return the share of the box from worst to best that the first n designs dominate, for some n up to all.

    Args:
        points: objectives, shape (designs, objectives), finite, in the order of the trials.
        objectives: names of metrics.
    """
    goals = checked(objectives)
    if len(points) < 2:
        return []
    corner = worst(points, goals)
    box = float(np.abs(corner - ideal(points, goals)).prod())
    ends = np.unique(np.linspace(1, len(points), min(POINTS, len(points))).round().astype(int)).tolist()
    return [(n, hypervolume(points[:n], goals, corner) / box) for n in ends] if box > 0 else []


def as_json(answer: Callable[[], dict[str, Any]]) -> tuple[int, str]:
    """Return an answer with its HTTP status; an error of the results is an answer, too."""
    try:
        return 200, json.dumps(answer())
    except DseError as error:
        return 503, json.dumps({"error": str(error)})
