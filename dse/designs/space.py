"""The space of a search: which settings of a design vary, and over what.

In a study file a setting is named by its path, with a list of choices or a range:

    [space]
    "accumulator.bits" = [2, 4, 8, 16]
    "accumulator.epsilon" = { low = 0.5, high = 4.0, log = true }

Both ends of a range and every choice are checked against what the setting allows before anything runs.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from dse.designs.design import compose, with_model
from dse.designs.named_files import first_choices
from dse.designs.settings import FAMILIES, completed, conditions, default_of, field_of, settings
from dse.devices.card import read_cell, read_programmed_cell
from dse.errors import SettingError, did_you_mean
from dse.spec import Condition, allowed, shown, written
from dse.variants import kept_for_variants

Value = int | float | str | bool
RANGE_KEYS = ("low", "high", "log", "step")
ROUNDING = 1e-6
"""How far a value may lie from a step of a range, in steps; sums of steps are rounded."""
FINEST = 1e9
"""Steps from 0 to the outer end of a range at most: finer ones cannot be told apart once sums of them are rounded."""
CARDS = {"device.card": read_cell, "deployment.device.card": read_programmed_cell}
"""Settings that name a card, and what reads it."""


@dataclass(frozen=True)
class Choice:
    """One of some values, without order."""

    values: tuple[Value, ...]

    def at(self, u: float) -> Value:
        """Return the value at a position in [0, 1)."""
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]

    def choices(self) -> tuple[Value, ...]:
        """Return the values, which can be listed."""
        return self.values

    def extremes(self) -> tuple[Value, ...]:
        """Return the values: each may be the outermost in its own way."""
        return self.values

    def count(self) -> int:
        """Return how many values there are."""
        return len(self.values)

    def number(self, value: object) -> int:
        """Return the number of a value among them, from 0.

        Raises:
            ValueError: it is none of them.
        """
        own = tuple(cast("list[object]", value)) if isinstance(value, list) else value
        # 8 and 8.0 are one choice; 1 and true are two.
        return [(isinstance(v, bool), v) for v in cast("tuple[object, ...]", self.values)].index(
            (isinstance(own, bool), own)
        )

    def numbered(self, number: int) -> Value:
        """Return the value of a number, from 0 to `count` - 1."""
        return self.values[number]

    def __str__(self) -> str:
        return f"one of {', '.join(map(written, self.values))}"


@dataclass(frozen=True)
class IntRange:
    """Integers from low to high, both included, in steps; or on a log scale."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    def at(self, u: float) -> Value:
        """Return the value at a position in [0, 1)."""
        if self.log:
            low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
            return min(max(round(math.exp(low + u * (high - low))), self.low), self.high)
        steps = self.count()
        return self.numbered(min(int(u * steps), steps - 1))

    def choices(self) -> tuple[Value, ...]:
        """Return nothing: a range is known by its ends."""
        return ()

    def extremes(self) -> tuple[Value, ...]:
        """Return the lowest and the highest value."""
        return self.low, self.highest

    @property
    def highest(self) -> int:
        """The highest value: the end of the range, or the last step before it."""
        return self.high if self.log else self.low + self.step * (self.count() - 1)

    def count(self) -> int:
        """Return how many values there are."""
        return (self.high - self.low) // self.step + 1

    def number(self, value: object) -> int:
        """Return the number of a value among them, from 0.

        Raises:
            ValueError: it is none of them.
        """
        whole = value if isinstance(value, int) and not isinstance(value, bool) else self.low - 1
        return range(self.low, self.high + 1, self.step).index(whole)

    def numbered(self, number: int) -> Value:
        """Return the value of a number, from 0 to `count` - 1."""
        return self.low + self.step * number

    def __str__(self) -> str:
        return _told(self, self.step if self.step != 1 else None)


@dataclass(frozen=True)
class FloatRange:
    """Numbers from low to high, even or even on a log scale, or in steps.

    Steps are added as the decimals that they are written as: 0.1 and twice 0.1 is 0.3.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def at(self, u: float) -> Value:
        """Return the value at a position in [0, 1)."""
        steps = self.count()
        if steps is not None:
            return self.numbered(min(int(u * steps), steps - 1))
        if self.log:
            return min(self.high, max(self.low, self.low * (self.high / self.low) ** u))
        return self.low + u * (self.high - self.low)

    def choices(self) -> tuple[Value, ...]:
        """Return nothing: a range is known by its ends."""
        return ()

    def extremes(self) -> tuple[Value, ...]:
        """Return the lowest and the highest value."""
        return self.low, self.highest

    @property
    def highest(self) -> float:
        """The highest value: the end of the range, or the last step before it."""
        steps = self.count()
        return self.high if steps is None else float(self.numbered(steps - 1))

    def count(self) -> int | None:
        """Return how many values there are; None without steps, where they are endless."""
        return None if self.step is None else math.floor((self.high - self.low) / self.step + 1e-9) + 1

    def number(self, value: object) -> int:
        """Return the number of a value among those of a range with steps, from 0.

        Raises:
            ValueError: it is none of them.
        """
        steps = self.count()
        if steps is None or self.step is None or isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(value)
        place = (value - self.low) / self.step
        if not -0.5 < place < steps - 0.5 or abs(place - round(place)) > ROUNDING:
            raise ValueError(value)
        return round(place)

    def numbered(self, number: int) -> Value:
        """Return the value of a number, from 0 to `count` - 1, of a range with steps."""
        low, step = Decimal(repr(self.low)), Decimal(repr(self.step or 0.0))
        return min(self.high, float(low + number * step))

    def __str__(self) -> str:
        return _told(self, self.step)


def _told(own: IntRange | FloatRange, step: float | None) -> str:
    if step is None:
        return f"{own.low} to {own.high}{' on a log scale' if own.log else ''}"
    beyond = "" if own.highest == own.high else f", the last below {own.high}"
    return f"{own.low} to {own.highest} in steps of {step}{beyond}"


Parameter = Choice | IntRange | FloatRange


def place_of(given: IntRange | FloatRange, value: float) -> float:
    """Return the position of a value between the ends of a range, on its scale: 0 at the low end, 1 at the high one."""
    scale = math.log if given.log else float
    low, high = scale(given.low), scale(given.high)
    return (scale(value) - low) / (high - low)


def nearest(given: Parameter, value: object) -> Value:
    """Return the value of a parameter that is nearest to some value; the middle where nothing is near.

    Of choices that are numbers it is that of the least difference, of others the first.
    """
    if isinstance(given, Choice):
        return _nearest_choice(given, value)
    if not _is_number(value):
        return given.at(0.5)
    number = min(max(float(cast("float", value)), given.low), given.high)
    if given.log:
        return min(max(round(number), given.low), given.high) if isinstance(given, IntRange) else number
    steps = given.count()
    if steps is None or given.step is None:
        return number
    return given.numbered(min(round((number - given.low) / given.step), steps - 1))


def _nearest_choice(given: Choice, value: object) -> Value:
    try:
        return given.numbered(given.number(value))
    except ValueError:
        numbers = [own for own in given.values if _is_number(own)]
        if not _is_number(value) or not numbers:
            return given.values[0]
        return min(numbers, key=lambda own: abs(float(own) - float(cast("float", value))))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def parse_space(tables: Mapping[str, Any], folder: Path | None = None) -> dict[str, Parameter]:
    """Return the space that a study file describes, in the order of the file.

    Args:
        tables: the table [space], paths quoted or nested.
        folder: where card files are looked for.

    Raises:
        SettingError: an unknown path, a wrong range or choice, or an empty space; what came and what is allowed.
    """
    space = {path: _parameter(path, raw, folder) for path, raw in _leaves(tables).items()}
    if not space:
        raise SettingError('the space is empty; name a parameter in [space], such as "accumulator.bits" = [4, 8]')
    return space


def check_acting(
    fixed: Mapping[str, Any], space: Mapping[str, Parameter], where: str, folder: Path | None = None
) -> None:
    """Check that every setting can act under at least one choice of the settings that control it.

    Args:
        fixed: settings that all designs share, flat.
        space: what varies, by path.
        where: what to call the origin of the settings in an error.
        folder: where card files are looked for.

    Raises:
        SettingError: a setting that no design of the study would use.
    """
    studies = list(variants_of(fixed, space, folder))
    for path in [*fixed, *space]:
        idle = [_never_acts(path, completed(own), rest) for own, rest in studies]
        if all(condition is not None for condition in idle):
            found = " and ".join(f"{other} = {shown(off)}" for other, off in (idle[0] or {}).items())
            raise SettingError(f"{where}: {path} has no effect where {found}; remove it, or change the latter")


def variants_of(
    fixed: Mapping[str, Any], space: Mapping[str, Parameter], folder: Path | None
) -> Iterator[tuple[dict[str, Any], dict[str, Parameter]]]:
    """Yield what is fixed and what varies for each choice of variants."""
    choosing = [family.card or family.path for family in FAMILIES]
    varied = {path: space[path].choices() for path in choosing if path in space}
    rest = {path: parameter for path, parameter in space.items() if path not in varied}
    files = first_files(space)
    for values in itertools.product(*varied.values()):
        yield with_model({**files, **fixed, **dict(zip(varied, values, strict=True))}, folder), rest


def first_files(space: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return the first choice of each setting of a space that decides what is found in a file."""
    return first_choices({path: parameter.choices() for path, parameter in space.items()})


def _never_acts(path: str, held: Mapping[str, Any], space: Mapping[str, Parameter]) -> Condition | None:
    """Return a condition that always holds and leaves a setting without effect, or None."""
    found = conditions(path, held)
    return next((c for c in found if all(_always(other, off, held, space) for other, off in c.items())), None)


def _always(path: str, value: Any, held: Mapping[str, Any], space: Mapping[str, Parameter]) -> bool:
    """Return whether a setting has a value in every design of a study."""
    if path in space:
        return space[path].choices() == (value,)
    return held.get(path, default_of(path, held)) == value


def _leaves(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return {path: list or range table}, following nested tables down to the settings of a design."""
    leaves: dict[str, Any] = {}
    for key, value in tables.items():
        path = prefix + key
        nested = isinstance(value, Mapping) and path not in settings() and path in _tables()
        inner: dict[str, Any] = (
            _leaves(cast("Mapping[str, Any]", value), f"{path}.") if nested else {path: cast("Any", value)}
        )
        for name in inner.keys() & leaves.keys():
            raise SettingError(f"space: {name} is given twice, quoted and nested; remove one of them")
        leaves |= inner
    return leaves


@kept_for_variants
def _tables() -> frozenset[str]:
    """Return the paths of the tables that hold settings."""
    return frozenset(path.rpartition(".")[0] for path in settings())


def _parameter(path: str, raw: object, folder: Path | None) -> Parameter:
    field = field_of(path)
    if path.split(".", maxsplit=1)[0] == "workload":
        raise SettingError(f"space: {path} cannot vary within a study; accuracies on different data do not compare")
    if isinstance(raw, list):
        return _choice(path, field, cast("list[Any]", raw), folder)
    if not isinstance(raw, Mapping):
        raise SettingError(
            f"space: {path} = {shown(raw)} is not allowed; give a list of choices or {{ low = ..., high = ... }}"
        )
    table = dict(cast("Mapping[str, Any]", raw))
    if "choices" in table:
        choices = table.pop("choices")
        if table or not isinstance(choices, list):
            raise SettingError(f"space: {path}: `choices` takes a list and stands alone")
        return _choice(path, field, cast("list[Any]", choices), folder)
    return _range(path, field, table)


def _choice(path: str, field: FieldInfo, values: list[Any], folder: Path | None) -> Choice:
    if not values:
        raise SettingError(f"space: {path} has no choices; give at least one of: {allowed(field)}")
    for value in values:
        check_value(f"space: {path}", field, value)
        if path in CARDS:
            CARDS[path](value, folder)
    checked: list[Value] = [tuple(v) if isinstance(v, list) else v for v in values]  # type: ignore[misc]
    # 8 and 8.0 are one choice; 1 and true are two.
    if len({(isinstance(v, bool), v) for v in checked}) < len(checked):
        raise SettingError(f"space: {path} names a choice twice: {shown(values)}")
    return Choice(tuple(checked))


def _range(path: str, field: FieldInfo, table: dict[str, Any]) -> Parameter:
    for key in table:
        if key not in RANGE_KEYS:
            raise SettingError(
                f"space: {path} has an unknown key {key!r}{did_you_mean(key, RANGE_KEYS)} "
                f"(known: {', '.join(RANGE_KEYS)}; or `choices` alone)"
            )
    for key in ("low", "high"):
        if key not in table:
            raise SettingError(f"space: {path} has no {key}; a range needs low and high")
        check_value(f"space: {path}.{key}", field, table[key])
        if isinstance(table[key], (str, bool)):
            raise SettingError(f"space: {path}.{key} = {shown(table[key])} is not a number; give a list of choices")
    low, high, log, step = table["low"], table["high"], table.get("log", False), table.get("step")
    if not low < high:
        raise SettingError(f"space: {path} is empty: low = {low} is not below high = {high}")
    _check_log(path, low, high, log, step)
    if step is not None and (
        isinstance(step, bool) or not isinstance(step, (int, float)) or not 0 < step <= high - low
    ):
        raise SettingError(f"space: {path}.step = {shown(step)} is not allowed; give a number above 0 up to high - low")
    if _takes_integers(field):
        if step is not None and not isinstance(step, int):
            raise SettingError(f"space: {path}.step = {step} is not allowed; {path} takes integers")
        return IntRange(low, high, log, step or 1)
    _check_fineness(path, max(abs(low), abs(high)), step)
    return FloatRange(float(low), float(high), log, None if step is None else float(step))


def _check_log(path: str, low: float, high: float, log: object, step: object) -> None:
    if not isinstance(log, bool):
        raise SettingError(f"space: {path}.log = {shown(log)} is not allowed; give true or false")
    if not log:
        return
    if not low > 0:
        raise SettingError(f"space: {path}.low = {low} cannot stand on a log scale; give a number above 0")
    if step is not None:
        raise SettingError(f"space: {path}: give log or step, not both")
    if not math.isfinite(high / low):
        raise SettingError(f"space: {path}: {low} to {high} is too far for a log scale; raise low")


def _check_fineness(path: str, largest: float, step: float | None) -> None:
    if step is not None and largest / step > FINEST:
        raise SettingError(
            f"space: {path}.step = {shown(step)} is too fine for numbers up to {largest}; leave it out, or give "
            f"{largest / FINEST:.0e} or more"
        )


def _takes_integers(field: FieldInfo) -> bool:
    return "an integer" in allowed(field)


def check_value(where: str, field: FieldInfo, value: Any) -> None:
    """Check that a setting may have a value, by itself.

    Raises:
        SettingError: it may not; what came and what is allowed.
    """
    annotation: Any = field.annotation
    for constraint in field.metadata:
        annotation = Annotated[annotation, constraint]
    adapter: TypeAdapter[Any] = TypeAdapter(annotation, config=ConfigDict(strict=True, allow_inf_nan=False))
    try:
        adapter.validate_python(value)
    except ValidationError:
        raise SettingError(f"{where} = {shown(value)} is not allowed; give {allowed(field)}") from None


def check_corners(fixed: Mapping[str, Any], space: Mapping[str, Parameter], folder: Path | None) -> None:
    """Compose the designs at both ends of every parameter, so that conflicts between settings show before a run.

    Raises:
        SettingError: settings that contradict each other.
    """
    for u in (0.0, 1.0 - 1e-12):
        compose({**fixed, **{path: p.at(u) for path, p in space.items()}}, folder, where="space")
