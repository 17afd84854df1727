"""What a file of data holds, as arrays: samples and answers of the training part and of the test part."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dse.errors import SettingError
from dse.files import Content

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Part:
    """Samples and their answers.

    Attributes:
        what: what they are, for an error.
        x: samples, first dimension first.
        y: their answers; None without any.
    """

    what: str
    x: Array
    y: Array | None


Given = tuple[Part, ...]
"""The training part and the test part of a file; or all of it, where it does not say which samples are for the test."""


def refuse(settings: Mapping[str, Any], names: tuple[str, ...], content: Content, kind: str) -> None:
    """Refuse settings that have no effect on a kind of file.

    Raises:
        SettingError: one of them is given.
    """
    for name in names:
        if settings.get(name, ""):
            raise SettingError(f"workload.{name} has no effect: {content.name} is {kind}; remove it")


def parts(x: Array, y: Array | None, x_test: Array | None, y_test: Array | None) -> Given:
    """Return one part, or two where there are samples for the test."""
    if x_test is None:
        return (Part("samples", x, y),)
    return Part("training samples", x, y), Part("test samples", x_test, y_test)
