"""Samples that the actors of a machine hold once: each maps the same file in place of a copy of its own.

An actor prepares samples as every process does. Where they are many it then looks for a file of the same bytes among
the temporary files of its user, or writes one, maps it, compares, and lets its own copy go: pages that nobody changes
are in memory once, however many actors there are. A file that is not what it should be is written anew, in a place of
its own first, so that those who have mapped the old one keep it. Where no file can be had the copy stays.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.private import make_private, temporary

LEAST_BYTES = 2**22
"""Arrays that are smaller stay where they are: they are less than a hundredth of an actor."""
UNUSED_S = 7 * 86400.0
"""Time after which a file that no process has asked for is removed, s."""

_shares = False


def share() -> None:
    """Let this process, from now on, share the samples that it loads with the others of its machine and user."""
    global _shares  # noqa: PLW0603  what a process is for does not change
    _shares = True


def shared(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return an array with the same values: a mapped file in a process that shares, else the array itself.

    What is written to it afterwards is this process's alone.

    Args:
        array: the values, in the order of C.
        name: of the file: what it is prepared from, and how.
    """
    if not _shares or array.nbytes < LEAST_BYTES:
        return array
    with suppress(OSError, ValueError):
        folder = temporary() / "samples"
        if make_private(folder, folder.parent):
            file = folder / name
            found = _mapped(file, array)
            if found is None:
                _write(file, array)
                _tidy(folder)
                found = _mapped(file, array)
            return array if found is None else found
    return array


def _mapped(file: Path, array: NDArray[Any]) -> NDArray[Any] | None:
    """Map a file; return None if it is not there, or does not hold the array."""
    if not file.is_file() or file.stat().st_size != array.nbytes:
        return None
    os.utime(file)
    mapped = np.memmap(file, array.dtype, mode="c", shape=array.shape)
    return mapped if np.array_equal(mapped, array) else None


def _write(file: Path, array: NDArray[Any]) -> None:
    with NamedTemporaryFile(dir=file.parent, delete=False) as fresh:
        try:
            array.tofile(fresh)
            fresh.close()
            Path(fresh.name).replace(file)
        except BaseException:
            Path(fresh.name).unlink(missing_ok=True)
            raise


def _tidy(folder: Path) -> None:
    """Remove what no process has asked for lately; who has mapped it keeps it."""
    for file in folder.iterdir():
        with suppress(OSError):
            if file.stat().st_mtime < time.time() - UNUSED_S:
                file.unlink()
