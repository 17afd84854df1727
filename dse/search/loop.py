"""The loop: ask, submit, store, tell.

A plan says what is simulated next: step n is decided when the results of all steps up to n - lookahead have been told,
in order of number, and no others. What has finished out of order waits. So the table is a function of the study file;
actors, order of completion, kills and resumes change the time alone. Steps that see no results (random and
quasi-random designs) need not wait for any. In most studies a step is a trial: a design under all seeds, to the end of
its training.

A resume asks for the same proposals again and takes from the table what it already holds; that the proposals agree
with the stored ones is checked. A design that was proposed before is not simulated again: its row is a copy that names
the trial it came from.

Nothing here grows with the rows of a study but an index of its designs; see `dse.search.ledger`. The driver proposes
and serves in turn: a slice of time for proposals, then what the executor has.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from dse.designs.outcome import Failure
from dse.errors import SettingError
from dse.results.store import Store
from dse.search.checkpoints import Checkpoints
from dse.search.checks import EPOCHS
from dse.search.criteria import Values
from dse.search.decisions import Decided, Decisions
from dse.search.executor import Answer, Executor, Job, unsimulated
from dse.search.families import Families
from dse.search.ledger import Held, Row, Rows, Trial, Twins, open_control, open_trial
from dse.search.plans import plan_of
from dse.search.spool import Leftovers
from dse.search.steps import Step
from dse.search.study import Study
from dse.search.tally import Progress, Tally, judged
from dse.search.writer import Writer

WAIT_S = 0.5
"""Longest time between two reports of progress."""
ASK_S = 0.02
"""Time for proposals before the executor is served again; one proposal may take longer."""
OPEN_TRIALS = 1000
"""Trials that may be open beyond those in flight: equal designs wait for one that is being simulated."""
PART = 500
"""Rows of the table that are gone through together when a run begins."""


@dataclass(frozen=True)
class Exhausted:
    """What is said of a study that has tried all designs of its space.

    Attributes:
        designs: how many there are.
        trials: trials of the study, controls included; fewer than it asked for.
    """

    designs: int
    trials: int


@dataclass(frozen=True)
class Earlier:
    """What was decided before a study was extended; see `dse.search.extend`.

    Attributes:
        keys: keys of the studies that it extends, which stored rows may bear.
        proposals: parameters of the first trials, which stay as they were proposed.
        decided: steps that were decided from results, by number.
    """

    keys: Sequence[str] = ()
    proposals: Sequence[Mapping[str, Any]] = ()
    decided: Decided = field(default_factory=dict[int, Step])


def run(
    study: Study,
    store: Store,
    stored: Iterable[Row],
    executor: Executor,
    report: Callable[[Progress], None] = lambda _: None,
    earlier: Earlier = Earlier(),
) -> Exhausted | None:
    """Run a study to its end, and return whether it has tried all designs of its space.

    Args:
        study: the study.
        store: where rows go; open.
        stored: rows that the store already holds; gone through once.
        executor: who simulates.
        report: called now and then.
        earlier: what was decided before the study was extended.

    Raises:
        ResultsError: a stored trial is not the one this study proposes, or the disk is full.
    """
    rows = Rows(store.folder / "staging", store.patiently)
    try:
        return _Run(study, store, rows, executor, report, earlier).to_the_end(stored)
    finally:
        rows.close()


class _Run:
    """A study on its way from its first proposal to its last row.

    A trial is proposed, entered, and open until there is a row of it for every seed. The row comes from the table that
    the run began with, from a twin (a trial of the same design), from the spool of a driver that died, or from a
    simulation.

    Attributes:
        criteria: what designs are judged by.
        plan: the steps of the search, in order of number.
        decisions: steps on their way to where they are durable.
        held: rows that the table held when the run began, until a trial takes them.
        twins: designs that were simulated or are about to be.
        families: designs that differ in their epochs alone.
        checkpoints: trainings that paused.
        leftovers: answers that a driver that died left in the spool.
        flight: jobs that wait for the executor, and those that it has.
        writer: rows on their way into the table.
        tally: counts, and rows that are new since the last report.
        open: trials that lack a row, by number.
        entered: trials so far, controls included; the number of the next one.
    """

    def __init__(
        self,
        study: Study,
        store: Store,
        rows: Rows,
        executor: Executor,
        report: Callable[[Progress], None],
        earlier: Earlier,
    ) -> None:
        budget = study.spec.budget
        self.study, self.executor = study, executor
        self.seeds = range(budget.seeds)
        self.criteria = study.criteria
        self.plan = plan_of(study, earlier.proposals, earlier.decided)
        self.decisions = Decisions(store, study.key, earlier.decided)
        self.held = Held({study.key, *earlier.keys})
        self.twins = Twins(rows)
        self.families = Families(rows, study.card, is_needed=EPOCHS in study.space)
        self.leftovers = Leftovers(store.folder)
        self.checkpoints = Checkpoints(store.place)
        self.flight = Flight(self.checkpoints)
        self.writer = Writer(study, store, self.twins, self.leftovers.files)
        self.tally = Tally(None if study.goes_in_steps else study.rows, report)
        self.open: dict[int, Trial] = {}
        self.entered = 0

    def to_the_end(self, stored: Iterable[Row]) -> Exhausted | None:
        self._read(stored)
        for name, design in self.study.controls.items():
            self._enter(open_control(self.entered, name, design, self.seeds))
        while True:
            more = self._propose()
            self.flight.depart(self.executor)
            ended = not self.flight.flying and not more
            if ended:
                self.tally.total = self.tally.done if self.tally.total is None else self.tally.total
            self.tally.tell(len(self.flight.flying), last=ended)
            if ended:
                break
            if self.flight.flying:
                self._land(self.executor.wait(0.0 if more else WAIT_S))
        self.leftovers.clear()
        return None if self.tally.exhausted is None else Exhausted(self.tally.exhausted, self.entered)

    def _read(self, stored: Iterable[Row]) -> None:
        """Keep of the rows of the table what the study will ask for as it proposes its trials again."""
        for rows in _in_parts(stored):
            for row, values in zip(rows, self.criteria.of(rows), strict=True):
                self.held.add(row, values)
                self.twins.add(row)
                if row["origin"] == "search":
                    self.plan.stored = max(self.plan.stored, row["trial"] - len(self.study.controls) + 1)
                self.writer.data_checksum = self.writer.data_checksum or row["data_checksum"]
                self.tally.new.append(judged(self.criteria, row, values))
                self.tally.tell(0, last=False)

    def _propose(self) -> bool:
        """Propose trials for a slice of time; return whether more could be proposed now."""
        until = time.monotonic() + ASK_S
        while self._may_propose():
            self._propose_one()
            self.tally.exhausted, self.tally.spent = self.plan.exhausted, self.plan.spent
            if self.tally.exhausted is not None and self.tally.total is not None:
                self.tally.total = self.entered * len(self.seeds)
            if time.monotonic() > until or len(self.writer.copies) >= OPEN_TRIALS:
                break
        self._save()
        return self._may_propose()

    def _may_propose(self) -> bool:
        """Return whether the next trial may be proposed, and is of use to the executor soon."""
        slots = self.executor.slots
        if len(self.flight.waiting) >= slots or len(self.open) >= 2 * slots + OPEN_TRIALS:
            return False
        return self.plan.is_next_ready()

    def _propose_one(self) -> None:
        step = self.plan.ask()
        self.decisions.take(step)
        controls = len(self.study.controls)
        try:
            self._enter(open_trial(step, controls, self.study.design(step.parameters)))
        except SettingError as error:
            self._enter(open_trial(step, controls, None, str(error)))

    def _enter(self, trial: Trial) -> None:
        """Open a trial, and find out where its rows come from."""
        self.open[trial.number] = trial
        self.entered = max(self.entered, trial.number + 1)
        for seed in trial.seeds:
            held = self.held.take(trial, seed)
            if held is not None:
                if held.leads:
                    self.families.lead(trial, seed)
                self._count(trial, seed, held.values, failed=held.failed)
            elif trial.design is None:
                self.writer.take(unsimulated(Job(trial.number, seed, None), Failure("invalid", trial.reason)), trial)
            else:
                self._seek(trial, seed)

    def _seek(self, trial: Trial, seed: int) -> None:
        """Have a row that is not in the table copied from a twin, taken from the spool, or simulated."""
        copy = self.twins.stored(trial, seed)
        of = str(trial.key), seed, trial.until
        if copy is not None:
            self.writer.copies.append((copy, trial))
        elif self.twins.is_under_way(of):
            self.twins.follow(trial, of)
        else:
            self._seek_longer(trial, seed)

    def _seek_longer(self, trial: Trial, seed: int) -> None:
        """Have a row taken from a longer training of the design, or simulated."""
        longer = self.families.leader(trial, seed, self.twins.is_under_way)
        if longer is None:
            self._simulate(trial, seed)
        elif self.twins.is_under_way(longer):
            self.twins.follow(trial, longer)
        else:
            self.writer.copies.append((self.families.row(trial, longer), trial))

    def _simulate(self, trial: Trial, seed: int) -> None:
        """Have a row taken from the spool, or simulated."""
        self.twins.lead(trial, seed)
        self.families.lead(trial, seed)
        job = Job(trial.number, seed, trial.design, trial.until, trial.since)
        answer = self.leftovers.take(job)
        if answer is None:
            self.flight.waiting.append(job)
        else:
            self.writer.take(answer, trial)

    def _land(self, answers: list[Answer]) -> None:
        """Store answers and the copies that waited for them; durable before anything is told."""
        for answer in answers:
            self.flight.land(answer.job)
            self.tally.simulated += 1
            self.checkpoints.keep(answer.job, answer.paused)
            self.writer.take(answer, self.open[answer.job.trial])
        self._save()

    def _save(self) -> None:
        """Make what was gathered durable, then count it."""
        self.decisions.flush()
        stored = self.writer.flush()
        for (row, trial), values in zip(stored, self.criteria.of([row for row, _ in stored]), strict=True):
            self.twins.add(row)
            self.tally.new.append(judged(self.criteria, row, values))
            self._count(trial, row["seed"], values, failed=row["state"] == "failed")
        waited, self.writer.waited = self.writer.waited, []
        for trial, seed in waited:
            self._seek(trial, seed)
        if waited:
            self._save()

    def _count(self, trial: Trial, seed: int, values: Values | None, *, failed: bool) -> None:
        """Count a row that is stored; a trial that has all of them is closed, and its means are for the proposals."""
        self.tally.done += 1
        self.tally.failed += failed
        trial.values[seed] = values
        if len(trial.values) < len(trial.seeds):
            return
        del self.open[trial.number]
        if trial.asked is not None:
            self.plan.settle(trial.asked, trial.values)


class Flight:
    """Jobs on their way to an answer.

    Args:
        checkpoints: what paused trainings go on from.

    Attributes:
        waiting: jobs that wait until the executor has room.
        flying: trial and seed of those that it has.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self.waiting: deque[Job] = deque()
        self.flying: set[tuple[int, int]] = set()

    def depart(self, executor: Executor) -> None:
        """Submit jobs, oldest first, while there is room."""
        while self.waiting and len(self.flying) < executor.slots:
            job = self.waiting.popleft()
            self.flying.add((job.trial, job.seed))
            executor.submit(replace(job, start=self._checkpoints.of(job)) if job.since else job)

    def land(self, job: Job) -> None:
        """Take the job of an answer off."""
        self.flying.remove((job.trial, job.seed))


def _in_parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield rows some at a time."""
    source = iter(rows)
    while part := list(islice(source, PART)):
        yield part
