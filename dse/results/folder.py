"""Results in a folder of a local or mounted file system."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from dse.errors import ResultsError
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
        return (self.path / name).read_bytes()

    def names(self, folder: str) -> list[str]:
        """Return the names of the files of a subfolder."""
        try:
            return sorted(f"{folder}/{name}" for name in os.listdir(self.path / folder))  # noqa: PTH208  quicker
        except FileNotFoundError:
            return []

    def write(self, name: str, content: bytes) -> None:
        """Make or replace a file: written under another name, synchronised, renamed, and the folder synchronised."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = self.path / "staging" / target.name
        try:
            with staged.open("wb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            staged.replace(target)
        except OSError:
            with suppress(OSError):
                staged.unlink()  # half a file would keep a full disk full
            raise
        sync(target.parent)

    def move(self, name: str, to: str) -> None:
        """Rename a file."""
        (self.path / to).parent.mkdir(exist_ok=True)
        (self.path / name).replace(self.path / to)
        sync((self.path / to).parent)

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self.path / name).unlink(missing_ok=True)

    def open_log(self, stem: str) -> Log:
        """Begin a log: one file that grows."""
        return _FileLog(self.path / f"{stem}.jsonl")

    def lock(self) -> Lock:
        """Return the lock, which the system frees when its holder dies."""
        return _FileLock(self.path)

    def holder(self) -> str | None:
        """Return who holds the lock."""
        lock = FileLock(self.path / "lock")
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
        for name in SUBFOLDERS:
            (self.path / name).mkdir(exist_ok=True)
        for leftover in (self.path / "staging").iterdir():
            if leftover.is_dir():
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
        self._lock = FileLock(path / "lock")

    def acquire(self) -> None:
        try:
            self._lock.acquire(timeout=LOCK_WAIT_S)
        except Timeout:
            raise in_use(str(self._path), _owner(self._path)) from None
        (self._path / "owner").write_text(me())

    def check(self) -> None:
        return

    def release(self) -> None:
        self._lock.release()


def sync(path: Path) -> None:
    """Make the content of a file, or the entries of a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _owner(path: Path) -> str | None:
    try:
        return (path / "owner").read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None
