"""Which actor gets which jobs, and what becomes of jobs whose actor dies. No Ray here: time and names are arguments.

Jobs go out in calls. A call holds as many jobs as take about `CALL_S`, by the durations measured on that actor, so
that calls cost little where jobs are short and nobody waits behind a long one; never more than its share of what is
there. While calls are short a second one is in flight on each actor, so that it never waits for the driver.

An actor works on its calls in order, one job at a time. When it dies, one job was running: the first of its first call
without an answer. Where the spool of the call says which one, that job is charged with the death; where nothing
says it, all jobs of the call go out again, each in a call of its own, and none is charged. A job that was charged
`attempts` times is recorded as failed. Deaths on a node that is itself gone are not charged.
"""

import math
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from dse.designs.outcome import Failure
from dse.search.executor import Answer, Job, batch_size, unsimulated

SHORT_CALL_S = 0.5
"""Calls that take less have a second one in flight behind them, s."""
MAX_LOSSES = 20
"""Deaths after which a job is recorded as failed even if the nodes went with the actors."""
NEWEST = 0.5
"""Weight of the newest call in the mean duration of jobs."""


@dataclass
class Task:
    """A job on its way, with what befell it.

    Attributes:
        job: the job.
        starts: times it was started, as far as is known.
        charges: the nodes on which an actor died of it.
        alone: goes out in a call of its own.
    """

    job: Job
    starts: int = 0
    charges: list[str] = field(default_factory=list[str])
    alone: bool = False


@dataclass
class Call:
    """Jobs that go to an actor together.

    Attributes:
        key: names the call in the spool.
        tasks: the jobs.
        began: when the actor could begin, s.
    """

    key: str
    tasks: list[Task]
    began: float


@dataclass
class Actor:
    """What is known of an actor.

    Attributes:
        node: where it runs.
        calls: calls in flight, the oldest first.
        pace: mean duration of a job, s; None before the first answer.
    """

    node: str
    calls: deque[Call] = field(default_factory=deque[Call])
    pace: float | None = None

    @property
    def batch(self) -> int:
        """Jobs that a call should hold."""
        return batch_size(self.pace)

    @property
    def depth(self) -> int:
        """Calls that may be in flight."""
        return 2 if self.pace is not None and self.batch * self.pace < SHORT_CALL_S else 1


class Dispatcher:
    """Hands out jobs.

    Args:
        attempts: deaths of an actor, or failures for want of memory, after which a job is recorded as failed.
        time_limit_s: time after which a job is ended; None for no limit.
        session: begins the names of calls.
        spooled: returns the lines that the spool keeps of a call; see `dse.search.spool`.
        node_is_gone: returns whether a node has left.
    """

    def __init__(
        self,
        attempts: int,
        time_limit_s: float | None,
        session: str,
        spooled: Callable[[Call], Sequence[Answer]],
        node_is_gone: Callable[[str], bool],
    ) -> None:
        self._attempts, self._time_limit_s, self._session = attempts, time_limit_s, session
        self._spooled, self._node_is_gone = spooled, node_is_gone
        self._queue: deque[Task] = deque()
        self._calls = 0
        self.actors: dict[str, Actor] = {}
        self.slots = 1

    def _count_slots(self) -> None:
        """Count the jobs that may be here: those in flight and as many again, for the next actor that is free."""
        self.slots = max(1, 2 * sum(actor.batch * actor.depth for actor in self.actors.values()))

    def submit(self, job: Job) -> None:
        """Take a job."""
        self._queue.append(Task(job))

    def join(self, name: str, node: str) -> None:
        """Take an actor that is ready."""
        self.actors[name] = Actor(node)
        self._count_slots()

    def next_call(self, now: float) -> tuple[str, Call] | None:
        """Return a call for the actor with the least to do, or None where none has room or no job is waiting."""
        room = [(len(a.calls), name) for name, a in self.actors.items() if len(a.calls) < a.depth]
        if not room or not self._queue:
            return None
        _, name = min(room)
        actor = self.actors[name]
        share = math.ceil(len(self._queue) / sum(a.depth - len(a.calls) for a in self.actors.values()))
        tasks = [self._queue.popleft()]
        while not tasks[0].alone and len(tasks) < min(actor.batch, share) and self._queue and not self._queue[0].alone:
            tasks.append(self._queue.popleft())
        self._calls += 1
        call = Call(f"{self._session}-{self._calls:06}", tasks, now)
        actor.calls.append(call)
        return name, call

    def answered(self, name: str, call: Call, answers: Sequence[Answer], now: float) -> list[Answer]:
        """Take the answers of a call, in the order of its jobs, and return those that are final."""
        actor = self.actors[name]
        actor.calls.remove(call)
        if actor.calls:
            actor.calls[0].began = now
        pace = sum(answer.wall_s for answer in answers) / len(answers)
        actor.pace = pace if actor.pace is None else NEWEST * pace + (1.0 - NEWEST) * actor.pace
        self._count_slots()
        return [a for task, answer in zip(call.tasks, answers, strict=True) if (a := self._final(task, answer, actor))]

    def lost(self, name: str, last_words: Failure) -> list[Answer]:
        """Take the death of an actor; its jobs go out again. Return the answers that are final all the same."""
        actor = self.actors.pop(name)
        self._count_slots()
        final: list[Answer] = []
        for position, call in reversed(list(enumerate(actor.calls))):  # so that the oldest jobs come first again
            answers = self._spooled(call)
            by_job = {(answer.job.trial, answer.job.seed): answer for answer in answers}
            left = [task for task in call.tasks if (task.job.trial, task.job.seed) not in by_job]
            for task in call.tasks:
                answer = by_job.get((task.job.trial, task.job.seed))
                if answer is not None and (done := self._final(task, answer, actor)):
                    final.append(done)
            if position == 0 and left:
                # A call of several jobs may exceed the time limit of one although none of them does.
                known = len(call.tasks) == 1 or (bool(answers) and last_words.kind != "timeout")
                final += self._blame(left, known=known, node=actor.node, why=last_words)
            else:
                self._again(left)
        return final

    def overdue(self, now: float) -> list[str]:
        """Return the actors whose first call exceeds the time limit."""
        limit = self._time_limit_s
        if limit is None:
            return []
        return [name for name, actor in self.actors.items() if actor.calls and now - actor.calls[0].began > limit]

    def _blame(self, left: list[Task], *, known: bool, node: str, why: Failure) -> list[Answer]:
        """Charge the job that was running when an actor died, if that is known, and start all of them again."""
        for task in left:
            task.alone = task.alone or not known
        if not known:
            self._again(left)
            return []
        guilty, *rest = left
        guilty.alone = True
        self._again(rest)
        guilty.starts += 1
        guilty.charges.append(node)
        if why.kind != "timeout" and not self._is_spent(guilty):
            self._again([guilty])
            return []
        return [unsimulated(guilty.job, _told(why, guilty), attempts=guilty.starts)]

    def _is_spent(self, task: Task) -> bool:
        blamed = sum(not self._node_is_gone(node) for node in task.charges)
        return blamed >= self._attempts or len(task.charges) >= MAX_LOSSES

    def _final(self, task: Task, answer: Answer, actor: Actor) -> Answer | None:
        """Return the answer to a job, or None where memory ran out and it is tried again."""
        task.starts += 1
        if answer.result["failure_kind"] == "memory":
            task.charges.append(actor.node)
            task.alone = True
            if not self._is_spent(task):
                self._again([task])
                return None
        return replace(answer, attempts=task.starts)

    def _again(self, tasks: Collection[Task]) -> None:
        self._queue.extendleft(reversed(list(tasks)))


def _told(why: Failure, task: Task) -> Failure:
    times = "" if why.kind == "timeout" else f" in {task.starts} attempts; the last one"
    return Failure(why.kind, f"{why.reason}" if not times else f"failed{times}: {why.reason}")
