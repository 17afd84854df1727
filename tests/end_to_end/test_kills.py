"""SIGKILL at any moment, then `dse resume`, ends with the table of an undisturbed run.

What has to be caught underway is a study of 66 rows, which lasts long enough on most machines.
"""

import itertools
import random
import signal
import subprocess
import sys
import time

import pytest

from dse.results.schema import RESULT_COLUMNS
from dse.results.store import read_table
from tests.forked import Forked
from tests.studies import REPLICATED_STUDY, ROOT
from tests.waiting import HANGS_S, caught_underway, ended, wait_until


def results(folder):
    return read_table(folder).select(RESULT_COLUMNS)


def launch(*arguments):
    return Forked("-m", "dse", *arguments, "--executor", "local", "--quiet")


def rows(folder):
    return read_table(folder).num_rows if (folder / "study.json").exists() else 0


@pytest.fixture
def long_study(tmp_path):
    """The file of the study of `replicated`."""
    path = tmp_path / "long.toml"
    path.write_text(REPLICATED_STUDY)
    return path


class Underway:
    """Runs of a study of which one is caught before its end; see `caught_underway`."""

    def __init__(self, study, place):
        self.study, self.place, self.attempt = study, place, 0

    @property
    def folder(self):
        return self.place / f"r{self.attempt}"

    @property
    def said(self):
        return self.place / f"r{self.attempt}.log"

    def launch(self):
        self.attempt += 1
        arguments = ("run", self.study, "--executor", "local", "--out", self.folder)
        return Forked("-m", "dse", *arguments, stderr=self.said)

    def caught(self, least, total):
        return caught_underway(self.launch, lambda: rows(self.folder), least, total)


class OnRay(Underway):
    """Such runs on Ray actors, each in a process that is started plainly."""

    def launch(self):
        self.attempt += 1
        options = ("--actors", "2", "--quiet", "--wait-for-nodes", str(HANGS_S), "--out", str(self.folder))
        command = [sys.executable, "-m", "dse", "run", str(self.study), *options]
        with self.said.open("w") as said:
            return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said)


@pytest.mark.slow
def test_five_kills_change_nothing(long_study, replicated, tmp_path, noted):
    """Kills fall a random moment after a new row; a study that ends before the fifth is followed by another."""
    chance = random.Random(20201)
    kills = 0
    for attempt in itertools.count():
        folder = tmp_path / f"r{attempt}"
        process = launch("run", long_study, "--out", folder)
        while kills < 5:
            wanted = rows(folder) + 1
            wait_until(lambda w=wanted, p=process, f=folder: rows(f) >= w or p.poll() is not None, "a row")
            time.sleep(chance.uniform(0.0, 0.08))
            if process.poll() is not None:
                break
            process.kill()
            process.wait()
            kills += 1
            process = launch("resume", folder)
        assert ended(process) == 0
        assert results(folder).equals(results(replicated))
        if kills == 5:
            break
    noted("driver killed while it stores rows", kills, kills)


@pytest.mark.slow
def test_kills_at_any_moment_of_the_start_leave_a_study_that_opens(small_study, undisturbed, tmp_path, noted):
    """Uniform over the life of the process: reading of the study, making of the folder, first rows."""
    folder = tmp_path / "r"
    chance = random.Random(7)
    for _ in range(6):
        process = launch(*(("resume", folder) if folder.exists() else ("run", small_study, "--out", folder)))
        time.sleep(chance.uniform(0.0, 0.6))
        process.kill()
        process.wait()
    assert ended(launch(*(("resume", folder) if folder.exists() else ("run", small_study, "--out", folder)))) == 0
    assert results(folder).equals(results(undisturbed))
    noted("driver killed while it starts", 6, 6)


@pytest.mark.slow
def test_a_killed_driver_of_ray_actors_is_resumed(long_study, replicated, tmp_path, here, noted):
    runs = OnRay(long_study, tmp_path)
    with runs.caught(4, 66):
        pass
    assert 4 <= rows(runs.folder) < 66
    assert here("resume", runs.folder, "--executor", "local", "--quiet").exit_code == 0
    assert results(runs.folder).equals(results(replicated))
    noted("driver of Ray actors killed", 1, 1)


ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("signal_number", ENDING)
@pytest.mark.parametrize(
    "kind", [Underway, pytest.param(OnRay, marks=pytest.mark.slow)], ids=["in this process", "on Ray"]
)
def test_an_interruption_says_how_to_go_on(kind, signal_number, times, long_study, replicated, tmp_path, here):
    """Whoever simulates, and whatever library put handlers of its own in place of ours."""
    runs = kind(long_study, tmp_path)
    with runs.caught(3, 60) as process:
        for _ in range(times):
            process.send_signal(signal_number)
        process.send_signal(signal.SIGCONT)
        assert ended(process) == 130
    message = runs.said.read_text()
    assert f" resume {runs.folder}" in message
    assert "finished trials are safe" in message
    assert "Traceback" not in message
    assert "***" not in message
    assert here("resume", runs.folder, "--executor", "local", "--quiet").exit_code == 0
    assert results(runs.folder).equals(results(replicated))


@pytest.mark.slow
def test_a_folder_in_use_is_refused(long_study, replicated, tmp_path, here):
    runs = Underway(long_study, tmp_path)
    with runs.caught(1, 66) as process:
        done = here("resume", runs.folder, "--executor", "local")
        assert done.exit_code == 2
        assert f"is in use by another run (process {process.pid} on " in done.stderr
        process.send_signal(signal.SIGCONT)
        assert ended(process) == 0
    assert results(runs.folder).equals(results(replicated))
