"""Where a study stands: what is counted while it runs, and reported now and then."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from dse.search.criteria import Criteria, Values, Verdict
from dse.search.ledger import Row
from dse.search.steps import Spent

REPORT_S = 0.1
"""Shortest time between two reports of progress."""


@dataclass(frozen=True)
class Judged:
    """A stored row with what came of it; None where it lacks something, as a failed one does."""

    row: Row
    verdict: Verdict | None


@dataclass(frozen=True)
class Progress:
    """Where a study stands.

    Attributes:
        done: simulations that are stored, copies included.
        total: simulations that the study asks for; None where that depends on their results, until it has ended.
        running: simulations in flight.
        failed: stored failures.
        simulated: simulations done in this run.
        new: rows stored since the last report.
        exhausted: how many designs the space has, once all were proposed; else None.
        spent: epochs so far; None where designs all go to their end at once.
    """

    done: int
    total: int | None
    running: int
    failed: int
    simulated: int
    new: tuple[Judged, ...]
    exhausted: int | None = None
    spent: Spent | None = None


class Tally:
    """Counts rows and reports them now and then.

    Args:
        total: rows that the study asks for.
        report: takes where the study stands.

    Attributes:
        total: rows that the study asks for, None while that is not known; fewer once the space is exhausted.
        exhausted: how many designs the space has, once all were proposed; else None.
        spent: epochs so far; None where designs all go to their end at once.
        done: rows that are stored, copies included.
        failed: those of failures among them.
        simulated: simulations done in this run.
        new: rows since the last report, with their values.
    """

    def __init__(self, total: int | None, report: Callable[[Progress], None]) -> None:
        self.total, self._report, self._reported = total, report, 0.0
        self.exhausted: int | None = None
        self.spent: Spent | None = None
        self.done, self.failed, self.simulated = 0, 0, 0
        self.new: list[Judged] = []

    def tell(self, running: int, *, last: bool) -> None:
        """Report where the study stands, unless the last report was just now."""
        now = time.monotonic()
        if not last and now - self._reported < REPORT_S:
            return
        self._reported = now
        counts = self.done, self.total, running, self.failed, self.simulated
        self._report(Progress(*counts, tuple(self.new), self.exhausted, self.spent))
        self.new = []


def judged(criteria: Criteria, row: Row, values: Values | None) -> Judged:
    """Return a row with what came of it."""
    return Judged(row, criteria.verdict([values]))
