"""Work that takes too long, or too much memory, ends its process with a message; other work does not notice."""

from pathlib import Path

import pytest

from dse.cli import bounded as bounds
from dse.cli.bounded import bounded, free_bytes, resident_bytes
from tests.forked import Forked
from tests.waiting import HANGS_S

BEGUN = """
import time
from dse.cli import bounded
{change}
with bounded.bounded("the question", "Ask for less", seconds={seconds}):
    held = bytearray({size})
    while True:
        time.sleep(0.01)
"""
LITTLE_FREE = "bounded.free_bytes = lambda: 10_000_000"


@pytest.mark.parametrize(
    ("change", "seconds", "size", "said"),
    [
        ("", 0.1, 0, "error: the question was ended after 0.1 s (--time-limit). Ask for less\n"),
        (LITTLE_FREE, 3600, 40_000_000, "GB: no more memory is free. Ask for less\n"),
    ],
)
def test_work_beyond_a_bound_ends_its_process(
    change: str, seconds: float, size: int, said: str, tmp_path: Path
) -> None:
    program = BEGUN.format(change=change, seconds=seconds, size=size)
    process = Forked("-c", program, stderr=tmp_path / "said")
    assert process.wait(HANGS_S) == 2
    assert said in (tmp_path / "said").read_text()


@pytest.mark.slow
def test_a_query_of_all_pairs_of_pairs_is_ended_by_its_bounds(undisturbed: Path, tmp_path: Path) -> None:
    tables = " CROSS JOIN ".join(f"curves {name}" for name in "abcdefg")
    asked = ("query", undisturbed, f"SELECT a.trial FROM {tables}", "--time-limit", 2)
    process = Forked("-m", "dse", *asked, stderr=tmp_path / "said")
    assert process.wait(HANGS_S) == 2
    assert "error: the query was ended" in (tmp_path / "said").read_text()


def test_work_within_its_bounds_goes_on() -> None:
    with bounded("the question", "Ask for less", seconds=3600):
        answer = sum(range(1000))
    assert answer == 499_500


def test_what_a_process_holds_and_may_take_is_told_where_the_system_tells_it() -> None:
    free = free_bytes()
    assert free is None or free > 0
    before = resident_bytes()
    held = bytearray(b"x") * 50_000_000
    assert before == 0 or resident_bytes() - before > 0.8 * len(held)


def test_pages_of_files_are_free_memory_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "GROUP", tmp_path)
    for name, text in (
        ("max", "4000"),
        ("current", "3990"),
        ("stat", "anon 100\ninactive_file 2500\nactive_file 300\n"),
    ):
        (tmp_path / f"memory.{name}").write_text(text)
    assert free_bytes() == 10 + 2800
    (tmp_path / "memory.max").write_text("max")
    assert free_bytes() != 10 + 2800
