"""Ray changes where a study runs, never what comes of it. Ray starts once for the whole file."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ray import cloudpickle

from dse import files
from dse.designs.design import compose
from dse.errors import DataError, ExecutorError
from dse.results.schema import RESULT_COLUMNS
from dse.results.store import read_table
from dse.search import ray_pool
from dse.search.executor import Job, simulate_design, work
from dse.search.ray_cluster import living_nodes, offer, ray, room, start_local
from dse.search.ray_pool import RayPool
from dse.search.runs import start
from dse.search.spec import ResourcesSpec
from dse.search.study import parse_study
from tests.waiting import HANGS_S, wait_until

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # actors cannot import a test
KILLS, HANGS, EATS, WAITS = 901, 902, 903, 904
LIMIT_S = 2.0


def trouble(job):
    """Simulate, or do what the seed says."""
    if job.seed == KILLS:
        os._exit(7)
    if job.seed == HANGS:
        time.sleep(600)
    if job.seed == EATS:
        return bytearray(2**60)
    if job.seed == WAITS:
        note = Path(os.environ["TROUBLE"])
        if not note.exists():
            note.write_text(str(os.getpid()))
            time.sleep(600)
    return simulate_design(job)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pool")


@pytest.fixture(scope="module")
def pool(folder):
    with pytest.MonkeyPatch.context() as patch:
        # The actors inherit a data folder with nothing in it.
        patch.setenv("DSE_DATA_DIR", str(folder))
        patch.setenv("TROUBLE", str(folder / "pid"))
        # Room for an actor of a second pool beside the two of this one; see `same_ray`.
        patch.setattr(ray_pool, "start_local", lambda cpus: start_local(cpus + 1))
        executor = RayPool(
            actors=2, resources=ResourcesSpec(attempts=2), folder=folder, simulate=trouble, wait_s=HANGS_S
        )
    yield executor
    executor.close()


@pytest.fixture
def same_ray(pool, monkeypatch):
    """Lets a second pool run on the Ray of the first, and leave it running."""
    monkeypatch.setattr(ray_pool, "start_local", lambda cpus: None)
    monkeypatch.setattr(ray, "shutdown", lambda: None)


@pytest.mark.slow
def test_bytes_of_a_file_reach_an_actor_that_finds_it_nowhere(pool, folder, monkeypatch, tmp_path):
    labels = np.arange(30) % 3
    np.savez(tmp_path / "shipped.npz", x=labels[:, None] + np.linspace(0.0, 0.5, 30)[:, None], y=labels)
    file = {"workload.dataset": "arrays", "workload.file": str(tmp_path / "shipped.npz")}
    design = compose({**file, "network.hidden": [4], "training.epochs": 1})
    job = Job(0, 0, design)
    here = work(job)
    (sha256,) = design.files
    content = files.find(sha256, "shipped.npz").read()
    (tmp_path / "shipped.npz").unlink()
    files.offer(sha256, lambda: content)
    monkeypatch.setattr(pool, "_ours", False)  # as on a cluster, whose nodes have not the disk of the driver
    pool.submit(job)
    answers = wait_until(lambda: pool.wait(1.0), "an answer")
    assert [answer.result for answer in answers] == [here.result]
    assert pool._shipped[sha256].bytes is not None


class Borrowed:
    """The pool behind some number of slots, which a study may close without ending it."""

    def __init__(self, pool, slots):
        self.pool, self.slots = pool, slots

    def submit(self, job):
        self.pool.submit(job)

    def wait(self, timeout_s):
        return self.pool.wait(timeout_s)

    def close(self):
        assert not self.pool._flights


def answers(pool, count):
    found = []

    def complete():
        found.extend(pool.wait(5.0))
        return len(found) >= count

    wait_until(complete, f"{count} answers")
    return found


def small(trial, seed=0, **settings):
    return Job(trial, seed, compose({"training.epochs": 1, "network.hidden": [4], **settings}))


@pytest.mark.slow
@pytest.mark.parametrize("slots", [1, 16])
def test_one_job_or_many_in_flight_and_the_local_executor_agree_to_the_last_bit(
    slots, pool, small_study, undisturbed, tmp_path
):
    study = parse_study(small_study.read_text(), tmp_path)
    start(study, tmp_path / "r", lambda: Borrowed(pool, slots))
    table, other = read_table(tmp_path / "r"), read_table(undisturbed)
    assert table.select(RESULT_COLUMNS).equals(other.select(RESULT_COLUMNS))


def test_an_answer_carries_what_made_it(pool):
    pool.submit(small(0))
    (answer,) = answers(pool, 1)
    assert answer.attempts == 1
    assert answer.host
    assert answer.wall_s > 0
    assert answer.result == work(answer.job).result


def test_a_killed_actor_costs_an_attempt_and_no_result(pool, folder, noted):
    pool.submit(small(0, seed=WAITS))
    note = folder / "pid"
    pid = wait_until(lambda: pool.wait(0.05) == [] and note.exists() and note.read_text(), "the actor at work")
    os.kill(int(pid), signal.SIGKILL)
    (answer,) = answers(pool, 1)
    assert answer.attempts == 2
    assert answer.result == work(answer.job).result
    noted("actor killed", 1, 1)


@pytest.mark.slow
def test_a_design_that_always_kills_its_actor_is_recorded_with_its_last_words(pool):
    jobs = [small(0, seed=KILLS), *(small(n) for n in range(1, 30))]
    for job in jobs:
        pool.submit(job)
    found = {answer.job.trial: answer for answer in answers(pool, len(jobs))}
    assert found[0].result["failure_kind"] == "crashed"
    assert found[0].attempts == 2
    assert "failed in 2 attempts; the last one: its process died" in found[0].result["failure"]
    assert "exit" in found[0].result["failure"].lower()
    # Those that flew with it are none the worse.
    assert {found[n].result["state"] for n in range(1, 30)} == {"complete"}


@pytest.mark.slow
@pytest.mark.usefixtures("same_ray")
def test_a_trial_that_hangs_is_ended_at_its_time_limit_and_recorded():
    pool = RayPool(
        actors=1, resources=ResourcesSpec(time_limit_s=LIMIT_S, attempts=2), simulate=trouble, wait_s=HANGS_S
    )
    pool.submit(small(0, seed=HANGS))
    begun = time.monotonic()
    (answer,) = answers(pool, 1)
    assert time.monotonic() - begun >= LIMIT_S
    pool.close()
    assert answer.result["failure_kind"] == "timeout"
    assert answer.result["failure"] == f"ended at its time limit of {LIMIT_S:g} s"


@pytest.mark.slow
def test_a_trial_without_enough_memory_is_recorded(pool):
    pool.submit(small(0, seed=EATS))
    (answer,) = answers(pool, 1)
    assert answer.result["failure_kind"] == "memory"
    assert answer.attempts == 2


@pytest.mark.slow
def test_missing_data_on_an_actor_ends_the_study_with_its_message(pool):
    pool.submit(Job(0, 0, compose({"workload.dataset": "mnist"})))
    with pytest.raises(DataError, match="dse data mnist"):
        answers(pool, 1)


@pytest.mark.slow
def test_actors_that_fail_to_start_are_tried_again_after_pauses(pool, monkeypatch, caplog):
    """Three in a row make a pause; the study ends when the pauses are used up, and one that starts makes all good."""
    monkeypatch.setattr(pool, "_start_failures", [])
    monkeypatch.setattr(pool, "_start_again_at", 0.0)
    monkeypatch.setattr(ray_pool, "START_PAUSES_S", (10.0, 30.0))
    held = []
    for _ in range(8):
        pool._take_start_failure("no memory")
        held.append(round(pool._start_again_at - time.monotonic(), -1) if pool._start_again_at else 0.0)
    assert held[:2] == [0.0, 0.0]
    assert held[2] == 10.0
    assert held[5] == 30.0
    assert caplog.text.count("3 Ray actors did not start (no memory); trying again in") == 2
    with pytest.raises(ExecutorError, match=r"did not start, 9 of them in a row: no memory\. What is finished is safe"):
        pool._take_start_failure("no memory")


@pytest.mark.slow
def test_a_head_that_is_silent_ends_the_study_in_time(pool, monkeypatch):
    """Before Ray's library ends the process, after a minute."""
    monkeypatch.setattr(ray_pool, "head_answers", lambda: False)
    now = time.monotonic()
    monkeypatch.setattr(pool, "_heard_at", now)
    assert not pool._hears_head(now + 5.0)
    with pytest.raises(ExecutorError, match=r"has not answered for 20 s\. Finished trials are safe"):
        pool._hears_head(now + 21.0)
    monkeypatch.undo()
    assert pool._hears_head(time.monotonic())
    assert ray_pool.HEAD_S < 60.0


@pytest.mark.slow
@pytest.mark.usefixtures("same_ray")
def test_a_request_that_no_node_can_meet_is_refused_at_once():
    with pytest.raises(ExecutorError, match=r"no node has room .* reserves 1 CPU, 0.5 GPU, and the cluster offers 127"):
        RayPool(resources=ResourcesSpec(gpus=0.5))


@pytest.mark.slow
def test_room_counts_whole_devices_and_their_fractions():
    nodes = [
        {"NodeManagerAddress": "a", "Resources": {"CPU": 8.0, "GPU": 2.0}},
        {"NodeManagerAddress": "b", "Resources": {"CPU": 4.0}},
    ]
    assert room(nodes, {"CPU": 1.0, "GPU": 0.0}) == 12
    assert room(nodes, {"CPU": 3.0, "GPU": 0.0}) == 3
    assert room(nodes, {"CPU": 0.5, "GPU": 0.0}) == 24
    assert room(nodes, {"CPU": 1.0, "GPU": 0.25}) == 8
    assert room(nodes, {"CPU": 1.0, "GPU": 0.4}) == 4  # a device holds two of them, not two and a half
    assert room(nodes, {"CPU": 1.0, "GPU": 2.0}) == 1
    assert room(nodes, {"CPU": 1.0, "GPU": 3.0}) == 0
    assert offer(nodes) == "the cluster offers a: 8 CPU, 2 GPU; b: 4 CPU, 0 GPU"


@pytest.mark.slow
def test_our_own_ray_listens_on_the_loopback_interface_alone(pool):
    (node,) = living_nodes()
    assert node["NodeManagerAddress"] == "127.0.0.1"
    ours = {int(part) for part in (node["NodeManagerPort"], ray.get_runtime_context().gcs_address.split(":")[-1])}
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            host, port = local.split(":")
            if state == "0A" and int(port, 16) in ours:
                listening.add((int(port, 16), host[-8:]))
    assert {port for port, _ in listening} == ours
    assert {host for _, host in listening} == {"0100007F"}
