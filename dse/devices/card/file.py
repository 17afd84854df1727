"""Cards: TOML files in which every number stands beside its unit and its source.

A card is a list of named entries:

    [mean_offset_us]
    value = 0.88
    unit = "uS"
    source = "Nandakumar et al., J. Appl. Phys. 124, 152135 (2018)"

and a few lines about the whole: `title`, `about`, `model`, the model of a cell other than PCM, and a table `fit`, which
says how well a fitted card describes what it was fitted to. An entry without
unit or source is refused, and so is a unit other than the one its use expects, because a slip by a factor of a thousand
is the commonest defect of such tables.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, cast

from dse.errors import SettingError, did_you_mean
from dse.variants import forget, kept_for_variants

KINDS = ("cells", "programmed_cells", "costs", "converters")
"""Kinds of cards; each has a folder of its name in the device library."""


@dataclass(frozen=True)
class Entry:
    """One number of a card with its unit and source; low and high bound it where the card gives a range."""

    value: float
    unit: str
    source: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Card:
    """A parsed card: its name, what it says of itself, its entries.

    Attributes:
        name: its name.
        title: its title.
        entries: its numbers, by name.
        base: the card of costs that it builds on.
        adc: the card of converters whose numbers it takes, of a card of costs.
        unlike_base: why its numbers beside those of its base must not be read as a step of technology.
        model: the model of a cell, where it names one.
    """

    name: str
    title: str
    entries: Mapping[str, Entry]
    base: str | None = None
    model: str | None = None
    adc: str | None = None
    unlike_base: str | None = None


def device_library() -> Traversable:
    """Return the folder of the device library: in the package where it is installed, beside it in a checkout."""
    inside = files("dse") / "device_library"
    return inside if inside.is_dir() else files("device_library")


CardName = tuple[str, str]
"""Kind and name of a card."""
_added: dict[CardName, tuple[str, str]] = {}
"""Cards that plug-ins brought: name of the plug-in, and text."""


def add_cards(owner: str, cards: Mapping[CardName, str]) -> None:
    """Add the cards of a plug-in to the device library.

    Args:
        owner: name of the plug-in.
        cards: their texts.
    """
    _added.update({name: (owner, text) for name, text in cards.items()})
    forget()


def remove_cards(owner: str) -> None:
    """Take the cards of a plug-in out of the device library."""
    for name in [name for name, (own, _) in _added.items() if own == owner]:
        del _added[name]
    forget()


def owner_of_card(kind: str, name: str) -> str | None:
    """Return the name of the plug-in that brought a card; None for one of the framework, or a file."""
    return _added.get((kind, name), (None, ""))[0]


def library(kind: str) -> list[str]:
    """Return the names of the cards of a kind, one of `KINDS`, in the device library."""
    folder = device_library() / kind
    own = (item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))
    return sorted([*own, *(name for of, name in _added if of == kind)])


def card_file(name: str, folder: Path) -> Path:
    """Return the file of a card that lies beside or below a study file.

    Raises:
        SettingError: the path leads out of the folder; results could then not carry a copy of the card.
    """
    if "\0" in name:
        raise SettingError(f"the card {name!r} is no path")
    path = (folder / name).resolve()
    if Path(name).is_absolute() or not path.is_relative_to(folder.resolve()):
        raise SettingError(f"the card {name} must lie in or below the folder of the study file; copy it there")
    return path


def card_text(kind: str, name: str, folder: Path | None = None) -> str:
    """Return the text of a card; see `read_card`.

    Raises:
        SettingError: no such card.
    """
    if not name.endswith(".toml"):
        return _library_text(kind, name)
    try:
        path = card_file(name, folder or Path())
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise SettingError(f"the card {name} is no file")
        return path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark of its encoding
    except OSError as error:
        raise SettingError(f"cannot read the card {name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingError(f"the card {name} is not UTF-8 text") from None


@kept_for_variants
def _library_text(kind: str, name: str) -> str:
    if (kind, name) in _added:
        return _added[kind, name][1]
    known = library(kind)
    if name not in known:
        what = {"cells": "device", "programmed_cells": "programmed cell", "costs": "cost card"}.get(kind, "converter")
        raise SettingError(
            f"unknown {what} {name!r}{did_you_mean(name, known)} (the library has {', '.join(known)}; "
            "a name that ends in .toml is read as a file)"
        )
    return (device_library() / kind / f"{name}.toml").read_text(encoding="utf-8")


def read_card(kind: str, name: str, folder: Path | None = None) -> Card:
    """Read a card from the device library, or from a file where `name` ends in .toml.

    Args:
        kind: one of `KINDS`.
        name: name in the library, or path of a file relative to `folder`.
        folder: the folder of the study file; the current one by default.

    Raises:
        SettingError: no such card, not TOML, or an entry without value, unit or source.
    """
    return _parsed(kind, name, card_text(kind, name, folder))


@lru_cache(maxsize=64)  # cards that build on one another name the same bases again and again
def _parsed(kind: str, name: str, text: str) -> Card:
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingError(f"the card {name} is not valid TOML: {error}") from None
    title = str(table.pop("title", name))
    table.pop("about", None)
    if kind == "cells":
        table.pop("fit", None)
    base = _word(name, table, "base", "the name of a card") if kind == "costs" else None
    adc = _word(name, table, "adc", "the name of a card of converters") if kind == "costs" else None
    unlike = _word(name, table, "unlike_base", "what differs, in words") if kind == "costs" else None
    model = _word(name, table, "model", "the name of a model of cells") if kind == "cells" else None
    entries = {key: _entry(name, key, value) for key, value in table.items()}
    return Card(name=Path(name).stem, title=title, entries=entries, base=base, model=model, adc=adc, unlike_base=unlike)


def _word(card: str, table: dict[str, Any], key: str, what: str) -> str | None:
    """Take a line of a card out of its table, and return the name that it gives, if any."""
    word = table.pop(key, None)
    if word is not None and not isinstance(word, str):
        raise SettingError(f"the card {card}: {key} = {word!r} must be {what}")
    return word


def _entry(card: str, key: str, raw: object) -> Entry:
    if not isinstance(raw, dict):
        raise SettingError(f"card {card}: {key} must be a table with value, unit and source, not {raw!r}")
    table = cast("dict[str, Any]", raw)
    for needed in ("value", "unit", "source"):
        if table.get(needed) in (None, ""):
            raise SettingError(f"card {card}: {key} has no {needed}; every number needs value, unit and source")
    unknown = set(table) - {"value", "unit", "source", "node", "note", "low", "high"}
    if unknown:
        raise SettingError(f"card {card}: {key} has unknown keys {', '.join(sorted(unknown))}")
    value = table["value"]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SettingError(f"card {card}: {key}.value = {value!r} must be a number")
    low, high = (_bound(card, key, end, table.get(end)) for end in ("low", "high"))
    if (low is not None and low > value) or (high is not None and high < value):
        raise SettingError(f"card {card}: {key}.value = {value} lies outside its range, low = {low}, high = {high}")
    return Entry(float(value), str(table["unit"]), str(table["source"]), low, high)


def _bound(card: str, key: str, end: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SettingError(f"card {card}: {key}.{end} = {value!r} must be a number")
    return float(value)


def unit_of(field: str) -> str:
    """Return the unit that the name of a cell setting carries in its suffix; "1" is dimensionless."""
    suffixes = {"_per_s": "1/s", "_per_us": "1/uS", "_per_us2": "1/uS^2", "_per_us3": "1/uS^3", "_us": "uS", "_s": "s"}
    for suffix, unit in suffixes.items():
        if field.endswith(suffix):
            return unit
    return "pulses" if field.endswith("_pulses") else "1"
