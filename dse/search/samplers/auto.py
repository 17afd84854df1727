"""The default: the sampler that is best at each stage of a study.

The policy follows measurements on problems of this size: a quasi-random start covers the space evenly; the multivariate
TPE finds better fronts than NSGA-II up to about a thousand trials, but its cost grows with trials and front (three
objectives: 0.2 s a proposal at a thousand), so NSGA-II takes over.
"""

from typing import TYPE_CHECKING, final

from dse.search.samplers.base import AbstractSampler, Problem, Proposer
from dse.search.samplers.nsga2 import nsga2_model
from dse.search.samplers.tpe import tpe_model

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

TPE_TRIALS: dict[int, int] = {1: 2000, 2: 1000}
"""Trials up to which TPE proposes, by number of objectives."""
TPE_TRIALS_MANY = 300
"""The same for three objectives and more."""


@final
class Auto(AbstractSampler):
    """TPE while it is fast and good, then NSGA-II."""

    name = "auto"

    def proposer(self, problem: Problem) -> Proposer:
        """Return what proposes the designs of a study."""
        from dse.search.samplers.optuna_proposer import OptunaProposer  # noqa: PLC0415  optuna, which checks do without

        until = TPE_TRIALS.get(len(problem.goals), TPE_TRIALS_MANY)

        def model(number: int, seed: int) -> "BaseSampler":
            return tpe_model(seed) if number < until else nsga2_model(seed)

        return OptunaProposer(problem, model)
