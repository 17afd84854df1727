"""Who gets which jobs, and whom a death is blamed on: without Ray, with times as arguments."""

from dataclasses import replace

import pytest

from dse.designs.design import compose
from dse.designs.outcome import Failure
from dse.results.rows import result_fields
from dse.search.dispatch import MAX_LOSSES, Dispatcher
from dse.search.executor import MAX_BATCH, Job, work
from tests.search.free import free

DESIGN = compose({})
DIED = Failure("crashed", "its process died")
HUNG = Failure("timeout", "ended at its time limit of 5 s")


class Bench:
    """A dispatcher with a clock, a spool in memory and nodes that can go."""

    def __init__(self, actors=2, attempts=3, time_limit_s=5.0):
        self.gone, self.spool, self.now = set(), {}, 0.0
        self.dispatcher = Dispatcher(
            attempts, time_limit_s, "s", lambda call: self.spool.get(call.key, []), lambda node: node in self.gone
        )
        for number in range(actors):
            self.dispatcher.join(f"a{number}", f"n{number}")

    def submit(self, count, first=0):
        for trial in range(first, first + count):
            self.dispatcher.submit(Job(trial, 0, DESIGN))

    def calls(self):
        """Hand out all that can go."""
        found = []
        while (chosen := self.dispatcher.next_call(self.now)) is not None:
            found.append(chosen)
        return found

    def answer(self, name, call, wall_s):
        answers = [replace(work(task.job, free), wall_s=wall_s) for task in call.tasks]
        return self.dispatcher.answered(name, call, answers, self.now)


def trials(call):
    return [task.job.trial for task in call.tasks]


def test_calls_begin_with_one_job_and_grow_with_what_they_take():
    bench = Bench(actors=1)
    bench.submit(300)
    ((name, call),) = bench.calls()
    assert trials(call) == [0]
    bench.answer(name, call, wall_s=0.02)
    assert [len(call.tasks) for _, call in bench.calls()] == [10, 10]


def test_long_jobs_go_out_one_at_a_time():
    bench = Bench(actors=2)
    bench.submit(20)
    for name, call in bench.calls():
        bench.answer(name, call, wall_s=60.0)
    assert [trials(call) for _, call in bench.calls()] == [[2], [3]]


def test_free_jobs_go_out_in_calls_of_bounded_size():
    bench = Bench(actors=1)
    bench.submit(1000)
    ((name, call),) = bench.calls()
    bench.answer(name, call, wall_s=0.0)
    assert {len(call.tasks) for _, call in bench.calls()} == {MAX_BATCH}


def test_few_jobs_are_shared_by_all_actors():
    bench = Bench(actors=4)
    bench.submit(4)
    for name, call in bench.calls():
        bench.answer(name, call, wall_s=0.001)
    bench.submit(8, first=4)
    assert sorted(len(call.tasks) for _, call in bench.calls()) == [1] * 8


def test_a_slow_actor_gets_less_and_nobody_waits_for_it():
    bench = Bench(actors=2)
    bench.submit(200)
    (slow, slow_call), (fast, call) = bench.calls()
    for _ in range(20):
        bench.answer(fast, call, wall_s=0.1)
        name, call = bench.calls()[0]
        assert name == fast
    bench.answer(slow, slow_call, wall_s=30.0)
    assert bench.dispatcher.actors[slow].batch == 1
    assert bench.dispatcher.actors[slow].depth == 1


def test_slots_follow_the_actors():
    bench = Bench(actors=0)
    assert bench.dispatcher.slots == 1
    for number in range(500):
        bench.dispatcher.join(f"a{number}", "n")
    assert bench.dispatcher.slots == 1000
    bench.dispatcher.lost("a0", DIED)
    assert bench.dispatcher.slots == 998


def test_a_job_that_always_kills_its_actor_is_recorded_with_its_last_words():
    bench = Bench(actors=3, attempts=3)
    bench.submit(1)
    final = []
    for number in range(3):
        ((name, _),) = bench.calls()
        final += bench.dispatcher.lost(name, Failure("crashed", f"its process died ({number})"))
    (answer,) = final
    assert answer.attempts == 3
    assert answer.result["failure_kind"] == "crashed"
    assert answer.result["failure"] == "failed in 3 attempts; the last one: its process died (2)"


def grown(actors=1, **options):
    """A bench whose first actor works on calls of four jobs, two at a time."""
    bench = Bench(actors=actors, **options)
    bench.submit(1)
    ((name, call),) = bench.calls()
    bench.answer(name, call, wall_s=0.05)
    bench.submit(8, first=1)
    return bench, name


def test_innocent_jobs_of_a_call_are_not_blamed_where_nothing_says_which_was_running():
    bench, name = grown(attempts=1)
    first, second = (call for _, call in bench.calls())
    assert (trials(first), trials(second)) == ([1, 2, 3, 4], [5, 6, 7, 8])
    assert bench.dispatcher.lost(name, DIED) == []
    bench.dispatcher.join("b", "n")
    seen = []
    while calls := bench.calls():
        for actor, call in calls:
            seen.append(trials(call))
            final = bench.answer(actor, call, wall_s=0.05)
            assert [a.attempts for a in final] == [1] * len(final)
    assert [1] in seen
    assert [4] in seen
    assert sorted(trial for call in seen for trial in call) == list(range(1, 9))


def test_the_spool_says_which_job_was_running_and_saves_those_before_it():
    bench, name = grown(attempts=1)
    first, _ = (call for _, call in bench.calls())
    bench.spool[first.key] = [work(task.job, free) for task in first.tasks[:2]]
    saved1, saved2, guilty = bench.dispatcher.lost(name, DIED)
    assert [saved1.job.trial, saved2.job.trial] == [1, 2]
    assert saved1.result["state"] == "complete"
    assert guilty.job.trial == 3
    assert guilty.result["failure_kind"] == "crashed"


def test_deaths_on_nodes_that_are_gone_are_not_charged_but_end_some_time():
    bench = Bench(actors=0, attempts=2)
    bench.submit(1)
    for number in range(MAX_LOSSES):
        bench.gone.add(f"n{number}")
        bench.dispatcher.join(f"a{number}", f"n{number}")
        ((name, _),) = bench.calls()
        final = bench.dispatcher.lost(name, DIED)
        assert bool(final) == (number == MAX_LOSSES - 1)


def test_a_job_that_hangs_is_recorded_and_not_tried_again():
    bench = Bench(actors=1, time_limit_s=5.0)
    bench.submit(1)
    ((name, _),) = bench.calls()
    assert bench.dispatcher.overdue(5.0) == []
    assert bench.dispatcher.overdue(5.1) == [name]
    (answer,) = bench.dispatcher.lost(name, HUNG)
    assert (answer.result["failure_kind"], answer.result["failure"]) == ("timeout", HUNG.reason)


@pytest.mark.parametrize("spooled", [0, 2])
def test_a_call_of_several_jobs_over_the_time_limit_of_one_blames_none(spooled):
    bench, name = grown()
    first, _ = (call for _, call in bench.calls())
    bench.spool[first.key] = [work(task.job, free) for task in first.tasks[:spooled]]
    assert [a.job.trial for a in bench.dispatcher.lost(name, HUNG)] == [1, 2][:spooled]
    bench.dispatcher.join("b", "n")
    ((_, call),) = bench.calls()
    assert trials(call) == [1 + spooled]


def test_the_clock_of_a_call_starts_when_the_one_before_it_is_answered():
    bench, name = grown()
    first, _ = (call for _, call in bench.calls())
    bench.now = 4.0
    bench.answer(name, first, wall_s=0.05)
    assert bench.dispatcher.overdue(8.9) == []
    assert bench.dispatcher.overdue(9.1) == [name]


def test_a_job_that_runs_out_of_memory_is_tried_again_alone_and_then_recorded():
    bench = Bench(actors=1, attempts=2)
    bench.submit(1)
    starts = 0
    final = []
    while not final:
        ((name, call),) = bench.calls()
        starts += 1
        failure = result_fields(Failure("memory", "memory ran out"))
        answers = [replace(work(task.job, free), result=failure) for task in call.tasks]
        final = bench.dispatcher.answered(name, call, answers, 0.0)
    assert (starts, final[0].attempts, final[0].result["failure_kind"]) == (2, 2, "memory")
