"""Rows on their way into the table: gathered, priced together, durable before anything is counted."""

from collections.abc import Collection
from pathlib import Path

from dse.errors import ResultsError
from dse.results.store import Store
from dse.search.criteria import ENERGY, prices_of
from dse.search.executor import Answer
from dse.search.ledger import Row, Trial, Twins, copy_for
from dse.search.spool import remove
from dse.search.study import Study


class Writer:
    """Makes rows of answers and stores them.

    Args:
        study: the study.
        store: where rows go; open.
        twins: trials that wait for copies of a row.
        kept: files of the spool that stay, whatever was stored.

    Attributes:
        copies: copies of stored rows that are gathered.
        waited: trials, with a seed, that waited for a longer training, which has ended now.
        data_checksum: the data of the rows in the table; None before the first.
    """

    def __init__(self, study: Study, store: Store, twins: Twins, kept: Collection[Path]) -> None:
        self._study, self._store, self._twins, self._kept = study, store, twins, kept
        self._answers: list[tuple[Answer, Trial]] = []
        self.copies: list[tuple[Row, Trial]] = []
        self.waited: list[tuple[Trial, int]] = []
        self.data_checksum: str | None = None

    def take(self, answer: Answer, trial: Trial) -> None:
        """Gather an answer."""
        self._answers.append((answer, trial))

    def flush(self) -> list[tuple[Row, Trial]]:
        """Store what was gathered, with the copies that waited for it, and return the rows once they are durable.

        Raises:
            ResultsError: results on other data, or the disk is full.
        """
        answers, self._answers = self._answers, []
        rows, self.copies = self.copies, []
        for row, trial in self._rows(answers):
            self._check_data(row)
            rows.append((row, trial))
            for other in self._twins.landed(row, trial.until):
                if other.key == row["design_key"] and other.until == trial.until:
                    rows.append((copy_for(other, row), other))
                else:  # it is the beginning of this one, whose row has to be stored first
                    self.waited.append((other, row["seed"]))
        if rows:
            self._store.append([row for row, _ in rows])
            remove({a.kept_in for a, _ in answers if a.kept_in is not None} - set(self._kept))
        return rows

    def _check_data(self, row: Row) -> None:
        """Refuse results on other data than those already in the table."""
        known, new = self.data_checksum, row["data_checksum"]
        if known is not None and new not in (None, known):
            raise ResultsError(
                f"the data set has changed: the table holds results on data with checksum {known[:12]}, "
                f"and here it is {new[:12]}. Bring the old files back, or start afresh with --out"
            )
        self.data_checksum = known or new

    def _rows(self, answers: list[tuple[Answer, Trial]]) -> list[tuple[Row, Trial]]:
        prices = prices_of([answer.result for answer, _ in answers], self._study.card, [ENERGY])
        return [(self._row(a, trial, own[ENERGY]), trial) for (a, trial), own in zip(answers, prices, strict=True)]

    def _row(self, answer: Answer, trial: Trial, energy_j: float | None) -> Row:
        return {
            "trial": trial.number,
            "seed": answer.job.seed,
            "origin": trial.origin,
            "design_key": trial.key,
            "same_as": None,
            "step": trial.step,
            "parameters": trial.parameters,
            "design": trial.description,
            **answer.result,
            ENERGY: energy_j,
            "cost_card": self._study.card.name,
            "study_key": self._study.key,
            "code": answer.code,
            "packages": answer.packages,
            "host": answer.host,
            "started_at": answer.started_at,
            "wall_s": answer.wall_s,
            "attempts": answer.attempts,
            "came_from": answer.came_from,
        }
