"""Mutation: one parameter of a design on the front is drawn anew."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, final

from dse.search.samplers.base import AbstractSampler, Problem, Proposer

if TYPE_CHECKING:
    from dse.designs.space import Value


@final
class Mutation(AbstractSampler):
    """Draws a parameter of a design on the front anew, after a quasi-random start."""

    name = "mutation"

    def proposer(self, problem: Problem) -> Proposer:
        """Return what proposes the designs of a study."""
        return _Mutations(problem)


class _Mutations:
    """See `Proposer`. Every draw is a function of seed and number, so that a resumed study proposes the same."""

    def __init__(self, problem: Problem) -> None:
        from dse.search.samplers.draws import Draws  # noqa: PLC0415  scipy, which checks do without

        self._problem, self._start = problem, Draws(problem, quasi=True)
        self.blind = max(min(problem.startup, problem.trials), len(problem.given))
        self._asked: list[dict[str, Value]] = []
        self._told: list[tuple[int, list[float]]] = []

    def ask(self) -> "dict[str, Value]":
        """Return the parameters of the next trial."""
        drawn, front = self._start.ask(), self._front()
        proposed = drawn if len(self._asked) < self.blind or not front else self._mutated(front)
        self._asked.append(proposed)
        return proposed

    def tell(self, number: int, values: Sequence[float] | None, violations: Sequence[float] = ()) -> None:
        """Take what came of a trial: None where it failed; violations are above 0 where constraints are not met."""
        if values is not None and not any(violations):
            signs = [-1.0 if goal == "maximise" else 1.0 for goal in self._problem.goals]
            self._told.append((number, [sign * value for sign, value in zip(signs, values, strict=True)]))

    def _front(self) -> list[int]:
        """Return the numbers of the trials that no other trial dominates; all objectives are minimised here."""

        def dominates(a: list[float], b: list[float]) -> bool:
            return a != b and all(x <= y for x, y in zip(a, b, strict=True))

        return [n for n, own in self._told if not any(dominates(other, own) for _, other in self._told)]

    def _mutated(self, front: list[int]) -> "dict[str, Value]":
        import numpy as np  # noqa: PLC0415

        from dse.streams import derived_seed  # noqa: PLC0415

        seed = derived_seed(self._problem.seed, "mutation", len(self._asked))
        draws = np.random.Generator(np.random.PCG64(seed))
        parent = self._asked[front[int(draws.integers(len(front)))]]
        path = list(self._problem.space)[int(draws.integers(len(self._problem.space)))]
        return {**parent, path: self._problem.space[path].at(float(draws.random()))}
