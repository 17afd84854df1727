"""Proposals that see no results: random and quasi-random points of the space, each a function of seed and number."""

import itertools
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import cast

import numpy as np

from dse.designs.space import Parameter, Value
from dse.errors import SettingError
from dse.search.samplers.base import Problem, by_values
from dse.spec import shown
from dse.streams import derived_seed

LOOKED_AT = 16
"""Designs of which it is asked at once what is known; their prices have a fixed cost."""
MOST_MISSED = 2048
"""Designs in a row that miss a constraint, after which a search gives up."""
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
        self._admitted = Admitted(problem)
        self._points = self._admitted.points() if quasi and self._space else None
        self._asked = 0

    def ask(self) -> dict[str, Value]:
        """Return the parameters of the next trial."""
        number, self._asked = self._asked, self._asked + 1
        drawn = None if self._points is None else next(self._points)
        if number < len(self._given):
            return dict(self._given[number])
        if drawn is not None:
            return drawn
        random = np.random.Generator(np.random.PCG64(derived_seed(self._seed, "proposal", number)))
        return next(self._admitted.of(endless(self._space, random)))

    def tell(self, number: int, values: Sequence[float] | None, violations: Sequence[float] = ()) -> None:
        """Do nothing: no proposal depends on a result."""


class Admitted:
    """Tells designs that are known to miss a constraint before they are simulated from those that may be proposed.

    Args:
        problem: what designs are proposed for.
    """

    def __init__(self, problem: Problem) -> None:
        self._space, self._seed = dict(problem.space), problem.seed
        self._known = problem.known if problem.excludes else None

    def points(self) -> Iterator[dict[str, Value]]:
        """Yield the designs at the points of the quasi-random sequence of a study, in their order; see `of`."""
        sobol = Sobol(len(self._space), self._seed)
        return self.of(at(self._space, sobol.next()) for _ in itertools.count())

    def of(self, designs: Iterable[dict[str, Value]]) -> Iterator[dict[str, Value]]:
        """Yield those designs that may be proposed.

        Raises:
            SettingError: none of very many in a row may be; with the one that comes nearest.
        """
        if self._known is None:
            yield from designs
            return
        source, size = iter(designs), LOOKED_AT
        missed = set[Hashable]()
        asked, least, nearest = 0, math.inf, ""
        while block := list(itertools.islice(source, size)):
            for design, known in zip(block, self._known(block), strict=True):
                if not known.is_out:
                    missed, asked, least = set[Hashable](), 0, math.inf
                    yield design
                    continue
                by = sum(known.violations.values())
                if by < least:
                    least, nearest = by, f"{_said(design)}, misses {known.missed}"
                missed.add(by_values(design))
                asked += 1
            if asked >= MOST_MISSED:
                raise SettingError(
                    f"of {len(missed)} designs of the space none meets what is known of the constraints without a "
                    f"simulation; the nearest, {nearest}. Loosen the constraint, or widen the space"
                )
            size = min(2 * size, 16 * LOOKED_AT) if asked >= size else LOOKED_AT

    def among(self, designs: Sequence[dict[str, Value]]) -> list[dict[str, Value]]:
        """Return those of some designs that may be proposed."""
        if self._known is None:
            return list(designs)
        return [design for design, known in zip(designs, self._known(designs), strict=True) if not known.is_out]


def _said(design: Mapping[str, Value]) -> str:
    return ", ".join(f"{path} = {shown(value)}" for path, value in design.items())


def endless(space: Mapping[str, Parameter], random: np.random.Generator) -> Iterator[dict[str, Value]]:
    """Yield random designs of a space without end."""
    while True:
        yield at(space, cast("list[float]", random.random(len(space)).tolist()))


class Sobol:
    """The points of a scrambled Sobol sequence in [0, 1)^dimensions, one by one; a longer one begins like a shorter."""

    def __init__(self, dimensions: int, seed: int) -> None:
        from scipy.stats import qmc  # noqa: PLC0415  a second that other searches do without

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
