"""Which kind of file is read how."""

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from dse.data.arrays.given import Given
from dse.data.arrays.idx import read_idx
from dse.data.arrays.npz import read_npz
from dse.data.arrays.tables import read_csv, read_parquet
from dse.errors import DataError
from dse.files import Content

READERS: dict[str, Callable[[Content, Mapping[str, Any]], Given]] = {
    ".npz": read_npz,
    ".csv": read_csv,
    ".parquet": read_parquet,
    ".pq": read_parquet,
}
"""What reads a file, by the end of its name; folders are read as idx files."""


def given_in(settings: Mapping[str, Any], content: Content) -> Given:
    """Return what a file holds.

    Args:
        settings: those that decide how it is read, by name; see `dse.data.arrays.spec`.
        content: the file.

    Raises:
        DataError: it is of no kind that is known, damaged, or lacks something.
        SettingError: a setting does not fit it.
    """
    suffix = PurePath(content.name).suffix.lower()
    if "" in content.parts and suffix not in READERS:
        raise DataError(
            f"{content.name} is no file of data that can be read; give one that ends in .npz, .csv or .parquet, or a "
            "folder of idx files"
        )
    read = READERS[suffix] if "" in content.parts else read_idx
    return read(content, settings)
