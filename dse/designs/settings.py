"""The settings of a design: where they stand, what they default to, and under what they have no effect.

Four things come in variants: the data set (`workload.dataset`), the network (`network.name`), the update rule
(`architecture`), and the cell, whose model its card names (`device.card`). The network decides what the table
`training` holds, too; the update rule brings tables of its own, and decides whether weights are on crossbars. A setting
that belongs to another variant than the chosen one has no effect, nor has one whose field says so
(`dse.spec.ActsUnless`), or that the network, its task, the cell or the update rule does not use (`idle`).

The model of a cell stands in flat settings as "device.model", where `dse.designs.design.with_model` has put it; it is
no setting itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, cast

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from dse.data import DATA
from dse.data.base import AbstractData
from dse.designs.tables import Design, design_class, tables_of_rules
from dse.devices import CELLS
from dse.devices.base import AbstractCell
from dse.errors import SettingError
from dse.networks import NETWORKS
from dse.networks.base import AbstractNetwork
from dse.spec import OF_RULES, ActsUnless, ActsUnlessAny, Condition, allowed, field_at, find_field, is_added, leaf_paths
from dse.tasks.base import AbstractTask
from dse.updates import UPDATES
from dse.updates.base import AbstractUpdate
from dse.variants import kept_for_variants

FOUND = "found"
"""Table of a table that names a file: what was found there; see `dse.designs.named_files`."""
Flat = Mapping[str, Any]
"""Settings as {dotted path: value}."""
NOTHING: Flat = MappingProxyType({})
"""No settings: those of the default design."""


@dataclass(frozen=True)
class Family:
    """An idea that comes in variants.

    Attributes:
        table: path of the table of the variant; "" for one that is in the design itself.
        key: the setting that names the variant.
        variants: the variants, the default first.
        own_tables: tables whose settings follow from the variant; for update rules, those that some rule has.
        card: the setting whose card names the variant, where no setting does itself.
    """

    table: str
    key: str
    variants: Sequence[Any]
    own_tables: tuple[str, ...] = ()
    card: str = ""

    @cached_property
    def path(self) -> str:
        """Path of the setting that names the variant."""
        return f"{self.table}.{self.key}" if self.table else self.key

    @property
    def names(self) -> dict[str, Any]:
        """Variants by name."""
        return _names(self.path)

    @property
    def field(self) -> FieldInfo:
        """The setting that names the variant, as one that can be any of them."""
        return _field_of_names(self.path)

    @property
    def tables(self) -> tuple[str, ...]:
        """Tables whose settings follow from the variant."""
        return self.own_tables or tables_of_rules()


def _name_and_about(variant: Any, key: str) -> tuple[str, str]:
    """Return the name of a variant, and what it is in a line."""
    if issubclass(variant, AbstractUpdate):
        return variant.name, variant.about
    if issubclass(variant, AbstractCell):
        return variant.model, variant.about
    field: FieldInfo = variant.model_fields[key]
    return field.default, field.description or ""


WORKLOADS = Family("workload", "dataset", DATA, ("workload",))
NETWORK = Family("network", "name", NETWORKS, ("network", "training"))
CELL = Family("device", "model", CELLS, ("device",), card="device.card")
UPDATE = Family("", "architecture", UPDATES)
FAMILIES = (WORKLOADS, NETWORK, CELL, UPDATE)


def _family(path: str) -> Family:
    return next(family for family in FAMILIES if family.path == path)


@kept_for_variants
def _names(path: str) -> dict[str, Any]:
    family = _family(path)
    return {_name_and_about(variant, family.key)[0]: variant for variant in family.variants}


@kept_for_variants
def _field_of_names(path: str) -> FieldInfo:
    parts = dict(_name_and_about(variant, _family(path).key) for variant in _family(path).variants)
    about = "; ".join(f'"{name}": {part.rstrip(".")}' for name, part in parts.items()) + "."
    names: Any = Literal[tuple(parts)]
    return FieldInfo(annotation=names, default=next(iter(parts)), description=about)


def network_of(given: Flat) -> type[AbstractNetwork]:
    """Return the network that flat settings choose; the default where they name none that there is."""
    return chosen(NETWORK, given)


def data_of(given: Flat) -> type[AbstractData]:
    """Return the data set that flat settings choose; the default where they name none that there is."""
    return chosen(WORKLOADS, given)


def cell_of(given: Flat) -> type[AbstractCell]:
    """Return the model of the cell of flat settings; the default where they name none that there is."""
    return chosen(CELL, given)


def rule_of(given: Flat) -> type[AbstractUpdate]:
    """Return the update rule that flat settings choose; where they name none, that of the network, or the default."""
    own = network_of(given).defaults
    return chosen(UPDATE, {**({UPDATE.path: own[UPDATE.path]} if UPDATE.path in own else {}), **given})


def task_of(given: Flat) -> type[AbstractTask]:
    """Return the task that flat settings choose by their network and their data."""
    prefix = f"{WORKLOADS.table}."
    own = {path.removeprefix(prefix): value for path, value in given.items() if path.startswith(prefix)}
    return network_of(given).task_for(data_of(given).kind(own))


def decided(given: Flat) -> Mapping[str, Any]:
    """Return the settings that the cell of flat settings leaves no choice about, with their values."""
    return cell_of(given).decided() if rule_of(given).on_crossbars else {}


def chosen(family: Family, given: Flat) -> Any:
    """Return the variant of a family that flat settings choose; the default where they name none that there is."""
    name = given.get(family.path)
    found = family.names.get(name) if isinstance(name, str) else None
    return found or family.variants[0]


def class_of(given: Flat) -> type[Design]:
    """Return the class of the design that flat settings choose by their variants."""
    return design_class(network_of(given), data_of(given), cell_of(given), rule_of(given))


@kept_for_variants
def every_class() -> tuple[type[Design], ...]:
    """Return classes in which every setting of every variant stands, the default design first."""
    others = [design_class(network, DATA[0]) for network in NETWORKS]
    cells = (design_class(NETWORKS[0], DATA[0], cell) for cell in CELLS[1:])
    rules = (design_class(NETWORKS[0], DATA[0], rule=rule) for rule in UPDATES[1:])
    return (*others, *(design_class(NETWORKS[0], data) for data in DATA[1:]), *cells, *rules)


@kept_for_variants
def settings() -> tuple[str, ...]:
    """Return the paths of all settings, of all variants."""
    return tuple(dict.fromkeys(path for model in every_class() for path in _leaves(model)))


@lru_cache(maxsize=1024)
def _leaves(model: type[Design]) -> dict[str, None]:
    return dict.fromkeys(leaf_paths(model))


def field_of(path: str, given: Flat = NOTHING) -> FieldInfo:
    """Return the field of a setting: in the design that flat settings choose, else where another variant has it.

    Raises:
        SettingError: there is no such setting; the nearest is named.
    """
    for family in FAMILIES:
        if family.path == path and family.card:
            raise SettingError(f"{path} is no setting: the card names it; choose another card, {family.card} = ...")
    if f".{FOUND}" in path:
        raise SettingError(f"{path} is no setting: it is found in the file that {path.partition('.')[0]}.file names")
    return _field(path, class_of(given))


@kept_for_variants
def _field(path: str, model: type[Design]) -> FieldInfo:
    return next((family.field for family in FAMILIES if family.path == path), None) or field_at(
        path, model, *every_class()
    )


def default_of(path: str, given: Flat = NOTHING) -> Any:
    """Return the default of a setting, as its field has it, in the design that flat settings choose."""
    if path == UPDATE.path:
        return rule_of({other: value for other, value in given.items() if other != path}).name
    return _field(path, class_of(given)).default


def completed(given: Flat) -> dict[str, Any]:
    """Return flat settings with the defaults that follow from the variants, and with what the cell decides."""
    network, rule, leaves = network_of(given), rule_of(given), _leaves(class_of(given))
    brought = {**network.defaults, **data_of(given).defaults, **cell_of(given).defaults}
    brought |= {} if rule.on_crossbars else network.digital_defaults
    brought |= {**task_of(given).defaults, **rule.defaults}
    return {**{path: value for path, value in brought.items() if path in leaves}, **given, **decided(given)}


class _Choice(NamedTuple):
    """The variants that flat settings choose: what conditions and defaults follow from."""

    network: type[AbstractNetwork]
    data: type[AbstractData]
    cell: type[AbstractCell]
    rule: type[AbstractUpdate]
    task: type[AbstractTask]
    names: tuple[Any, ...]
    """What the settings of `FAMILIES` are, in their order; also a name that there is not."""

    @property
    def design(self) -> type[Design]:
        """Class of the design."""
        return design_class(self.network, self.data, self.cell, self.rule)

    def name(self, family: Family) -> Any:
        """Return what the setting is that names the variant of a family."""
        return self.names[FAMILIES.index(family)]


def _choice(given: Flat) -> _Choice:
    names = tuple(given.get(family.path, default_of(family.path, given)) for family in FAMILIES)
    return _Choice(network_of(given), data_of(given), cell_of(given), rule_of(given), task_of(given), names)


def _default(path: str, choice: _Choice) -> Any:
    """Return the default of a setting that flat settings lack."""
    return choice.rule.name if path == UPDATE.path else _field(path, choice.design).default


def conditions(path: str, given: Flat) -> list[Condition]:
    """Return the conditions under any of which a setting has no effect, in the design that flat settings choose."""
    return list(_conditions(path, _choice(given)))


def _conditions(path: str, choice: _Choice) -> Sequence[Condition]:
    known = all(isinstance(name, str) for name in choice.names)
    return _kept_conditions(path, choice) if known else _worked_out(path, choice)  # what is no name may have no hash


def _worked_out(path: str, choice: _Choice) -> Sequence[Condition]:
    if path.endswith(f".{FOUND}"):
        return ()
    path = next((family.card for family in FAMILIES if family.card and family.path == path), path)
    said = [*_of_other_variants(path, choice), *_of_the_variants(path, choice), *_of_the_fields(path, choice.design)]
    return tuple(plain for condition in said for plain in _for_each_rule(condition))


_kept_conditions = kept_for_variants(_worked_out)


def _for_each_rule(condition: Condition) -> list[Condition]:
    """Return a condition for each of the update rules that one speaks of by what they have in common."""
    said = {what: value for what, value in condition.items() if what in OF_RULES}
    if not said:
        return [condition]
    rules = UPDATE.names.items()
    names = [name for name, rule in rules if all(getattr(rule, what) == value for what, value in said.items())]
    items = list(condition.items())
    return [dict((UPDATE.path, name) if path in OF_RULES else (path, off) for path, off in items) for name in names]


def _of_other_variants(path: str, choice: _Choice) -> list[Condition]:
    if path in _leaves(choice.design):
        return []
    table = path.partition(".")[0]
    return [{family.path: choice.name(family)} for family in FAMILIES if table in family.tables]


def _of_the_variants(path: str, choice: _Choice) -> list[Condition]:
    return [
        {family.path: choice.name(family), **condition}
        for family, idle in _idle(choice)
        for name, condition in idle.items()
        if path == name or path.startswith(f"{name}.")
    ]


def _idle(choice: _Choice) -> Iterator[tuple[Family, Mapping[str, Condition]]]:
    """Yield what the chosen variants say that they do not use."""
    yield NETWORK, _idle_of(choice.network)
    yield NETWORK, _idle_of(choice.task)
    yield CELL, _idle_of(choice.cell)
    yield CELL, {path: {} for path in choice.cell.decided()}
    yield UPDATE, _idle_of(choice.rule)
    yield UPDATE, {table: {} for table in tables_of_rules() if table not in choice.rule.tables}


@kept_for_variants
def _idle_of(variant: Any) -> Mapping[str, Condition]:
    idle: Mapping[str, Condition] = variant.idle
    for path, condition in idle.items():
        said = f"{variant.__name__}.idle of {path}"
        _look_up(path, said, tables=True)
        _check_condition(condition, said)
    return idle


@kept_for_variants
def _of_the_fields(path: str, model: type[Design]) -> tuple[Condition, ...]:
    """Return what the fields of a setting and of the tables that it stands in say."""
    found: list[Condition] = []
    parts = path.split(".")
    for length in range(1, len(parts) + 1):
        table, inner = ".".join(parts[: length - 1]), ".".join(parts[:length])
        field = field_at(inner, model, *every_class(), tables=True)
        siblings = {name.rpartition(".")[2] for name in settings() if name.rpartition(".")[0] == table}
        said = [entry for entry in field.metadata if isinstance(entry, ActsUnless | ActsUnlessAny)]
        own = [condition for entry in said for condition in entry.conditions(table, siblings)]
        for condition in own:
            _check_condition(condition, f"ActsUnless of {inner}")
        found += own
    return tuple(found)


def _check_condition(condition: Condition, said: str) -> None:
    """Check that a condition can hold; one that cannot is a mistake in the code of a variant, which no user can mend.

    Args:
        condition: settings by path, with values.
        said: where it is said, for an error.

    Raises:
        ValueError: a setting that there is not, or a value that it cannot have.
    """
    for path, value in condition.items():
        if path in OF_RULES:
            possible, permitted = isinstance(value, bool), "true or false"
        else:
            fields = _look_up(path, said)
            possible = any(_may_be(field, value) for field in fields)
            permitted = " or ".join(dict.fromkeys(map(allowed, fields)))
        if not possible:
            msg = f"{said}: {path} = {value!r} can never hold; give one value, {permitted}"
            raise ValueError(msg)


def _look_up(path: str, said: str, *, tables: bool = False) -> list[FieldInfo]:
    """Return the fields of a path in all variants that have it."""
    of_families = [family.field for family in FAMILIES if family.path == path]
    everywhere = (find_field(path, model, tables=tables) for model in every_class())
    found = of_families or [field for field in everywhere if field is not None]
    if not found:
        try:
            field_at(path, *every_class(), tables=tables)
        except SettingError as error:
            msg = f"{said}: {error}"
            raise ValueError(msg) from None
    return found


def _may_be(field: FieldInfo, value: Any) -> bool:
    """Return whether a setting may have a value, as a design would hold it: a list is a tuple there."""
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    try:
        return TypeAdapter(kind).validate_python(value, strict=not isinstance(value, tuple)) == value
    except ValidationError:
        return False


def active(given: Flat) -> dict[str, Any]:
    """Return the flat settings that act, given each other, with the defaults that the variants bring."""
    whole = completed(given)
    choice = _choice(whole)
    return {path: value for path, value in whole.items() if not _is_idle(path, whole, choice)}


def is_idle(path: str, given: Flat) -> bool:
    """Return whether a setting has no effect, given flat settings."""
    return _is_idle(path, given, _choice(given))


def _is_idle(path: str, given: Flat, choice: _Choice) -> bool:
    return any(
        all((given[other] if other in given else _default(other, choice)) == off for other, off in condition.items())
        for condition in _conditions(path, choice)
    )


def is_left_out(path: str, value: Any, content: Flat) -> bool:
    """Return whether a setting acts at a value that the content of a design leaves out; see `dse.spec.Added`.

    Args:
        path: the setting.
        value: its value.
        content: flat settings of the design, complete but for what is left out.
    """
    whole = {**content, path: value}
    field = field_of(path, whole)
    return is_added(field) and value == field.default and not is_idle(path, whole)


def flatten(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as {dotted path: value}; lists are values.

    Raises:
        SettingError: a path is given twice, quoted ("a.b" = 1) and nested (a.b = 1).
    """
    flat: dict[str, Any] = {}
    for key, value in tables.items():
        inner = (
            flatten(cast("Mapping[str, Any]", value), f"{prefix}{key}.")
            if isinstance(value, Mapping)
            else {prefix + key: value}
        )
        for path in inner.keys() & flat.keys():
            raise SettingError(f"{path} is given twice, quoted and nested; remove one of them")
        flat |= inner
    return flat


def nest(flat: Flat) -> dict[str, Any]:
    """Return {dotted path: value} as nested tables.

    Raises:
        SettingError: a path is both a value and a table.
    """
    tables: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, leaf = path.split(".")
        place: dict[str, Any] = tables
        for parent in parents:
            inner: Any = place.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise SettingError(f"{path}: {parent} is a value, not a table")
            place = cast("dict[str, Any]", inner)
        if leaf in place:
            raise SettingError(f"{path} is both a value and a table")
        place[leaf] = value
    return tables
