"""Points of a scrambled Sobol sequence (Sobol', 1967; scrambling: Owen, 1995), as in scipy."""

from typing import final

from dse.search.samplers.base import AbstractSampler, Problem, Proposer


@final
class QuasiRandom(AbstractSampler):
    """Covers the space more evenly than random points do."""

    name = "quasi_random"
    blind = True

    def proposer(self, problem: Problem) -> Proposer:
        """Return what proposes the designs of a study."""
        from dse.search.samplers.draws import Draws  # noqa: PLC0415  scipy, which checks do without

        return Draws(problem, quasi=True)
