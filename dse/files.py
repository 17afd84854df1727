"""Files that a design names: known by their content, found wherever their bytes lie.

    workload.file = "data/mine.npz"     in a study file, a path from its folder
    workload.file, workload.found.*     in a design, its name, its SHA-256, and what else there is to know of it

A file is looked at when a study is read; from then on its design answers without it, and names it by its checksum. What
simulates finds the bytes by that: where they were seen or offered in this process, else in `$DSE_DATA_DIR`. A folder of
files is a file like any other: its checksum is that of the names and checksums in it, hidden ones apart.
"""

import hashlib
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from pydantic import Field

from dse.errors import DataError
from dse.spec import Spec

Parts = Mapping[str, bytes]
"""The bytes of a file, by "", or of a folder, by the names of its files."""


@dataclass(frozen=True)
class Seen:
    """A file as it lies somewhere.

    Attributes:
        path: where.
        sha256: checksum of its content.
        size: bytes.
    """

    path: Path
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """Its name, without folders."""
        return self.path.name


@dataclass(frozen=True)
class Content:
    """A file, or a folder of files, to be read.

    Attributes:
        name: its name.
        parts: paths or bytes, by "" for a file, by the names of its files for a folder.
    """

    name: str
    parts: Mapping[str, Path | bytes]

    @classmethod
    def at(cls, path: Path) -> "Content":
        """Return what lies at a path.

        Raises:
            DataError: a folder without files does.
        """
        return cls(path.name, _parts_at(path))

    @property
    def place(self) -> Path | None:
        """Where it lies; None for bytes."""
        first = next(iter(self.parts.values()))
        return None if isinstance(first, bytes) else first if "" in self.parts else first.parent

    def open(self, part: str = "") -> BinaryIO:
        """Return a part, opened for reading; close it."""
        held = self.parts[part]
        return io.BytesIO(held) if isinstance(held, bytes) else held.open("rb")

    def read(self) -> Parts:
        """Return all bytes."""
        return {name: held if isinstance(held, bytes) else held.read_bytes() for name, held in self.parts.items()}


class FileFacts(Spec):
    """What is known of a file that a design names."""

    sha256: str
    """SHA-256 of the file; for a folder, of the names and checksums in it."""
    size: int
    """Bytes."""


class FileSpec(Spec):
    """A table of settings that names a file. What a design must know of it stands in its table `found`.

    A variant says what that is in a field `found: Annotated[Facts | None, Found()] = None`, `Facts` below `FileFacts`,
    `Found` that of `dse.spec`.
    """

    file: str = Field(default="")
    looks_at: ClassVar[tuple[str, ...]] = ("file",)
    """Settings of the table that decide what is found in the file; none of them may be a range of a space."""

    @classmethod
    def look(cls, settings: Mapping[str, Any], content: Content) -> Mapping[str, Any]:
        """Return what there is to know of a file, beside its checksum and size, under the settings `looks_at`.

        Args:
            settings: those of `looks_at` that are given, by name.
            content: the file.

        Raises:
            DataError: it is not what it should be.
            SettingError: a setting does not fit it.
        """
        raise NotImplementedError

    @property
    def facts(self) -> FileFacts:
        """What is known of the file.

        Raises:
            DataError: the table was made without looking at one.
        """
        facts = getattr(self, "found", None)
        if not isinstance(facts, FileFacts):
            raise DataError("no file is named; give file = ...")
        return facts

    def content(self) -> Content:
        """Return the file, wherever it lies.

        Raises:
            DataError: it is nowhere, or has changed.
        """
        return find(self.facts.sha256, self.file)


def at_home(path: Path) -> Path:
    """Return a path with the home folder that it begins with (~) in full.

    Raises:
        DataError: there is no such home folder.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        raise DataError(f"{path} begins with a home folder that is not there; give the path in full") from None


def data_folder() -> Path:
    """Return `$DSE_DATA_DIR`, or the folder of the user's cache where downloads go.

    Raises:
        DataError: `$DSE_DATA_DIR` begins with a home folder that is not there.
    """
    if folder := os.environ.get("DSE_DATA_DIR"):
        return at_home(Path(folder))
    import pooch  # noqa: PLC0415  only where no folder is given

    return Path(pooch.os_cache("pcm-dse"))


_known: dict[Path, tuple[object, Seen]] = {}
"""What was seen, with the marks (`_stamp`) by which it is known to be the same still."""
_places: dict[str, dict[Path, None]] = {}
"""Where files were seen or are said to be, by checksum."""
_loaders: dict[str, Callable[[], Parts]] = {}
"""What brings files from elsewhere, by checksum."""


def see(path: Path) -> Seen:
    """Return what lies at a path, and remember it for `find`. Its checksum is not computed twice while it is unchanged.

    Raises:
        DataError: nothing does, or it cannot be read.
    """
    path = path.absolute()
    try:
        parts = _parts_at(path)
        stamps = {name: _stamp(part) for name, part in parts.items()}
        if _known.get(path, (None,))[0] != stamps:
            _known[path] = stamps, Seen(path, _checksum(parts), sum(size for size, *_ in stamps.values()))
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise DataError(f"{str(path)!r} is no path that a file can have: {error}") from None
    seen = _known[path][1]
    offer(seen.sha256, path)
    return seen


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes with a file: also one of the same size whose time was set back, or that took its place."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def check_same(path: Path, sha256: str) -> None:
    """Check, after a file was read, that it is what it was before.

    Raises:
        DataError: it is not.
    """
    if see(path).sha256 != sha256:
        raise DataError(f"{path} has changed while it was read; try again when it is complete")


def offer(sha256: str, place: Path | Callable[[], Parts]) -> None:
    """Say where a file is to be found in this process: at a path, or brought by a function."""
    if isinstance(place, Path):
        _places.setdefault(sha256, {})[place.absolute()] = None
    else:
        _loaders[sha256] = place


def places(sha256: str) -> list[Path]:
    """Return where a file was seen or is said to be."""
    return list(_places.get(sha256, ()))


def find(sha256: str, name: str) -> Content:
    """Return a file by its checksum.

    Args:
        sha256: the checksum.
        name: its name, for `$DSE_DATA_DIR` and for an error.

    Raises:
        DataError: it is nowhere, or what is there has changed.
    """
    others: list[Path] = []
    tried = [*places(sha256), data_folder() / name]
    for path in tried:
        try:
            if see(path).sha256 == sha256:
                return Content(name, _parts_at(path))
            others.append(path)
        except (DataError, OSError):
            continue
    if sha256 in _loaders:
        brought = _loaders[sha256]()
        if checksum_of(brought) == sha256:
            return Content(name, brought)
    what = f"{name} with the SHA-256 {sha256[:12]}..., which this design was made for,"
    if others:
        raise DataError(
            f"{others[0]} has changed: {what} is no longer there. Put the former file back, there or into "
            f"$DSE_DATA_DIR, to go on with what was begun; or start afresh with the file as it is"
        )
    raise DataError(f"{what} is missing; it was looked for as {', '.join(map(str, tried))}. Put it into $DSE_DATA_DIR")


def forget() -> None:
    """Forget where files were seen or offered in this process."""
    for held in (_known, _places, _loaders):
        held.clear()


def checksum_of(parts: Parts) -> str:
    """Return the checksum of bytes; see `Seen.sha256`."""
    return _united({name: hashlib.sha256(held).hexdigest() for name, held in parts.items()})


def _checksum(parts: Mapping[str, Path]) -> str:
    sums: dict[str, str] = {}
    for name, path in parts.items():
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256")
        sums[name] = digest.hexdigest()
    return _united(sums)


def _united(sums: Mapping[str, str]) -> str:
    if "" in sums:
        return sums[""]
    return hashlib.sha256("".join(f"{name}\0{own}\n" for name, own in sorted(sums.items())).encode()).hexdigest()


def _parts_at(path: Path) -> dict[str, Path]:
    if not path.is_dir():
        if path.exists() and not path.is_file():
            raise DataError(f"{path} is no file")
        return {"": path}
    inside = {own.name: own for own in sorted(path.iterdir()) if own.is_file() and not own.name.startswith(".")}
    if not inside:
        raise DataError(f"the folder {path} has no files")
    return inside
