"""What a file of data holds, as arrays: samples and answers of the training part and of the test part."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from dse.errors import DataError, SettingError
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
Read = Callable[[Content, Mapping[str, Any]], Given]


def given_in(settings: Mapping[str, Any], content: Content) -> Given:
    """Return what a file holds.

    Args:
        settings: those that decide how it is read, by name; see `dse.data.arrays.spec`.
        content: the file.

    Raises:
        DataError: it is of no kind that is known, damaged, or lacks something.
        SettingError: a setting does not fit it.
    """
    from dse.data.arrays.idx import read_idx  # noqa: PLC0415  it names this module
    from dse.data.arrays.npz import read_npz  # noqa: PLC0415
    from dse.data.arrays.tables import read_csv, read_parquet  # noqa: PLC0415

    readers: dict[str, Read] = {
        ".npz": read_npz,
        ".csv": read_csv,
        ".parquet": read_parquet,
        ".pq": read_parquet,
    }
    suffix = PurePath(content.name).suffix.lower()
    if "" in content.parts and suffix not in readers:
        raise DataError(
            f"{content.name} is no file of data that can be read; give one that ends in .npz, .csv or .parquet, or a "
            "folder of idx files"
        )
    read = readers[suffix] if "" in content.parts else read_idx
    return read(content, settings)


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
