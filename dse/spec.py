"""What a setting may be: frozen models that check themselves and explain what is wrong in the user's words.

`Spec` is the base of every table of a study file. Each field documents itself in the string below it, carries its
range in its annotation and its unit in its name.
"""

import types
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, Self, Union, cast, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, core_schema

from dse.docstrings import field_docstrings
from dse.errors import SettingError, did_you_mean


class Spec(BaseModel):
    """A frozen table of settings: no unknown keys, no silent conversion, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Give each field the string below it as its description.

        pydantic can do so, too (`use_attribute_docstrings`), but it takes the source of each class to pieces by itself,
        a third of the time of an import of all settings.
        """
        super().__pydantic_init_subclass__(**kwargs)
        for name, text in field_docstrings(cls).items():
            field = cls.model_fields.get(name)
            if field is not None and field.description is None:
                field.description = text

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Return the model for `values`.

        Args:
            values: nested tables of settings, as TOML gives them.
            where: what to call the origin in an error, such as the path of the file.

        Raises:
            SettingError: naming every wrong key, what came and what is allowed.
        """
        model, lines = cls.checked(values)
        if model is None:
            head = f"{where}: " if where else ""
            raise SettingError(head + ("\n".join(["", *lines]) if len(lines) > 1 else lines[0]))
        return model

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> tuple[Self | None, list[str]]:
        """Return the model for `values` and no lines; or None, and one line for each wrong setting."""
        try:
            return cls.model_validate(dict(values)), []
        except ValidationError as error:
            return None, explain(cls, error)


Condition = Mapping[str, Any]
"""Settings, by their dotted paths, with values, all of which must hold."""


ON_CROSSBARS = "on_crossbars"
"""In a condition: every update rule that puts weights on crossbars (true), or every one that does not (false)."""
OPTIMISED = "optimised"
"""In a condition: every update rule that moves weights by an optimiser (true), or every one that does not (false)."""
OF_RULES = (ON_CROSSBARS, OPTIMISED)
"""What a condition may say of update rules by what they have in common."""


class ActsUnless:
    """Under what a setting, or a whole table, has no effect; stands in the annotation of its field.

        rounding: Annotated[Literal["nearest", "stochastic"], ActsUnless(bits="float")]

    Settings of the same table go by their name alone, all others by their path. All that one `ActsUnless` names must
    hold together; several stand side by side, and any of them is enough. `on_crossbars` and `optimised` stand for what
    the update rule says of itself, whichever it is (`dse.updates.base.AbstractUpdate`).

    Args:
        condition: path or name of other settings -> the value, one for each, that leaves this one without effect; for
            several values, give several `ActsUnless`. A tuple is the value of a setting that is a list.
        same: the same for settings of this table.
    """

    def __init__(self, condition: Condition | None = None, /, **same: Any) -> None:
        self._condition = {**(condition or {}), **same}

    def conditions(self, table: str, names: Collection[str]) -> list[Condition]:
        """Return the condition, in a list, with the names of settings of this table as paths.

        Args:
            table: path of the table that the setting stands in, "" for the design itself.
            names: names of the settings of that table.
        """
        prefix = f"{table}." if table else ""
        return [{prefix + name if name in names else name: value for name, value in self._condition.items()}]


class ActsUnlessAny:
    """Several `ActsUnless`, which are found when they are asked for: they follow from variants that plug-ins can bring.

    Args:
        find: what finds them.
    """

    def __init__(self, find: Callable[[], Sequence[ActsUnless]]) -> None:
        self._find = find

    def conditions(self, table: str, names: Collection[str]) -> list[Condition]:
        """Return the conditions; see `ActsUnless.conditions`."""
        return [condition for own in self._find() for condition in own.conditions(table, names)]


class OneOf:
    """What a setting may be, where it names one of the variants of an idea; stands in the annotation of a string.

    Args:
        names: what returns the names that there are.
        about: what says what they mean.
    """

    def __init__(self, names: Callable[[], Sequence[str]], about: Callable[[], str] = lambda: "") -> None:
        self.names, self.about = names, about

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Return the schema of the string, which must be one of the names."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, name: str) -> str:
        if name not in self.names():
            raise PydanticCustomError("one_of", "not one of the names")
        return name


class Found:
    """Stands in the annotation of a table that is found by looking at a file: no setting, and nobody gives it."""


def is_found(field: FieldInfo) -> bool:
    """Return whether a field is no setting, but found."""
    return any(isinstance(entry, Found) for entry in field.metadata)


class Added:
    """Stands in the annotation of a setting that came after designs were stored, and whose default changes nothing.

    At its default it is no part of the content of a design, so that the keys of stored designs stay as they are.
    """


def is_added(field: FieldInfo) -> bool:
    """Return whether a setting is left out of the content of a design at its default; see `Added`."""
    return any(isinstance(entry, Added) for entry in field.metadata)


def without_added(model: Spec, content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a model, in nested tables, without added settings at their defaults; see `Added`."""
    kept: dict[str, Any] = {}
    for name, value in content.items():
        field, own = type(model).model_fields.get(name), getattr(model, name, None)
        if field is not None and own == field.default and is_added(field):
            continue
        kept[name] = without_added(own, cast("dict[str, Any]", value)) if isinstance(own, Spec) else value
    return kept


def explain(model: type[BaseModel], error: ValidationError) -> list[str]:
    """Return one line for each wrong setting: its path, what came, what is allowed."""
    lines: dict[str, str] = {}
    for item in error.errors(include_url=False):
        known, rest, field, owner = _walk(model, [str(part) for part in item["loc"]])
        path = ".".join(known)
        if item["type"] == "extra_forbidden":
            key = rest[0] if rest else known[-1]
            full = ".".join([*known, key] if rest else known)
            lines[full] = f"unknown key {full!r}{did_you_mean(key, owner.model_fields)} (known: {_names(owner)})"
        elif item["type"] == "missing":
            lines[path] = f"{path!r} is missing; give {allowed(field) if field else 'it'}"
        elif item["type"] == "value_error":
            text = str(item["ctx"]["error"]) if "ctx" in item else item["msg"]
            lines.setdefault(path or text, f"{path}: {text}" if path else text)
        else:
            came = item["input"]
            permitted = allowed(field) if field else f"a table with {_names(owner)}"
            entry = "".join(f"[{part}]" for part in rest if part.isdigit())
            lines.setdefault(path, f"{path}{entry} = {shown(came)} is not allowed; give {permitted}")
    return list(lines.values())


def written(value: object) -> str:
    """Return a value as a study file would write it."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(written, cast('Sequence[object]', value)))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def shown(value: object) -> str:
    """Return a value as a study file would write it, cut to a readable length."""
    text = written(value)
    return text if len(text) <= 80 else text[:77] + "..."


def field_at(path: str, *models: type[BaseModel], tables: bool = False) -> FieldInfo:
    """Return the field that a dotted path names, in the first of some models that has it.

    Args:
        path: the path.
        models: where to look.
        tables: whether a path may name a table.

    Raises:
        SettingError: where there is none, naming the nearest.
    """
    field = find_field(path, *models, tables=tables)
    if field is None:
        raise SettingError(f"unknown parameter {path!r}{_hint(path, models)}")
    return field


def find_field(path: str, *models: type[BaseModel], tables: bool = False) -> FieldInfo | None:
    """Return what `field_at` does, or None where there is no such field: looking for the nearest name takes long."""
    for model in models:
        _, rest, field, _ = _walk(model, path.split("."))
        if not rest and field is not None and (tables or _model_of(field.annotation) is None):
            return field
    return None


MOST_TABLES = 3
"""Tables with a setting of the name that another one lacks; of more, no one is meant."""


def _hint(path: str, models: Sequence[type[BaseModel]]) -> str:
    """Return what an unknown path may have meant."""
    leaves = list(dict.fromkeys(leaf for model in models for leaf in leaf_paths(model)))
    inside = [leaf for leaf in leaves if leaf.startswith(path + ".")]
    if inside:
        return f"; it is a table: name one of {', '.join(inside)}"
    table, _, name = path.rpartition(".")
    others = [leaf for leaf in leaves if leaf.endswith(f".{name}")]
    if 0 < len(others) <= MOST_TABLES and any(leaf.startswith(f"{table}.") for leaf in leaves):
        return f"; did you mean {' or '.join(map(repr, others))}?"
    near = did_you_mean(path, leaves)
    known = max((_walk(model, path.split("."))[0] for model in models), key=len)
    if near or not known:
        return near
    prefix = ".".join(known) + "."
    return f"; {'.'.join(known)} has {', '.join(x.removeprefix(prefix) for x in leaves if x.startswith(prefix))}"


def leaf_paths(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return the dotted paths of all settings below a model that are not tables themselves."""
    paths: list[str] = []
    for name, field in model.model_fields.items():
        if is_found(field):
            continue
        inner = _model_of(field.annotation)
        paths += [prefix + name] if inner is None else leaf_paths(inner, f"{prefix}{name}.")
    return paths


def meaning(field: FieldInfo) -> str:
    """Return what a field is, in a line: what stands below it, then what the names of variants mean that it can be."""
    named = [bound.about() for bound in field.metadata if isinstance(bound, OneOf)]
    return " ".join(" ".join([field.description or "", *named]).split())


def allowed(field: FieldInfo) -> str:
    """Return in words what a field accepts, such as "an integer from 1 to 32 or "float"."."""
    return _allowed(field.annotation, tuple(field.metadata))


def _allowed(annotation: Any, metadata: tuple[Any, ...]) -> str:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(_allowed(part, metadata) for part in get_args(annotation) if part is not type(None))
    if origin is Literal:
        choices = [shown(choice) for choice in get_args(annotation)]
        return choices[0] if len(choices) == 1 else "one of " + ", ".join(choices)
    if hasattr(annotation, "__metadata__"):
        return _allowed(get_args(annotation)[0], (*metadata, *annotation.__metadata__))
    if origin is tuple:
        return f"a list with at least one entry, each {_allowed(get_args(annotation)[0], ())}"
    names = next((bound.names() for bound in metadata if isinstance(bound, OneOf)), None)
    if names is not None:
        return _allowed(Literal[tuple(names)], ())
    named = annotation is str and any(isinstance(bound, annotated_types.Predicate) for bound in metadata)
    plain = {
        int: "an integer" + _range(metadata),
        float: "a number" + _range(metadata),
        bool: "true or false",
        str: 'a name of letters, digits, "-", "_" and "."; a letter first' if named else "a string",
    }
    return plain.get(annotation, "a table")


def _range(metadata: tuple[Any, ...]) -> str:
    low, high = "", ""
    for bound in metadata:
        if isinstance(bound, annotated_types.Ge):
            low = f"from {bound.ge}"
        elif isinstance(bound, annotated_types.Gt):
            low = f"above {bound.gt}"
        elif isinstance(bound, annotated_types.Le):
            high = f"to {bound.le}" if low.startswith("from") else f"up to {bound.le}"
        elif isinstance(bound, annotated_types.Lt):
            high = f"below {bound.lt}"
    return "".join(f" {part}" for part in (low, high) if part)


def _walk(model: type[BaseModel], path: list[str]) -> tuple[list[str], list[str], FieldInfo | None, type[BaseModel]]:
    """Follow a path into nested models: (known part, unknown rest, last field, model that owns the next key)."""
    known: list[str] = []
    field: FieldInfo | None = None
    owner = model
    for position, name in enumerate(path):
        if name not in owner.model_fields:
            return known, path[position:], field, owner
        field = owner.model_fields[name]
        known.append(name)
        inner = _model_of(field.annotation)
        if inner is None:
            return known, path[position + 1 :], field, owner
        owner = inner
    return known, [], field, owner


def _model_of(annotation: Any) -> type[BaseModel] | None:
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _names(model: type[BaseModel]) -> str:
    return ", ".join(name for name, field in model.model_fields.items() if not is_found(field))
