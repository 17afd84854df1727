"""What a training goes on from after a pause: the state of what takes part in it, as named arrays.

    state = learner.state()         after any epoch
    other.restore(state)            a fresh learner of the same design and seed, which then goes on to the same bits

Whatever changes in a training and owns something that a fresh one would not have by itself has these two methods
(`Pausable`). A whole gives the states of its parts under their names: "layers/0/array/cells/g_us". What follows from
design and seed alone, or is worked out anew before it is used, is left out. Arrays are plain numbers, so that a state
can be kept without pickle (`dse.search.checkpoint`).
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

State = Mapping[str, NDArray[Any]]
"""Arrays by name: numbers, truth values or text of fixed width; no objects."""


class CannotPauseError(Exception):
    """Something takes part in a training that does not say what it goes on from; the message names it."""


class UnlikeStateError(Exception):
    """A state is not that of the same design, seed and code; the message says where they differ."""


@runtime_checkable
class Pausable(Protocol):
    """What can give its state, and go back to it."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return a copy of everything that a fresh one of the same settings and seed lacks.

        Raises:
            CannotPauseError: a part of it has no such method.
        """
        ...

    def restore(self, state: State, /) -> None:
        """Go back to a state that `state` of its like returned, in place.

        Raises:
            UnlikeStateError: it is that of something else. What was restored until then stays: throw the whole away.
        """
        ...


def gathered(parts: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return the states of parts, each `Pausable`, a generator of torch or again a mapping, under their names.

    Raises:
        CannotPauseError: one is none of these.
    """
    found: dict[str, NDArray[Any]] = {}
    for name, part in parts.items():
        if isinstance(part, Mapping):
            own = gathered(cast("Mapping[str, Any]", part))
        elif callable(getattr(part, "state", None)):
            own = cast("Pausable", part).state()
        elif hasattr(part, "get_state"):
            own = {"position": part.get_state().numpy().copy()}
        else:
            raise _without_methods(part)
        found |= {f"{name}/{key}": value for key, value in own.items()}
    return found


def hand_out(parts: Mapping[str, Any], state: State) -> None:
    """Give back to parts what `gathered` took of their like.

    Raises:
        UnlikeStateError: it is that of others.
        CannotPauseError: as for `gathered`.
    """
    for name, part in parts.items():
        own = below(state, name)
        if isinstance(part, Mapping):
            hand_out(cast("Mapping[str, Any]", part), own)
        elif hasattr(part, "restore"):
            part.restore(own)
        elif hasattr(part, "set_state"):
            part.set_state(tensor(taken(own, "position")))
        else:
            raise _without_methods(part)


def _without_methods(part: Any) -> CannotPauseError:
    name = type(part).__name__
    return CannotPauseError(f"{name} has no methods state() and restore(), and a training with it cannot pause")


def by_number(parts: Iterable[Any]) -> dict[str, Any]:
    """Return parts by their numbers."""
    return {str(number): part for number, part in enumerate(parts)}


def below(state: State, name: str) -> State:
    """Return the state of a part."""
    head = f"{name}/"
    return {key.removeprefix(head): value for key, value in state.items() if key.startswith(head)}


def taken(state: State, name: str, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
    """Return an array of a state; of a shape, where one is given.

    Raises:
        UnlikeStateError: there is none.
    """
    if name not in state:
        raise UnlikeStateError(f"the state has no {name}")
    found = state[name]
    if shape is not None and found.shape != shape:
        raise UnlikeStateError(f"{name} has the shape {found.shape} in the state, and {shape} here")
    return found


def fill(here: "torch.Tensor", state: State, name: str) -> None:
    """Copy an array of a state into a tensor.

    Raises:
        UnlikeStateError: it has another shape or type.
    """
    values = tensor(taken(state, name, tuple(here.shape)))
    if values.dtype != here.dtype:
        raise UnlikeStateError(f"{name} is {values.dtype} in the state, and {here.dtype} here")
    here.copy_(values)


def array_of(values: "torch.Tensor") -> NDArray[Any]:
    """Return a copy of a tensor as an array."""
    return values.detach().cpu().numpy().copy()


def tensor(values: NDArray[Any]) -> "torch.Tensor":
    """Return a copy of an array as a tensor."""
    import torch  # noqa: PLC0415  seconds, which the command line does without

    return torch.from_numpy(np.array(values))
