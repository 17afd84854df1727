"""Samplers of other libraries, to hold ours against where those are installed.

    python -m pip install --no-deps botorch gpytorch linear_operator jaxtyping wadler_lindig pyro-ppl pyro-api \
        opt_einsum pyre_extensions typing_inspect mypy_extensions multipledispatch optuna-integration rustuna
    python -m tests.benchmarks.samplers --samplers model,gp,botorch,rustuna --problems ZDT1,DTLZ2

They propose through Optuna's interface and see the same start, results and trials in flight as ours. `--no-deps` keeps
pip from fetching another torch. Imported by `samplers` and `rungs`, whose `--samplers` and `--only` can then name them.
"""

from typing import final

from dse import variants
from dse.search.samplers.base import AbstractSampler, Problem, Proposer
from dse.search.samplers.optuna_proposer import OptunaProposer


@final
class Gp(AbstractSampler):
    """Gaussian processes of Optuna with expected gain of hypervolume in logarithms (its `GPSampler`)."""

    name = "gp"

    def proposer(self, problem: Problem) -> Proposer:
        """Return what proposes the designs of a study."""
        from optuna.samplers import GPSampler  # noqa: PLC0415

        return OptunaProposer(problem, lambda _, seed: GPSampler(seed=seed, n_startup_trials=1))


@final
class Botorch(AbstractSampler):
    """BoTorch's noisy expected gain of hypervolume in logarithms (qLogNEHVI), aware of trials in
    flight; through optuna-integration."""

    name = "botorch"

    def proposer(self, problem: Problem) -> Proposer:
        """Return what proposes the designs of a study."""
        from optuna_integration import BoTorchSampler  # noqa: PLC0415
        from optuna_integration.botorch import qnehvi_candidates_func  # noqa: PLC0415

        def model(_: int, seed: int) -> BoTorchSampler:
            return BoTorchSampler(
                seed=seed, n_startup_trials=1, candidates_func=qnehvi_candidates_func, consider_running_trials=True
            )

        return OptunaProposer(problem, model)


@final
class Rustuna(AbstractSampler):
    """TPE of rustuna, Optuna in Rust, at its defaults."""

    name = "rustuna"

    def proposer(self, problem: Problem) -> Proposer:
        """Return what proposes the designs of a study."""
        from rustuna.converter import ToOptunaSampler  # noqa: PLC0415
        from rustuna.samplers import TPESampler  # noqa: PLC0415

        return OptunaProposer(problem, lambda _, seed: ToOptunaSampler(TPESampler(seed=seed)))


variants.add("SAMPLERS", (Gp, Botorch, Rustuna), None)
