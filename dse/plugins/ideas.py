"""The ideas of which there are variants, and what variants there are of one."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
