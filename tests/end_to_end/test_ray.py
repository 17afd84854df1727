"""Ray changes where a study runs, never what comes of it. Ray starts once for the whole file."""

import os
import signal

import pytest

from dse.design.design import compose
from dse.design.outcome import Failure, Outcome
from dse.errors import DataError
from dse.results.schema import RESULT_COLUMNS
from dse.results.store import read_table
from dse.search import ray_pool
from dse.search.executor import Job, work
from dse.search.runs import start
from dse.search.study import parse_study


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        # The actors inherit a data folder with nothing in it.
        patch.setenv("DSE_DATA_DIR", str(tmp_path_factory.mktemp("no data")))
        executor = ray_pool.RayPool(actors=2)
    yield executor
    executor.close()


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
    while len(found) < count:
        found += pool.wait(5.0)
    return found


@pytest.mark.parametrize("actors", [1, 2])
def test_one_actor_two_actors_and_the_local_executor_agree_to_the_last_bit(
    actors, pool, small_study, undisturbed, tmp_path
):
    study = parse_study(small_study.read_text(), tmp_path)
    start(study, tmp_path / "r", lambda: Borrowed(pool, actors))
    table, other = read_table(tmp_path / "r"), read_table(undisturbed)
    assert table.select(RESULT_COLUMNS).equals(other.select(RESULT_COLUMNS))


def test_an_answer_carries_what_made_it(pool):
    pool.submit(Job(0, 0, compose({"training.epochs": 1, "network.hidden": [4]})))
    (answer,) = answers(pool, 1)
    assert isinstance(answer.outcome, Outcome)
    assert answer.attempts == 1
    assert answer.host
    assert answer.wall_s > 0
    assert answer.outcome == work(answer.job).outcome


def test_a_killed_actor_costs_an_attempt_and_no_result(pool):
    job = Job(0, 0, compose({"training.epochs": 200}))
    victim = pool._idle[-1]
    pid = ray_pool.ray.get(victim.__ray_call__.remote(lambda _: os.getpid()))
    pool.submit(job)
    assert pool.wait(0.2) == []
    os.kill(pid, signal.SIGKILL)
    (answer,) = answers(pool, 1)
    assert answer.attempts == 2
    assert answer.outcome == work(job).outcome


def test_a_design_that_always_kills_its_actor_is_recorded_as_crashed(pool, monkeypatch):
    deadly = Job(0, 0, None)
    monkeypatch.setattr(pool, "_idle", [Deadly(pool._idle[0])])
    pool.submit(deadly)
    (answer,) = answers(pool, 1)
    assert answer.outcome == Failure("crashed", "its process died 3 times")
    assert answer.attempts == 3


class Deadly:
    """An actor whose every job ends its process."""

    def __init__(self, actor):
        self.actor = actor

    @property
    def work(self):
        return self

    def remote(self, job):
        return self.actor.__ray_call__.remote(lambda _: os._exit(1))


def test_missing_data_on_an_actor_ends_the_study_with_its_message(pool):
    pool.submit(Job(0, 0, compose({"workload.dataset": "mnist"})))
    with pytest.raises(DataError, match="dse data mnist"):
        answers(pool, 1)
