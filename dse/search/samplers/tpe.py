"""The tree-structured Parzen estimator, as in Optuna: multivariate for one objective, else each parameter by itself.

Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS 2011; for several objectives: Ozaki et al.,
"Multiobjective tree-structured Parzen estimator", J. Artif. Intell. Res. 73, 2022.
"""

from typing import TYPE_CHECKING, final

from dse.search.samplers.base import AbstractSampler, Problem, Proposer

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


@final
class Tpe(AbstractSampler):
    """Proposes where densities of good and other designs differ most."""

    name = "tpe"

    def proposer(self, problem: Problem) -> Proposer:
        """Return what proposes the designs of a study."""
        from dse.search.samplers.optuna_proposer import OptunaProposer  # noqa: PLC0415  optuna, which checks do without

        return OptunaProposer(problem, lambda _, seed: tpe_model(seed, len(problem.goals)))


def tpe_model(seed: int, objectives: int) -> "BaseSampler":
    """Return Optuna's sampler for one proposal of a study with so many objectives."""
    from optuna.samplers import TPESampler  # noqa: PLC0415

    return TPESampler(multivariate=objectives == 1, n_startup_trials=1, seed=seed)
