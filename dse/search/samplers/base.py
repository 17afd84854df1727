"""What a sampler is: a name, whether it sees results, and a proposer for each study.

A proposal is a function of the study file and of the results that it may see. So the same study proposes the same
designs on any number of actors, killed and resumed or not: the proposer of a resumed study is asked and told again
what it was asked and told before.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, cast

from dse.designs.space import Parameter, Value
from dse.metric import Goal


def by_values(parameters: Mapping[str, Value]) -> Hashable:
    """Return the values of parameters, in their order."""
    return tuple(tuple(cast("list[Any]", value)) if isinstance(value, list) else value for value in parameters.values())


@dataclass(frozen=True)
class Known:
    """What is known of a design before it is simulated, exactly.

    Attributes:
        values: of objectives, by their place among them.
        violations: of constraints, by their place among them; 0 where one is met.
        missed: the constraints that it misses, with its values, for a reader.
    """

    values: Mapping[int, float] = field(default_factory=dict[int, float])
    violations: Mapping[int, float] = field(default_factory=dict[int, float])
    missed: str = ""

    @property
    def is_out(self) -> bool:
        """Whether it misses a constraint, so that it need not be simulated."""
        return any(self.violations.values())


@dataclass(frozen=True)
class EarlierDesign:
    """A design of earlier results, which models learn from; see `dse.search.learning`.

    Attributes:
        settings: values at the paths of the space, of which some may lie outside; None for what does not act.
        beside: places on axes beside the space, in which it differs from all designs of the study; those are at 0.
        values: of the objectives.
        violations: of each constraint, at most 0 where it is met.
        seeds: over which values are means.
    """

    settings: Mapping[str, Any]
    beside: Sequence[float]
    values: Sequence[float]
    violations: Sequence[float] = ()
    seeds: int = 1


@dataclass(frozen=True)
class Problem:
    """What designs are proposed for.

    Attributes:
        space: what varies, by path.
        goals: which way is better, for each objective.
        seed: seed of the proposals.
        startup: quasi-random trials before a model proposes.
        trials: trials of the whole study.
        given: parameters of the first trials, decided before.
        decided: parameters of later trials that were proposed before, by number; they are not proposed anew.
        same: gives what is equal for parameters of equal designs, which may differ in what has no effect.
        known: says what is known of designs before they are simulated; None where nothing is.
        excludes: whether that can exclude a design, which then should not be proposed; see
            `dse.search.samplers.draws.Admitted`.
        acts: gives the paths of the space that act in a design; None where all do in all of them.
        earlier: designs of earlier results, which inform models and are no trials.
    """

    space: Mapping[str, Parameter]
    goals: Sequence[Goal]
    seed: int
    startup: int
    trials: int
    given: Sequence[Mapping[str, Any]] = ()
    decided: Mapping[int, Mapping[str, Any]] = field(default_factory=dict[int, "Mapping[str, Any]"])
    same: Callable[[Mapping[str, Value]], Hashable] = by_values
    known: Callable[[Sequence[Mapping[str, Value]]], Sequence[Known]] | None = None
    excludes: bool = False
    acts: Callable[[Mapping[str, Value]], Collection[str]] | None = None
    earlier: Sequence[EarlierDesign] = ()


class Proposer(Protocol):
    """Proposes designs, one after the other.

    It may have an attribute `why`: what the last proposal was made of, for a reader, numbers and words by name.
    """

    @property
    def blind(self) -> int:
        """How many of the first trials are proposed without regard to results."""
        ...

    def ask(self) -> dict[str, Value]:
        """Return the parameters of the next trial."""
        ...

    def tell(self, number: int, values: Sequence[float] | None, violations: Sequence[float] = ()) -> None:
        """Take what came of a trial; in order of number.

        Args:
            number: of the trial.
            values: its objectives, or None where it failed.
            violations: of each constraint of the study, at most 0 where it is met, which may say by how much; empty for
                a trial that failed.
        """
        ...


class AbstractSampler(ABC):
    """A way to propose designs. It has no settings: what it needs is in the problem.

    Attributes:
        name: its name in a study file, `search.sampler`.
        blind: whether no proposal depends on a result, so that none waits for any.
        learns: whether it learns from earlier results, `Problem.earlier`.
    """

    name: ClassVar[str]
    blind: ClassVar[bool] = False
    learns: ClassVar[bool] = False

    @abstractmethod
    def proposer(self, problem: Problem) -> Proposer:
        """Return what proposes the designs of a study, from its first trial on."""
