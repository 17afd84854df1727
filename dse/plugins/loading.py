"""Loading: from the name of a plug-in to its variants and cards in this process, and away again."""

import shutil
import sys
import traceback
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from dse import variants
from dse.devices.card.file import add_cards, remove_cards
from dse.errors import PluginError, did_you_mean
from dse.plugins.offers import Plugin, checked, place_of, read_cards
from dse.plugins.source import check_source, edited, root_of, source_hash

GROUP = "dse.plugins"
"""The group of entry points."""

_loaded: dict[str, Plugin] = {}
"""The plug-ins that this process has loaded, by name."""

_missing: dict[str, str] = {}
"""Why plug-ins of results that were opened could not be loaded, by name; see `load_present`."""


def installed() -> dict[str, list[EntryPoint]]:
    """Return the plug-ins of the installed packages, by name, each with those that offer it: one, if all is well.

    A package that is found twice on the search path of Python counts where it is found first.
    """
    found: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, {}).setdefault((point.value, _package(point)), point)
    return {name: list(points.values()) for name, points in sorted(found.items())}


def load(names: Iterable[str]) -> dict[str, str]:
    """Load plug-ins, each once a process, and return their versions by name.

    Args:
        names: names of plug-ins, as a study file gives them.

    Raises:
        PluginError: one that is not installed, cannot be imported, brings what cannot be used, or was edited since this
            process imported it.
    """
    return {name: _unchanged(_loaded[name] if name in _loaded else loaded(name)).version for name in names}


def loaded(name: str) -> Plugin:
    """Return a plug-in, loaded if it was not.

    Raises:
        PluginError: as for `load`.
    """
    if name in _loaded:
        return _loaded[name]
    point = _point(name)
    release = "0" if point.dist is None else point.dist.version
    before = frozenset(sys.modules)
    module = _imported(point)
    check_source(name, module, before)
    return _take(checked(name, module, _package(point), release))


def unload(name: str) -> None:
    """Take a plug-in out of this process again, with its variants and cards; its modules stay imported."""
    variants.remove(name)
    remove_cards(name)
    _loaded.pop(name, None)


def load_present(names: Iterable[str]) -> list[str]:
    """Load those of some plug-ins that can be, and return why the others cannot, a line each: results can be read."""
    for name in (wanted := list(names)):
        try:
            loaded(name)
            _missing.pop(name, None)
        except PluginError as error:
            _missing[name] = str(error)
    return [_missing[name] for name in wanted if name in _missing]


def missing() -> list[str]:
    """Return why plug-ins of results that this process has opened could not be loaded, a line each."""
    return list(_missing.values())


def all_loaded() -> dict[str, Plugin]:
    """Return the plug-ins that this process has loaded, by name."""
    return dict(_loaded)


def version(name: str) -> str | None:
    """Return the version of a plug-in, with the hash of its source; None where this process has not loaded it."""
    return _loaded[name].version if name in _loaded else None


def adopt(module: ModuleType) -> Plugin:
    """Load a module as if a package offered it as a plug-in, under the name of the module: for tests of what it brings.

    Raises:
        PluginError: as for `load`.
    """
    check_source(module.__name__, module, frozenset(sys.modules))
    return _take(checked(module.__name__, module, module.__name__, "0"))


def _point(name: str) -> EntryPoint:
    """Return the entry point of a plug-in."""
    known = installed()
    if name not in known:
        hint = did_you_mean(name, known)
        there = f"installed are {', '.join(known)}" if known else "no plug-in is installed"
        raise PluginError(
            f"the plug-in {name!r} is not installed{hint} ({there}); install the package that offers it, with pip, "
            "where this runs and on every node"
        )
    point, *others = known[name]
    if others:
        packages = " and ".join(sorted(f"{_package(own)} ({own.value})" for own in known[name]))
        raise PluginError(f"two packages offer the plug-in {name!r}: {packages}; uninstall one of them")
    return point


def _take(found: Plugin) -> Plugin:
    """Put what a plug-in brings where the rest is."""
    for idea, own in found.offers.items():
        variants.add(idea, own, found.name)
    add_cards(found.name, found.cards)
    try:
        read_cards(found)  # now that there are the cards that they build on, and the models that they name
    except PluginError:
        unload(found.name)
        raise
    _loaded[found.name] = found
    return found


def _imported(point: EntryPoint) -> ModuleType:
    try:
        found = point.load()
    except (Exception, SystemExit) as error:  # whatever the code of others raises
        lines = str(error).splitlines() or [""]
        raise PluginError(
            f"the plug-in {point.name!r} ({_package(point)}) cannot be imported: {type(error).__name__}: {lines[0]} "
            f"({place_of(error)}); mend or reinstall it, or take it out of `plugins`"
        ) from error
    if not isinstance(found, ModuleType):
        raise PluginError(
            f"the plug-in {point.name!r} ({_package(point)}) names {point.value!r}, which is no module; let its entry "
            "point name the module that lists its variants"
        )
    return found


def _unchanged(own: Plugin) -> Plugin:
    """Return a loaded plug-in, refused where its files are not those any more that its version is a hash of."""
    if source_hash(own.module) != own.version.rpartition("+")[2]:
        raise edited(own.name, root_of(own.module)[1])
    return own


def failed_in(names: Iterable[str], error: BaseException) -> str:
    """Return which of some plug-ins an error of a simulation comes from, with the reason and the line; "" where none.

    That is the one whose file ran last. An error of torch below a line of a plug-in, such as of two sizes that do not
    fit, is one of the plug-in.
    """
    frames = traceback.extract_tb(error.__traceback__)
    roots = {name: root_of(_loaded[name].module)[1] for name in names if name in _loaded}
    for frame in reversed(frames):
        for name, root in roots.items():
            if Path(frame.filename).is_relative_to(root):
                said = (str(error).strip() or "no reason given").splitlines()[0]
                at = f"{frame.filename}, line {frame.lineno}"
                return f"the plug-in {name!r} failed: {type(error).__name__}: {said} ({at})"
    return ""


def pack(names: Iterable[str], folder: Path) -> None:
    """Copy plug-ins into a folder, so that a process whose search path it is on finds them installed.

    Args:
        names: names of plug-ins that can be loaded.
        folder: where to; the package of each and a description of its installation.

    Raises:
        PluginError: as for `load`.
    """
    for name in names:
        own = loaded(name)
        below, root = root_of(own.module)
        if root.is_dir():
            shutil.copytree(root, folder / below, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            (folder / below).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root, folder / below)
        release = own.version.rpartition("+")[0]
        about = folder / f"{own.package.replace('-', '_')}-{release}.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {own.package}\nVersion: {release}\n", encoding="utf-8"
        )
        points = about / "entry_points.txt"
        before = points.read_text(encoding="utf-8") if points.exists() else f"[{GROUP}]\n"
        points.write_text(f"{before}{name} = {own.module.__name__}\n", encoding="utf-8")


def changes(was: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return how the versions of plug-ins differ, a line each.

    Args:
        was: versions by name.
        now: the same later, or elsewhere.
    """
    names = sorted(was.keys() | now.keys())
    return [
        f"the plug-in {name!r} was {was.get(name, 'none')} and is {now.get(name, 'none')}"
        for name in names
        if was.get(name) != now.get(name)
    ]


def _package(point: EntryPoint) -> str:
    return "an unknown package" if point.dist is None else point.dist.name
