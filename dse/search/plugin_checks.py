"""Which plug-ins a study uses: those that it names, and no other that this process happens to have loaded."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from dse import plugins
from dse.deployment.compensation import compensation_named
from dse.designs.design import Design
from dse.designs.settings import CELL, NETWORK, UPDATE, WORKLOADS
from dse.devices.card import library, model_of, owner_of_card
from dse.errors import SettingError
from dse.pricing.axes import CARD
from dse.search.scope import Scope
from dse.search.spec import StudySpec, sampler_named
from dse.spec import shown
from dse.variants import owner_of

CARD_SETTINGS = {CELL.card: "cells", "deployment.device.card": "programmed_cells"}
"""Settings that name a card, and its kind."""
COMPENSATION = "deployment.compensation"


def check_plugins(spec: StudySpec, scope: Scope, controls: Mapping[str, Design]) -> None:
    """Check that a study names the plug-ins whose variants and cards it uses.

    Args:
        spec: the tables of its file.
        scope: the designs that it can have.
        controls: designs to compare with, by name.

    Raises:
        SettingError: something of a plug-in that it does not name.
    """
    sampler = sampler_named(spec.search.sampler)
    used = [(f"search.sampler = {shown(sampler.name)}", owner_of(type(sampler))), *_variants(scope), *_cards(scope)]
    used += [(f"controls.{name}", owner) for name, design in controls.items() for owner in design.plugins]
    cards = {"price.card": [spec.price.card], f"free.{CARD}": spec.free.get(CARD, [])}
    used += [
        (f"{path} = {shown(name)}", owner_of_card("costs", name)) for path, names in cards.items() for name in names
    ]
    for what, owner in used:
        if owner is not None and owner not in spec.plugins:
            every = ", ".join(shown(name) for name in (*spec.plugins, owner))
            raise SettingError(f"{what} comes from the plug-in {owner!r}; name it in the study: plugins = [{every}]")


def _variants(scope: Scope) -> Iterator[tuple[str, str | None]]:
    """Yield what chooses a variant in the designs of a study, and the plug-in that it comes from, if any."""
    for family in (WORKLOADS, NETWORK, UPDATE):
        for name in scope.values(family.path):
            yield f"{family.path} = {shown(name)}", owner_of(family.names[name])
    for task, name in scope.tasks.items():
        yield f"the task of {NETWORK.path} = {shown(name)}", owner_of(task)
    if CELL.card in scope.space or CELL.card in scope.fixed:
        for card in scope.values(CELL.card):
            yield f"{CELL.card} = {shown(card)}", owner_of(model_of(card, scope.folder))
    if scope.is_deployed:
        compared = [name for names in scope.values("deployment.compared") for name in names]
        for name in (*scope.values(COMPENSATION), *compared):
            yield f"{COMPENSATION} = {shown(name)}", owner_of(compensation_named(name))


def _cards(scope: Scope) -> Iterator[tuple[str, str | None]]:
    """Yield what names a card in the designs of a study, and the plug-in that it comes from, if any."""
    for path, kind in CARD_SETTINGS.items():
        if path in scope.space or path in scope.fixed:
            for name in scope.values(path):
                yield f"{path} = {shown(name)}", owner_of_card(kind, name)


def unnamed(tables: Mapping[str, Any]) -> list[str]:
    """Return a line on plug-ins that are installed and not named by a study file, if it names what is not here.

    They are not loaded to find out: a study runs no code that it does not name.

    Args:
        tables: the tables of the file, whatever may be wrong with them.
    """
    given = tables.get("plugins")
    named = [str(name) for name in cast("list[Any]", given)] if isinstance(given, list) else []
    others = [name for name in plugins.installed() if name not in named]
    if not others or not any(_is_strange(path, value) for path, value in _leaves(tables)):
        return []
    every = ", ".join(map(shown, (*named, *others)))
    return [f"installed plug-ins that this study does not name may bring what it names: plugins = [{every}]"]


def _leaves(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a study file with their paths in a design, whichever table they stand in."""
    for key, value in tables.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            outer = (prefix == "" and key in ("design", "space")) or prefix == "controls."
            yield from _leaves(cast("Mapping[str, Any]", value), "" if outer else f"{path}.")
        elif isinstance(value, list):
            yield from ((path, entry) for entry in cast("list[Any]", value))
        else:
            yield path, value


def _is_strange(path: str, value: Any) -> bool:
    """Return whether a setting names a variant or a card that is not here."""
    families = {family.path: list(family.names) for family in (WORKLOADS, NETWORK, UPDATE)}
    cards = {path: library(kind) for path, kind in CARD_SETTINGS.items()}
    others = {COMPENSATION: plugins.names_of("COMPENSATIONS"), "search.sampler": plugins.names_of("SAMPLERS")}
    known = {**families, **cards, **others, "price.card": library("costs")}.get(path)
    return known is not None and value not in known and not str(value).endswith(".toml")
