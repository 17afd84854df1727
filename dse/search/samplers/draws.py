"""Proposals that see no results: random and quasi-random points of the space, each a function of seed and number."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from scipy.stats import qmc

from dse.designs.space import Parameter, Value
from dse.search.samplers.base import Problem
from dse.streams import derived_seed

BLOCK = 1024
"""Quasi-random points that are drawn at once; a power of two, as Sobol sequences want."""


class Draws:
    """Random or quasi-random proposals, behind `Proposer`; nothing is kept of results.

    Args:
        problem: what designs are proposed for.
        quasi: a scrambled Sobol sequence in place of random numbers.
    """

    def __init__(self, problem: Problem, *, quasi: bool) -> None:
        self._space, self._seed, self._given = dict(problem.space), problem.seed, problem.given
        self.blind = problem.trials
        self._sobol = Sobol(len(self._space), self._seed) if quasi and self._space else None
        self._asked = 0

    def ask(self) -> dict[str, Value]:
        """Return the parameters of the next trial."""
        number, self._asked = self._asked, self._asked + 1
        drawn = None if self._sobol is None else at(self._space, self._sobol.next())
        if number < len(self._given):
            return dict(self._given[number])
        if drawn is not None:
            return drawn
        random = np.random.Generator(np.random.PCG64(derived_seed(self._seed, "proposal", number)))
        return at(self._space, cast("list[float]", random.random(len(self._space)).tolist()))

    def tell(self, number: int, values: Sequence[float] | None, violations: Sequence[float] = ()) -> None:
        """Do nothing: no proposal depends on a result."""


class Sobol:
    """The points of a scrambled Sobol sequence in [0, 1)^dimensions, one by one; a longer one begins like a shorter."""

    def __init__(self, dimensions: int, seed: int) -> None:
        self._sequence = qmc.Sobol(dimensions, scramble=True, rng=derived_seed(seed, "quasi-random") % 2**32)
        self._block: list[list[float]] = []

    def next(self) -> list[float]:
        """Return the next point."""
        if not self._block:
            self._block = cast("list[list[float]]", self._sequence.random(BLOCK)[::-1].tolist())
        return self._block.pop()


def at(space: Mapping[str, Parameter], point: Sequence[float]) -> dict[str, Value]:
    """Return the parameters at a point of the unit cube."""
    return {path: parameter.at(u) for (path, parameter), u in zip(space.items(), point, strict=True)}
