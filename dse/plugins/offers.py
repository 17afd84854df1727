"""What the module of a plug-in offers, checked: variants under free names, and cards that can be read."""

import importlib
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from dse import variants
from dse.devices.card.file import KINDS, CardName, library, owner_of_card
from dse.errors import PluginError, SettingError
from dse.plugins.ideas import IDEAS, base_of, name_of, variants_of
from dse.plugins.source import is_package, source_hash
from dse.spec import Spec


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


CARDS = "cards"
"""Folder of a plug-in that holds a folder of cards for each kind."""


def checked(name: str, module: ModuleType, package: str, release: str) -> Plugin:
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
    theirs: dict[str, tuple[Any, type[Spec]]] = {}
    for own in rules:
        if own is not rule:
            theirs |= {table: (own, spec) for table, spec in own.tables.items() if table not in theirs}
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
            f"samples are: {type(error).__name__}: {lines[0]} ({place_of(error)}); mend its `info` or `kind`"
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
    if not is_package(module) or module.__file__ is None:
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


def read_cards(found: Plugin) -> None:
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


def place_of(error: BaseException) -> str:
    """Return where an import failed: the line that cannot be read, or the last one that ran and is not Python's own."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    here = Path(__file__).parent
    own = [frame for frame in frames if "importlib" not in frame.filename and Path(frame.filename).parent != here]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else "before its first line"
