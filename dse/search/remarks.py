"""What is said of a study that is valid: what its choices cost in time, or in trials, where nobody would guess."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dse.designs.settings import NETWORK, network_of
from dse.designs.space import Parameter


class _Study(Protocol):
    @property
    def fixed(self) -> Mapping[str, Any]: ...
    @property
    def space(self) -> Mapping[str, Parameter]: ...


ONE_KNOB = ("accumulator.epsilon", "training.learning_rate")
"""Words of chi count in units of the threshold, so that pulses follow the rate over epsilon alone."""


def remarks(study: _Study) -> Sequence[str]:
    """Return a line for each thing that is worth to know of a study."""
    return [*_one_knob(study), *_off_compiled_code(study)]


def _one_knob(study: _Study) -> Sequence[str]:
    """Return a line where a space varies two settings of which only the ratio acts on the cells."""
    if not all(path in study.space for path in ONE_KNOB):
        return []
    return [
        f"{' and '.join(ONE_KNOB)} are one knob: pulses follow their ratio alone, so that the search walks along a "
        f"ridge. Give one of them a value; digital biases have a rate of their own in training.digital_learning_rate"
    ]


def _off_compiled_code(study: _Study) -> Sequence[str]:
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
