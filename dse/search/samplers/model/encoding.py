"""Designs as points of the unit cube, in which near designs are alike.

A range is an axis, on its own scale. Choices that are numbers are an axis in the order of their values, evenly spaced;
other choices are an axis each, so that any two of them are equally far apart.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from dse.designs.space import Choice, FloatRange, IntRange, Parameter, place_of

Points = NDArray[np.float64]
APART = math.sqrt(0.5)
"""Place of a choice without order on its own axis: two of them have the distance 1."""


class Encoding:
    """How designs of a space become points.

    Args:
        space: what varies, by path.

    Attributes:
        dimensions: of the points.
    """

    def __init__(self, space: Mapping[str, Parameter]) -> None:
        self._axes = {path: _axes_of(parameter) for path, parameter in space.items()}
        self.dimensions = sum(axes.count for axes in self._axes.values())

    def points(self, designs: Sequence[Mapping[str, Any]]) -> Points:
        """Return the points of designs, shape (designs, dimensions)."""
        return np.array([self._point(design) for design in designs]).reshape(len(designs), self.dimensions)

    def _point(self, design: Mapping[str, Any]) -> list[float]:
        return [place for path, axes in self._axes.items() for place in axes.at(design[path])]


class _Axis:
    """The axis of a range."""

    count = 1

    def __init__(self, given: IntRange | FloatRange) -> None:
        self._range = given

    def at(self, value: Any) -> tuple[float, ...]:
        """Return the place of a value."""
        return (place_of(self._range, value),)


class _Ordered:
    """The axis of choices that are numbers."""

    count = 1

    def __init__(self, values: Sequence[float]) -> None:
        ordered = sorted(values)
        self._places = {value: place / max(1, len(ordered) - 1) for place, value in enumerate(ordered)}

    def at(self, value: Any) -> tuple[float, ...]:
        """Return the place of a value."""
        return (self._places[value],)


class _Apart:
    """The axes of choices without order."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values: list[tuple[Any, Any]] = [(type(value), value) for value in values]
        self.count = len(values)

    def at(self, value: Any) -> tuple[float, ...]:
        """Return the places of a value."""
        return tuple(APART if type(value) is kind and value == own else 0.0 for kind, own in self._values)


def _axes_of(parameter: Parameter) -> _Axis | _Ordered | _Apart:
    if not isinstance(parameter, Choice):
        return _Axis(parameter)
    values = parameter.values
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return _Ordered(cast("Sequence[float]", values))
    return _Apart(values)
