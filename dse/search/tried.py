"""Which designs of a finite space were proposed, so that a search that has tried all of them ends."""

from collections.abc import Callable, Mapping
from functools import cached_property
from math import prod

from dse.designs.design import Design
from dse.designs.space import Parameter, Value
from dse.errors import SettingError

COMPARED = 1000
"""Combinations of values up to which designs are compared: some differ in settings without effect alone, and are one.
Beyond, each combination counts as a design."""


class Tried:
    """Counts the designs of a space that were proposed, where it has no more than some.

    Args:
        space: what varies, by path.
        design: gives the design for values of the space.
        most: designs that are proposed at most; a space with more is never exhausted.
    """

    def __init__(self, space: Mapping[str, Parameter], design: Callable[[Mapping[str, Value]], Design], most: int):
        self._space, self._design = space, design
        counts = [parameter.count() for parameter in space.values()]
        known = [count for count in counts if count is not None]
        self._combinations = prod(known) if len(known) == len(counts) else None
        most = max(most, COMPARED)
        self._is_small = self._combinations is not None and self._combinations <= most and bool(space)
        self._proposed: set[int] = set()

    @cached_property
    def designs(self) -> int | None:
        """How many designs the space has; None where they are too many for this search, or endless."""
        return len(set(self._numbers)) if self._is_small else None

    @cached_property
    def _numbers(self) -> range | list[int]:
        """The number of the design of each combination; equal designs have that of the first of them."""
        combinations = self._combinations or 0
        if combinations > COMPARED:
            return range(combinations)
        first: dict[str, int] = {}
        return [first.setdefault(self._key(number), number) for number in range(combinations)]

    def _key(self, number: int) -> str:
        """Return the key of the design of a combination; its number where its settings contradict each other."""
        parameters: dict[str, Value] = {}
        rest = number
        for path, parameter in reversed(list(self._space.items())):
            count = parameter.count() or 1
            parameters[path] = parameter.numbered(rest % count)
            rest //= count
        try:
            return self._design(dict(reversed(parameters.items()))).key
        except SettingError:
            return str(number)

    def add(self, parameters: Mapping[str, Value]) -> None:
        """Take a proposal."""
        if self.designs is None:
            return
        number = 0
        for path, parameter in self._space.items():
            try:
                number = number * (parameter.count() or 1) + parameter.number(parameters[path])
            except ValueError:
                return  # a sampler of a plug-in that leaves the space
        self._proposed.add(self._numbers[number])

    @property
    def all(self) -> bool:
        """Whether all designs of the space were proposed."""
        return self.designs is not None and len(self._proposed) == self.designs
