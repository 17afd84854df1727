"""A disk of 300 kB that a test can fill: a file system of its own, or one that counts what is written."""

import errno
import os
import stat
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest

SIZE = 300_000
ON_A_COUNTED_DISK = """
import sys
from pathlib import Path
from dse.cli.main import main
from tests.results.disk import counted
with counted(Path(sys.argv.pop(1))):
    main()
"""


class SmallDisk:
    """A folder that holds `SIZE` bytes.

    Attributes:
        path: the folder.
        dse: what Python runs for the command line in a process of its own, so that the disk is small there too.
    """

    def __init__(self, path: Path, *dse: str) -> None:
        self.path = path
        self.dse = dse

    def fill(self) -> None:
        """Write until no space is left."""
        with (self.path / "ballast").open("wb", buffering=0) as ballast:
            while os.write(ballast.fileno(), b"x" * 4096):
                pass


@cache
def can_mount() -> bool:
    """Return whether this process may mount a file system."""
    with tempfile.TemporaryDirectory() as place:
        try:
            mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True, check=False)
        except OSError:
            return False
        if mounted.returncode == 0:
            subprocess.run(["umount", place], check=True)
        return mounted.returncode == 0


@contextmanager
def mounted(path: Path) -> Generator[SmallDisk]:
    """A file system of its own."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", path], check=True)
    yield SmallDisk(path, "-m", "dse")
    subprocess.run(["umount", path], check=True)


@contextmanager
def counted(path: Path) -> Generator[SmallDisk]:
    """A folder whose writes fail as those of a full disk do, in this process.

    A write takes what there is room for, and fails where there is none. What went past it through a buffer is refused
    when it is synchronised, as by a file system that allocates late.
    """
    write, fsync = os.write, os.fsync

    def sizes() -> dict[int, int]:
        found: dict[int, int] = {}
        for file in (path, *path.rglob("*")):
            with suppress(FileNotFoundError):  # renamed or removed while this looks
                status = file.stat()
                found[status.st_ino] = status.st_size if stat.S_ISREG(status.st_mode) else 0
        return found

    def room(handle: int) -> int:
        held = sizes()
        return SIZE - sum(held.values()) if os.fstat(handle).st_ino in held else SIZE

    def full() -> OSError:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def limited_write(handle: int, content: bytes | memoryview) -> int:
        left = room(handle)
        if left <= 0:
            raise full()
        return write(handle, content[:left])

    def limited_fsync(handle: int) -> None:
        if room(handle) < 0:
            raise full()
        fsync(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", limited_write)
        patch.setattr(os, "fsync", limited_fsync)
        yield SmallDisk(path, "-c", ON_A_COUNTED_DISK, str(path))


DISKS = {"counted": counted, **({"mounted": mounted} if can_mount() else {})}


@contextmanager
def small_disk_in(folder: Path, kind: str) -> Generator[SmallDisk]:
    """A small disk in a folder."""
    path = folder / "disk"
    path.mkdir()
    with DISKS[kind](path) as disk:
        yield disk
