"""Results in a folder of a local or mounted file system. No link in it is followed; see `dse.results.inside`."""

import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from dse.errors import ResultsError
from dse.results.inside import OutsideError, create_plain, inside, open_plain, read_plain, refuse_link
from dse.results.place import Lock, Log, in_use, me

SUBFOLDERS = ("log", "trials", "decisions", "staging", "damaged", "source")
LOCK_WAIT_S = 1.0
"""How long a local lock is tried: `dse status` may hold it for a moment."""


class Folder:
    """A folder of a local or mounted file system."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def read(self, name: str) -> bytes:
        """Return a file."""
        return read_plain(inside(self.path, name))

    def open(self, name: str) -> BinaryIO:
        """Return a file, opened."""
        return open_plain(inside(self.path, name))

    def names(self, folder: str) -> list[str]:
        """Return the names of the files of a subfolder."""
        refuse_link(inside(self.path, folder))
        try:
            return sorted(f"{folder}/{name}" for name in os.listdir(self.path / folder))  # noqa: PTH208  quicker
        except FileNotFoundError:
            return []

    def write(self, name: str, content: bytes) -> None:
        """Make or replace a file: written under another name, synchronised, renamed, and the folder synchronised."""
        sync(self._replaced(name, content, durable=True).parent)

    def note(self, name: str, content: bytes) -> None:
        """Make or replace a file that nobody needs after a crash: not synchronised, which takes a busy disk long."""
        self._replaced(name, content, durable=False)

    def _replaced(self, name: str, content: bytes, *, durable: bool) -> Path:
        target = self._place_for(name)
        staged = self._place_for(f"staging/{target.name}")
        try:
            with os.fdopen(create_plain(staged), "wb") as handle:
                handle.write(content)
                if durable:
                    handle.flush()
                    os.fsync(handle.fileno())
            staged.replace(target)
        except OSError:
            with suppress(OSError):
                staged.unlink()  # half a file would keep a full disk full
            raise
        return target

    def move(self, name: str, to: str) -> None:
        """Rename a file."""
        source, target = inside(self.path, name), self._place_for(to)
        source.replace(target)
        sync(target.parent)

    def _place_for(self, name: str) -> Path:
        """Return the path of a file that is to be made, in a folder that is there."""
        path = inside(self.path, name)
        if not path.parent.is_dir():
            # Not with parents: results that were taken away are not begun anew.
            self._make_below(path.parent)
        return path

    def _make_below(self, folder: Path) -> None:
        for path in reversed([folder, *folder.parents]):
            if path.is_relative_to(self.path) and path != self.path:
                path.mkdir(exist_ok=True)

    def remove(self, name: str) -> None:
        """Remove a file."""
        inside(self.path, name).unlink(missing_ok=True)

    def open_log(self, stem: str) -> Log:
        """Begin a log: one file that grows."""
        return _FileLog(self._place_for(f"{stem}.jsonl"))

    def lock(self) -> Lock:
        """Return the lock, which the system frees when its holder dies."""
        return _FileLock(self.path)

    def holder(self) -> str | None:
        """Return who holds the lock."""
        lock = FileLock(_lock_file(self.path))
        try:
            with lock.acquire(timeout=0):
                return None
        except Timeout:
            return _owner(self.path) or "an unnamed process"
        except OSError:
            return None  # a folder that cannot be written, such as a copy on a read-only disk

    def make(self, files: Mapping[str, bytes]) -> None:
        """Make the folder: built under another name and renamed."""
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise ResultsError(f"{self.path} exists and is no results folder; choose another with --out")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{self.path.name}-", dir=self.path.parent))
        try:
            for place in SUBFOLDERS:
                (new / place).mkdir()
            for name, content in files.items():
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                (new / name).write_bytes(content)
            for path in (*new.rglob("*"), new):
                sync(path)
            new.chmod(0o755)
            new.replace(self.path)
        except OSError:
            shutil.rmtree(new, ignore_errors=True)
            raise
        sync(self.path.parent)

    def prepare(self) -> None:
        """Remove half-written files, and make subfolders that got lost."""
        for name in (*SUBFOLDERS, "spool"):
            refuse_link(self.path / name)
        for name in SUBFOLDERS:
            (self.path / name).mkdir(exist_ok=True)
        for leftover in (self.path / "staging").iterdir():
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()

    @property
    def work(self) -> Path:
        """The folder itself."""
        return self.path

    def destroy(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)


class _FileLog:
    def __init__(self, path: Path) -> None:
        self._path = path
        # No buffer of our own: what a full disk did not take must not come up again when the file is closed.
        self._handle: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        self._size = 0
        try:
            sync(path.parent)
        except OSError:
            self._abandon()
            raise

    def append(self, lines: bytes) -> None:
        if self._handle is None:
            raise OSError(f"{self._path} is closed")
        left = memoryview(lines)
        try:
            while left:
                left = left[os.write(self._handle, left) :]
            os.fdatasync(self._handle)
        except OSError:
            self._abandon()
            raise
        self._size += len(lines)
        if not os.fstat(self._handle).st_nlink:
            self.close()
            raise ResultsError(
                f"{self._path} was removed while this run wrote to it, and the finished trials that it held are gone. "
                "`dse resume` simulates them again"
            )

    def _abandon(self) -> None:
        """Cut off what was not acknowledged and write no more here.

        After a synchronisation that failed, the system may take pages for clean that never reached the disk.
        """
        if self._handle is not None:
            with suppress(OSError):
                os.ftruncate(self._handle, self._size)
        self.close()
        if not self._size:
            with suppress(OSError):
                self._path.unlink()

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class _FileLock:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(_lock_file(path))
        self._mark: tuple[int, int] | None = None

    def acquire(self) -> None:
        try:
            self._lock.acquire(timeout=LOCK_WAIT_S)
        except Timeout:
            raise in_use(str(self._path), _owner(self._path)) from None
        self._mark = self._found()
        with suppress(OSError):  # a full disk: it is for people only
            self._say_who()

    def _say_who(self) -> None:
        new = self._path / ".owner"
        with os.fdopen(create_plain(new), "w", encoding="utf-8") as handle:
            handle.write(me())
        new.replace(self._path / "owner")

    def check(self) -> None:
        if self._found() != self._mark:
            raise ResultsError(
                f"{self._path} was removed or replaced while this run wrote to it, at least its file lock, so that "
                f"another run may write there now. What is stored is safe where it is; go on with `dse resume`"
            )

    def _found(self) -> tuple[int, int] | None:
        try:
            found = (self._path / "lock").stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def release(self) -> None:
        self._lock.release()


def sync(path: Path) -> None:
    """Make the content of a file, or the entries of a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock_file(path: Path) -> Path:
    """Return the file of the lock, which is opened for writing, and may be emptied.

    Raises:
        OutsideError: it is a link, or a file that has another name elsewhere.
    """
    lock = path / "lock"
    refuse_link(lock)
    with suppress(OSError):
        found = lock.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise OutsideError(f"{lock} is no plain file of these results alone; remove it if no run uses them")
    return lock


def _owner(path: Path) -> str | None:
    try:
        return read_plain(path / "owner").decode("utf-8", "replace").strip() or None
    except (OSError, OutsideError):
        return None
