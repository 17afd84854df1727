"""Kills of real processes: drivers, actors, whole nodes. The table is that of an undisturbed run, every time."""

import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dse.results.schema import RESULT_COLUMNS
from dse.results.store import read_table
from dse.search.executor import LocalExecutor
from dse.search.runs import start
from dse.search.study import parse_study
from tests.end_to_end.raylets import TOKEN, Cluster, descendants, environment
from tests.studies import ROOT, SMALL_STUDY
from tests.waiting import HANGS_S, output_of, wait_until

pytestmark = pytest.mark.slow
LONGER = SMALL_STUDY.replace("training.epochs = 1", "training.epochs = 8").replace("trials = 14", "trials = 60")
LONGER = LONGER.replace("lookahead = 4", "lookahead = 8")


def results(folder):
    return read_table(folder).select(RESULT_COLUMNS)


def rows(folder):
    return read_table(folder).num_rows if (folder / "study.json").exists() else 0


@pytest.fixture(scope="module")
def longer(tmp_path_factory):
    """A study file of 60 trials, and its table."""
    place = tmp_path_factory.mktemp("longer")
    (place / "longer.toml").write_text(LONGER)
    start(parse_study(LONGER, place), place / "undisturbed", LocalExecutor)
    return place / "longer.toml", results(place / "undisturbed")


def launch(*arguments, env=None):
    return subprocess.Popen(
        [sys.executable, "-m", "dse", *map(str, arguments), "--quiet"],
        cwd=ROOT,
        env=env or dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def simulators(pid):
    """Return the actors that simulate, among the processes below one."""
    return [p for p in descendants(pid) if "ray::Simulator" in command_of(p)]


def test_a_node_that_is_killed_and_one_that_joins_change_nothing(longer, tmp_path, noted):
    study, expected = longer
    folder = tmp_path / "r"
    with Cluster(tmp_path) as cluster:
        cluster.add(3)
        victim = cluster.add(4)
        process = launch("run", study, "--out", folder, "--address", cluster.address, env=environment())
        wait_until(lambda: rows(folder) >= 10, "more rows", process)
        cluster.kill(victim)
        wait_until(lambda: rows(folder) >= 25, "more rows", process)
        cluster.add(5)
        output = output_of(process)
        assert process.returncode == 0, output
    assert results(folder).equals(expected)
    attempts = read_table(folder)["attempts"].to_pylist()
    print(f"attempts: {sorted(attempts)[-3:]}")
    assert max(attempts) <= 3
    noted("node killed", 1, 1)


def test_a_head_that_is_killed_ends_the_study_with_words_and_it_goes_on(longer, tmp_path, noted):
    study, expected = longer
    folder = tmp_path / "r"
    with Cluster(tmp_path) as cluster:
        cluster.add(3)
        process = launch("run", study, "--out", folder, "--address", cluster.address, env=environment())
        wait_until(lambda: rows(folder) >= 6, "more rows", process)
        # They would go on without the head, and a fast machine ends the study before the driver gives the head up.
        actors = simulators(cluster.nodes["127.0.0.3"].pid)
        for pid in actors:
            os.kill(pid, signal.SIGSTOP)
        assert actors, "the study ended before it had an actor to stop"
        cluster.kill("127.0.0.2")
        output = output_of(process)
    assert process.returncode == 2, output
    assert "inished trials are safe" in output
    assert "Traceback" not in output
    resumed = launch("resume", folder, "--executor", "local")
    output = output_of(resumed)
    assert resumed.returncode == 0, output
    assert results(folder).equals(expected)
    noted("head killed", 1, 1)


def test_the_pool_follows_the_nodes(tmp_path):
    """Actors appear on a node that joins, and are let go of with a node that dies; work goes on."""
    script = (
        "import sys, time\n"
        "from dse.search.ray_pool import RayPool\n"
        "pool = RayPool(address=sys.argv[1])\n"
        "while True:\n"
        "    print(len(pool._handles), len(pool._starting), flush=True)\n"
        "    pool.wait(0.2)\n"
    )

    def count(process, wanted):
        wait_until(lambda: process.stdout.readline().split() == [str(wanted), "0"], f"{wanted} actors", process)

    with Cluster(tmp_path) as cluster:
        cluster.add(3)
        process = subprocess.Popen(
            [sys.executable, "-c", script, cluster.address], stdout=subprocess.PIPE, env=environment(), text=True
        )
        try:
            count(process, 1)
            second = cluster.add(4, cpus=2)
            count(process, 3)
            cluster.kill(second)
            count(process, 1)
        finally:
            process.kill()
            process.wait()


def test_killed_actors_cost_time_alone(longer, tmp_path, noted):
    study, expected = longer
    folder = tmp_path / "r"
    process = launch("run", study, "--out", folder, "--actors", 2)
    kills = 0
    for wanted in (8, 20, 32):
        wait_until(lambda wanted=wanted: rows(folder) >= wanted, "more rows", process)
        for pid in simulators(process.pid)[:1]:
            os.kill(pid, signal.SIGKILL)
            kills += 1
    output = output_of(process)
    assert process.returncode == 0, output
    assert kills >= 2
    assert results(folder).equals(expected)
    noted("actor killed", kills, kills)


def test_what_actors_finished_outlives_the_driver(longer, tmp_path, noted):
    """The driver is stopped, so that it takes no more answers; its actors finish their calls; then it is killed."""
    study, expected = longer
    folder = tmp_path / "r"
    process = launch("run", study, "--out", folder, "--actors", 2)
    wait_until(lambda: rows(folder) >= 6, "more rows", process)
    os.kill(process.pid, signal.SIGSTOP)
    held = {(row["trial"], row["seed"]) for row in read_table(folder).to_pylist()}

    def kept():
        lines = [line for file in (folder / "spool").glob("*.jsonl") for line in file.read_text().splitlines()]
        entries = [json.loads(line) for line in lines if line.endswith("}")]
        return {e["trial"]: e for e in entries if (e["trial"], e["seed"]) not in held}

    wait_until(kept, "answers that the driver did not take")
    time.sleep(1.0)
    saved = kept()
    process.kill()
    process.wait()
    resumed = launch("resume", folder, "--executor", "local")
    output = output_of(resumed)
    assert resumed.returncode == 0, output
    assert results(folder).equals(expected)
    table = {row["trial"]: row for row in read_table(folder).to_pylist()}
    print(f"{len(saved)} answers survived the driver")
    assert saved
    for trial, entry in saved.items():
        assert table[trial]["started_at"] == entry["started_at"]  # not simulated again
    assert not list((folder / "spool").glob("*.jsonl"))
    noted("driver of Ray actors killed", 1, 1)


def test_fifty_kills_of_the_driver_change_nothing(tmp_path, noted):
    """SIGKILL at random moments in the life of a study: while it starts, and while it runs; some with Ray actors.

    A study that ends before it is killed, which is a matter of the machine alone, is followed by another.
    """
    text = SMALL_STUDY.replace("trials = 14", "trials = 400").replace("training.epochs = 1", "training.epochs = 4")
    (tmp_path / "s.toml").write_text(text)
    start(parse_study(text, tmp_path), tmp_path / "undisturbed", LocalExecutor)
    expected = results(tmp_path / "undisturbed")
    chance, kills, studies = random.Random(50), 0, itertools.count()
    folder = tmp_path / f"r{next(studies)}"
    while kills < 50:
        executor = ["--actors", 2] if kills % 10 == 8 else ["--executor", "local"]
        command = (
            ("resume", folder) if (folder / "study.json").exists() else ("run", tmp_path / "s.toml", "--out", folder)
        )
        process = launch(*command, *executor)
        if kills % 2:
            time.sleep(chance.uniform(0.2, 4.0))
        else:
            wanted = rows(folder) + 1
            wait_until(lambda f=folder, w=wanted, p=process: rows(f) >= w or p.poll() is not None, "more rows")
            time.sleep(chance.uniform(0.0, 0.1))
        if process.poll() is not None:
            output = output_of(process)
            assert process.returncode == 0, output
            assert results(folder).equals(expected)
            folder = tmp_path / f"r{next(studies)}"
            continue
        process.kill()
        process.wait()
        kills += 1
    print(f"{kills} kills, the last with {rows(folder)} of 401 rows")
    process = launch("resume", folder, "--executor", "local")
    output = output_of(process)
    assert process.returncode == 0, output
    assert results(folder).equals(expected)
    noted("driver killed at any moment", kills, kills)


def test_a_trial_that_exhausts_memory_is_recorded_with_its_last_words(tmp_path):
    """Ray's monitor ends the process; its threshold lies a little above what the machine uses now."""
    script = """
import os, sys, time
from ray import cloudpickle
from dse.designs.design import compose
from dse.search.executor import Job, simulate_design
from dse.search.ray_pool import RayPool
from dse.search.spec import ResourcesSpec

def greedy(job):
    if job.trial == 0:
        held = []
        for _ in range(60):
            held.append(bytearray(os.urandom(1024)) * 102400)
            time.sleep(0.02)
        time.sleep(600)
    return simulate_design(job)

pool = RayPool(2, resources=ResourcesSpec(attempts=2, time_limit_s=1200), simulate=greedy)
design = compose({"training.epochs": 1, "network.hidden": [4]})
for trial in range(6):
    pool.submit(Job(trial, 0, design))
found = []
while len(found) < 6:
    found += pool.wait(1.0)
for a in found:
    print(a.job.trial, a.result["state"], a.result["failure_kind"], a.attempts, a.result["failure"], flush=True)
pool.close()
"""
    memory = dict(re.findall(r"(\w+):\s+(\d+) kB", Path("/proc/meminfo").read_text()))
    used = 1 - int(memory["MemAvailable"]) / int(memory["MemTotal"])
    threshold = used + (3.0 * 2**20) / int(memory["MemTotal"])  # three gigabytes more than now
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "RAY_memory_usage_threshold": f"{threshold:.3f}", "RAY_memory_monitor_refresh_ms": "100"},
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    lines = {int(line.split()[0]): line for line in done.stdout.splitlines() if re.match(r"\d ", line)}
    assert lines[0].startswith("0 failed memory 2 failed in 2 attempts")
    assert all(lines[n].startswith(f"{n} complete None") for n in range(1, 6))


def test_a_wrong_token_is_refused_with_a_message(longer, tmp_path):
    with Cluster(tmp_path) as cluster:
        cluster.add(3)
        wrong = {**environment(), "RAY_AUTH_TOKEN": TOKEN[::-1]}
        process = launch("run", longer[0], "--out", tmp_path / "r", "--address", cluster.address, env=wrong)
        output = output_of(process)
    assert process.returncode == 2
    assert f"error: cannot join the Ray cluster at {cluster.address}" in output
    assert "Traceback" not in output
    assert not (tmp_path / "r").exists()
