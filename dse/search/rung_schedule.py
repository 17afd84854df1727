"""Of what kind a step of a search is: a function of the steps before, not of their results.

Kinds have shares: to one new design belong so many that go on from the first rung, from the second, and so many that
get all seeds. The next step is of the kind that is furthest behind its share, so that kinds alternate evenly and no
actor waits for a batch to end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

SEEDS_SHARE = 2.0 / 3.0
"""Share of the designs that ended that get all seeds while the search goes on, where not all do. Replayed on recorded
trainings (`python -m tests.benchmarks.rungs`): two thirds gave more volume of designs under all seeds than a third."""


@dataclass(frozen=True)
class Rules:
    """How a search spends its epochs.

    Attributes:
        rungs: epochs at which trainings may pause, ascending.
        keep: share of designs that go on from each.
        seeds: most seeds of a design.
        for_all: whether all designs that end get all seeds.
        trials: most designs.
        epochs: epochs of all simulations of the search together; None for no limit.
        startup: designs at the start that are proposed without regard to results.
        lookahead: see `dse.search.spec.SearchSpec`.
    """

    rungs: Sequence[int]
    keep: Sequence[float]
    seeds: int
    for_all: bool
    trials: int
    epochs: int | None
    startup: int
    lookahead: int

    @property
    def first_seeds(self) -> range:
        """The seeds of a new design."""
        return range(self.seeds) if self.for_all and not self.rungs else range(1)

    @property
    def shares(self) -> list[float]:
        """The share of each kind: new designs, those that go on from each rung, those that get all seeds."""
        found = [1.0]
        for keep in self.keep:
            found.append(found[-1] * keep)
        further = self.seeds > len(self.first_seeds)
        found.append(found[-1] * (1.0 if self.for_all else SEEDS_SHARE) if further else 0.0)
        return found


class Schedule:
    """Counts steps by kind, and says of what kind the next one is.

    Kinds are numbers: 0 for a new design, k for one that goes on from rung k - 1, the last for all seeds.

    Args:
        rules: how the search spends its epochs.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules, self._shares = rules, rules.shares
        self._counts = [0] * len(self._shares)

    @property
    def designs(self) -> int:
        """New designs so far."""
        return self._counts[0]

    def take(self, kind: int) -> None:
        """Count a step."""
        self._counts[kind] += 1

    def order(self, *, new: bool) -> list[int]:
        """Return the kinds that a step may be of, the one that is furthest behind its share first.

        Args:
            new: whether there may be new designs. After the last of them kinds end with their shares of all designs.
        """
        behind = [
            ((count + 1) / share, -kind, kind)
            for kind, (count, share) in enumerate(zip(self._counts, self._shares, strict=True))
            if share > 0.0 and (new if kind == 0 else new or count < round(share * self._counts[0]))
        ]
        return [kind for *_, kind in sorted(behind)]
