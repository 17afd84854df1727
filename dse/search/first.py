"""Designs to try first: what a study file says of its first trials.

[[first]]                    the first trial
"accumulator.bits" = 8
"adc.bits" = 6

[[first]]                    the second; what is left open comes from the quasi-random point of that number
"adc.bits" = 10
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dse.designs.design import active, compose, flatten, with_model
from dse.designs.settings import UPDATE, default_of, field_of
from dse.designs.space import Choice, Parameter, Value
from dse.errors import SettingError
from dse.spec import shown

Designs = Sequence[Mapping[str, Value]]
"""Values of the space, by path."""


def parse_first(tables: Sequence[Mapping[str, Any]], space: Mapping[str, Parameter], trials: int) -> Designs:
    """Return the values that the tables [[first]] give, in the order of the space.

    Args:
        tables: one for each of the first trials.
        space: what varies.
        trials: how many there are.

    Raises:
        SettingError: more tables than trials, a setting that does not vary, or a value that is not of the space.
    """
    if len(tables) > trials:
        raise SettingError(
            f"[[first]] has {len(tables)} designs, and budget.trials = {trials}; raise it, or leave some out"
        )
    return [_values(f"first {number}", table, space) for number, table in enumerate(tables, 1)]


def _values(where: str, table: Mapping[str, Any], space: Mapping[str, Parameter]) -> dict[str, Value]:
    given = flatten(table)
    for path in given:
        if path not in space:
            field_of(path)
            raise SettingError(f"{where}: {path} does not vary; name it in [space], or leave it out here")
    return {path: value_of(f"{where}: {path}", given[path], own) for path, own in space.items() if path in given}


def value_of(where: str, given: object, parameter: Parameter) -> Value:
    """Return a value as the space has it.

    Raises:
        SettingError: it is not in the space; `where` it stands.
    """
    try:
        if parameter.count() is not None:
            return parameter.numbered(parameter.number(given))
    except ValueError:
        raise _outside(where, given, parameter) from None
    number = float("nan") if isinstance(given, bool) or not isinstance(given, int | float) else float(given)
    if isinstance(parameter, Choice) or not parameter.low <= number <= parameter.high:
        raise _outside(where, given, parameter)
    return number


def _outside(where: str, given: object, parameter: Parameter) -> SettingError:
    step = None if isinstance(parameter, Choice) else parameter.step
    steps = f" in steps of {step}" if step not in (None, 1) else ""
    return SettingError(f"{where} = {shown(given)} is not in the space, which has {parameter}{steps}")


def check_first(
    first: Designs, fixed: Mapping[str, Any], space: Mapping[str, Parameter], seed: int, folder: Path | None
) -> None:
    """Check that the designs to try first are designs, that each of their values acts, and that they differ.

    Args:
        first: their values.
        fixed: settings that all designs share.
        space: what varies.
        seed: seed of the proposals.
        folder: where card files are looked for.

    Raises:
        SettingError: settings that contradict each other or have no effect, or a design that is there twice.
    """
    known: dict[str, int] = {}
    for number, (given, whole) in enumerate(zip(first, completed(first, space, seed), strict=True), 1):
        where, settings = f"first {number}", {**fixed, **whole}
        key = compose(settings, folder, where).key
        acting = active(with_model({UPDATE.path: default_of(UPDATE.path), **settings}, folder))
        idle = [path for path in given if path not in acting]
        if idle:
            rest = [f"{path} = {shown(value)}" for path, value in whole.items() if path not in given]
            point = f" ({', '.join(rest)} from the quasi-random point of this trial)" if rest else ""
            raise SettingError(f"{where}: {', '.join(idle)} has no effect in this design{point}; remove it")
        if key in known:
            raise SettingError(f"{where} is the design of first {known[key]}; remove one of them")
        known[key] = number


def completed(first: Designs, space: Mapping[str, Parameter], seed: int) -> list[dict[str, Value]]:
    """Return designs to try first with what they leave open, from the quasi-random point of their number.

    Args:
        first: values by path.
        space: what varies.
        seed: seed of the proposals.
    """
    if all(own.keys() == space.keys() for own in first):
        return [dict(own) for own in first]
    from dse.search.samplers.draws import Sobol, at  # noqa: PLC0415  scipy, which checks do without

    points = Sobol(len(space), seed)
    return [{**at(space, points.next()), **own} for own in first]
