"""The table of the page on trust: what was done to studies, and how often they survived, told or refused it.

    python -m tests.trust [--quick] [--rows 100000] [--write]

Tests that kill, flip, fill and break note how many they tried and how many were survived; this runs them, one process,
and adds up. With --quick those of the slow suite are left out (fifty kills, clusters of several nodes). Then rows a
second and memory a row are measured. A test that fails is a line of its own, and the status is 1. With --write it
takes the place of the last table in findings/trust.md. The whole took 19 minutes
on two busy cores.
"""

import argparse
import os
import platform
import re
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dse.results.store import Store, create
from tests.benchmarks.scale import ask, make
from tests.results.rows import ABOUT, row
from tests.studies import ROOT

TESTS = {
    "tests/end_to_end/test_kills.py": "five_kills or moment_of_the_start or killed_driver",
    "tests/end_to_end/test_kills_of_rungs.py": "kills_at_any_step",
    "tests/end_to_end/test_ray.py": "killed_actor",
    "tests/results/test_checksums.py": "flip or told or aside or mended or torn",
    "tests/results/test_disk.py": "any_operation",
    "tests/results/test_fuzz.py": "is_told",
}
"""Files of tests that note what they tried, and which tests of them do."""
SLOW = {
    "tests/end_to_end/test_cluster.py": "fifty_kills or killed_actors or outlives or node_that_is_killed or head_that",
}
BEGIN, END = "<!-- tests.trust begins -->\n", "<!-- tests.trust ends -->\n"
PAGE = ROOT / "findings" / "trust.md"
FEW = 3000
"""Rows of the table whose peak is taken off that of the large one."""


class Notes:
    """A plug-in of pytest that adds up what tests note."""

    def __init__(self) -> None:
        self.counts: dict[str, tuple[int, int]] = {}
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the notes of a test."""
        if report.failed:
            self.failed.append(report.nodeid)
        if report.when != "call":
            return
        for name, value in report.user_properties:
            if name == "trust":
                what, held, of = value  # type: ignore[misc]
                before = self.counts.get(what, (0, 0))
                self.counts[what] = before[0] + held, before[1] + of


def noted(*, quick: bool) -> Notes:
    """Run the tests and return what they note."""
    notes, chosen = Notes(), TESTS if quick else {**TESTS, **SLOW}
    # Without the slow tests, a file may have none of these left.
    fine = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, *([pytest.ExitCode.NO_TESTS_COLLECTED] if quick else [])}
    for path, which in chosen.items():
        start = time.perf_counter()
        marks = "not slow" if quick else "slow or not slow"
        options = ["-n", "0", "-q", "-p", "no:cacheprovider", "-m", marks, "-k", which]
        code = pytest.main([str(ROOT / path), *options], plugins=[notes])
        if code not in fine:  # such as none that is called so any more
            notes.failed.append(f"{path}::{pytest.ExitCode(code).name} with -k '{which}'")
        print(f"{path}: {time.perf_counter() - start:.0f} s; so far {notes.counts}", file=sys.stderr, flush=True)
    return notes


def rows_a_second(count: int = 3000, together: int = 5) -> float:
    """Return how many rows a second one driver makes durable, parts included, by the clock.

    Args:
        count: rows.
        together: rows that are made durable by one synchronisation of the log.
    """
    with tempfile.TemporaryDirectory() as place:
        create(Path(place) / "r", ABOUT, {"study.toml": b""})
        start = time.perf_counter()
        with Store(Path(place) / "r") as store:
            for n in range(0, count, together):
                store.append([row(k) for k in range(n, n + together)])
            store.finish()
        return count / (time.perf_counter() - start)


def memory_a_row(rows: int) -> dict[str, float]:
    """Return the bytes by which the peak of commands grows with a row; their answers are checked."""
    with tempfile.TemporaryDirectory() as place:
        small, large = make(Path(place) / "s", FEW), make(Path(place) / "l", rows)
        peaks = {name: [ask(made, name, ROOT).peak_mb for made in (small, large)] for name in ("front", "status")}
        return {name: (two - one) * 1e6 / (large.rows - small.rows) for name, (one, two) in peaks.items()}


def table(notes: Notes, rows: int) -> str:
    """Return the table as Markdown."""
    lines = ["| what was tried | held | of |", "|---|---|---|"]
    lines += [f"| {what} | {held:,} | {of:,} |" for what, (held, of) in sorted(notes.counts.items())]
    lines += [
        f"| FAILED: {test} of `{path}` | 0 | 1 |" for path, _, test in (own.partition("::") for own in notes.failed)
    ]
    lines.append(f"| rows made durable a second, five at a time, one driver | {rows_a_second():,.0f} | |")
    lines += [
        f"| bytes of memory a stored row that `dse {name}` takes, of {rows:,} rows | {value:,.0f} | |"
        for name, value in memory_a_row(rows).items()
    ]
    return "\n".join(lines) + "\n"


def head(*, quick: bool) -> str:
    """Return when and where, and how busy the machine was."""
    busy = os.getloadavg()[1] / (os.cpu_count() or 1)
    which = ", without the slow tests" if quick else ""
    return (
        f"By `python -m tests.trust{' --quick' if quick else ''}` on {datetime.now(UTC):%Y-%m-%d}: "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {busy:.1f} processes a core at work{which}.\n\n"
    )


def main() -> None:
    """Run, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if given.rows <= FEW:
        parser.error(f"--rows {given.rows}: give more than {FEW}, with which they are compared")
    notes = noted(quick=given.quick)
    text = head(quick=given.quick) + table(notes, given.rows)
    print(text)
    if given.write:
        page = PAGE.read_text()
        PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: BEGIN + text + END, page, flags=re.DOTALL))
    sys.exit(1 if notes.failed else 0)


if __name__ == "__main__":
    main()
