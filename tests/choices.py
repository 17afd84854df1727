"""Values that settings allow, and settings under which a setting acts: made from the fields, so that none is missed."""

import types
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from dse.designs.design import compose, with_model
from dse.designs.settings import (
    CELL,
    NETWORK,
    WORKLOADS,
    cell_of,
    class_of,
    completed,
    conditions,
    default_of,
    field_of,
    flatten,
)
from dse.devices.card import library, model_of
from dse.errors import DataError, SettingError
from dse.spec import Condition, OneOf, leaf_paths

Settings = dict[str, Any]
CARDS = {"device.card": "cells", "deployment.device.card": "programmed_cells"}
"""Setting -> the folder of the device library whose cards are its values."""
OWN = Path(__file__).parent / "own"
NEEDED: dict[str, Settings] = {
    "arrays": {"workload.file": str(OWN / "table.csv"), "workload.answer": "kind"},
    "onnx": {"network.file": str(OWN / "network.onnx")},
}
"""What a data set or a network needs beside its name."""
ACTS_WITH: dict[str, Settings] = {
    "workload.channels": {"workload.file": str(OWN / "images.npz"), "workload.answer": ""},
    "deployment.slices": {"deployment.weight_bits": 8},
    "transfer.mean_part": {"transfer.chopper": 0.1},
}
"""Settings that act on some files, or beside some values, alone, and one of these."""
WORDS: dict[str, list[str]] = {
    "workload.file": [str(OWN / "other.csv"), str(OWN / "table.csv")],
    "workload.answer": ["size", "kind"],
    "workload.split": ["held"],
    "network.file": [str(OWN / "other.onnx"), str(OWN / "network.onnx")],
    "network.input": ["also"],
    "network.output": ["z"],
    "network.constants": ["offset = 2.0"],
    "network.sizes": ["width = 8"],
}
"""Values of settings that are any text."""
CHANGES = 4
"""Most settings that must change for another one to act."""


@lru_cache(maxsize=1)
def variants() -> tuple[Settings, ...]:
    """Return settings that choose each network once and each data set once, the default design first."""
    found: list[Settings] = []
    for family in (NETWORK, WORKLOADS):
        other = WORKLOADS if family is NETWORK else NETWORK
        for name in family.names:
            choices = ({family.path: name, other.path: partner} for partner in other.names)
            pairs = ({**own, **needed(own)} for own in choices)
            pair = next(pair for pair in pairs if composes(pair))
            found += [] if pair in found else [pair]
    return tuple(found)


def needed(own: Settings) -> Settings:
    """Return what a data set and a network need beside their names."""
    return {**NEEDED.get(own[WORKLOADS.path], {}), **NEEDED.get(own[NETWORK.path], {})}


def composes(given: Settings) -> bool:
    """Return whether there is a design with these settings."""
    try:
        compose(given)
    except (SettingError, DataError):
        return False
    return True


def name_of(variant: Settings) -> str:
    """Return the names of the variants that settings choose."""
    return " ".join(value for path, value in variant.items() if is_family(path))


def is_family(path: str) -> bool:
    """Return whether a setting names a network or a data set."""
    return path in (NETWORK.path, WORKLOADS.path)


def holds(condition: Condition, given: Settings) -> bool:
    """Return whether all that a condition names has its value, given some settings."""
    whole = completed(given)
    return all(whole.get(path, default_of(path, whole)) == value for path, value in condition.items())


def values_of(path: str, given: Settings) -> list[Any]:
    """Return values that the field of a setting allows, other than the one in the design with `given`."""
    kind, held = _kind(path, given), _held(path, given)
    return [value for value in _values(kind, held, path) if _is_allowed(kind, value) and value != held]


def another(path: str, given: Settings) -> Any:
    """Return a value other than the one in the design with `given`, of which there is a design, too."""
    return next(value for value in values_of(path, given) if composes({**given, path: value}))


def acting(path: str, given: Settings, changes: int = CHANGES) -> Settings | None:
    """Return settings, the given ones and some more, under which a setting acts; None where none do.

    A deployment is there as soon as one of its settings is given, so that one is, with its default.
    """
    if path.startswith("deployment."):
        given = {"deployment.tolerated_loss": default_of("deployment.tolerated_loss"), **given}
    if variant_has(path, given):
        given = {**given, **ACTS_WITH.get(path, {})}
    whole = with_model(given, None)
    held = next((condition for condition in conditions(path, whole) if holds(condition, whole)), None)
    if held is None:
        return given if composes(given) else None
    others = [] if changes == 0 else [place for place in held if not is_family(place)]
    tried = (acting(path, {**given, **own}, changes - 1) for place in others for own in changed(place, given))
    return next((found for found in tried if found is not None), None)


def changed(place: str, given: Settings) -> Iterator[Settings]:
    """Yield settings that give a place other values; the model of a cell changes with its card."""
    if place != CELL.path:
        yield from ({place: value} for value in values_of(place, given))
        return
    held = cell_of(with_model(given, None)).model
    yield from ({str(CELL.card): card} for model, card in cards_of_models().items() if model != held)


@lru_cache(maxsize=1)
def cards_of_models() -> Mapping[str, str]:
    """Return a card of each model of cells."""
    return {model_of(card).model: card for card in reversed(library("cells"))}


def by_card(condition: Condition) -> Settings:
    """Return settings under which a condition holds; the model of a cell follows from a card."""
    return {
        (str(CELL.card) if path == CELL.path else path): (cards_of_models()[value] if path == CELL.path else value)
        for path, value in condition.items()
    }


def variant_has(path: str, given: Settings) -> bool:
    """Return whether the variants that settings choose have a setting."""
    return path in leaf_paths(class_of(given))


@lru_cache(maxsize=1000)
def switched_on(path: str) -> Mapping[str, Any]:
    """Return settings under which a setting acts, in the first variant where it can."""
    return next(found for given in variants() if (found := acting(path, given)) is not None)


def other(path: str) -> Any:
    """Return a value of a setting that makes another design where the setting acts."""
    return another(path, dict(switched_on(path)))


def _kind(path: str, given: Settings) -> Any:
    """Return the annotation of a setting with its range."""
    field = field_of(path, given)
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def _held(path: str, given: Settings) -> Any:
    """Return the value of a setting in the design with `given`, or the one it would have; a list for several."""
    try:
        content = flatten(compose(given).as_dict())
    except SettingError:
        content = {}
    held = {**completed(given), **content}.get(path, default_of(path, given))
    return list(held) if isinstance(held, tuple) else held


@lru_cache(maxsize=1000)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _is_allowed(kind: Any, value: Any) -> bool:
    try:
        _adapter(kind).validate_python(value, strict=not isinstance(value, list))
    except ValidationError:
        return False
    return True


def _values(kind: Any, held: Any, path: str, ends: tuple[float, ...] = ()) -> Iterator[Any]:
    """Yield values of the kind of an annotation, of which some may lie outside of its range."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        for part in inner:
            yield from _values(part, held, path, ends)
    elif origin is Annotated and (named := [bound for bound in inner[1:] if isinstance(bound, OneOf)]):
        yield from named[0].names()
    elif origin is Annotated:
        own = [getattr(bound, end) for bound in inner[1:] for end in ("ge", "gt", "le", "lt") if hasattr(bound, end)]
        named = [name for bound in inner[1:] if isinstance(bound, OneOf) for name in bound.names()]
        yield from named or _values(inner[0], held, path, (*ends, *own))
    elif origin is Literal:
        yield from inner
    elif origin is tuple:
        first = held[0] if isinstance(held, list) and held else None
        yield from ([value] for value in _values(inner[0], first, path))
    elif kind is bool:
        yield from (False, True)
    elif kind is str:
        yield from WORDS[path] if path in WORDS else library(CARDS[path])
    elif kind in (int, float):
        number = held if isinstance(held, (int, float)) else 1
        near = (number + 1, number - 1, 1.01 * number, number + 0.01)
        yield from (kind(value) for value in (*near, *ends, *(10 * end for end in ends)) if kind(value) == value)
