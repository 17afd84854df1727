"""The reference of all settings, made from the fields that define them: what each is, may be, and when it acts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dse.designs.settings import (
    FAMILIES,
    NETWORK,
    UPDATE,
    Family,
    completed,
    conditions,
    default_of,
    every_class,
    field_of,
    settings,
)
from dse.designs.tables import Design
from dse.devices.card import unit_of
from dse.errors import SettingError, did_you_mean
from dse.spec import Condition, allowed, find_field, meaning, written
from dse.variants import kept_for_variants


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
        about=meaning(field),
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
        return written(default_of(path))
    by_value: dict[str, list[str]] = {}
    for name in NETWORK.names:
        given = {**_home(path), NETWORK.path: name}
        if not _belongs_elsewhere(path, NETWORK, name):
            value = completed(given).get(path, default_of(path, given))
            by_value.setdefault(written(value), []).append(name)
    first, *others = by_value.items()
    return "; ".join([first[0], *(f"{value} for {_some(names, NETWORK)}" for value, names in others)])


def _belongs_elsewhere(path: str, family: Family, name: str) -> bool:
    """Return whether a variant has no use for a setting; for an update rule, whether it is in a table of others."""
    if family is not UPDATE:
        return {family.path: name} in conditions(path, {family.path: name})
    table = path.partition(".")[0]
    return table in UPDATE.tables and table not in {*Design.model_fields, *UPDATE.names[name].tables}


@kept_for_variants
def _having(path: str, family: Family) -> list[str]:
    """Return the variants of a family whose designs have a setting."""
    return [name for name in family.names if not _belongs_elsewhere(path, family, name)]


def _home(path: str) -> dict[str, str]:
    """Return settings that choose variants which have a setting."""
    return {family.path: next(iter(_having(path, family)), next(iter(family.names))) for family in FAMILIES}


def _owners(path: str) -> str:
    """Return the variants that a setting belongs to, where it does not belong to all."""
    having = {family: _having(path, family) for family in FAMILIES}
    parts = (f"{f.path} = {_some(names, f)}" for f, names in having.items() if len(names) < len(f.names))
    return " and ".join(parts)


def _some(names: Sequence[str], family: Family) -> str:
    """Return names of variants, or all but which, whichever is shorter."""
    others = [name for name in family.names if name not in names]
    return f"any but {', '.join(others)}" if 0 < len(others) < len(names) else ", ".join(names)


def _idle(path: str) -> tuple[str, ...]:
    """Return what leaves a setting without effect in designs that have it, in words; variants at the end."""
    whose: dict[str, list[str]] = {}
    for name in NETWORK.names:
        for condition in conditions(path, {**_home(path), NETWORK.path: name}):
            rest = {other: value for other, value in condition.items() if other != NETWORK.path}
            if rest:
                whose.setdefault(_in_words(rest), []).append(name)
    having = _having(path, NETWORK)
    of_networks = (
        words + ("" if set(names) >= set(having) else f" (network.name = {_some(names, NETWORK)})")
        for words, names in whose.items()
    )
    return (*of_networks, *_idle_elsewhere(path, set(whose)))


def _idle_elsewhere(path: str, said: Collection[str]) -> list[str]:
    """Return what leaves a setting without effect with other variants than those of `_home`, and networks, in words."""
    home = _home(path)
    others = [(f, name) for f in FAMILIES if f is not NETWORK for name in _having(path, f) if name != home[f.path]]
    found = (
        _in_words(condition)
        for family, name in others
        for condition in conditions(path, {**home, family.path: name})
        if condition.get(family.path) == name
    )
    return [words for words in dict.fromkeys(found) if words not in said]


def _in_words(condition: Condition) -> str:
    return " and ".join(f"{path} = {written(value)}" for path, value in condition.items())


def table_of(path: str) -> str:
    """Return what the table at a path is, as its field says; "" for one without."""
    field = find_field(path, Design, *every_class(), tables=True)
    return "" if field is None else meaning(field)
