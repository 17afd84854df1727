"""The loop: ask, submit, store, tell.

Trial n is proposed when the results of all trials up to n - lookahead have been told, in order of number, and no
others. What has finished out of order waits. So the table is a function of the study file; actors, order of
completion, kills and resumes change the time alone. Trials whose proposals see no results (random and quasi-random
ones) need not wait for any.

A resume asks for the same proposals again and takes from the table what it already holds; that the proposals agree
with the stored ones is checked. A design that was proposed before is not simulated again: its row is a copy that names
the trial it came from.

Nothing here grows with the rows of a study but an index of its designs; see `dse.search.ledger`. The driver proposes
and serves in turn: a slice of time for proposals, then what the executor has.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dse.design.outcome import Failure
from dse.errors import ResultsError, SettingError
from dse.pricing.card import CostCard
from dse.pricing.price import price
from dse.results.store import Store
from dse.search.executor import Answer, Executor, Job, unsimulated
from dse.search.ledger import Row, Rows, Trial, open_trial
from dse.search.spool import Leftovers, remove
from dse.search.study import Study

ENERGY = "energy_per_sample_j"
"""The one metric that needs a price; see `dse.design.outcome.METRICS`."""
WAIT_S = 0.5
"""Longest time between two reports of progress."""
REPORT_S = 0.1
"""Shortest time between two reports of progress."""
ASK_S = 0.02
"""Time for proposals before the executor is served again; one proposal may take longer."""
OPEN_TRIALS = 1000
"""Trials that may be open beyond those in flight: equal designs wait for one that is being simulated."""


@dataclass(frozen=True)
class Progress:
    """Where a study stands.

    Attributes:
        done: simulations that are stored, copies included.
        total: simulations that the study asks for.
        running: simulations in flight.
        failed: stored failures.
        simulated: simulations done in this run.
        rows: rows stored since the last report.
    """

    done: int
    total: int
    running: int
    failed: int
    simulated: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Earlier:
    """What was decided before a study was extended; see `dse.search.extend`.

    Attributes:
        keys: keys of the studies that it extends, which stored rows may bear.
        proposals: parameters of the first trials, which stay as they were proposed.
    """

    keys: Sequence[str] = ()
    proposals: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class _Stored:
    """What is needed of a row that the table held when this run began."""

    design_key: str | None
    study_key: str
    code: str
    failed: bool
    values: list[float] | None


def run(
    study: Study,
    store: Store,
    stored: Iterable[Row],
    executor: Executor,
    report: Callable[[Progress], None] = lambda _: None,
    earlier: Earlier = Earlier(),
) -> None:
    """Run a study to its end.

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
    rows = Rows(store.folder / "staging")
    try:
        _Run(study, store, rows, executor, report, earlier).to_the_end(stored)
    finally:
        rows.close()


class _Run:
    def __init__(
        self,
        study: Study,
        store: Store,
        rows: Rows,
        executor: Executor,
        report: Callable[[Progress], None],
        earlier: Earlier,
    ) -> None:
        spec = study.spec
        self.study, self.store, self.rows, self.executor, self.report = study, store, rows, executor, report
        self.proposer = study.proposer(earlier.proposals)
        self.keys = {study.key, *earlier.keys}
        self.learns = self.proposer.blind < spec.budget.trials
        self.seeds = range(spec.budget.seeds)
        self.controls = len(study.controls)
        self.entered, self.told = 0, 0
        self.open: dict[int, Trial] = {}
        self.values: dict[int, list[float] | None] = {}
        self.stored: dict[tuple[int, int], _Stored] = {}
        self.leftovers = Leftovers(store.folder)
        self.flying: set[tuple[int, int]] = set()
        self.waiting: deque[Job] = deque()
        self.copies: dict[tuple[str, int], list[Trial]] = {}
        self.unsaved: list[tuple[Row, Trial]] = []
        self.accepted: list[tuple[Answer, Trial]] = []
        self.data_checksum: str | None = None
        self.done, self.failed, self.simulated = 0, 0, 0
        self.fresh: list[Row] = []
        self.reported = 0.0

    def to_the_end(self, stored: Iterable[Row]) -> None:
        self._read(stored)
        for name, design in self.study.controls.items():
            self._add(open_trial(self.entered, name, {}, design))
        while True:
            more = self._propose()
            while self.waiting and len(self.flying) < self.executor.slots:
                job = self.waiting.popleft()
                self.flying.add((job.trial, job.seed))
                self.executor.submit(job)
            ended = not self.flying and not more
            self._report(last=ended)
            if ended:
                break
            if self.flying:
                self._keep(self.executor.wait(0.0 if more else WAIT_S))
        self.leftovers.clear()

    def _read(self, stored: Iterable[Row]) -> None:
        """Keep of the rows of the table what the study will ask for as it proposes its trials again."""
        for row in stored:
            self.stored[row["trial"], row["seed"]] = _Stored(
                row["design_key"], row["study_key"], row["code"], row["state"] == "failed", self._values(row)
            )
            self.data_checksum = self.data_checksum or row["data_checksum"]
            if row["same_as"] is None and row["design_key"] is not None:
                self.rows.add(row)
            self.fresh.append(row)
            self._report(last=False)

    def _report(self, *, last: bool) -> None:
        now = time.monotonic()
        if not last and now - self.reported < REPORT_S:
            return
        self.reported = now
        total = (self.controls + self.study.spec.budget.trials) * len(self.seeds)
        self.report(Progress(self.done, total, len(self.flying), self.failed, self.simulated, tuple(self.fresh)))
        self.fresh = []

    def _propose(self) -> bool:
        """Propose trials for a slice of time; return whether more could be proposed now."""
        until = time.monotonic() + ASK_S
        while self._may_propose():
            self._propose_one()
            if time.monotonic() > until or len(self.unsaved) >= OPEN_TRIALS:
                break
        self._save()
        return self._may_propose()

    def _may_propose(self) -> bool:
        """Return whether the next trial may be proposed, and is of use to the executor soon."""
        asked, search = self.entered - self.controls, self.study.spec.search
        slots = self.executor.slots
        if asked >= self.study.spec.budget.trials or len(self.waiting) >= slots:
            return False
        if len(self.open) >= 2 * slots + OPEN_TRIALS:
            return False
        if asked < self.proposer.blind:
            return True
        while self.told <= asked - search.lookahead:
            if self.told not in self.values:
                return False
            self.proposer.tell(self.told, self.values.pop(self.told))
            self.told += 1
        return True

    def _propose_one(self) -> None:
        parameters = self.proposer.ask()
        try:
            self._add(open_trial(self.entered, "search", parameters, self.study.design(parameters)))
        except SettingError as error:
            self._add_invalid(open_trial(self.entered, "search", parameters, None), str(error))

    def _enter(self, trial: Trial) -> list[int]:
        """Enter a trial, take its rows from the table, and return the seeds that are not there."""
        self.open[trial.number] = trial
        self.entered += 1
        return [seed for seed in self.seeds if not self._is_stored(trial, seed)]

    def _add_invalid(self, trial: Trial, reason: str) -> None:
        """Enter a trial whose settings contradict each other."""
        for seed in self._enter(trial):
            self.accepted.append((unsimulated(Job(trial.number, seed, None), Failure("invalid", reason)), trial))

    def _add(self, trial: Trial) -> None:
        """Enter a trial: take its rows from the table, copy them from its twin, or have them simulated."""
        design, key = trial.design, trial.key
        if design is None or key is None:
            raise ValueError(f"trial {trial.number} has no design")
        for seed in self._enter(trial):
            if (key, seed) in self.rows:
                self.unsaved.append((_copy(self.rows.get(key, seed), trial), trial))
            elif (key, seed) in self.copies:
                self.copies[key, seed].append(trial)
            else:
                self.copies[key, seed] = []
                job = Job(trial.number, seed, design)
                answer = self.leftovers.take(job)
                if answer is None:
                    self.waiting.append(job)
                else:
                    self.accepted.append((answer, trial))

    def _is_stored(self, trial: Trial, seed: int) -> bool:
        found = self.stored.pop((trial.number, seed), None)
        if found is None:
            return False
        if found.design_key != trial.key or found.study_key not in self.keys:
            raise ResultsError(
                f"trial {trial.number} in the table has design {found.design_key}; this study proposes "
                f"{trial.key}. The table comes from another version of the framework or of Optuna: "
                f"it was written by {found.code}. Install that version to go on, or start afresh with --out"
            )
        self._take(trial, seed, found.values, failed=found.failed)
        return True

    def _keep(self, answers: list[Answer]) -> None:
        """Store answers and the copies that waited for them; durable before anything is told."""
        for answer in answers:
            self.flying.remove((answer.job.trial, answer.job.seed))
            self.simulated += 1
            self.accepted.append((answer, self.open[answer.job.trial]))
        self._save()

    def _save(self) -> None:
        """Make what was accepted durable, then count it."""
        answers, self.accepted = self.accepted, []
        pairs, self.unsaved = self.unsaved, []
        for row, trial in self._rows(answers):
            self._check_data(row)
            pairs.append((row, trial))
            if trial.key is None:
                continue
            followers = self.copies.pop((trial.key, row["seed"]), [])
            pairs += [(_copy(row, follower), follower) for follower in followers]
        if not pairs:
            return
        self.store.append([row for row, _ in pairs])
        remove({answer.kept_in for answer, _ in answers if answer.kept_in is not None} - set(self.leftovers.files))
        for row, trial in pairs:
            if row["same_as"] is None and trial.key is not None:
                self.rows.add(row)
            self.fresh.append(row)
            self._take(trial, row["seed"], self._values(row), failed=row["state"] == "failed")

    def _check_data(self, row: Row) -> None:
        """Refuse results on other data than those already in the table."""
        known, new = self.data_checksum, row["data_checksum"]
        if known is not None and new not in (None, known):
            raise ResultsError(
                f"the data set has changed: the table holds results on data with checksum {known[:12]}, "
                f"and here it is {new[:12]}. Bring the old files back, or start afresh with --out"
            )
        self.data_checksum = known or new

    def _take(self, trial: Trial, seed: int, values: list[float] | None, *, failed: bool) -> None:
        """Count a row that is stored; what is complete is let go of, but for what proposals need."""
        self.done += 1
        self.failed += failed
        trial.values[seed] = values
        if len(trial.values) < len(self.seeds):
            return
        del self.open[trial.number]
        if self.learns and trial.number >= self.controls:
            self.values[trial.number - self.controls] = _means([trial.values[seed] for seed in self.seeds])

    def _values(self, row: Row) -> list[float] | None:
        return _objectives(row, self.study)

    def _rows(self, answers: list[tuple[Answer, Trial]]) -> list[tuple[Row, Trial]]:
        """Return the rows of answers, priced all at once: a price has a fixed cost, whatever the number."""
        layers = [
            {"trial": a.job.trial, "seed": a.job.seed, "train_samples": a.result["train_samples"], **layer}
            for a, _ in answers
            for layer in a.result["layers"]
        ]
        energies: dict[tuple[int, int], float | None] = {}
        if layers:
            priced = price(pl.DataFrame(layers, infer_schema_length=None), self.study.card, [ENERGY])
            energies = {(trial, seed): e for trial, seed, e in priced.select("trial", "seed", ENERGY).iter_rows()}
        return [(self._row(a, trial, energies.get((a.job.trial, a.job.seed))), trial) for a, trial in answers]

    def _row(self, answer: Answer, trial: Trial, energy_j: float | None) -> Row:
        return {
            "trial": trial.number,
            "seed": answer.job.seed,
            "origin": trial.origin,
            "design_key": trial.key,
            "same_as": None,
            "parameters": trial.parameters,
            "design": trial.description,
            **answer.result,
            ENERGY: energy_j,
            "cost_card": self.study.card.name,
            "study_key": self.study.key,
            "code": answer.code,
            "packages": answer.packages,
            "host": answer.host,
            "started_at": answer.started_at,
            "wall_s": answer.wall_s,
            "attempts": answer.attempts,
            "came_from": answer.came_from,
        }


def _copy(row: Row, trial: Trial) -> Row:
    return {
        **row,
        "trial": trial.number,
        "origin": trial.origin,
        "same_as": row["trial"] if row["same_as"] is None else row["same_as"],
        "parameters": trial.parameters,
    }


def energy_per_sample_j(result: Mapping[str, Any], card: CostCard) -> float | None:
    """Return the energy of a training image on a cost card, J, from the columns of a result."""
    head = {"trial": 0, "seed": 0, "train_samples": result["train_samples"]}
    layers = pl.DataFrame([{**head, **layer} for layer in result["layers"]], infer_schema_length=None)
    return price(layers, card, [ENERGY]).item(0, ENERGY)


def mean_objectives(rows: Mapping[int, Row], study: Study) -> list[float] | None:
    """Return the mean of every objective over the seeds of a trial, or None where one is missing.

    Args:
        rows: rows of the trial by seed; all seeds of the study among them.
        study: the study.
    """
    return _means([_objectives(rows[seed], study) for seed in range(study.spec.budget.seeds)])


def _objectives(row: Row, study: Study) -> list[float] | None:
    """Return the objectives of a row, or None where one is missing."""
    values = [row[name] for name in study.spec.objectives]
    return None if any(value is None for value in values) else values


def _means(values: list[list[float] | None]) -> list[float] | None:
    """Return the mean of every objective over the seeds, or None where a seed has none."""
    known = [v for v in values if v is not None]
    if len(known) < len(values):
        return None
    return [sum(of_seeds) / len(values) for of_seeds in zip(*known, strict=True)]
