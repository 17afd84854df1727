"""A place of results: named files below one root, a log that grows durably, and a lock.

A place is a folder of this machine (`dse.results.folder`) or a prefix of an object store (`dse.results.bucket`);
`dse.results.address` finds the one that a path or an address names. Everything else is written once, for both.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from dse.errors import ResultsError


class Log(Protocol):
    """Lines that are durable once `append` returns."""

    def append(self, lines: bytes) -> None:
        """Add lines. After an OSError the log holds what it held before, or a torn end that was never acknowledged."""
        ...

    def close(self) -> None:
        """Write no more."""
        ...


class Lock(Protocol):
    """Held by the one run that may write."""

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            ResultsError: another run holds it, which is named.
        """
        ...

    def check(self) -> None:
        """Make sure that the lock is still ours.

        Raises:
            ResultsError: another run has taken over.
        """
        ...

    def release(self) -> None:
        """Give the lock back."""
        ...


class Place(Protocol):
    """Named files below one root. Names are relative, with "/". What fails raises OSError."""

    def read(self, name: str) -> bytes:
        """Return a file."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Return a file, opened for reading here and there; close it."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return the names of the files of a subfolder, sorted, each with the subfolder; none if it is missing."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Make or replace a file, complete and durable when this returns; a reader sees the old or the new one."""
        ...

    def note(self, name: str, content: bytes) -> None:
        """Make or replace a file that nobody needs after a crash; a reader sees the old or the new one."""
        ...

    def move(self, name: str, to: str) -> None:
        """Rename a file."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; one that is missing is fine."""
        ...

    def open_log(self, stem: str) -> Log:
        """Begin a log whose files start with `stem`."""
        ...

    def lock(self) -> Lock:
        """Return the lock, not yet taken."""
        ...

    def holder(self) -> str | None:
        """Return who holds the lock, as text, or None."""
        ...

    def make(self, files: Mapping[str, bytes]) -> None:
        """Make the root with all of these files or none.

        Raises:
            ResultsError: there is something else.
        """
        ...

    def prepare(self) -> None:
        """Clear away what a killed writer left half done; only under the lock."""
        ...

    @property
    def work(self) -> Path:
        """A folder of this machine that belongs to these results, for what a driver keeps with them."""
        ...

    def destroy(self) -> None:
        """Remove everything; only what has no row."""
        ...


Where = str | Path | Place
"""A place, or what names one: a path, or an address such as "s3://bucket/path"."""


def me() -> str:
    """Return a description of this process."""
    return f"process {os.getpid()} on {os.uname().nodename}"


def in_use(where: str, holder: str | None) -> ResultsError:
    """Return the error of a place that another run holds."""
    return ResultsError(
        f"{where} is in use by another run{f' ({holder})' if holder else ''}. "
        "Wait for it, stop it, or choose another folder with --out"
    )
