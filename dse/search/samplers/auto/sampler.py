"""The default: the sampler that is best at each stage of a study.

The policy follows measurements (`findings/benchmarks.md`): after a quasi-random start the sampler with a model reaches
a larger volume than TPE within a hundred trials, on 31 of 36 test problems. Its cost grows with the front, to 0.2 s a
proposal at a thousand trials of three objectives and 0.6 s of four, so NSGA-II takes over, whose cost stays at 2 ms.
Trainings that pause are the model's alone, which can learn from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from dse.designs.space import Value
from dse.search.samplers.base import AbstractSampler, Problem, Proposer
from dse.search.samplers.model.sampler import Model
from dse.search.samplers.nsga2 import nsga2_model

if TYPE_CHECKING:
    from dse.search.samplers.model.observations import Observations

MODEL_TRIALS = 1000
"""Trials up to which the model proposes."""
MODEL_TRIALS_MANY = 500
"""The same for four objectives and more, whose fronts are larger and cut into more boxes."""
FEW = 3
"""Objectives up to which the first of these holds."""


@final
class Auto(AbstractSampler):
    """The model while it is fast, then NSGA-II."""

    name = "auto"
    learns = True

    def proposer(self, problem: Problem) -> Proposer:
        """Return what proposes the designs of a study."""
        return _Handover(problem, MODEL_TRIALS if len(problem.goals) <= FEW else MODEL_TRIALS_MANY)


class _Handover:
    """Proposals of the model, and from some trial on of NSGA-II, which is told all that came before."""

    def __init__(self, problem: Problem, until: int) -> None:
        self._problem, self._until = problem, until
        self._model: Any = Model().proposer(problem)
        self._later: Proposer | None = None
        self._observes = False
        self._asked: list[dict[str, Value]] = []
        self._told: list[tuple[int, Sequence[float] | None, Sequence[float]]] = []
        self.blind: int = self._model.blind

    @property
    def why(self) -> Mapping[str, Any]:
        """What the last proposal was made of."""
        return {"drawn": "by NSGA-II"} if self._later else self._model.why

    def ask(self) -> dict[str, Value]:
        """Return the parameters of the next trial."""
        if self._later is None and len(self._asked) >= max(self._until, self.blind) and not self._observes:
            self._later = self._successor()
        found = (self._later or self._model).ask()
        self._asked.append(found)
        return dict(found)

    def tell(self, number: int, values: Sequence[float] | None, violations: Sequence[float] = ()) -> None:
        """Take what came of a trial; see `Proposer`."""
        self._told.append((number, values, violations))
        (self._later or self._model).tell(number, values, violations)

    def observe(self, seen: "Observations") -> None:
        """Take what was seen of trainings, some of which paused."""
        self._observes = True
        self._model.observe(seen)

    def _successor(self) -> Proposer:
        from dse.search.samplers.optuna_proposer import OptunaProposer  # noqa: PLC0415  optuna, which checks do without

        later = OptunaProposer(replace(self._problem, given=self._asked), lambda _, seed: nsga2_model(seed))
        for _ in self._asked:
            later.ask()
        for own in self._told:
            later.tell(*own)
        return later
