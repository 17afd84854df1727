"""The tables of a study file, each by itself: what it comes to, and what is wrong with it."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from dse.designs.design import Design, active, compose, flatten, with_model
from dse.designs.named_files import Looked, Places, combinations, look
from dse.designs.settings import UPDATE, default_of, field_of, rule_of
from dse.designs.space import Parameter, check_acting, check_corners, check_value, first_files, parse_space
from dse.errors import SettingError
from dse.pricing.axes import STORAGE, FreeAxes, parse_axes
from dse.pricing.card import read_cost_card
from dse.search.checks import check_names, checked_constraints
from dse.search.spec import StudySpec


def named_plugins(tables: Mapping[str, Any]) -> list[str]:
    """Return the plug-ins that a study file names, as far as it does so rightly; they bring settings and names."""
    named: Any = tables.get("plugins", [])
    return [name for name in cast("list[Any]", named) if isinstance(name, str)] if isinstance(named, list) else []


def fixed_of(spec: StudySpec) -> dict[str, Any]:
    """Return the settings that all designs share, flat."""
    if spec.design.get("deployment") == {}:
        raise SettingError("design.deployment is empty; give one of its settings, such as deployment.times_s")
    design = flatten(spec.design)
    if any(path.split(".")[0] == "workload" for path in design):
        raise SettingError("the workload has a table of its own, [workload], outside [design]")
    fixed = {**flatten({"workload": spec.workload}), **design}
    for path in fixed:
        field_of(path)
    return fixed


def files_of(
    spec: StudySpec, fixed: Mapping[str, Any], space: Mapping[str, Parameter], places: Places
) -> dict[str, Looked]:
    """Return what is found in the files that the designs and controls of a study name."""
    choices = {path: parameter.choices() for path, parameter in space.items()}
    controls = ({**fixed, **flatten(own)} for own in spec.controls.values())
    return look([*combinations(fixed, choices), *controls], places)


def check_space(fixed: Mapping[str, Any], space: Mapping[str, Parameter], folder: Path) -> None:
    """Check what varies, given what does not."""
    both = sorted(fixed.keys() & space.keys())
    if both:
        raise SettingError(f"{', '.join(both)}: fixed in [design] and varied in [space]; remove one of them")
    check_acting(fixed, space, "design and space", folder)
    rules = space[UPDATE.path].choices() if UPDATE.path in space else ()
    # Most settings act on crossbars.
    chosen = sorted(rules, key=lambda name: not rule_of({UPDATE.path: name}).on_crossbars)
    settings = {**first_files(space), **fixed}
    compose({**settings, UPDATE.path: chosen[0]} if chosen else settings, folder, "design")
    check_corners(fixed, space, folder)


def free_axes_of(spec: StudySpec, space: Mapping[str, Parameter], folder: Path) -> FreeAxes:
    """Return the free axes, none of which varies in the space, too."""
    axes = parse_axes(spec.free, folder)
    if STORAGE in axes.axes and STORAGE in space:
        raise SettingError(f"{STORAGE} is varied in [space] and in [free]; remove one of them")
    return axes


def control_of(name: str, table: Mapping[str, Any], fixed: Mapping[str, Any], folder: Path) -> Design:
    """Return the design of a control: the settings that all share, and its own, which act."""
    if name == "search":
        raise SettingError('a control cannot be called "search"; that is the origin of the other trials')
    own = flatten(table)
    if any(path.split(".")[0] == "workload" for path in own):
        raise SettingError(f"controls.{name}: a control shares the workload of its study")
    for path in own:
        field_of(path)
    settings = {**fixed, **own}
    acting = active(with_model({UPDATE.path: default_of(UPDATE.path), **settings}, folder))
    idle = own.keys() - acting.keys()
    if idle:
        raise SettingError(f"controls.{name}: {', '.join(sorted(idle))} has no effect here; remove it")
    return compose(settings, folder, f"controls.{name}")


def mistakes(spec: StudySpec, folder: Path) -> list[str]:
    """Return what is wrong with single objectives, constraints, settings and parameters, each by itself."""
    checks: list[Callable[[], object]] = [partial(check_names, spec.objectives)]
    for metric, bound in spec.constraints.items():
        checks.append(partial(checked_constraints, {metric: bound}, ()))
    try:
        fixed = flatten(spec.design)
    except SettingError:
        fixed = {}
    checks += [partial(_check_setting, path, value, fixed) for path, value in fixed.items()]
    checks += [partial(parse_space, {path: raw}, folder) for path, raw in spec.space.items()]
    checks.append(partial(read_cost_card, spec.price.card, folder))
    return list(dict.fromkeys(line for check in checks if (line := _error_of(check))))


def _check_setting(path: str, value: Any, given: Mapping[str, Any]) -> None:
    check_value(path, field_of(path, given), value)


def _error_of(check: Callable[[], object]) -> str:
    try:
        check()
    except SettingError as error:
        return str(error)
    return ""
