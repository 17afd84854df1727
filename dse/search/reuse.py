"""Results of other studies, taken over instead of simulated again.

A stored row answers a job if its design, its seed, the data it learned from and the code and packages that made it are
the same: then a processor would give the same row, to the last bit. Prices are computed anew, on the card of the
study. Failures are not taken over, nor is what an accelerator simulated, whose last digits are its own. The row says
where it came from.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dse.data.base import AbstractData
from dse.results.address import place_of
from dse.results.place import Where
from dse.results.rows import to_rows
from dse.results.store import read_table
from dse.results.under_way import UnderWay
from dse.search.executor import (
    Answer,
    Executor,
    Job,
    Telling,
    code_version,
    is_of_processor,
    package_versions,
    plugins_of,
)
from dse.search.spool import RESULT_KEYS

Known = dict[tuple[str, int], dict[str, Any]]
"""Rows by design and seed."""


def rows_to_reuse(places: Sequence[Where]) -> Known:
    """Return the complete rows of results that this code and these packages made on a processor.

    Raises:
        ResultsError: a place has no results.
    """
    known: Known = {}
    for where in places:
        name = str(place_of(where))
        for row in to_rows(read_table(where)):
            packages = package_versions(plugins_of(row["packages"]))
            made = (row["code"], row["packages"]) == (code_version(), packages)
            if made and row["state"] == "complete" and is_of_processor(row["host"]):
                row["came_from"] = row["came_from"] or f"{name} trial {row['trial']}"
                known.setdefault((row["design_key"], row["seed"]), row)
    return known


class Reusing:
    """An executor that answers from stored rows what it can, and leaves the rest to another.

    Args:
        inner: who simulates.
        known: rows to answer from; see `rows_to_reuse`.
    """

    def __init__(self, inner: Executor, known: Known) -> None:
        self._inner, self._known = inner, known
        self._ready: list[Answer] = []
        self._checksums: dict[AbstractData, str] = {}

    @property
    def slots(self) -> int:
        """How many jobs may be in flight."""
        return self._inner.slots

    def submit(self, job: Job) -> None:
        """Take a job."""
        row = None if job.design is None else self._known.get((job.design.key, job.seed))
        if row is not None and row["data_checksum"] == self._checksum(job):
            self._ready.append(_answer(job, row))
        else:
            self._inner.submit(job)

    def wait(self, timeout_s: float) -> list[Answer]:
        """Return what is known at once, or what the other executor has to say."""
        ready, self._ready = self._ready, []
        return ready or self._inner.wait(timeout_s)

    def under_way(self) -> list[UnderWay]:
        """Return what the other executor tells."""
        return self._inner.under_way() if isinstance(self._inner, Telling) else []

    def close(self) -> None:
        """Let go of everything."""
        self._inner.close()

    def _checksum(self, job: Job) -> str:
        if job.design is None:
            return ""
        workload = job.design.workload
        if workload not in self._checksums:
            self._checksums[workload] = workload.load().checksum
        return self._checksums[workload]


def _answer(job: Job, row: Mapping[str, Any]) -> Answer:
    kept = ("host", "started_at", "wall_s", "code", "packages", "attempts", "came_from")
    return Answer(job=job, result={name: row[name] for name in RESULT_KEYS}, **{name: row[name] for name in kept})
