"""SIGKILL at any step of a search with rungs, then `dse resume`, ends with the table of an undisturbed run."""

import random
import shutil
import subprocess
import sys
import time

import pytest

from dse.results.schema import RESULT_COLUMNS
from dse.results.store import read_table
from dse.search.executor import LocalExecutor
from dse.search.runs import start
from dse.search.study import parse_study
from tests.end_to_end.test_kills import OnRay, launch
from tests.search.test_rungs import TEXT
from tests.studies import ROOT
from tests.waiting import ended, wait_until

KILLS = 5


def whole(folder):
    return read_table(folder, paused=True).select(RESULT_COLUMNS)


def rows(folder):
    return read_table(folder, paused=True).num_rows if (folder / "study.json").exists() else 0


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    start(parse_study(TEXT, folder), folder / "r", LocalExecutor)
    return folder / "r"


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(TEXT)
    return path


@pytest.mark.slow
def test_kills_at_any_step_change_nothing(study, undisturbed, tmp_path, noted):
    """Each falls a random moment after some new rows: of the start, of pauses, of ends and of further seeds."""
    chance, folder, total = random.Random(15), tmp_path / "r", rows(undisturbed)
    process = launch("run", study, "--out", folder)
    killed_at = []
    for number in range(KILLS):
        wanted = (number + 1) * total // (KILLS + 1)
        wait_until(lambda w=wanted, p=process: rows(folder) >= w or p.poll() is not None, "rows")
        time.sleep(chance.uniform(0.0, 0.1))
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        killed_at.append(rows(folder))
        if number == 2:
            shutil.rmtree(folder / "paused")  # saves time alone
        process = launch("resume", folder)
    assert ended(process) == 0
    assert len(killed_at) >= 2
    assert whole(folder).equals(whole(undisturbed))
    noted("driver of a study with rungs killed", len(killed_at), len(killed_at))


@pytest.mark.slow
def test_a_killed_driver_of_ray_actors_is_resumed_on_ray(study, undisturbed, tmp_path):
    runs = OnRay(study, tmp_path)
    with runs.caught(3, read_table(undisturbed).num_rows):  # rows of trainings that have ended
        pass
    assert rows(runs.folder) < rows(undisturbed)
    command = [sys.executable, "-m", "dse", "resume", str(runs.folder), "--actors", "2", "--quiet"]
    assert subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL).returncode == 0
    assert whole(runs.folder).equals(whole(undisturbed))
