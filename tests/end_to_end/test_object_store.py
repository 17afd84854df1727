"""A whole study in an object store, through the command line: run, killed, resumed, read, taken over, extended."""

import itertools
import json
import signal

import pytest

from dse.results.bucket import Bucket
from dse.results.store import has_results, read_table
from dse.search.runs import resume
from dse.search.study import parse_study
from tests.end_to_end.edits import Stops, edited, results
from tests.forked import Forked
from tests.studies import SMALL_STUDY
from tests.waiting import caught_underway, ended, wait_until

numbers = itertools.count()


def launch(*arguments, stderr=None):
    return Forked("-m", "dse", *arguments, "--executor", "local", "--quiet", stderr=stderr)


def rows(where):
    return read_table(where).num_rows if has_results(where) else 0


@pytest.mark.slow
def test_a_study_in_an_object_store_gives_the_table_of_one_on_a_disk(s3, here, small_study, undisturbed, tmp_path):
    where = s3.address(f"study{next(numbers)}")
    assert here("run", small_study, "--out", where, "--executor", "local", "--quiet").exit_code == 0
    assert results(where).equals(results(undisturbed))
    on_disk = here("front", undisturbed, "--format", "json").stdout
    assert here("front", where, "--format", "json").stdout == on_disk
    assert json.loads(here("status", where, "--format", "json").stdout)["done"] == 15
    assert here("price", where).exit_code == 0
    assert here("replay", where, 3).exit_code == 0
    (tmp_path / "more.toml").write_text(edited(("trials = 14", "trials = 16")))
    done = here("resume", where, "--study", tmp_path / "more.toml", "--executor", "local", "--quiet")
    assert done.exit_code == 0, done.output
    assert read_table(where).num_rows == 17
    other = tmp_path / "other"
    assert here("run", small_study, "--reuse", where, "--out", other, "--executor", "local", "--quiet").exit_code == 0
    assert results(other).equals(results(undisturbed))
    assert all(name.startswith(f"{where} trial ") for name in read_table(other)["came_from"].to_pylist())


@pytest.mark.slow
def test_a_killed_driver_is_refused_a_successor_only_until_its_lease_runs_out(s3, here, undisturbed, tmp_path):
    """The successor watches the lease of the killed one stand still; the lease is made short for it."""
    where = s3.address(f"study{next(numbers)}")
    (tmp_path / "long.toml").write_text(edited(("trials = 14", "trials = 4000")))
    process = launch("run", tmp_path / "long.toml", "--out", where)
    wait_until(lambda: rows(where) >= 3, "three rows", process)
    while_running = here("resume", where, "--executor", "local", "--quiet")
    assert while_running.exit_code == 2
    assert f"is in use by another run (process {process.pid} on " in while_running.stderr
    process.send_signal(signal.SIGKILL)
    process.wait()
    stored = rows(where)
    place = Bucket(where)
    (lease,) = place.names("lease")
    place.write(lease, place.read(lease).replace(b'"lasts_s": 30.0', b'"lasts_s": 0.5'))
    study = parse_study((tmp_path / "long.toml").read_text(), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        resume(where, lambda: Stops(3))
    assert read_table(where).num_rows >= stored + 3
    assert set(read_table(where)["study_key"].to_pylist()) == {study.key}


@pytest.mark.slow
def test_a_study_survives_that_its_store_is_away_for_a_while(s3, undisturbed, tmp_path):
    """The driver pauses, says so, and ends with the table of an undisturbed run."""
    (tmp_path / "s.toml").write_text(SMALL_STUDY)
    places = []

    def run():
        places.append(s3.address(f"study{next(numbers)}"))
        return launch("run", tmp_path / "s.toml", "--out", places[-1], stderr=log)

    log = tmp_path / "log"
    with caught_underway(run, lambda: rows(places[-1]), least=2, total=10) as process:
        s3.tell("stop")
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: "paused" in log.read_text(), "the pause", process)
        s3.tell("start")
        status = ended(process)
    where, message = places[-1], log.read_text()
    assert status == 0, message
    assert "paused: cannot write to" in message
    assert "can be written again" in message
    assert results(where).equals(results(undisturbed))
