"""The designs that a study can have: what is fixed, and what varies."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dse.designs.design import is_deployed, with_model
from dse.designs.settings import NETWORK, UPDATE, default_of, rule_of, task_of
from dse.designs.space import Parameter, first_files
from dse.tasks.base import AbstractTask

LAST = 1.0 - 1e-12
"""The last position on an axis."""


@dataclass(frozen=True)
class Scope:
    """The designs that a study can have.

    Attributes:
        fixed: settings that all designs share, flat.
        space: what varies, by path.
        folder: where the card files of the study lie.
    """

    fixed: Mapping[str, Any]
    space: Mapping[str, Parameter]
    folder: Path

    def values(self, path: str) -> tuple[Any, ...]:
        """Return what a setting can be: each choice, both ends of a range, or the one value that all designs have."""
        if path in self.space:
            return self.space[path].extremes()
        return (self.fixed.get(path, default_of(path, self.fixed)),)

    @property
    def settled(self) -> dict[str, Any]:
        """What is fixed, and the first choice of each setting that varies and decides what is found in a file."""
        return {**first_files(self.space), **self.fixed}

    def corner(self, u: float) -> dict[str, Any]:
        """Return the parameters at a position in [0, 1) on every axis."""
        return {path: parameter.at(u) for path, parameter in self.space.items()}

    def rules(self, *, on_crossbars: bool) -> list[str]:
        """Return the names of the update rules that designs can have and that put weights on crossbars, or do not."""
        rules = {name: rule_of({UPDATE.path: name}) for name in self.values(UPDATE.path)}
        return [name for name, rule in rules.items() if rule.on_crossbars == on_crossbars]

    @property
    def tasks(self) -> dict[type[AbstractTask], str]:
        """The tasks of the networks that designs can have, each with the name of one of them."""
        names = map(str, self.values(NETWORK.path))
        given = ({**self.settled, NETWORK.path: name} for name in names)
        return {task_of(with_model(own, self.folder)): own[NETWORK.path] for own in given}

    @property
    def is_deployed(self) -> bool:
        """Whether the designs have a deployment."""
        return is_deployed((*self.fixed, *self.space)) or all(task.deploys_always for task in self.tasks)
