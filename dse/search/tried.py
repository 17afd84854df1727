"""Which designs of a finite space were proposed, so that a search that has tried all of them ends."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import prod

from dse.designs.design import Design
from dse.designs.space import Parameter, Value
from dse.errors import SettingError
from dse.search.samplers.base import Known

COMPARED = 1000
"""Combinations of values up to which designs are compared: some differ in settings without effect alone, and are one.
Beyond, each combination counts as a design."""
LOOKED_UP = 10_000
"""Combinations up to which it is looked up which of them may be proposed, where some may not; a space with more is
never exhausted."""
OUT = -1
"""Stands for a combination that is never proposed."""


class Tried:
    """Counts the designs of a space that were proposed, where it has no more than some.

    Args:
        space: what varies, by path.
        design: gives the design for values of the space.
        most: designs that are proposed at most; a space with more is never exhausted.
        known: says what is known of designs; those that miss a constraint are never proposed, and do not count.
    """

    def __init__(
        self,
        space: Mapping[str, Parameter],
        design: Callable[[Mapping[str, Value]], Design],
        most: int,
        known: Callable[[Sequence[Mapping[str, Value]]], Sequence[Known]] | None = None,
    ) -> None:
        self._space, self._design, self._known = space, design, known
        counts = [parameter.count() for parameter in space.values()]
        finite = [count for count in counts if count is not None]
        self._combinations = prod(finite) if len(finite) == len(counts) else None
        most = max(most, COMPARED) if known is None else min(max(most, COMPARED), LOOKED_UP)
        self._is_small = self._combinations is not None and self._combinations <= most and bool(space)
        self._proposed: set[int] = set()

    @cached_property
    def designs(self) -> int | None:
        """How many designs the space has; None where they are too many for this search, or endless."""
        return len(set(self._numbers) - {OUT}) if self._is_small else None

    @cached_property
    def _numbers(self) -> range | list[int]:
        """The number of the design of each combination; equal designs have that of the first of them."""
        combinations = range(self._combinations or 0)
        if self._known is None and len(combinations) > COMPARED:
            return combinations
        designs = [self._parameters(number) for number in combinations]
        out = [False] * len(designs) if self._known is None else [known.is_out for known in self._known(designs)]
        first: dict[str, int] = {}
        compare = len(designs) <= COMPARED
        return [
            OUT if is_out else first.setdefault(self._key(number, own) if compare else str(number), number)
            for number, own, is_out in zip(combinations, designs, out, strict=True)
        ]

    def _parameters(self, number: int) -> dict[str, Value]:
        """Return the values of a combination."""
        parameters: dict[str, Value] = {}
        for path, parameter in reversed(list(self._space.items())):
            number, own = divmod(number, parameter.count() or 1)
            parameters[path] = parameter.numbered(own)
        return dict(reversed(parameters.items()))

    def _key(self, number: int, parameters: Mapping[str, Value]) -> str:
        """Return the key of the design of a combination; its number where its settings contradict each other."""
        try:
            return self._design(parameters).key
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
        if self._numbers[number] != OUT:
            self._proposed.add(self._numbers[number])

    @property
    def all(self) -> bool:
        """Whether all designs of the space were proposed."""
        return self.designs is not None and len(self._proposed) == self.designs
