"""What may stand between the pulses of updates and the cells of the weights: another array, as in Tiki-Taka."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray
from torch import Tensor

from dse.crossbar.events import Events
from dse.crossbar.usage import LayerUsage
from dse.pausing import State


class Between(Protocol):
    """Takes the pulses of a layer, and passes some on. Shapes are (inputs, outputs) of the layer."""

    rate: float
    """Size of the updates that it takes, in units of those that weights would take."""

    def gather(self, pulses: Tensor, now_s: float) -> None:
        """Take pulses, signed, int64, at a time, in s."""
        ...

    def transfer(self, now_s: float, events: Events) -> Tensor | None:
        """Return the pulses that go to the weights after an update; None where none do.

        Args:
            now_s: time, s.
            events: of the weights, to which those of their accumulators are added.
        """
        ...

    def maintain(self, now_s: float) -> None:
        """Refresh pairs near saturation."""
        ...

    def survey(self, now_s: float) -> None:
        """Take stock at the end of an epoch."""
        ...

    def usage(self, number: int) -> LayerUsage:
        """Return the account of what it has beside the cells and accumulators of the weights."""
        ...

    @property
    def filter(self) -> Any:
        """The accumulators of the weights, `dse.updates.accumulator.Accumulator`."""
        ...

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what it goes on from; see `dse.pausing.Pausable`."""
        ...

    def restore(self, state: State, /) -> None:
        """Go back to a state; see `dse.pausing.Pausable`."""
        ...


Place = Callable[[int, int, float, int], Between]
"""(inputs, outputs, conductance difference of a pair for a weight of 1 in uS, number of the layer) -> what is there."""


@runtime_checkable
class WithArraysBeside(Protocol):
    """A layer of a perceptron that has arrays beside those of its weights."""

    def beside(self) -> Sequence[LayerUsage]:
        """Return their accounts, which stand behind those of all layers."""
        ...
