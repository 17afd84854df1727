"""NSGA-II, as in Optuna.

Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Trans. Evol. Comput. 6, 2002.
"""

from typing import TYPE_CHECKING, final

from dse.search.samplers.base import AbstractSampler, Problem, Proposer

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

POPULATION = 20
"""Designs of a generation; they reach more than the usual 50 on 27 of 38 test problems within a hundred trials, and on
six of six within two hundred (`findings/benchmarks.md`)."""


@final
class Nsga2(AbstractSampler):
    """Crosses and mutates the best designs of the generation before; a proposal costs the same after any number."""

    name = "nsga2"

    def proposer(self, problem: Problem) -> Proposer:
        """Return what proposes the designs of a study."""
        from dse.search.samplers.optuna_proposer import OptunaProposer  # noqa: PLC0415  optuna, which checks do without

        return OptunaProposer(problem, lambda _, seed: nsga2_model(seed))


def nsga2_model(seed: int) -> "BaseSampler":
    """Return Optuna's sampler for one proposal."""
    from optuna.samplers import NSGAIISampler  # noqa: PLC0415

    return NSGAIISampler(population_size=POPULATION, seed=seed)
