"""The plan of a search whose designs all go to the end of their training at once, under all seeds of the study.

A step is a trial: asked of a sampler, which is told what came of it.
"""

from collections.abc import Mapping
from typing import Any

from dse.search.criteria import Criteria, Values, Verdict
from dse.search.samplers.base import Proposer
from dse.search.steps import Step
from dse.search.tried import Tried


class Proposals:
    """Asks for trials and tells results, both in order of number; see `dse.search.steps.Plan`.

    Trial n is asked for when the results of all trials up to n - lookahead were told, and no others. What has finished
    out of order waits here. A proposal that sees no results waits for none.

    Where every design of the space was proposed, no more are.

    Args:
        proposer: who proposes.
        criteria: what designs are judged by.
        trials: how many.
        seeds: simulations of each.
        lookahead: see `dse.search.spec.SearchSpec`.
        tried: which designs of the space were proposed.

    Attributes:
        asked: trials that were proposed.
        stored: trials that the table held when the run began, which are proposed in any case: a version that went on
            with copies may have stored more of them.
        spent: None; see `dse.search.steps.Plan`.
    """

    spent = None

    def __init__(
        self, proposer: Proposer, criteria: Criteria, *, trials: int, seeds: int, lookahead: int, tried: Tried
    ) -> None:
        self._proposer, self._criteria, self._tried = proposer, criteria, tried
        self._trials, self._seeds, self._lookahead = trials, seeds, lookahead
        self.asked = 0
        self.stored = 0
        self._told = 0
        self._waiting: dict[int, Verdict | None] = {}
        self._learns = proposer.blind < trials

    def is_next_ready(self) -> bool:
        """Return whether another trial can be proposed now, after telling the results that it sees."""
        if self.asked >= self._trials or self.exhausted is not None:
            return False
        if self.asked < self._proposer.blind:
            return True
        while self._told <= self.asked - self._lookahead:
            if self._told not in self._waiting:
                return False
            tell(self._proposer, self._told, self._waiting.pop(self._told))
            self._told += 1
        return True

    def ask(self) -> Step:
        """Return the next trial."""
        number, self.asked = self.asked, self.asked + 1
        found = self._proposer.ask()
        self._tried.add(found)
        why = None if number < self._proposer.blind else why_of(self._proposer)
        return Step(number, "new", number, found, range(self._seeds), why=why)

    @property
    def exhausted(self) -> int | None:
        """How many designs the space has, once all were proposed; else None."""
        return self._tried.designs if self._tried.all and self.asked >= self.stored else None

    def settle(self, step: int, values: Mapping[int, Values | None]) -> None:
        """Take what came of a trial, by seed, None for one that failed; in any order."""
        if self._learns:
            self._waiting[step] = self._criteria.verdict([values[seed] for seed in sorted(values)])


def why_of(proposer: Proposer) -> dict[str, Any]:
    """Return what the last proposal of a proposer was made of."""
    return dict(getattr(proposer, "why", {}))


def tell(proposer: Proposer, number: int, verdict: Verdict | None) -> None:
    """Tell a proposer what came of a trial, None where it failed."""
    if verdict is None:
        proposer.tell(number, None)
    else:
        proposer.tell(number, verdict.values, verdict.margins)
