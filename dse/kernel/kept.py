"""Compiled code that is kept on the disk by its content, so that a function is compiled once a user and machine.

numba keeps code by the path of its source, and judges by the file of the outermost function alone whether it still
fits. Here it lies in a folder named by the sources of a module and of all that it takes from this package: no old code
is loaded, and every copy of the same sources finds what another has compiled. A file is named by a function, its types
and the processor, and appears at once, so that processes that compile the same do not get in each other's way.
"""

import atexit
import contextlib
import hashlib
import os
import pickle
import re
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile, mkdtemp
from typing import Any, cast

import llvmlite
import numba
import numpy as np
from numba.core import serialize
from numba.core.compiler import CompileResult

from dse.private import make_private, temporary

_MENTIONED = re.compile(r"dse\.kernel\.(\w+)")
_dumps = cast("Callable[[Any], bytes]", serialize.dumps)
_rebuild = cast("Callable[..., Any]", vars(CompileResult)["_rebuild"].__get__(None, CompileResult))
_SUM = hashlib.sha256().digest_size


def keep_compiled(function: Any) -> None:
    """Let a compiled function load what was compiled for it before, and keep what will be.

    Args:
        function: what `numba.njit` made of a function; one that closes over other values is compiled in each process.
    """
    plain = function.py_func
    folder = None if plain.__closure__ else folder_of(Path(plain.__code__.co_filename))
    if folder is not None:
        function._cache = Kept(folder, plain.__qualname__)  # noqa: SLF001  where numba asks for it


class Kept:
    """What numba asks of a cache of one function; compare `numba.core.caching`.

    Args:
        folder: where the code lies; nobody else may write to it.
        function: the name of the function in its module.
    """

    def __init__(self, folder: Path, function: str) -> None:
        self.cache_path, self._function = str(folder), function

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return what was compiled for the types of a signature, or None; a damaged file is as none."""
        target.refresh()
        try:
            kept = self._path(signature, target.codegen()).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(kept[_SUM:]).digest() != kept[:_SUM]:
            return None
        # The folder is this user's alone, as the source is.
        return _rebuild(target, *pickle.loads(kept[_SUM:]))  # noqa: S301

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep what was compiled, unless it holds addresses of this process; a full disk keeps nothing."""
        if compiled.lifted or compiled.library.has_dynamic_globals:
            return
        code = _dumps(compiled._reduce())  # noqa: SLF001  numba's own way
        with contextlib.suppress(OSError):
            _write(self._path(signature, compiled.codegen), hashlib.sha256(code).digest() + code)

    def enable(self) -> None:
        """Do nothing: it is always in use."""

    def disable(self) -> None:
        """Do nothing: it is always in use."""

    def flush(self) -> None:
        """Forget what was compiled for this function."""
        for path in Path(self.cache_path).glob(f"{self._function}-*.code"):
            path.unlink(missing_ok=True)

    def _path(self, signature: Any, codegen: Any) -> Path:
        key = repr((signature, codegen.magic_tuple()))
        return Path(self.cache_path, f"{self._function}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.code")


def _write(path: Path, content: bytes) -> None:
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(content)
            file.close()
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise


@cache
def folder_of(file: Path) -> Path | None:
    """Return the folder for the code of a source file, or None where none can be made."""
    root = root_of_all()
    if root is None:
        return None
    folder = root / f"{file.stem}-{digest_of(file)}"
    with contextlib.suppress(OSError):
        return folder if make_private(folder, root) else None
    return None


def digest_of(file: Path) -> str:
    """Return a name for all that decides what compiled code of a source file does: sources, packages, Python."""
    versions = (numba.__version__, llvmlite.__version__, np.__version__, sys.implementation.cache_tag)
    digest = hashlib.sha256(" ".join(map(str, versions)).encode())
    for source in sources_of(file):
        digest.update(_text(source).encode())
    return digest.hexdigest()[:16]


def sources_of(file: Path) -> list[Path]:
    """Return a source file and all of this package that it takes something from, however far away."""
    found, waiting = set[Path](), [file]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            named = (Path(__file__).with_name(f"{name}.py") for name in set(_MENTIONED.findall(_text(path))))
            waiting.extend(other for other in named if other.is_file())
    return sorted(found, key=lambda path: path.name)


@cache
def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@cache
def root_of_all() -> Path | None:
    """Return the folder below which compiled code is kept, or None where there is none.

    It lies in `NUMBA_CACHE_DIR`, in the user's cache, or, where neither can be written, among the temporary files. One
    that another user could write to is passed over; where there is no other, a new one lasts as long as the process.
    """
    for root in _candidates():
        try:
            if not make_private(root, root):
                continue
            with NamedTemporaryFile(dir=root):
                return root
        except OSError:
            continue
    try:
        fresh = Path(mkdtemp(prefix=f"pcm-dse-{os.getuid()}-"))
    except OSError:
        return None
    atexit.register(shutil.rmtree, fresh, ignore_errors=True)
    return fresh


def _candidates() -> list[Path]:
    """Return where compiled code may be kept, best first."""
    named = [os.environ.get(name) for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")]
    roots = [Path(folder) / "pcm-dse" for folder in named if folder]
    with contextlib.suppress(RuntimeError):  # a process without a home
        roots.append(Path.home() / ".cache" / "pcm-dse")
    # Others may write among the temporary files: the folder there belongs to this user alone.
    return [*roots, temporary()]
