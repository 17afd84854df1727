"""SIGKILL at any moment, then `dse resume`, ends with the table of an undisturbed run."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from dse.results.schema import RESULT_COLUMNS
from dse.results.store import read_table
from dse.search.executor import LocalExecutor
from dse.search.runs import start
from dse.search.study import parse_study
from tests.studies import ROOT, SMALL_STUDY


def results(folder):
    return read_table(folder).select(RESULT_COLUMNS)


def launch(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "dse", *map(str, arguments), "--executor", "local", "--quiet"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def rows(folder):
    return read_table(folder).num_rows if (folder / "study.json").exists() else 0


def kill_after_some_rows(process, folder, wanted, extra_s):
    """Kill a run a random moment after it has stored some rows; return whether it was still running."""
    deadline = time.monotonic() + 60
    while process.poll() is None and rows(folder) < wanted and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(extra_s)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return running


def test_five_kills_change_nothing(small_study, undisturbed, tmp_path):
    """Kills fall a random moment after a new row; a study that ends before the fifth is followed by another."""
    chance = random.Random(20201)
    kills = 0
    for attempt in range(5):
        folder = tmp_path / f"r{attempt}"
        process = launch("run", small_study, "--out", folder)
        while kill_after_some_rows(process, folder, rows(folder) + 1, chance.uniform(0.0, 0.08)):
            kills += 1
            if kills == 5:
                break
            process = launch("resume", folder)
        assert launch("resume", folder).wait(timeout=120) == 0
        assert results(folder).equals(results(undisturbed))
        if kills == 5:
            break
    assert kills == 5


def test_kills_at_any_moment_of_the_start_leave_a_study_that_opens(small_study, undisturbed, tmp_path):
    """Uniform over the life of the process: imports, making of the folder, first rows."""
    folder = tmp_path / "r"
    chance = random.Random(7)
    for _ in range(6):
        process = launch(*(("resume", folder) if folder.exists() else ("run", small_study, "--out", folder)))
        time.sleep(chance.uniform(0.3, 2.2))
        process.kill()
        process.wait()
    assert launch(*(("resume", folder) if folder.exists() else ("run", small_study, "--out", folder))).wait(120) == 0
    assert results(folder).equals(results(undisturbed))


def test_a_killed_driver_of_ray_actors_is_resumed(small_study, undisturbed, tmp_path, dse):
    folder = tmp_path / "r"
    command = [sys.executable, "-m", "dse", "run", str(small_study), "--out", str(folder), "--actors", "2", "--quiet"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert kill_after_some_rows(process, folder, 4, 0.0)
    assert 4 <= rows(folder) < 15
    assert dse("resume", folder, "--executor", "local").returncode == 0
    assert results(folder).equals(results(undisturbed))


@pytest.fixture(scope="module")
def longer(tmp_path_factory):
    """A study that does not end before a signal reaches it, and its table."""
    place = tmp_path_factory.mktemp("longer")
    text = SMALL_STUDY.replace("trials = 14", "trials = 150")
    (place / "longer.toml").write_text(text)
    start(parse_study(text, place), place / "undisturbed", LocalExecutor)
    return place / "longer.toml", results(place / "undisturbed")


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_says_how_to_go_on(signal_number, longer, tmp_path, dse):
    study, expected = longer
    folder = tmp_path / "r"
    process = subprocess.Popen(
        [sys.executable, "-m", "dse", "run", str(study), "--executor", "local", "--out", str(folder)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    while rows(folder) < 3:
        time.sleep(0.01)
    os.kill(process.pid, signal_number)
    message = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert f" resume {folder}" in message
    assert "Traceback" not in message
    assert dse("resume", folder, "--executor", "local").returncode == 0
    assert results(folder).equals(expected)


def test_a_folder_in_use_is_refused(small_study, tmp_path, dse):
    folder = tmp_path / "r"
    process = launch("run", small_study, "--out", folder)
    while not rows(folder):
        time.sleep(0.01)
    process.send_signal(signal.SIGSTOP)
    try:
        done = dse("resume", folder, "--executor", "local")
    finally:
        process.send_signal(signal.SIGCONT)
    assert done.returncode == 2
    assert f"is in use by another run (process {process.pid} on " in done.stderr
    assert process.wait(timeout=60) == 0
