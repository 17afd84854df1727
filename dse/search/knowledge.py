"""What is known of the designs of a study before they are simulated: values of objectives, and constraints missed."""

import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from dse.designs.design import Design
from dse.designs.settings import NETWORK, UPDATE
from dse.errors import SettingError
from dse.pricing.known import knowable, known_of
from dse.pricing.text import cell
from dse.search.criteria import Criteria
from dse.search.samplers.base import Known, by_values
from dse.search.scope import LAST, Scope

Parameters = Mapping[str, Any]
KEPT = 100_000
"""Designs of which it is remembered what is known."""
NOTHING = Known()


class Knowledge:
    """Says what is known of designs, given as values of the space; see `dse.pricing.known`.

    Args:
        design: gives the design for values of the space.
        criteria: what designs are judged by.
    """

    def __init__(self, design: Callable[[Parameters], Design], criteria: Criteria) -> None:
        self._design, self._criteria = design, criteria
        self._kept: dict[Hashable, Known] = {}

    def __call__(self, designs: Sequence[Parameters]) -> list[Known]:
        """Return what is known of designs, in their order."""
        keys = [by_values(own) for own in designs]
        new = {key: own for key, own in zip(keys, designs, strict=True) if key not in self._kept}
        if len(self._kept) + len(new) > KEPT:
            self._kept, new = {}, dict(zip(keys, designs, strict=True))
        self._kept |= zip(new, self._looked_up(list(new.values())), strict=True)
        return [self._kept[key] for key in keys]

    def _looked_up(self, parameters: Sequence[Parameters]) -> list[Known]:
        made = [self._made(own) for own in parameters]
        designs = [design for design in made if design is not None]
        found = iter(known_of(designs, self._criteria.card, self._criteria.quantities))
        return [NOTHING if design is None else self._judged(next(found)) for design in made]

    def _made(self, parameters: Parameters) -> Design | None:
        try:
            return self._design(parameters)
        except SettingError:
            return None  # a trial that says so

    def _judged(self, values: Mapping[str, float]) -> Known:
        """Return what quantities of a design say of its objectives and constraints."""
        criteria = self._criteria
        bounds = {k: bound for k, bound in enumerate(criteria.constraints) if bound.metric in values}
        missed = {k: float(bound.violations(np.array(values[bound.metric]))) for k, bound in bounds.items()}
        said = [f"{bound} ({cell(bound.metric, values[bound.metric])})" for k, bound in bounds.items() if missed[k]]
        objectives = {k: float(values[name]) for k, name in enumerate(criteria.objectives) if name in values}
        return Known(objectives, missed, ", ".join(said))


def knowledge_of(scope: Scope, design: Callable[[Parameters], Design], criteria: Criteria) -> Knowledge | None:
    """Return what knows of the designs of a study; None where nothing of what they are judged by is known.

    Args:
        scope: the designs that the study can have.
        design: gives the design for values of the space.
        criteria: what designs are judged by.
    """
    found = Knowledge(design, criteria)
    deciding = {path: scope.space[path].extremes() for path in (UPDATE.path, NETWORK.path) if path in scope.space}
    for values in itertools.product(*deciding.values()):
        for u in (0.0, LAST):
            parameters = {**scope.corner(u), **dict(zip(deciding, values, strict=True))}
            try:
                example = design(parameters)
            except SettingError:
                continue
            # Whether something could be known is asked first, as a deep network must be looked through with torch.
            if knowable(example, criteria.card, criteria.quantities) and found([parameters])[0] != NOTHING:
                return found
    return None
