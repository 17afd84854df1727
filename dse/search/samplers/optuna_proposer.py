"""Proposals of a model that learns from results, behind Optuna.

The sampler of Optuna is made anew for every proposal, from a seed derived from the study's seed and the number of the
trial, and results are told in order of number.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from dse.designs.space import Choice, FloatRange, IntRange, Parameter, Value
from dse.metric import Goal
from dse.search.samplers.base import Problem
from dse.search.samplers.draws import Admitted, endless
from dse.streams import derived_seed

Model = Callable[[int, int], BaseSampler]
"""Gives Optuna's sampler for the number of a trial and a seed."""
Direction = Literal["maximize", "minimize"]
DIRECTIONS: dict[Goal, Direction] = {"maximise": "maximize", "minimise": "minimize"}
GENERATION_KEY = "NSGAIISampler:generation"
"""Optuna's attribute that makes a trial a parent; NSGA-II ignores trials without it."""

PARENTS_KEY = "NSGAIISampler:parent:"
"""Optuna's attribute of a study that names the parents of a generation, whose number follows."""
ATTEMPTS = 16
"""Proposals of Optuna for a trial that are known to miss a constraint, after which a random design is taken."""
LARGEST = 1e30
"""What stands for infinity: cells that nothing wears live for ever, and volumes of objectives must be numbers."""
optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


class OptunaProposer:
    """Optuna behind `Proposer`; the study lives in memory and is rebuilt from the table of results.

    Args:
        problem: what designs are proposed for.
        model: gives Optuna's sampler for a trial that is not of the start.
        forget: let go of what NSGA-II no longer looks at; the proposals are the same.
    """

    def __init__(self, problem: Problem, model: Model, *, forget: bool = True) -> None:
        self._space = dict(problem.space)
        self._distributions = {path: _distribution(parameter) for path, parameter in self._space.items()}
        self._model, self._seed, self._forget = model, problem.seed, forget
        self._directions: list[Direction] = [DIRECTIONS[goal] for goal in problem.goals]
        self._startup, self._given = min(problem.startup, problem.trials), problem.given
        self._decided_before = problem.decided
        self.blind = max(self._startup, len(self._given))
        self._admitted = Admitted(problem)
        self._points = self._admitted.points() if self._space else None
        self._study = optuna.create_study(directions=self._directions)
        self._asked = 0
        self._generation = 0
        self._open: dict[int, int] = {}

    @property
    def why(self) -> Mapping[str, Any]:
        """The name of Optuna's sampler that proposed; see `Proposer`."""
        return {"sampler": type(self._study.sampler).__name__}

    def ask(self) -> dict[str, Value]:
        """Return the parameters of the next trial."""
        number, self._asked = self._asked, self._asked + 1
        decided = self._decided(number)
        if decided is not None:
            return self._entered(number, decided)
        found = self._proposed(number)
        before = self._decided_before.get(number, found)
        if before == found:
            return found
        # By another version, or another processor. What this one proposes is asked for in any case, since generations
        # of NSGA-II go by what was asked.
        self._study.tell(self._open.pop(number), state=TrialState.FAIL)
        return self._entered(number, before)

    def _proposed(self, number: int) -> dict[str, Value]:
        """Return the parameters of a trial that Optuna proposes."""
        for attempt in range(ATTEMPTS):
            found = self._entered(number, attempt=attempt)
            if self._admitted.among([found]):
                return found
            self._study.tell(self._open.pop(number), state=TrialState.FAIL)
        random = np.random.Generator(np.random.PCG64(derived_seed(self._seed, "admitted", number)))
        return self._entered(number, next(self._admitted.of(endless(self._space, random))))

    def _entered(self, number: int, decided: Mapping[str, Any] | None = None, attempt: int = 0) -> dict[str, Value]:
        """Return the parameters of a trial that begins in Optuna's study, as they were decided or as it proposes."""
        self._study.sampler = self._sampler_for(number, attempt)
        if decided is not None:
            self._study.enqueue_trial({path: _index(self._space[path], value) for path, value in decided.items()})
        trial = self._study.ask(self._distributions)
        self._open[number] = trial.number
        generation = self._generation_of(trial)
        if generation > self._generation:
            self._generation = generation
            if self._forget:
                self._keep_parents()
        return {path: self._value(path, trial.params[path]) for path in self._space}

    def _decided(self, number: int) -> Mapping[str, Any] | None:
        """Return the parameters of a trial that no model proposes, or None."""
        # The sequence goes on below what was given, so that the points after it are those of any other study.
        drawn = None if self._points is None or number >= self._startup else next(self._points)
        return self._given[number] if number < len(self._given) else drawn

    def tell(self, number: int, values: Sequence[float] | None, violations: Sequence[float] = ()) -> None:
        """Take what came of a trial; see `Proposer`. Optuna's samplers prefer trials without violations."""
        trial = self._open.pop(number)
        if values is None:
            self._study.tell(trial, state=TrialState.FAIL)
            return
        if violations:
            storage, study_id = self._study._storage, self._study._study_id  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            own = optuna.Trial(self._study, storage.get_trial_id_from_study_id_trial_number(study_id, trial))
            for place, violation in enumerate(violations):
                own.set_constraint(str(place), violation)
        self._study.tell(trial, [min(max(float(value), -LARGEST), LARGEST) for value in values])

    def _generation_of(self, trial: optuna.Trial) -> int:
        """Return the generation of a trial. All that NSGA-II did not propose count as its generation 0."""
        # So that it has parents when it takes over.
        storage, trial_id = self._study._storage, trial._trial_id  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        generation = storage.get_trial_system_attrs(trial_id).get(GENERATION_KEY)
        if generation is None:
            storage.set_trial_system_attr(trial_id, GENERATION_KEY, 0)
        return generation or 0

    def _keep_parents(self) -> None:
        """Go on with a study of the parents of this generation and the trials in flight.

        NSGA-II looks at nothing else any more, but goes through all trials of a study for each proposal.
        """
        old, storage = self._study, self._study._storage  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        key = f"{PARENTS_KEY}{self._generation}"
        parents = set(storage.get_study_system_attrs(old._study_id)[key])  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        new = optuna.create_study(directions=self._directions)
        numbers = {number: own for own, number in self._open.items()}
        ids: list[int] = []
        for trial in old.get_trials(deepcopy=False):
            if trial._trial_id not in parents and trial.number not in numbers:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
                continue
            is_parent = trial.number not in numbers
            # As many of the generation before as NSGA-II wants to see, before it begins another.
            attrs = {**trial.system_attrs, **({GENERATION_KEY: self._generation - 1} if is_parent else {})}
            new.add_trial(_like(trial, attrs))
            added = new.get_trials(deepcopy=False)[-1]
            if is_parent:
                ids.append(added._trial_id)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            else:
                self._open[numbers[trial.number]] = added.number
        new._storage.set_study_system_attr(new._study_id, key, ids)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        self._study = new

    def _sampler_for(self, number: int, attempt: int) -> BaseSampler:
        again = (attempt,) if attempt else ()
        seed = derived_seed(self._seed, "proposal", number, *again) % 2**32
        return RandomSampler(seed=seed) if number < self.blind else self._model(number, seed)

    def _value(self, path: str, raw: Any) -> Value:
        parameter = self._space[path]
        if isinstance(parameter, Choice):
            return parameter.values[cast("int", raw)]
        if isinstance(parameter, FloatRange) and parameter.step is not None:
            return parameter.numbered(parameter.number(raw))  # Optuna adds steps as binary numbers
        return cast("Value", raw)


def _index(parameter: Parameter, value: Value) -> Any:
    return parameter.values.index(value) if isinstance(parameter, Choice) else value


def _like(trial: optuna.trial.FrozenTrial, system_attrs: Mapping[str, Any]) -> optuna.trial.FrozenTrial:
    """Return a trial to add to another study."""
    return optuna.trial.create_trial(
        state=trial.state,
        values=trial.values,
        params=trial.params,
        distributions=trial.distributions,
        system_attrs=dict(system_attrs),
    )


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Choice):
        # By position: Optuna takes 1, 1.0 and True for one choice, and lists for none.
        return CategoricalDistribution(range(len(parameter.values)))
    if isinstance(parameter, IntRange):
        return IntDistribution(parameter.low, parameter.highest, log=parameter.log, step=parameter.step)
    return FloatDistribution(parameter.low, parameter.highest, log=parameter.log, step=parameter.step)
