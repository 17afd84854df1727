"""Files within a folder of results, reached through no link: nothing outside is read, overwritten or removed.

Results may come from elsewhere, in an archive say. The folder itself may be reached by a link, since whoever names it
knows where it leads; whatever lies in it must be a plain file or a plain folder.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from dse.errors import ResultsError


class OutsideError(ResultsError):
    """What a name within results leads to is not within them, or is no plain file."""


def inside(root: Path, name: str) -> Path:
    """Return the path of a name within a folder of results; what is at its end may be anything, or nothing yet.

    Raises:
        OutsideError: the name leads out of the folder, or through a link.
    """
    parts = name.split("/")
    if "" in parts or ".." in parts or "\0" in name:
        raise OutsideError(f"{name!r} is no name within {root}")
    path = root
    for part in parts[:-1]:
        path = path / part
        refuse_link(path)
    return path / parts[-1]


def refuse_link(path: Path) -> None:
    """Check that a path within results is no link; that it is missing is fine.

    Raises:
        OutsideError: it is one.
    """
    if path.is_symlink():
        raise OutsideError(
            f"{path} is a link, and what lies behind it does not belong to the results: nothing was read or written "
            "there. Put a plain file or folder in its place; to have results on another disk, move the whole folder "
            "and link to that"
        )


def read_plain(path: Path) -> bytes:
    """Return the content of a plain file; see `open_plain`."""
    with open_plain(path) as file:
        return file.read()


def open_plain(path: Path) -> BinaryIO:
    """Return a plain file, opened for reading. A pipe or a device, which might never end, is not.

    Raises:
        OutsideError: it is a link, or something else that is no plain file.
        OSError: it cannot be read, or is a folder.
    """
    refuse_link(path)
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    kind = os.fstat(handle).st_mode
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        os.close(handle)
        raise OutsideError(f"{path} is no plain file; remove it")
    try:
        return os.fdopen(handle, "rb")
    except OSError:  # it is a folder
        with suppress(OSError):
            os.close(handle)
        raise


def fresh(folder: Path, name: str) -> Path:
    """Return the path of something that is made anew in a folder.

    A link of that name is gone, its target stays; so is a pipe, which would be waited for.

    Raises:
        ResultsError: it cannot be removed.
    """
    path = folder / name
    try:
        if path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir()):
            path.unlink()
    except OSError as error:
        raise ResultsError(f"cannot replace {path}: {error.strerror}") from None
    return path


def create_plain(path: Path) -> int:
    """Return the descriptor of a new, empty file, in place of whatever had its name.

    Raises:
        OSError: it cannot be made.
    """
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
