"""Plug-ins: installed packages that bring variants, such as a network, a cell or a sampler.

A package offers itself under a name by an entry point of the group `dse.plugins` that names a module:

    [project.entry-points."dse.plugins"]
    lab-reram = "lab_reram"

The module lists its variants under the names of the ideas (`IDEAS`), such as `CELLS = (Reram,)`. A study file names the
plug-ins that it needs, `plugins = ["lab-reram"]`, and no other is loaded. Names are looked up among the installed
packages alone: no study file and no results lead to code by a path. What a plug-in computes depends on its source, so
its version is that of its package with a hash of all files of the package.
"""

import hashlib
import importlib
import shutil
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from dse import variants
from dse.errors import PluginError, did_you_mean

GROUP = "dse.plugins"
"""The group of entry points."""


@dataclass(frozen=True)
class Idea:
    """An idea of which there are variants.

    Attributes:
        package: where its list is.
        base: module and class that its variants are below.
        key: the attribute, or the setting, that names a variant.
    """

    package: str
    base: tuple[str, str]
    key: str


IDEAS: Mapping[str, Idea] = {
    "NETWORKS": Idea("dse.networks", ("dse.networks.base", "AbstractNetwork"), "name"),
    "TASKS": Idea("dse.tasks", ("dse.tasks.base", "AbstractTask"), "name"),
    "DATA": Idea("dse.data", ("dse.data.base", "AbstractData"), "dataset"),
    "CELLS": Idea("dse.devices", ("dse.devices.base", "AbstractCell"), "model"),
    "UPDATES": Idea("dse.updates", ("dse.updates.base", "AbstractUpdate"), "name"),
    "COMPENSATIONS": Idea(
        "dse.deployment.compensation", ("dse.deployment.compensation.base", "AbstractCompensation"), "name"
    ),
    "SAMPLERS": Idea("dse.search.samplers", ("dse.search.samplers.base", "AbstractSampler"), "name"),
}
"""What a plug-in can bring: the names of the lists of its module."""

_loaded: dict[str, str] = {}
"""Versions of the plug-ins that this process has loaded, by name."""


def installed() -> dict[str, EntryPoint]:
    """Return the plug-ins of the installed packages, by name.

    Raises:
        PluginError: two packages offer the same name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = found.setdefault(point.name, point)
        if (other.value, _package(other)) != (point.value, _package(point)):
            raise PluginError(
                f"two packages offer the plug-in {point.name!r}: {_package(other)} and {_package(point)}; "
                "uninstall one of them"
            )
    return found


def load(names: Iterable[str]) -> dict[str, str]:
    """Load plug-ins, each once a process, and return their versions by name.

    Args:
        names: names of plug-ins, as a study file gives them.

    Raises:
        PluginError: one that is not installed, cannot be imported, or brings what cannot be used.
    """
    return {name: _loaded.get(name) or _load(name) for name in names}


def load_present(names: Iterable[str]) -> list[str]:
    """Load those of some plug-ins that can be, and return why the others cannot, a line each: results can be read."""
    missing: list[str] = []
    for name in names:
        try:
            load([name])
        except PluginError as error:
            missing.append(str(error))
    return missing


def version(name: str) -> str | None:
    """Return the version of a plug-in, with the hash of its source; None where this process has not loaded it."""
    return _loaded.get(name)


def _load(name: str) -> str:
    known = installed()
    if name not in known:
        hint = did_you_mean(name, known)
        there = f"installed are {', '.join(sorted(known))}" if known else "no plug-in is installed"
        raise PluginError(
            f"the plug-in {name!r} is not installed{hint} ({there}); install the package that offers it, with pip, "
            "where this runs and on every node"
        )
    module = _imported(known[name])
    offers = _offers(name, module)
    for idea, own in offers.items():
        _check(name, idea, own)
    for idea, own in offers.items():
        variants.add(idea, own, name)
    _loaded[name] = f"{_version(known[name])}+{source_hash(module)}"
    return _loaded[name]


def _imported(point: EntryPoint) -> ModuleType:
    try:
        found = point.load()
    except (Exception, SystemExit) as error:  # whatever the code of others raises
        where = traceback.extract_tb(error.__traceback__)[-1]
        lines = str(error).splitlines() or [""]
        raise PluginError(
            f"the plug-in {point.name!r} ({_package(point)}) cannot be imported: {type(error).__name__}: {lines[0]} "
            f"({where.filename}, line {where.lineno}); mend or reinstall it, or take it out of `plugins`"
        ) from error
    if not isinstance(found, ModuleType):
        raise PluginError(
            f"the plug-in {point.name!r} ({_package(point)}) names {point.value!r}, which is no module; let its entry "
            "point name the module that lists its variants"
        )
    return found


def _offers(name: str, module: ModuleType) -> dict[str, tuple[Any, ...]]:
    """Return the lists of variants of the module of a plug-in."""
    found: dict[str, tuple[Any, ...]] = {}
    for idea in IDEAS:
        own = getattr(module, idea, ())
        if not isinstance(own, tuple):
            raise PluginError(f"the plug-in {name!r}: {module.__name__}.{idea} must be a tuple of classes, not {own!r}")
        if own:
            found[idea] = own
    if not found:
        raise PluginError(
            f"the plug-in {name!r} brings nothing: {module.__name__} has none of {', '.join(IDEAS)}, or empty ones"
        )
    return found


def _check(name: str, idea: str, own: tuple[Any, ...]) -> None:
    """Check that variants are of their idea, and that their names are free."""
    about = IDEAS[idea]
    base = getattr(importlib.import_module(about.base[0]), about.base[1])
    known = getattr(importlib.import_module(about.package), idea)
    taken = {_name(variant, about.key): variant for variant in known}
    for variant in own:
        if not (isinstance(variant, type) and issubclass(variant, base)):
            raise PluginError(f"the plug-in {name!r}: {variant!r} in {idea} is no class below {'.'.join(about.base)}")
        called = _name(variant, about.key)
        other = taken.setdefault(called, variant)
        if other is not variant:
            owner = variants.owner_of(other)
            whose = f"the plug-in {owner!r}" if owner else "the framework" if other not in own else "itself"
            raise PluginError(
                f"the plug-in {name!r} brings {called!r} in {idea}, a name that {whose} has already "
                f"({other.__module__}); it needs another name"
            )


def _name(variant: Any, key: str) -> str:
    fields = getattr(variant, "model_fields", {})
    return str(fields[key].default if key in fields else getattr(variant, key, ""))


def source_hash(module: ModuleType) -> str:
    """Return a hash of all files of the package of a module, 12 hexadecimal digits; compiled Python is passed over."""
    root = Path(_top(module))
    digest = hashlib.sha256()
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if _counts(path, root))
    for path in files:
        digest.update(path.relative_to(root.parent).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def pack(names: Iterable[str], folder: Path) -> None:
    """Copy plug-ins into a folder, so that a process whose search path it is on finds them installed.

    Args:
        names: names of plug-ins that can be loaded.
        folder: where to; the package of each and a description of its installation.

    Raises:
        PluginError: as for `load`.
    """
    load(names)
    for name in names:
        point = installed()[name]
        top = Path(_top(importlib.import_module(point.module)))
        if top.is_dir():
            shutil.copytree(top, folder / top.name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            shutil.copy(top, folder)
        about = folder / f"{_package(point).replace('-', '_')}-{_version(point)}.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {_package(point)}\nVersion: {_version(point)}\n", encoding="utf-8"
        )
        points = about / "entry_points.txt"
        before = points.read_text(encoding="utf-8") if points.exists() else f"[{GROUP}]\n"
        points.write_text(f"{before}{name} = {point.value}\n", encoding="utf-8")


def _top(module: ModuleType) -> str:
    """Return the folder of the package that a module is in, or the file of a module that is in none."""
    top = sys.modules[module.__name__.partition(".")[0]]
    paths = list(getattr(top, "__path__", []))
    return str(paths[0] if paths else top.__file__)


def _counts(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(root).parts)
    return path.is_file() and not hidden and path.suffix not in {".pyc", ".nbi", ".nbc"}


def _package(point: EntryPoint) -> str:
    return "an unknown package" if point.dist is None else point.dist.name


@lru_cache(maxsize=64)
def _version(point: EntryPoint) -> str:
    return "0" if point.dist is None else point.dist.version
