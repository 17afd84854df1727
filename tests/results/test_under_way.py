"""What is said of simulations that are under way, beside the table."""

import platform

import pytest

from dse.analysis.queries.status import status
from dse.results.address import place_of
from dse.results.under_way import FILE, MOST, Notice, UnderWay, read_under_way
from dse.search.executor import LocalExecutor
from dse.search.runs import start
from dse.search.study import parse_study
from tests.search.free import free, study_text

ONE = UnderWay(3, 1, "here, actor ab12cd34", "2026-11-30T20:00:00+00:00")


@pytest.fixture
def place(tmp_path):
    return place_of(tmp_path)


def test_what_was_said_is_read_but_for_what_is_stored_since(place):
    Notice(place, lambda: [ONE, UnderWay(4, 0, "there", ONE.since)]).renew()
    assert read_under_way(place, [(4, 0), (3, 0)]) == [ONE]


def test_the_file_is_written_where_something_has_changed_and_not_too_often(place, monkeypatch):
    clock, said = [100.0], [[ONE]]
    monkeypatch.setattr("dse.results.under_way.time.monotonic", lambda: clock[0])
    notice = Notice(place, lambda: said[0])
    notice.renew()
    said[0] = []
    notice.renew()
    assert read_under_way(place, []) == [ONE]
    clock[0] += 1.5
    notice.renew()
    assert read_under_way(place, []) == []
    said[0] = [ONE] * (MOST + 1)
    clock[0] += 1.5
    notice.renew()
    assert len(read_under_way(place, [])) == MOST
    notice.clear()
    assert read_under_way(place, []) == []


@pytest.mark.parametrize("content", ["", "{", "[3]", '[{"trial": 1}]', '{"a": 1}', '[{"trial": "x", "seed": 0}]'])
def test_what_is_not_understood_is_nothing(place, content):
    place.write(FILE, content.encode())
    assert read_under_way(place, []) == []


def test_a_place_that_cannot_be_written_stops_nothing(place, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(place), "note", full)
    Notice(place, lambda: [ONE]).renew()
    assert read_under_way(place, []) == []


def test_a_run_says_what_it_simulates_and_its_status_tells(tmp_path):
    folder, seen = tmp_path / "r", []

    class Looks(LocalExecutor):
        def wait(self, timeout_s):
            seen.append(status(folder).under_way)
            return super().wait(timeout_s)

    start(parse_study(study_text(trials=3), tmp_path), folder, lambda: Looks(free))
    assert [(one.trial, one.seed, one.actor) for one in seen[0]] == [(0, 0, platform.node())]
    assert not (folder / FILE).exists()
    assert status(folder).under_way == []
