"""What the layers came to after each epoch: events, wear and converters as they grew.

Names are those of the table of layers behind the number of a layer: "0.mvm_forward", "1.wear_set_max",
"1.mean_conductance_us"; what has no column there is "0.events.NAME" or "0.wear.NAME".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.crossbar.events import EVENT_NAMES
from dse.crossbar.usage import WEAR_NAMES, LayerUsage
from dse.pausing import State, UnlikeStateError, taken

WEAR = "wear_"
"""What the columns of wear begin with."""
_EVENTS = dict(zip(EVENT_NAMES, EVENT_NAMES, strict=True))
_WEAR = {name: f"{WEAR}{name}" for name in WEAR_NAMES}
_NUMBERS = tuple(
    field.name
    for field in fields(LayerUsage)
    if field.name not in ("layer", "events", "wear", "infers", "chi_storage")
    # A deployment comes after the last epoch.
    and not field.name.startswith("deployed_")
)


class Trail:
    """Values by name after each epoch so far."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._epochs: list[list[float]] = []

    def add(self, layers: Sequence[LayerUsage]) -> None:
        """Note what the layers came to after an epoch; what an earlier epoch does not name was 0 then."""
        now = {name: value for layer in layers for name, value in _numbers(layer)}
        if new := now.keys() - set(self._names):
            self._names = (*self._names, *(name for name in now if name in new))
            self._epochs = [[*values, *[0.0] * len(new)] for values in self._epochs]
        self._epochs.append([now.get(name, 0.0) for name in self._names])

    def until_the_end(self, layers: Sequence[LayerUsage]) -> dict[str, list[float]]:
        """Return the values by name at epochs 1, 2 ..., those left out that are always the same as at the end.

        Args:
            layers: what the layers came to at the end, which a deployment may have added to.
        """
        end = {name: value for layer in layers for name, value in _numbers(layer)}
        columns = zip(self._names, zip(*self._epochs, strict=True), strict=True)
        return shortened({name: list(values) for name, values in columns}, end)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return names and values; see `dse.pausing.Pausable`."""
        values = np.array(self._epochs, np.float64).reshape(len(self._epochs), len(self._names))
        return {"names": np.array(self._names, np.str_), "values": values}

    def restore(self, state: State) -> None:
        """Go back to a state; see `dse.pausing.Pausable`."""
        self._names = tuple(taken(state, "names").tolist())
        self._epochs = taken(state, "values").tolist()
        if any(len(values) != len(self._names) for values in self._epochs):
            raise UnlikeStateError("the trail has other numbers of names and of values")


def shortened(values: Mapping[str, Sequence[float]], end: Mapping[str, float]) -> dict[str, list[float]]:
    """Return values at epochs 1, 2 ... without what follows from the others.

    A name goes whose value after every epoch is that of the end. Of values that are v, 2 v, 3 v ... to the last bit
    only v stays.
    """
    return {name: _first_or_all(own) for name, own in values.items() if any(value != end.get(name) for value in own)}


def value_at(values: Sequence[float] | None, epoch: int, end: float) -> float:
    """Return a value after an epoch, from what `shortened` left of the values, and the value at the end."""
    if values is None:
        return end
    return values[0] * epoch if len(values) == 1 else values[epoch - 1]


def _first_or_all(values: Sequence[float]) -> list[float]:
    first = values[0]
    is_even = all(value == first * epoch for epoch, value in enumerate(values, 1))
    return [first] if is_even else list(values)


def _numbers(layer: LayerUsage) -> Iterable[tuple[str, float]]:
    """Yield the numbers of a layer with their names."""
    head = f"{layer.layer}."
    for name in _NUMBERS:
        value = getattr(layer, name)
        if value is not None:
            yield head + name, float(value)
    for name, value in layer.events.items():
        yield head + (_EVENTS.get(name) or f"events.{name}"), float(value)
    for name, value in layer.wear.items():
        yield head + (_WEAR.get(name) or f"wear.{name}"), float(value)
