"""Samplers of plug-ins: an error of theirs, or a proposal that is none of the space, ends in a message that names them.

Samplers of the framework go unguarded: an error of one is a defect here, with its traceback.
"""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast, final

from dse.designs.space import Value
from dse.errors import DseError, PluginError, SettingError
from dse.plugins import failed_in
from dse.search.first import value_of
from dse.search.samplers.base import AbstractSampler, Problem, Proposer
from dse.spec import shown
from dse.variants import owner_of

if TYPE_CHECKING:
    from dse.search.samplers.model.observations import Observations


def proposer_of(sampler: AbstractSampler, problem: Problem) -> Proposer:
    """Return the proposer of a sampler; that of a plug-in is guarded.

    Raises:
        PluginError: the sampler of a plug-in cannot propose for this problem.
    """
    owner = owner_of(type(sampler))
    if owner is None:
        return sampler.proposer(problem)
    from dse.search.rung_plan import Observes  # noqa: PLC0415  scipy, which checks do without

    told = _Told(owner, sampler.name)
    with told.failing("when the search began"):
        own = sampler.proposer(problem)
        missing = [f"{name}()" for name in ("ask", "tell") if not callable(getattr(own, name, None))]
        blind = cast("object", getattr(own, "blind", None))
    if missing:
        raise told.error(f"its proposer has no {missing[0]}")
    if isinstance(blind, bool) or not isinstance(blind, int):
        raise told.error(f"its proposer has blind = {blind!r}; give a number of trials")
    guarded = _Observing if isinstance(own, Observes) else _Guarded
    return guarded(own, told, problem)


@final
class _Told:
    """What is said of the sampler of a plug-in."""

    def __init__(self, owner: str, name: str) -> None:
        self._owner, self._name = owner, name

    def error(self, reason: str) -> PluginError:
        return PluginError(
            f"the plug-in {self._owner!r}: the sampler {self._name!r}: {reason}. Finished trials are safe; mend it and "
            "resume, or start afresh with another sampler"
        )

    @contextmanager
    def failing(self, when: str) -> Generator[None]:
        """Raise any error of the block as one of the plug-in; a message of the framework stays one."""
        try:
            yield
        except DseError:
            raise
        except Exception as error:
            where = failed_in([self._owner], error)
            said = where.partition(" failed: ")[2] or f"{type(error).__name__}: {error}"
            raise self.error(f"{when}, it failed: {said}") from error


class _Guarded:
    """A proposer whose errors and proposals are checked; see `Proposer`."""

    def __init__(self, own: Any, told: _Told, problem: Problem) -> None:
        self._own, self._told, self._problem = own, told, problem
        self._asked = 0

    @property
    def blind(self) -> int:
        """How many of the first trials are proposed without regard to results."""
        return self._own.blind

    @property
    def why(self) -> dict[str, Any]:
        """What the last proposal was made of."""
        with self._told.failing("when it was asked why"):
            why = dict(getattr(self._own, "why", {}))
            json.dumps(why, allow_nan=False)
            return why

    def ask(self) -> dict[str, Value]:
        """Return the parameters of the next trial.

        Raises:
            PluginError: there are none, or they are not of the space.
        """
        number, self._asked = self._asked, self._asked + 1
        with self._told.failing(f"when it was asked for trial {number}"):
            found = self._own.ask()
        is_decided = number < len(self._problem.given) or number in self._problem.decided
        if not is_decided:
            self._check(number, found)
        return found

    def _check(self, number: int, found: object) -> None:
        if not isinstance(found, Mapping):
            raise self._told.error(f"trial {number}: it proposes {shown(found)}, and no values by path")
        values, space = dict(cast("Mapping[str, object]", found)), self._problem.space
        for path in [*(path for path in values if path not in space), *space]:
            if path not in space:
                raise self._told.error(f"trial {number}: it proposes {path}, which does not vary")
            if path not in values:
                raise self._told.error(f"trial {number}: it proposes no {path}")
            self._check_value(number, path, values[path])

    def _check_value(self, number: int, path: str, value: object) -> None:
        try:
            value_of(path, value, self._problem.space[path])
            json.dumps(value)  # as it is stored
        except SettingError as error:
            raise self._told.error(f"trial {number}: {error}") from None
        except TypeError:
            raise self._told.error(f"trial {number}: {path} = {value!r} is no plain number or text") from None

    def tell(self, number: int, values: Sequence[float] | None, violations: Sequence[float] = ()) -> None:
        """Take what came of a trial."""
        with self._told.failing(f"when it was told of trial {number}"):
            self._own.tell(number, values, violations)


@final
class _Observing(_Guarded):
    """One that learns from trainings that paused, too."""

    def observe(self, seen: "Observations") -> None:
        """Take what was seen of all trials so far."""
        with self._told.failing("when it was told what was seen"):
            self._own.observe(seen)
