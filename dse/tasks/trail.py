"""What the layers came to after each epoch: events, wear and converters as they grew.

Names are those of the table of layers behind the number of a layer: "0.mvm_forward", "1.wear_set_max",
"1.mean_conductance_us"; what has no column there is "0.events.NAME" or "0.wear.NAME".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.crossbar.events import EVENT_NAMES
from dse.crossbar.usage import WEAR_NAMES, LayerUsage
from dse.pausing import State, UnlikeStateError, taken

WEAR = "wear_"
"""What the columns of wear begin with."""
_NUMBERS = tuple(
    field.name
    for field in fields(LayerUsage)
    # A deployment comes after the last epoch.
    if field.name not in ("layer", "events", "wear", "infers", "chi_storage") and not field.name.startswith("deployed_")
)
_numbers_of = attrgetter(*_NUMBERS)


class Trail:
    """Values by name after each epoch so far.

    It is written after every epoch, so that names are made only where they differ from those of the last one.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._known: list[tuple[str, ...]] | None = None
        self._epochs: list[NDArray[np.float64]] = []

    def add(self, layers: Sequence[LayerUsage]) -> None:
        """Note what the layers came to after an epoch; what an earlier epoch does not name was 0 then."""
        known = [(*layer.events, *layer.wear) for layer in layers]
        if known != self._known:
            names = [name for layer in layers for name in _names(layer)]
            if names != self._names:
                earlier = [dict(zip(self._names, values, strict=True)) for values in self._epochs]
                self._epochs = [np.array([values.get(name, 0.0) for name in names]) for values in earlier]
            self._names, self._known = names, known
        # What a layer does not have, such as the range of no converter, is no number.
        self._epochs.append(np.array([value for layer in layers for value in _values(layer)], np.float64))

    def until_the_end(self, layers: Sequence[LayerUsage]) -> dict[str, list[float]]:
        """Return the values by name at epochs 1, 2 ..., those left out that are always the same as at the end.

        Args:
            layers: what the layers came to at the end, which a deployment may have added to.
        """
        end = {name: value for layer in layers for name, value in zip(_names(layer), _values(layer), strict=True)}
        return shortened(dict(self._columns()), end)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return names and values; see `dse.pausing.Pausable`."""
        columns = dict(self._columns())
        values = np.array([*columns.values()], np.float64).reshape(len(columns), len(self._epochs))
        return {"names": np.array([*columns], np.str_), "values": values}

    def restore(self, state: State) -> None:
        """Go back to a state; see `dse.pausing.Pausable`."""
        self._names, columns = taken(state, "names").tolist(), taken(state, "values").tolist()
        if len(columns) != len(self._names):
            raise UnlikeStateError("the trail has other numbers of names and of values")
        self._known, self._epochs = None, [np.array(values) for values in zip(*columns, strict=True)]

    def _columns(self) -> Iterator[tuple[str, list[float]]]:
        """Yield names with their values, without those that are no numbers."""
        values = np.array(self._epochs).T
        for name, own in zip(self._names, values, strict=False):
            if np.isfinite(own).all():
                yield name, own.tolist()


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


def _names(layer: LayerUsage) -> list[str]:
    events = (name if name in EVENT_NAMES else f"events.{name}" for name in layer.events)
    wear = (f"{WEAR}{name}" if name in WEAR_NAMES else f"wear.{name}" for name in layer.wear)
    return [f"{layer.layer}.{name}" for name in (*_NUMBERS, *events, *wear)]


def _values(layer: LayerUsage) -> Iterator[Any]:
    return chain(_numbers_of(layer), layer.events.values(), layer.wear.values())
