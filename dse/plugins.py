"""Plug-ins: installed packages that bring variants, such as a network, a cell or a sampler, and cards.

A package offers itself under a name by an entry point of the group `dse.plugins` that names a module:

    [project.entry-points."dse.plugins"]
    lab-reram = "lab_reram"

The module lists its variants under the names of the ideas (`IDEAS`), such as `CELLS = (Reram,)`. If it is a package,
its folders `cards/cells`, `cards/programmed_cells` and `cards/costs` hold cards that go into the device library. A
study file names the plug-ins that it needs, `plugins = ["lab-reram"]`, and no other is loaded. Names are looked up
among the installed packages alone: no study file and no results lead to code by a path. What a plug-in computes depends
on its source, so its version is that of its package with a hash of all files of the package. Python imports a module
once a process: a plug-in whose files were edited since is refused, because the hash would be that of code that does not
run.
"""

import hashlib
import importlib
import shutil
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from dse import variants
from dse.devices.card.file import KINDS, CardName, add_cards, library, owner_of_card, remove_cards
from dse.errors import PluginError, SettingError, did_you_mean
from dse.spec import Spec
from dse.variants import IMPORTED_S

GROUP = "dse.plugins"
"""The group of entry points."""
CARDS = "cards"
"""Folder of a plug-in that holds a folder of cards for each kind."""


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


@dataclass(frozen=True)
class Plugin:
    """A plug-in that this process has loaded.

    Attributes:
        name: its name.
        version: version of its package, and a hash of its source.
        package: name of its package.
        module: the module that lists what it brings.
        offers: its variants, by the names of ideas.
        cards: texts of its cards, by kind and name.
    """

    name: str
    version: str
    package: str
    module: ModuleType
    offers: Mapping[str, tuple[Any, ...]]
    cards: Mapping[CardName, str] = field(default_factory=dict[CardName, str])

    @property
    def brings(self) -> dict[str, list[str]]:
        """Names of what it brings, by the names of ideas, and "cards"."""
        found = {idea: [name_of(idea, own) for own in offered] for idea, offered in self.offers.items()}
        return {**found, **({CARDS: [name for _, name in self.cards]} if self.cards else {})}


_loaded: dict[str, Plugin] = {}
"""The plug-ins that this process has loaded, by name."""
_sources: dict[Path, bytes] = {}
"""Digests of the files of packages as they were when plug-ins were loaded from them."""
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
    _check_source(name, module, before)
    return _take(_checked(name, module, _package(point), release))


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


def name_of(idea: str, variant: Any) -> str:
    """Return the name of a variant; "" where it has none.

    Args:
        idea: name of the list of its idea.
        variant: its class.
    """
    key = IDEAS[idea].key
    fields = getattr(variant, "model_fields", {})
    name = fields[key].default if key in fields else getattr(variant, key, "")
    return name if isinstance(name, str) else ""


def variants_of(idea: str) -> tuple[Any, ...]:
    """Return the variants of an idea that there are in this process, by the name of its list."""
    return tuple(getattr(importlib.import_module(IDEAS[idea].package), idea))


def names_of(idea: str) -> list[str]:
    """Return the names of the variants of an idea that there are in this process."""
    return [name_of(idea, own) for own in variants_of(idea)]


def base_of(idea: str) -> type:
    """Return the class that the variants of an idea are below."""
    module, name = IDEAS[idea].base
    return getattr(importlib.import_module(module), name)


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


def adopt(module: ModuleType) -> Plugin:
    """Load a module as if a package offered it as a plug-in, under the name of the module: for tests of what it brings.

    Raises:
        PluginError: as for `load`.
    """
    _check_source(module.__name__, module, frozenset(sys.modules))
    return _take(_checked(module.__name__, module, module.__name__, "0"))


def _checked(name: str, module: ModuleType, package: str, release: str) -> Plugin:
    """Return what a plug-in brings, checked."""
    offers = _offers(name, module)
    own_cards = _cards(name, module)
    if not offers and not own_cards:
        raise PluginError(
            f"the plug-in {name!r} brings nothing: {module.__name__} has none of {', '.join(IDEAS)}, or empty ones, "
            f"and no folder {CARDS}"
        )
    for idea, own in offers.items():
        _check(name, idea, own)
    return Plugin(name, f"{release}+{source_hash(module)}", package, module, offers, own_cards)


def _take(found: Plugin) -> Plugin:
    """Put what a plug-in brings where the rest is."""
    for idea, own in found.offers.items():
        variants.add(idea, own, found.name)
    add_cards(found.name, found.cards)
    try:
        _read_cards(found)  # now that there are the cards that they build on, and the models that they name
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
            f"({_place(error)}); mend or reinstall it, or take it out of `plugins`"
        ) from error
    if not isinstance(found, ModuleType):
        raise PluginError(
            f"the plug-in {point.name!r} ({_package(point)}) names {point.value!r}, which is no module; let its entry "
            "point name the module that lists its variants"
        )
    return found


def _place(error: BaseException) -> str:
    """Return where an import failed: the line that cannot be read, or the last one that ran and is not Python's own."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename and frame.filename != __file__]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else "before its first line"


def failed_in(names: Iterable[str], error: BaseException) -> str:
    """Return which of some plug-ins an error of a simulation comes from, with the reason and the line; "" where none.

    That is the one whose file ran last. An error of torch below a line of a plug-in, such as of two sizes that do not
    fit, is one of the plug-in.
    """
    frames = traceback.extract_tb(error.__traceback__)
    roots = {name: _root(_loaded[name].module)[1] for name in names if name in _loaded}
    for frame in reversed(frames):
        for name, root in roots.items():
            if Path(frame.filename).is_relative_to(root):
                said = (str(error).strip() or "no reason given").splitlines()[0]
                at = f"{frame.filename}, line {frame.lineno}"
                return f"the plug-in {name!r} failed: {type(error).__name__}: {said} ({at})"
    return ""


def _offers(name: str, module: ModuleType) -> dict[str, tuple[Any, ...]]:
    """Return the lists of variants of the module of a plug-in."""
    found: dict[str, tuple[Any, ...]] = {}
    for idea in IDEAS:
        own = getattr(module, idea, ())
        if not isinstance(own, tuple):
            raise PluginError(f"the plug-in {name!r}: {module.__name__}.{idea} must be a tuple of classes, not {own!r}")
        if own:
            found[idea] = own
    return found


def _check(name: str, idea: str, own: tuple[Any, ...]) -> None:
    """Check that variants are of their idea, and that their names are free."""
    base = base_of(idea)
    taken = {name_of(idea, variant): variant for variant in variants_of(idea)}
    for number, variant in enumerate(own):
        if not (isinstance(variant, type) and issubclass(variant, base)):
            said = f"{base.__module__}.{base.__name__}"
            raise PluginError(f"the plug-in {name!r}: {variant!r} in {idea} is no class below {said}")
        called = name_of(idea, variant)
        if not called:
            raise PluginError(f"the plug-in {name!r}: {variant.__name__} in {idea} has no {IDEAS[idea].key}")
        if called in taken:
            other = taken[called]
            owner = variants.owner_of(other)
            whose = "it" if other in own[:number] else f"the plug-in {owner!r}" if owner else "the framework"
            raise PluginError(
                f"the plug-in {name!r} brings {called!r} in {idea}, a name that {whose} has already "
                f"({other.__module__}.{other.__name__}); it needs another name"
            )
        taken[called] = variant
        if idea in _CHECKS:
            _CHECKS[idea](name, variant, taken.values())


def _check_metrics(name: str, task: Any, _: Iterable[Any]) -> None:
    """Check that the names of what a task measures are free."""
    known = importlib.import_module("dse.pricing.quantities").QUANTITIES
    columns = importlib.import_module("dse.results.schema").COLUMNS
    for metric in task.metrics:
        if metric in known or metric in columns:
            raise PluginError(
                f"the plug-in {name!r}: the task {task.name!r} measures {metric!r}, a name that "
                f"{'another metric' if metric in known else 'a column of the table'} has already; it needs another name"
            )


def _check_tables(name: str, rule: Any, rules: Iterable[Any]) -> None:
    """Check that the tables of an update rule are tables, under names that are free, or shared with the same fields."""
    design = importlib.import_module("dse.designs.tables").Design
    tables: Any = rule.tables
    if not isinstance(tables, Mapping):
        raise PluginError(f"the plug-in {name!r}: `tables` of the rule {rule.name!r} must map names to classes")
    theirs = {table: (own, spec) for own in rules if own is not rule for table, spec in own.tables.items()}
    for table, spec in cast("Mapping[Any, Any]", tables).items():
        said = f"the plug-in {name!r}: the rule {rule.name!r} has a table {table!r}"
        if not (isinstance(table, str) and table.isidentifier() and not table.startswith("_")):
            raise PluginError(f"{said}, which is no name of a table; it needs one of letters, digits and underscores")
        if not (isinstance(spec, type) and issubclass(spec, Spec)):
            raise PluginError(f"{said} that is {spec!r}; give a class below dse.spec.Spec")
        if table in theirs and theirs[table][1] is not spec:
            raise PluginError(
                f"{said}, a name that the rule {theirs[table][0].name!r} has for a table of other fields; it needs "
                "another name"
            )
        if table not in theirs and (table in design.model_fields or hasattr(design, table)):
            raise PluginError(f"{said}, a name that all designs have for something else; it needs another name")


def _check_kind(name: str, data: Any, _: Iterable[Any]) -> None:
    """Check that the kind of the samples of a data set can be told, which messages about other data sets do."""
    try:
        kind = data.kind({})
    except Exception as error:  # whatever the code of others raises
        lines = str(error).splitlines() or [""]
        raise PluginError(
            f"the plug-in {name!r}: of the data set {name_of('DATA', data)!r} it cannot be told of what kind its "
            f"samples are: {type(error).__name__}: {lines[0]} ({_place(error)}); mend its `info` or `kind`"
        ) from error
    base = importlib.import_module("dse.data.base").DataInfo
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise PluginError(
            f"the plug-in {name!r}: the data set {name_of('DATA', data)!r} says that its samples are of the kind "
            f"{kind!r}, which is no class below dse.data.base.DataInfo"
        )


def _check_task(name: str, network: Any, _: Iterable[Any]) -> None:
    """Check that a network says what it is for."""
    if not isinstance(getattr(network, "task", None), type):
        raise PluginError(
            f"the plug-in {name!r}: the network {network.__name__} has no task; say what it is for, such as "
            "`task = Recognition` (dse.tasks.recognition.spec)"
        )


_CHECKS: Mapping[str, Callable[[str, Any, Iterable[Any]], None]] = {
    "TASKS": _check_metrics,
    "UPDATES": _check_tables,
    "DATA": _check_kind,
    "NETWORKS": _check_task,
}
"""What else is checked of a variant of some ideas: the plug-in, the variant, and all that there are of its idea."""


def _cards(name: str, module: ModuleType) -> dict[CardName, str]:
    """Return the texts of the cards of a plug-in by kind and name."""
    found: dict[CardName, str] = {}
    if not _is_package(module) or module.__file__ is None:
        return found
    root = Path(module.__file__).parent / CARDS
    for path in sorted(root.rglob("*.toml")):
        kind = path.parent.relative_to(root).as_posix()
        if kind not in KINDS:
            raise PluginError(
                f"the plug-in {name!r}: the card {path} lies in none of {', '.join(f'{CARDS}/{k}' for k in KINDS)}"
            )
        if path.stem in library(kind):
            owner = owner_of_card(kind, path.stem)
            raise PluginError(
                f"the plug-in {name!r} brings the card {path.stem!r} in {CARDS}/{kind}, a name that "
                f"{f'the plug-in {owner!r}' if owner else 'the framework'} has already; it needs another name"
            )
        found[kind, path.stem] = _text(name, path)
    return found


def _text(name: str, card: Path) -> str:
    try:
        return card.read_text(encoding="utf-8")
    except OSError as error:
        raise PluginError(f"the plug-in {name!r}: cannot read the card {card}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PluginError(f"the plug-in {name!r}: the card {card} is not UTF-8 text") from None


def _read_cards(found: Plugin) -> None:
    """Read the cards of a plug-in as designs and prices do: what is wrong with one is said before it is chosen."""
    for kind, card in found.cards:
        module, function = _READERS[kind]
        try:
            getattr(importlib.import_module(module), function)(card)
        except Exception as error:  # a model is code of others, and raises whatever it does
            lines = "; ".join(line for line in str(error).splitlines() if line.strip())
            what = lines if isinstance(error, SettingError) else f"{type(error).__name__}: {lines}"
            raise PluginError(f"the plug-in {found.name!r}, {CARDS}/{kind}/{card}.toml: {what}") from error


_READERS: Mapping[str, tuple[str, str]] = {
    "cells": ("dse.devices.card", "read_cell"),
    "programmed_cells": ("dse.devices.card", "read_programmed_cell"),
    "costs": ("dse.pricing.card", "read_cost_card"),
    "converters": ("dse.pricing.card", "read_converters"),
}
"""Module and function that read the cards of a kind."""


def _is_package(module: ModuleType) -> bool:
    return bool(list(getattr(module, "__path__", [])))


def source_hash(module: ModuleType) -> str:
    """Return a hash of all files of the package of a module, 12 hexadecimal digits; compiled Python is passed over."""
    _, root = _root(module)
    digest = hashlib.sha256()
    for path in _files(root):
        digest.update(path.relative_to(root.parent).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _files(root: Path) -> list[Path]:
    return [root] if root.is_file() else sorted(path for path in root.rglob("*") if _counts(path, root))


def _unchanged(own: Plugin) -> Plugin:
    """Return a loaded plug-in, refused where its files are not those any more that its version is a hash of."""
    if source_hash(own.module) != own.version.rpartition("+")[2]:
        raise _edited(own.name, _root(own.module)[1])
    return own


def _check_source(name: str, module: ModuleType, before: Iterable[str]) -> None:
    """Check that the files of a package are what its modules were imported from; Python reads each once a process.

    When a module was imported that no plug-in was loaded with, Python does not keep. It was after `dse.variants`, which
    every base of a variant imports: a file that is older than that has not changed since.

    Args:
        name: name of the plug-in.
        module: the module that lists its variants.
        before: names of the modules that were imported before the plug-in was asked for.
    """
    below, root = _root(module)
    top = ".".join(below.with_suffix("").parts)
    own = [sys.modules.get(other) for other in before if other == top or other.startswith(f"{top}.")]
    imported = {Path(file) for other in own if (file := getattr(other, "__file__", None))}
    digests = {path: hashlib.sha256(path.read_bytes()).digest() for path in _files(root)}
    for path in sorted(imported & digests.keys()):
        changed = _sources[path] != digests[path] if path in _sources else _changed_s(path) > IMPORTED_S
        if changed:
            raise _edited(name, path)
    _sources.update(digests)


def _changed_s(path: Path) -> float:
    """Return when a file was written, or put where it is, s since 1970."""
    about = path.stat()
    return max(about.st_mtime, about.st_ctime)


def _edited(name: str, path: Path) -> PluginError:
    return PluginError(
        f"the plug-in {name!r} was edited since this process imported it ({path}), so that its version would not be "
        "that of the code that runs; restart Python"
    )


def _root(module: ModuleType) -> tuple[Path, Path]:
    """Return the package that a module is in: its path below the search path, and the file or folder that it is.

    That is the outermost package with files of its own; one without, which packages of several sources may share, is
    passed over.
    """
    parts = module.__name__.split(".")
    for length in range(1, len(parts) + 1):
        own = sys.modules[".".join(parts[:length])]
        if getattr(own, "__file__", None):
            file = Path(str(own.__file__))
            root = file.parent if _is_package(own) else file
            return Path(*parts[: length - 1], root.name), root
    raise PluginError(f"the module {module.__name__} has no file, so that its source has no version")


def _counts(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(root).parts)
    return path.is_file() and not hidden and path.suffix not in {".pyc", ".nbi", ".nbc"}


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
        below, root = _root(own.module)
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
