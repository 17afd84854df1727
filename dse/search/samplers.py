"""Proposals: which design comes next. The only file that imports Optuna.

A proposal is a function of the study file and of the results it may see: the sampler is made anew for every ask, from
a seed derived from the study's seed and the number of the trial, and results are told in order of number. So the same
study proposes the same designs on any number of actors, killed and resumed or not.

The policy "auto" follows measurements on problems of this size: a quasi-random start covers the space evenly; the
multivariate TPE finds better fronts than NSGA-II up to about a thousand trials, but its cost grows with trials and
front (three objectives: 0.2 s a proposal at a thousand), so NSGA-II takes over.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, cast

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from scipy.stats import qmc

from dse.design.outcome import Goal
from dse.design.space import Choice, IntRange, Parameter, Value
from dse.streams import derived_seed

TPE_TRIALS: dict[int, int] = {1: 2000, 2: 1000}
"""Trials up to which "auto" uses TPE, by number of objectives; 300 for three and more."""
TPE_TRIALS_MANY = 300
DIRECTIONS: dict[Goal, Literal["maximize", "minimize"]] = {"maximise": "maximize", "minimise": "minimize"}
GENERATION_KEY = "NSGAIISampler:generation"
"""Optuna's attribute that makes a trial a parent; NSGA-II ignores trials without it."""

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


class Proposer(Protocol):
    """Proposes designs, one after the other."""

    def ask(self) -> dict[str, Value]:
        """Return the parameters of the next trial."""
        ...

    def tell(self, number: int, values: Sequence[float] | None) -> None:
        """Take the objectives of a trial, or None where it failed; in order of number."""
        ...


class OptunaProposer:
    """Optuna behind `Proposer`; the study lives in memory and is rebuilt from the table of results.

    Args:
        space: what varies.
        goals: which way is better, for each objective.
        sampler: "auto", "random", "quasi_random", "tpe" or "nsga2".
        seed: seed of the proposals.
        startup: quasi-random trials before a model proposes.
        trials: trials of the whole study.
        given: parameters of the first trials, decided before.
    """

    def __init__(
        self,
        space: Mapping[str, Parameter],
        goals: Sequence[Goal],
        *,
        sampler: str,
        seed: int,
        startup: int,
        trials: int,
        given: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._space = dict(space)
        self._distributions = {path: _distribution(parameter) for path, parameter in space.items()}
        self._sampler, self._seed = sampler, seed
        self._objectives = len(goals)
        self._startup = {"quasi_random": trials, "random": 0}.get(sampler, min(startup, trials))
        self._points = _sobol(len(space), self._startup, seed) if space else []
        self._study = optuna.create_study(directions=[DIRECTIONS[goal] for goal in goals])
        self._given = given
        self._asked = 0

    def ask(self) -> dict[str, Value]:
        """Return the parameters of the next trial."""
        number, self._asked = self._asked, self._asked + 1
        self._study.sampler = self._make_sampler(number)
        if number < len(self._given):
            self._study.enqueue_trial(
                {path: _index(self._space[path], self._given[number][path]) for path in self._space}
            )
        elif number < self._startup:
            self._study.enqueue_trial(self._at(self._points[number]))
        trial = self._study.ask(self._distributions)
        # All trials that NSGA-II did not propose count as its generation 0, so that it has parents when it takes over.
        storage, trial_id = self._study._storage, trial._trial_id  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if GENERATION_KEY not in storage.get_trial_system_attrs(trial_id):
            storage.set_trial_system_attr(trial_id, GENERATION_KEY, 0)
        return {path: self._value(path, trial.params[path]) for path in self._space}

    def tell(self, number: int, values: Sequence[float] | None) -> None:
        """Take the objectives of a trial, or None where it failed."""
        if values is None:
            self._study.tell(number, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(number, [float(value) for value in values])

    def _make_sampler(self, number: int) -> optuna.samplers.BaseSampler:
        seed = derived_seed(self._seed, "proposal", number) % 2**32
        name = self._sampler
        if number < max(self._startup, len(self._given)) or name == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        if name == "auto":
            name = "tpe" if number < TPE_TRIALS.get(self._objectives, TPE_TRIALS_MANY) else "nsga2"
        if name == "tpe":
            return optuna.samplers.TPESampler(multivariate=True, n_startup_trials=1, seed=seed)
        return optuna.samplers.NSGAIISampler(seed=seed)

    def _at(self, point: Sequence[float]) -> dict[str, Any]:
        values = {path: parameter.at(u) for (path, parameter), u in zip(self._space.items(), point, strict=True)}
        return {path: _index(self._space[path], value) for path, value in values.items()}

    def _value(self, path: str, raw: Any) -> Value:
        parameter = self._space[path]
        if isinstance(parameter, Choice):
            return parameter.values[cast("int", raw)]
        return cast("Value", raw)


def _index(parameter: Parameter, value: Value) -> Any:
    return parameter.values.index(value) if isinstance(parameter, Choice) else value


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Choice):
        # By position: Optuna takes 1, 1.0 and True for one choice, and lists for none.
        return CategoricalDistribution(range(len(parameter.values)))
    if isinstance(parameter, IntRange):
        return IntDistribution(parameter.low, parameter.high, log=parameter.log, step=parameter.step)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log, step=parameter.step)


def _sobol(dimensions: int, points: int, seed: int) -> list[list[float]]:
    """Return the first points of a scrambled Sobol sequence, a prefix of any longer one with the same seed."""
    if points == 0:
        return []
    sequence = qmc.Sobol(dimensions, scramble=True, rng=derived_seed(seed, "quasi-random") % 2**32)
    drawn = sequence.random_base2(math.ceil(math.log2(points)) if points > 1 else 0)
    return cast("list[list[float]]", drawn[:points].tolist())
