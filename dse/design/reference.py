"""The reference of all settings, made from the fields that define them: what each is, may be, and when it acts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from dse.design.settings import (
    FAMILIES,
    NETWORK,
    WORKLOADS,
    Family,
    completed,
    conditions,
    default_of,
    every_class,
    field_of,
    settings,
)
from dse.design.tables import Design
from dse.devices.card import unit_of
from dse.errors import SettingError, did_you_mean
from dse.spec import allowed, field_at, shown


@dataclass(frozen=True)
class Setting:
    """A setting.

    Attributes:
        path: where it stands.
        about: what it is.
        allowed: what it may be, in words.
        unit: its unit, "" where it has none.
        default: its default, in words.
        belongs_to: the variants that have it, in words; "" for a setting of all designs.
        idle: conditions under which it has no effect, in words.
    """

    path: str
    about: str
    allowed: str
    unit: str
    default: str
    belongs_to: str
    idle: tuple[str, ...]


def reference(prefixes: Sequence[str] = ()) -> list[Setting]:
    """Return settings in their order: all, or those at or below some paths.

    Raises:
        SettingError: there is nothing at or below a path.
    """
    known = settings()
    tables = sorted({path[:end] for path in known for end, letter in enumerate(path) if letter == "."})
    for prefix in prefixes:
        if prefix not in known and prefix not in tables:
            hint = did_you_mean(prefix, [*tables, *known])
            raise SettingError(f"no setting or table {prefix!r}{hint} (tables: {', '.join(tables)})")
    chosen = [path for path in known if not prefixes or any(f"{path}.".startswith(f"{p}.") for p in prefixes)]
    order = list(dict.fromkeys(path.rpartition(".")[0] for path in known))
    return [_setting(path) for path in sorted(chosen, key=lambda path: order.index(path.rpartition(".")[0]))]


def _setting(path: str) -> Setting:
    field = field_of(path)
    name = path.rpartition(".")[2]
    return Setting(
        path=path,
        about=" ".join((field.description or "").split()),
        allowed=allowed(field),
        unit="" if unit_of(name) == "1" else unit_of(name),
        default=_default(path),
        belongs_to=_owners(path),
        idle=_idle(path),
    )


def _default(path: str) -> str:
    """Return the default in words, with those of networks that have another."""
    if field_of(path).is_required():
        return f"that of {path.rpartition('.')[0]}.card" if not path.endswith(".card") else "see dse device list"
    if path in {family.path for family in FAMILIES}:
        return _written(default_of(path))
    by_value: dict[str, list[str]] = {}
    for name in NETWORK.names:
        given = {NETWORK.path: name}
        if not _belongs_elsewhere(path, NETWORK, name):
            value = completed(given).get(path, default_of(path, given))
            by_value.setdefault(_written(value), []).append(name)
    first, *others = by_value.items()
    return "; ".join([first[0], *(f"{value} for {_some(names, NETWORK)}" for value, names in others)])


def _belongs_elsewhere(path: str, family: Family, name: str) -> bool:
    return {family.path: name} in conditions(path, {family.path: name})


def _owners(path: str) -> str:
    """Return the variants that a setting belongs to, where it does not belong to all."""
    for family in FAMILIES:
        having = [name for name in family.names if not _belongs_elsewhere(path, family, name)]
        if len(having) < len(family.names):
            return f"{family.path} = {_some(having, family)}"
    return ""


def _some(names: Sequence[str], family: Family) -> str:
    """Return names of variants, or all but which, whichever is shorter."""
    others = [name for name in family.names if name not in names]
    return f"any but {', '.join(others)}" if 0 < len(others) < len(names) else ", ".join(names)


def _idle(path: str) -> tuple[str, ...]:
    """Return what leaves a setting without effect in designs that have it, in words; variants at the end."""
    whose: dict[str, list[str]] = {}
    for name in NETWORK.names:
        for condition in conditions(path, {NETWORK.path: name}):
            rest = {other: value for other, value in condition.items() if other != NETWORK.path}
            if rest and path.partition(".")[0] != WORKLOADS.table:
                words = " and ".join(f"{other} = {_written(value)}" for other, value in rest.items())
                whose.setdefault(words, []).append(name)
    having = [name for name in NETWORK.names if not _belongs_elsewhere(path, NETWORK, name)]
    return tuple(
        words + ("" if set(names) >= set(having) else f" (network.name = {_some(names, NETWORK)})")
        for words, names in whose.items()
    )


def _written(value: Any) -> str:
    return (
        "[" + ", ".join(map(shown, cast("tuple[Any, ...]", value))) + "]" if isinstance(value, tuple) else shown(value)
    )


def table_of(path: str) -> str:
    """Return what the table at a path is, as its field says; "" for one without."""
    try:
        field = field_at(path, Design, *every_class(), tables=True)
    except SettingError:
        return ""
    return " ".join((field.description or "").split())
