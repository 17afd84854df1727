"""The source of a plug-in: its hash, which is part of the version, and whether it is what was imported."""

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from dse.errors import PluginError
from dse.variants import IMPORTED_S

_sources: dict[Path, bytes] = {}
"""Digests of the files of packages as they were when plug-ins were loaded from them."""


def source_hash(module: ModuleType) -> str:
    """Return a hash of all files of the package of a module, 12 hexadecimal digits; compiled Python is passed over."""
    _, root = root_of(module)
    digest = hashlib.sha256()
    for path in _files(root):
        digest.update(path.relative_to(root.parent).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def check_source(name: str, module: ModuleType, before: Iterable[str]) -> None:
    """Check that the files of a package are what its modules were imported from; Python reads each once a process.

    When a module was imported that no plug-in was loaded with, Python does not keep. It was after `dse.variants`, which
    every base of a variant imports: a file that is older than that has not changed since.

    Args:
        name: name of the plug-in.
        module: the module that lists its variants.
        before: names of the modules that were imported before the plug-in was asked for.
    """
    below, root = root_of(module)
    top = ".".join(below.with_suffix("").parts)
    own = [sys.modules.get(other) for other in before if other == top or other.startswith(f"{top}.")]
    imported = {Path(file) for other in own if (file := getattr(other, "__file__", None))}
    digests = {path: hashlib.sha256(path.read_bytes()).digest() for path in _files(root)}
    for path in sorted(imported & digests.keys()):
        changed = _sources[path] != digests[path] if path in _sources else _changed_s(path) > IMPORTED_S
        if changed:
            raise edited(name, path)
    _sources.update(digests)


def _files(root: Path) -> list[Path]:
    """Return the files of a package that count as its source; see `root_of`."""
    return [root] if root.is_file() else sorted(path for path in root.rglob("*") if _counts(path, root))


def _changed_s(path: Path) -> float:
    """Return when a file was written, or put where it is, s since 1970."""
    about = path.stat()
    return max(about.st_mtime, about.st_ctime)


def edited(name: str, path: Path) -> PluginError:
    """Return the error for a plug-in of which a file was edited after it was imported."""
    return PluginError(
        f"the plug-in {name!r} was edited since this process imported it ({path}), so that its version would not be "
        "that of the code that runs; restart Python"
    )


def root_of(module: ModuleType) -> tuple[Path, Path]:
    """Return the package that a module is in: its path below the search path, and the file or folder that it is.

    That is the outermost package with files of its own; one without, which packages of several sources may share, is
    passed over.
    """
    parts = module.__name__.split(".")
    for length in range(1, len(parts) + 1):
        own = sys.modules[".".join(parts[:length])]
        if getattr(own, "__file__", None):
            file = Path(str(own.__file__))
            root = file.parent if is_package(own) else file
            return Path(*parts[: length - 1], root.name), root
    raise PluginError(f"the module {module.__name__} has no file, so that its source has no version")


def _counts(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(root).parts)
    return path.is_file() and not hidden and path.suffix not in {".pyc", ".nbi", ".nbc"}


def is_package(module: ModuleType) -> bool:
    """Return whether a module is a package, which has a folder."""
    return bool(list(getattr(module, "__path__", [])))
