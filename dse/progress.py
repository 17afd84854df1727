"""Live progress of a study on standard error: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dse.search.loop import Progress, Row

LINE_EVERY_S = 10.0


@contextmanager
def progress(objectives: Sequence[str], *, quiet: bool) -> "Generator[Callable[[Progress], None]]":
    """Yield what the loop reports to.

    Args:
        objectives: metrics whose front is followed.
        quiet: report nothing.
    """
    if quiet:
        yield lambda _: None
        return
    follower = _Follower(objectives)
    if not sys.stderr.isatty():
        yield follower.lines
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=None)

        def show(state: "Progress") -> None:
            bar.update(task, total=state.total, completed=state.done, description=follower.text(state))

        yield show


class _Follower:
    """Keeps the objectives of what finished, to tell the size of the front as it grows."""

    def __init__(self, objectives: Sequence[str]) -> None:
        self._objectives = objectives
        self._rows: list[Row] = []
        self._seen: set[str] = set()
        self._front = 0
        self._start = time.monotonic()
        self._last = 0.0

    def text(self, state: "Progress") -> str:
        """Return where a study stands, in words."""
        new: list[Row] = []
        for row in state.rows:
            # One row a design: the live count follows the first seed, the table at the end the means over seeds.
            if row["origin"] == "search" and row["seed"] == 0 and row["design_key"] not in self._seen:
                self._seen.add(row["design_key"])
                new.append(row)
        self._rows += new
        if new:
            self._front = self._front_size()
        elapsed = time.monotonic() - self._start
        rate = f", {60 * state.simulated / elapsed:.0f} a minute" if state.simulated else ""
        failed = f", {state.failed} failed" if state.failed else ""
        return f"{state.running} running, {self._front} on the front{rate}{failed}"

    def lines(self, state: "Progress") -> None:
        """Write a line now and then, and one at the end."""
        text = self.text(state)
        now = time.monotonic()
        if now - self._last >= LINE_EVERY_S or state.done == state.total:
            self._last = now
            print(f"{state.done}/{state.total} done, {text}", file=sys.stderr, flush=True)  # noqa: T201

    def _front_size(self) -> int:
        import polars as pl  # noqa: PLC0415

        from dse.analysis.pareto import front  # noqa: PLC0415

        values = [{name: row[name] for name in self._objectives} for row in self._rows]
        return len(front(pl.DataFrame(values, infer_schema_length=None), self._objectives))
