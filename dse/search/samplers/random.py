"""Independent random points."""

from typing import final

from dse.search.samplers.base import AbstractSampler, Problem, Proposer


@final
class Random(AbstractSampler):
    """Draws each design on its own, evenly over the space."""

    name = "random"
    blind = True

    def proposer(self, problem: Problem) -> Proposer:
        """Return what proposes the designs of a study."""
        from dse.search.samplers.draws import Draws  # noqa: PLC0415  scipy, which checks do without

        return Draws(problem, quasi=False)
