"""The progress of a running study, on standard error: a bar on a terminal, lines elsewhere, JSON for programs.

Warnings and notes of the framework are log records of the logger "dse"; `configure_logging` sends them to standard
error. Progress comes with them: rate, time left, failures, the size of the front and its hypervolume. The volume is
measured from the worst values of the first designs, and given as a multiple of what those first designs dominate: it
starts at 1 and grows.
"""

import json
import logging
import math
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dse.errors import printable
from dse.metric import Goal

if TYPE_CHECKING:
    import numpy as np

    from dse.search.ledger import Row
    from dse.search.tally import Judged, Progress

LINE_EVERY_S = 10.0
FIRST = 8
"""Designs that the growth of the hypervolume is measured from."""


class _JsonLines(logging.Formatter):
    """A log record as one line of JSON: time, level, event, and the numbers that belong to it."""

    def format(self, record: logging.LogRecord) -> str:
        numbers: dict[str, Any] = getattr(record, "numbers", {})
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", "note"),
            "message": record.getMessage(),
            **numbers,
        }
        return json.dumps(line)


class _Plain(logging.Formatter):
    """A log record as its message, without what a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _ToStandardError(logging.StreamHandler[Any]):
    """Writes to what standard error is now: the progress bar puts something of its own in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  a name of the library
        """Let a study go on where standard error is a file on a full disk."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def configure_logging(log_format: str) -> None:
    """Send the log records of the framework to standard error.

    Args:
        log_format: "text", or "json" for one JSON object a line.
    """
    logger = logging.getLogger("dse")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    handler = _ToStandardError()
    handler.setFormatter(_JsonLines() if log_format == "json" else _Plain("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def plain_warnings() -> None:
    """Let warnings of commands that configure no log be without what a terminal would obey, too."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Plain("%(message)s"))


log = logging.getLogger(__name__)


@contextmanager
def progress(
    objectives: Sequence[str], *, seeds: int = 1, quiet: bool, log_format: str = "text"
) -> "Generator[Callable[[Progress], None]]":
    """Yield what the loop reports to.

    Args:
        objectives: metrics whose front is followed.
        seeds: simulations of each design; of several, the first judges it.
        quiet: report nothing.
        log_format: "text" or "json"; see `configure_logging`.
    """
    if quiet:
        yield lambda _: None
        return
    if not logging.getLogger("dse").handlers:
        configure_logging(log_format)
    follower = _Follower(objectives, seeds)
    if not sys.stderr.isatty() or log_format == "json":
        yield follower.lines
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=None)

        def show(state: "Progress") -> None:
            follower.take(state)
            with suppress(OSError):  # a terminal that was closed while the study goes on
                bar.update(task, total=state.total, completed=state.done, description=follower.text())

        yield show


class _Follower:
    """Keeps the front of what finished, and its size and volume as it grows."""

    def __init__(self, objectives: Sequence[str], seeds: int = 1) -> None:
        from dse.pricing.quantities import quantity  # noqa: PLC0415  polars, which the command line starts without

        self._objectives = objectives
        self._judge = " (by seed 0)" if seeds > 1 else ""
        self._goals: list[Goal] = [quantity(name).goal for name in objectives]
        self._front: list[list[float]] = []
        self._seen: set[str] = set()
        self._infeasible = 0
        self._nearest: tuple[float, int] | None = None
        self._reference: np.ndarray | None = None
        self._first_volume = 0.0
        self._state: Progress | None = None
        self._start = time.monotonic()
        self._last = -math.inf

    def take(self, state: "Progress") -> None:
        """Take in the state of the study."""
        self._state = state
        fresh = [judged for judged in state.new if self._is_new(judged.row)]
        self._look_for_nearest(fresh)
        new = [judged.verdict for judged in fresh]
        feasible = [verdict for verdict in new if verdict is None or verdict.is_feasible]
        self._infeasible += len(new) - len(feasible)
        if feasible:
            unknown = [math.nan] * len(self._objectives)
            self._grow([unknown if verdict is None else list(map(float, verdict.values)) for verdict in feasible])

    def _look_for_nearest(self, fresh: "Sequence[Judged]") -> None:
        """Remember the design that is nearest to being feasible."""
        for judged in fresh:
            if judged.verdict is not None:
                by = sum(judged.verdict.violations)
                if self._nearest is None or by < self._nearest[0]:
                    self._nearest = by, judged.row["trial"]

    def _is_new(self, row: "Row") -> bool:
        # One row a design: the live count follows the first seed, the table at the end the means over seeds.
        # What waits at a rung is judged at its end.
        waits = row["state"] == "paused"
        if waits or row["origin"] != "search" or row["seed"] != 0 or row["design_key"] in self._seen:
            return False
        self._seen.add(row["design_key"])
        return True

    def _grow(self, points: list[list[float]]) -> None:
        import numpy as np  # noqa: PLC0415

        from dse.analysis.fronts.pareto import is_on_front  # noqa: PLC0415
        from dse.analysis.fronts.quality import hypervolume, worst  # noqa: PLC0415

        # Until there is a reference, all points are kept: the worst of them make it.
        held = np.array([*self._front, *points])
        if self._reference is None and len(self._seen) - self._infeasible >= FIRST:
            self._reference = worst(held[:FIRST], self._goals)
            self._first_volume = hypervolume(held[:FIRST], self._goals, self._reference)
        keep = is_on_front(held, self._goals) if self._reference is not None else ~np.isnan(held).any(axis=1)
        self._front = held[keep].tolist()

    @property
    def numbers(self) -> dict[str, Any]:
        """The progress as numbers; None where it is not known yet."""
        import numpy as np  # noqa: PLC0415

        from dse.analysis.fronts.pareto import is_on_front  # noqa: PLC0415
        from dse.analysis.fronts.quality import hypervolume  # noqa: PLC0415

        state = self._state
        if state is None:
            return {}
        points = np.array(self._front).reshape(-1, len(self._objectives))
        per_s = state.simulated / max(time.monotonic() - self._start, 1e-9)
        grown = None
        if self._reference is not None and self._first_volume > 0:
            grown = hypervolume(points, self._goals, self._reference) / self._first_volume
            grown = grown if math.isfinite(grown) else None
        return {
            "done": state.done,
            "total": state.total,
            "running": state.running,
            "failed": state.failed,
            "infeasible": self._infeasible,
            "nearest": self._nearest[1] if self._nearest and self._nearest[0] > 0 else None,
            "front": int(is_on_front(points, self._goals).sum()),
            "volume": None if grown is None else round(grown, 4),
            "per_minute": round(60 * per_s, 3),
            "exhausted": state.exhausted,
            "epochs": None if state.spent is None else state.spent.planned,
            "epochs_budget": None if state.spent is None else state.spent.budget,
            "epochs_saved": None if state.spent is None else state.spent.whole - state.spent.planned,
            "left_s": self._left_s(state, per_s),
        }

    @staticmethod
    def _left_s(state: "Progress", per_s: float) -> float | None:
        """Return the time to the end, s; None where it is not known."""
        if not state.simulated:
            return None
        if state.total is not None:
            return round((state.total - state.done) / per_s, 1)
        if state.spent is None or state.spent.budget is None:
            return None
        share = state.spent.planned / state.spent.budget  # of the epochs; simulations so far stand for those to come
        return round(state.done * max(1.0 / share - 1.0, 0.0) / per_s, 1) if share else None

    def text(self) -> str:
        """Return the progress as text."""
        from dse.pricing.text import all_tried  # noqa: PLC0415  polars

        now = self.numbers
        volume = f", volume x{now['volume']:.2f}" if now["volume"] is not None else ""
        rate = f", {now['per_minute']:.3g} a minute" if now["per_minute"] else ""
        left = f", {duration(now['left_s'])} left" if now["left_s"] else ""
        failed = f", {now['failed']} failed" if now["failed"] else ""
        infeasible = f", {now['infeasible']} infeasible" if now["infeasible"] else ""
        tried = f"; {all_tried(now['exhausted'])}" if now["exhausted"] is not None else ""
        if now["infeasible"] >= FIRST and now["nearest"] is not None:
            infeasible += f": none is feasible yet, trial {now['nearest']} is nearest"
        judged = f"{now['front']} on the front{volume}{infeasible}{self._judge}"
        of = f" of {now['epochs_budget']}" if now["epochs_budget"] is not None else ""
        epochs = f", {now['epochs']}{of} epochs ({now['epochs_saved']} saved)" if now["epochs"] is not None else ""
        return f"{now['running']} running, {judged}{epochs}{rate}{left}{failed}{tried}"

    def lines(self, state: "Progress") -> None:
        """Log a line now and then, and one at the end."""
        self.take(state)
        now = time.monotonic()
        if now - self._last >= LINE_EVERY_S or state.done == state.total:
            self._last = now
            extra = {"event": "progress", "numbers": self.numbers}
            of = "" if state.total is None else f"/{state.total}"
            what = "" if state.spent is None else " simulations and pauses"
            log.info("%d%s%s done, %s", state.done, of, what, self.text(), extra=extra)


def duration(seconds: float) -> str:
    """Return a time as text, such as "1 h 05 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
