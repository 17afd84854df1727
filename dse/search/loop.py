"""The loop: ask, submit, store, tell.

Trial n is proposed when the results of all trials up to n - lookahead have been told, in order of number, and no
others. What has finished out of order waits. So the table is a function of the study file; actors, order of
completion, kills and resumes change the time alone.

A resume asks for the same proposals again and takes from the table what it already holds; that the proposals agree
with the stored ones is checked. A design that was proposed before is not simulated again: its row is a copy that names
the trial it came from.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dse.design.design import Design
from dse.design.outcome import Failure, Outcome
from dse.errors import ResultsError, SettingError
from dse.pricing.card import CostCard
from dse.pricing.price import price
from dse.results.schema import result_fields
from dse.results.store import Store
from dse.search.executor import Answer, Executor, Job, unsimulated
from dse.search.samplers import OptunaProposer, Proposer
from dse.search.study import Study

WAIT_S = 0.5
"""Longest time between two reports of progress."""

Row = dict[str, Any]


@dataclass
class Trial:
    """A design of the study and the rows that came of it, by seed."""

    number: int
    origin: str
    parameters: Mapping[str, Any]
    design: Design | None
    rows: dict[int, Row]


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


def run(
    study: Study,
    store: Store,
    stored: list[Row],
    executor: Executor,
    report: Callable[[Progress], None] = lambda _: None,
    earlier: Earlier = Earlier(),
) -> None:
    """Run a study to its end.

    Args:
        study: the study.
        store: where rows go; open.
        stored: rows that the store already holds.
        executor: who simulates.
        report: called now and then.
        earlier: what was decided before the study was extended.

    Raises:
        ResultsError: a stored trial is not the one this study proposes, or the disk is full.
    """
    _Run(study, store, stored, executor, report, earlier).to_the_end()


class _Run:
    def __init__(
        self,
        study: Study,
        store: Store,
        stored: list[Row],
        executor: Executor,
        report: Callable[[Progress], None],
        earlier: Earlier,
    ) -> None:
        spec = study.spec
        self.study, self.store, self.executor, self.report = study, store, executor, report
        self.proposer: Proposer = OptunaProposer(
            study.space,
            study.goals,
            sampler=spec.search.sampler,
            seed=spec.search.seed,
            startup=spec.search.startup,
            trials=spec.budget.trials,
            given=earlier.proposals,
        )
        self.keys = {study.key, *earlier.keys}
        self.seeds = range(spec.budget.seeds)
        self.controls = len(study.controls)
        self.trials: list[Trial] = []
        self.told = 0
        self.stored = {(row["trial"], row["seed"]): row for row in stored}
        self.flying: dict[tuple[int, int], Job] = {}
        self.waiting: list[Job] = []
        self.copies: dict[tuple[int, int], list[int]] = {}
        self.leaders: dict[str, int] = {}
        self.done, self.failed, self.simulated = 0, 0, 0
        self.fresh: list[Row] = []

    def to_the_end(self) -> None:
        for name, design in self.study.controls.items():
            self._add(name, {}, design)
        while True:
            self._tell_and_ask()
            while self.waiting and len(self.flying) < self.executor.slots:
                job = self.waiting.pop(0)
                self.flying[job.trial, job.seed] = job
                self.executor.submit(job)
            self._report()
            if not self.flying:
                return
            self._keep(self.executor.wait(WAIT_S))

    def _report(self) -> None:
        total = (self.controls + self.study.spec.budget.trials) * len(self.seeds)
        self.report(Progress(self.done, total, len(self.flying), self.failed, self.simulated, tuple(self.fresh)))
        self.fresh = []

    def _tell_and_ask(self) -> None:
        """Propose every trial that the results at hand allow."""
        search = self.study.spec.search
        while (asked := len(self.trials) - self.controls) < self.study.spec.budget.trials:
            due = asked - search.lookahead
            if self.told <= due:
                trial = self.trials[self.controls + self.told]
                if len(trial.rows) < len(self.seeds):
                    return
                self.proposer.tell(self.told, mean_objectives(trial.rows, self.study))
                self.told += 1
                continue
            parameters = self.proposer.ask()
            try:
                self._add("search", parameters, self.study.design(parameters))
            except SettingError as error:
                self._add_invalid(parameters, str(error))

    def _add_invalid(self, parameters: Mapping[str, Any], reason: str) -> None:
        """Enter a trial whose settings contradict each other."""
        trial = Trial(len(self.trials), "search", parameters, None, {})
        self.trials.append(trial)
        for seed in self.seeds:
            row = self.stored.pop((trial.number, seed), None)
            if row is None:
                self._store([self._row(unsimulated(Job(trial.number, seed, None), Failure("invalid", reason)))])
            else:
                self._check_stored(row, trial)
                self._take(trial, seed, row)

    def _add(self, origin: str, parameters: Mapping[str, Any], design: Design) -> None:
        """Enter a trial: take its rows from the table, copy them from its twin, or have them simulated."""
        trial = Trial(len(self.trials), origin, parameters, design, {})
        self.trials.append(trial)
        leader = self.leaders.setdefault(design.key, trial.number)
        for seed in self.seeds:
            row = self.stored.pop((trial.number, seed), None)
            if row is not None:
                self._check_stored(row, trial)
                self._take(trial, seed, row)
            elif leader == trial.number:
                self.waiting.append(Job(trial.number, seed, design))
            elif seed in self.trials[leader].rows:
                self._store([self._copy(self.trials[leader].rows[seed], trial)])
            else:
                self.copies.setdefault((leader, seed), []).append(trial.number)

    def _check_stored(self, row: Row, trial: Trial) -> None:
        key = None if trial.design is None else trial.design.key
        if row["design_key"] != key or row["study_key"] not in self.keys:
            raise ResultsError(
                f"trial {trial.number} in the table has design {row['design_key']}; this study proposes "
                f"{key}. The table comes from another version of the framework or of Optuna: "
                f"it was written by {row['code']}. Install that version to go on, or start afresh with --out"
            )

    def _keep(self, answers: list[Answer]) -> None:
        """Store answers and the copies that waited for them; durable before anything is told."""
        rows: list[Row] = []
        for answer in answers:
            del self.flying[answer.job.trial, answer.job.seed]
            self.simulated += 1
            row = self._row(answer)
            self._check_data(row)
            rows.append(row)
            followers = self.copies.pop((answer.job.trial, answer.job.seed), [])
            rows += [self._copy(row, self.trials[number]) for number in followers]
        self._store(rows)

    def _check_data(self, row: Row) -> None:
        """Refuse results on other data than those already in the table."""
        known = next((r["data_checksum"] for t in self.trials for r in t.rows.values() if r["data_checksum"]), None)
        if known is not None and row["data_checksum"] not in (None, known):
            raise ResultsError(
                f"the data set has changed: the table holds results on data with checksum {known[:12]}, "
                f"and here it is {row['data_checksum'][:12]}. Bring the old files back, or start afresh with --out"
            )

    def _store(self, rows: list[Row]) -> None:
        if not rows:
            return
        self.store.append(rows)
        for row in rows:
            number: int = row["trial"]
            self._take(self.trials[number], row["seed"], row)

    def _take(self, trial: Trial, seed: int, row: Row) -> None:
        trial.rows[seed] = row
        self.done += 1
        self.failed += row["state"] == "failed"
        self.fresh.append(row)

    def _row(self, answer: Answer) -> Row:
        trial = self.trials[answer.job.trial]
        fields = result_fields(answer.outcome)
        if isinstance(answer.outcome, Outcome):
            fields["energy_per_image_j"] = energy_per_image_j(fields, self.study.card)
        return {
            "trial": trial.number,
            "seed": answer.job.seed,
            "origin": trial.origin,
            "design_key": None if trial.design is None else trial.design.key,
            "same_as": None,
            "parameters": json.dumps(dict(trial.parameters)),
            "design": None if trial.design is None else json.dumps(trial.design.as_dict()),
            **fields,
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

    def _copy(self, row: Row, trial: Trial) -> Row:
        return {
            **row,
            "trial": trial.number,
            "origin": trial.origin,
            "same_as": row["trial"] if row["same_as"] is None else row["same_as"],
            "parameters": json.dumps(dict(trial.parameters)),
        }


def mean_objectives(rows: Mapping[int, Row], study: Study) -> list[float] | None:
    """Return the mean of every objective over the seeds of a trial, or None where one is missing.

    Args:
        rows: rows of the trial by seed; all seeds of the study among them.
        study: the study.
    """
    means: list[float] = []
    for name in study.spec.objectives:
        values = [rows[seed][name] for seed in range(study.spec.budget.seeds)]
        if any(value is None for value in values):
            return None
        means.append(sum(values) / len(values))
    return means


def energy_per_image_j(fields: Row, card: CostCard) -> float | None:
    """Return the energy of a training image on a cost card, J, from the columns of an outcome."""
    head = {"trial": 0, "seed": 0, "train_images": fields["train_images"]}
    layers = pl.DataFrame([{**head, **layer} for layer in fields["layers"]])
    return price(layers, card, ["energy_per_image_j"]).item(0, "energy_per_image_j")
