"""Designs as points of the unit cube, in which near designs are alike.

A range is an axis, on its own scale. Choices that are numbers are an axis in the order of their values, evenly spaced;
other choices are an axis each, so that any two of them are equally far apart. What does not act in a design is at the
same place in all of them, so that it tells no two of them apart.

Designs of earlier results may lie outside: a number beyond a range is further along its axis, and what else they
differ in has axes of its own, beside the space, on which all designs of the space are at 0.

Positions are what `Parameter.at` takes: in [0, 1), one for each parameter, also where several are one value.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from dse.designs.space import Choice, FloatRange, IntRange, Parameter, Value, nearest, place_of

Points = NDArray[np.float64]
APART = math.sqrt(0.5)
"""Place of a choice without order on its own axis: two of them have the distance 1."""
MIDDLE = 0.5
"""Place of what does not act; a choice without order is at 0 on its axes."""
LAST = 1.0 - 1e-12
"""The last position."""
BEYOND = -1.0, 2.0
"""Places on an axis between which values outside of its range lie."""


class Encoding:
    """How designs of a space become points.

    Args:
        space: what varies, by path.
        acts: gives the paths that act in a design; all by default.
        beside: how many axes there are beside those of the space.

    Attributes:
        dimensions: of the points.
    """

    def __init__(
        self,
        space: Mapping[str, Parameter],
        acts: Callable[[Mapping[str, Value]], Collection[str]] | None = None,
        beside: int = 0,
    ) -> None:
        self._space, self._acts, self._beside = dict(space), acts, beside
        self._axes = {path: _axes_of(parameter) for path, parameter in space.items()}
        self.dimensions = sum(axes.count for axes in self._axes.values()) + beside

    def points(self, designs: Sequence[Mapping[str, Any]]) -> Points:
        """Return the points of designs, shape (designs, dimensions)."""
        return self.points_at(self.positions(designs))

    def positions(self, designs: Sequence[Mapping[str, Any]]) -> Points:
        """Return the positions of designs, shape (designs, parameters)."""
        rows = [[axes.position(design[path]) for path, axes in self._axes.items()] for design in designs]
        return np.array(rows).reshape(len(designs), len(self._axes))

    def points_at(self, positions: Points) -> Points:
        """Return the points of designs that are given by positions, shape (designs, dimensions)."""
        parts = [axes.places(positions[:, k]) for k, axes in enumerate(self._axes.values())]
        if self._acts is not None:
            acting = [self._acts(self.design(row)) for row in positions]
            for part, (path, axes) in zip(parts, self._axes.items(), strict=True):
                part[[path not in own for own in acting]] = axes.idle
        return np.concatenate([*parts, np.zeros((len(positions), self._beside))], axis=1)

    def outside(self, settings: Mapping[str, Any], beside: Sequence[float]) -> Points:
        """Return the point of a design that may lie outside of the space, shape (dimensions,).

        Args:
            settings: values by path; None for what does not act.
            beside: its places on the axes beside the space.
        """
        parts = [axes.outside(settings[path]) for path, axes in self._axes.items()]
        return np.concatenate([*parts, np.array(beside, np.float64)])

    def nearest(self, settings: Mapping[str, Any]) -> Points:
        """Return the positions of the design of the space that is nearest to one outside of it, shape (parameters,)."""
        return self.positions([{path: nearest(own, settings[path]) for path, own in self._space.items()}])[0]

    def design(self, positions: Points) -> dict[str, Value]:
        """Return the design at positions, shape (parameters,)."""
        return {path: p.at(float(u)) for (path, p), u in zip(self._space.items(), positions, strict=True)}

    def stepped(self, positions: Points, sizes: Points, draws: np.random.Generator) -> Points:
        """Return positions a normal step away on every axis; anywhere on those of choices without order.

        Args:
            positions: shape (designs, parameters).
            sizes: standard deviations of the steps, shape (designs, 1); where values are few, one of them at least.
            draws: random numbers.
        """
        least = np.array([axes.spacing for axes in self._axes.values()])
        moved = positions + np.maximum(sizes, least) * draws.standard_normal(positions.shape)
        anywhere = draws.random(positions.shape)
        free = np.array([isinstance(axes, _Apart) for axes in self._axes.values()])
        # reflected at the ends, which would collect designs otherwise
        moved = 1.0 - np.abs(1.0 - np.abs(moved) % 2.0)
        return np.where(free, anywhere, np.minimum(moved, LAST))


class _Axis:
    """The axis of a range."""

    count = 1
    idle = MIDDLE

    def __init__(self, given: IntRange | FloatRange) -> None:
        self._range = given
        self._steps = None if given.log else given.count()
        self.spacing = 0.0 if self._steps is None else 0.5 / self._steps

    def position(self, value: Any) -> float:
        """Return the position of a value."""
        if self._steps is not None:
            return (self._range.number(value) + 0.5) / self._steps
        if isinstance(self._range, IntRange):
            low, high = math.log(self._range.low - 0.5), math.log(self._range.high + 0.5)
            return (math.log(value) - low) / (high - low)
        return min(place_of(self._range, value), LAST)

    def places(self, positions: Points) -> Points:
        """Return the places of values that are given by positions, shape (designs, 1)."""
        own = self._range
        if self._steps is not None:
            numbers = np.minimum((positions * self._steps).astype(np.int64), self._steps - 1)
            return np.minimum(numbers * float(own.step or 1) / (own.high - own.low), 1.0)[:, None]
        if isinstance(own, IntRange):
            low, high = math.log(own.low - 0.5), math.log(own.high + 0.5)
            values = np.clip(np.round(np.exp(low + positions * (high - low))), own.low, own.high)
            return (np.log(values / own.low) / math.log(own.high / own.low))[:, None]
        return positions[:, None].copy()

    def outside(self, value: Any) -> Points:
        """Return the place of a value that may lie beyond the ends, shape (1,)."""
        if not _is_number(value):
            return np.array([self.idle])
        if self._range.log and value <= 0:
            return np.array([BEYOND[0]])
        if self._range.log and isinstance(self._range, IntRange):
            place = math.log(value / self._range.low) / math.log(self._range.high / self._range.low)
        else:
            place = place_of(self._range, value)
        return np.clip([place], *BEYOND)


class _Listed:
    """The axes of choices."""

    def __init__(self, given: Choice, table: Points) -> None:
        self._given, self._table = given, table
        self.count = table.shape[1]
        self.spacing = 0.5 / len(table)

    def position(self, value: Any) -> float:
        """Return the position of a value."""
        return (self._given.number(value) + 0.5) / len(self._table)

    def places(self, positions: Points) -> Points:
        """Return the places of values that are given by positions, shape (designs, axes)."""
        return self._table[np.minimum((positions * len(self._table)).astype(np.int64), len(self._table) - 1)]


class _Ordered(_Listed):
    """The axis of choices that are numbers."""

    idle = MIDDLE

    def __init__(self, given: Choice) -> None:
        ranks = np.argsort(np.argsort(np.array(given.values, np.float64), kind="stable"), kind="stable")
        super().__init__(given, ranks[:, None] / max(1, len(ranks) - 1))
        self._sorted: list[float] = sorted(map(float, cast("Sequence[float]", given.values)))

    def outside(self, value: Any) -> Points:
        """Return the place of a number that may be none of the choices: between or beyond them, shape (1,)."""
        if not _is_number(value):
            return np.array([self.idle])
        known, last = self._sorted, len(self._sorted) - 1
        if last == 0:
            return np.array([float(value > known[0]) - float(value < known[0])])
        ranks: Points = np.interp([value], known, np.arange(last + 1.0))
        below, above = min(value - known[0], 0.0), max(value - known[-1], 0.0)
        ranks += below / (known[1] - known[0]) + above / (known[-1] - known[-2])
        return np.clip(ranks / last, *BEYOND)


class _Apart(_Listed):
    """The axes of choices without order."""

    idle = 0.0

    def __init__(self, given: Choice) -> None:
        super().__init__(given, APART * np.eye(len(given.values)))

    def outside(self, value: Any) -> Points:
        """Return the place of a value that may be none of the choices: then at none of them, shape (axes,)."""
        try:
            number = self._given.number(value)
        except ValueError:
            number = -1
        return np.array([APART if number == k else 0.0 for k in range(len(self._given.values))])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _axes_of(parameter: Parameter) -> _Axis | _Ordered | _Apart:
    if not isinstance(parameter, Choice):
        return _Axis(parameter)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in parameter.values):
        return _Ordered(parameter)
    return _Apart(parameter)
