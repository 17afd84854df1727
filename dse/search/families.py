"""Trainings that are beginnings of others: a design that differs from another in its epochs alone is not simulated.

Where nothing in a training looks at its length, its first epochs are a shorter training of the same design, to the last
bit (`dse.results.prefix`). So a study whose space has `training.epochs` takes the row of the shorter one from that of
the longer one. Which it is taken from follows from the order in which trials are entered, not from that in which they
end: the first that trains for as many epochs or more, and does not fail.
"""

from collections.abc import Callable

from dse.pricing.card import CostCard
from dse.results.prefix import prefix, prefix_key
from dse.search.criteria import ENERGY, prices_of
from dse.search.ledger import Of, Row, Rows, Trial, copy_for


class Families:
    """Trials of a study by what they have in common with shorter and longer ones.

    Args:
        rows: the rows of what was simulated.
        card: the cost card.
        is_needed: whether designs of the study differ in their epochs; else nothing is looked up.
    """

    def __init__(self, rows: Rows, card: CostCard, *, is_needed: bool) -> None:
        self._rows, self._card, self._is_needed = rows, card, is_needed
        self._leaders: dict[tuple[str, int], list[tuple[int, Of]]] = {}

    def lead(self, trial: Trial, seed: int) -> None:
        """Take a trial that is simulated under a seed, in the order in which trials are entered."""
        family = self._family(trial)
        if family is not None:
            of = str(trial.key), seed, trial.until
            self._leaders.setdefault((family, seed), []).append((_epochs(trial), of))

    def leader(self, trial: Trial, seed: int, flies: Callable[[Of], bool]) -> Of | None:
        """Return the simulation that a trial is the beginning of; None where there is none.

        Args:
            trial: the trial.
            seed: the seed.
            flies: whether a simulation is under way.
        """
        family = self._family(trial)
        found = [] if family is None else self._leaders.get((family, seed), [])
        for epochs, of in found:
            if epochs >= _epochs(trial) and (flies(of) or (of in self._rows and self._reaches(of))):
                return of
        return None

    def row(self, trial: Trial, of: Of) -> Row:
        """Return the row of a trial that is the beginning of a simulation whose row is stored."""
        longer = self._rows.get(*of)
        if trial.design is None:
            raise ValueError("a trial without a design is the beginning of none")
        fields = prefix(longer, _epochs(trial), trial.design)
        fields["state"] = "complete" if trial.until is None else "paused"
        copy = {**copy_for(trial, longer), **fields, "design_key": trial.key, "design": trial.description}
        return {**copy, ENERGY: prices_of([copy], self._card, [ENERGY])[0][ENERGY], "cost_card": self._card.name}

    def _reaches(self, of: Of) -> bool:
        """Return whether the row of a simulation says what its layers were by epoch."""
        row = self._rows.get(*of)
        return row["state"] != "failed" and bool(row["trail"] or not row["layers"])

    def _family(self, trial: Trial) -> str | None:
        return prefix_key(trial.design) if self._is_needed and trial.design is not None else None


def _epochs(trial: Trial) -> int:
    return trial.until or (0 if trial.design is None else trial.design.training.passes)
