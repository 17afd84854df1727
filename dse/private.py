"""Folders that no other user can write to: for what is taken from them later without being looked at again.

Compiled code is loaded and run; answers that actors left behind go into a table. Whoever may write to such a folder, or
may put another in its place, decides both.
"""

import os
import stat
from pathlib import Path
from tempfile import gettempdir


def temporary() -> Path:
    """Return the folder of this user among the temporary files, where others may write; see `make_private`."""
    return Path(gettempdir()) / f"pcm-dse-{os.getuid()}"


def make_private(folder: Path, root: Path) -> bool:
    """Make a folder below a root, and return whether it and the root are this user's alone.

    Args:
        folder: the folder; what is missing of it is made, readable for this user only.
        root: the highest folder that must be this user's; those above it may be anybody's as long as others cannot
            put another in its place.

    Raises:
        OSError: it cannot be made.
    """
    for path in reversed([folder, *(own for own in folder.parents if own.is_relative_to(root))]):
        if path == root:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        if not is_private(path):
            return False
    return all(map(_stays, root.parents))


def is_private(folder: Path) -> bool:
    """Return whether a path is a folder, and no link, that belongs to this user and that nobody else may write to.

    Raises:
        OSError: it cannot be looked at.
    """
    found = folder.lstat()
    others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not others


def _stays(folder: Path) -> bool:
    """Return whether others cannot rename what lies in a folder: it is this user's or the system's, or it is sticky."""
    found = folder.stat()
    sticky = bool(found.st_mode & stat.S_ISVTX)
    return found.st_uid in (os.getuid(), 0) and (sticky or not found.st_mode & stat.S_IWOTH)
