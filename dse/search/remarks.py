"""What is said of a study that is valid: what its choices cost in time, where nobody would guess."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dse.designs.settings import NETWORK, network_of
from dse.designs.space import Parameter


class _Study(Protocol):
    @property
    def fixed(self) -> Mapping[str, Any]: ...
    @property
    def space(self) -> Mapping[str, Parameter]: ...


def remarks(study: _Study) -> Sequence[str]:
    """Return a line for each table of settings that keeps a network of the study off compiled code, and why."""
    varied = study.space.get(NETWORK.path)
    choices = [dict(study.fixed)] if varied is None else [{NETWORK.path: name} for name in varied.choices()]
    given = (*study.fixed, *study.space)
    return [
        f"{path}: {why}"
        for network in dict.fromkeys(map(network_of, choices))
        for path, why in network.plain_with.items()
        if any(own.startswith(f"{path}.") for own in given)
    ]
