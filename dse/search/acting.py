"""Which settings of a space act in a design: there is no rounding where nothing is rounded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dse.designs.design import active, with_model
from dse.designs.settings import FAMILIES, completed, conditions
from dse.designs.space import Choice, Parameter, variants_of


class Acting:
    """Tells which settings of a space act.

    Args:
        fixed: settings that all designs share, flat.
        space: what varies, by path.
        folder: where card files are looked for.
    """

    def __init__(self, fixed: Mapping[str, Any], space: Mapping[str, Parameter], folder: Path | None) -> None:
        self._fixed, self._space, self._folder = fixed, space, folder
        choosing = {family.card or family.path for family in FAMILIES}
        self._choosing = [path for path in space if path in choosing]
        self._off: dict[str, list[Any]] = {}
        for held, _ in variants_of(fixed, space, folder):
            given = completed(held)
            for path in space:
                for condition in conditions(path, given):
                    for other, value in condition.items():
                        if other in space and other not in choosing and _can_be(space[other], value):
                            self._off.setdefault(other, []).append(value)
        self._known: dict[tuple[Any, ...], frozenset[str]] = {}

    @property
    def is_settled(self) -> bool:
        """Whether the same settings act in all designs of the space."""
        return not self._choosing and not self._off

    def __call__(self, parameters: Mapping[str, Any]) -> frozenset[str]:
        """Return the paths of the space that act.

        Args:
            parameters: values of the space.

        Raises:
            SettingError: settings that contradict each other.
        """
        # Designs that agree in what conditions speak of have the same settings.
        off = (own if (own := parameters[path]) in values else None for path, values in self._off.items())
        key = (*(parameters[path] for path in self._choosing), *off)
        if key not in self._known:
            acting = active(with_model({**self._fixed, **parameters}, self._folder))
            self._known[key] = frozenset(path for path in self._space if path in acting)
        return self._known[key]


def _can_be(parameter: Parameter, value: object) -> bool:
    if isinstance(parameter, Choice):
        return value in parameter.values
    return isinstance(value, int | float) and parameter.low <= value <= parameter.high
