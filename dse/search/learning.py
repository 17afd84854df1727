"""Designs of earlier results, read for a study to learn from: whatever their space, if their task is that of the study.

learn_from = ["results/coarse", "../mnist/results"]

Rows that are complete count, at their ends, as means over seeds, priced on the cost card of the study. Each design is
put beside the design of the study that is nearest to it: so what lies outside of the space is known by path, and what
differs elsewhere makes axes beside the space (`beside`).
"""

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic_core import PydanticUndefined

from dse.designs.design import compose
from dse.designs.settings import FAMILIES, completed, default_of, flatten, task_of
from dse.designs.space import Choice, Parameter, nearest
from dse.errors import DataError, ResultsError, SettingError
from dse.files import at_home
from dse.metric import Goal
from dse.pricing.quantities import quantity
from dse.renamed import setting
from dse.results.place import Where
from dse.results.rows import object_of, to_rows
from dse.results.store import read_about, read_table
from dse.search.beside import APART, Differences, beside
from dse.search.criteria import Criteria, Values, mean
from dse.search.learned import FILE, Learned, LearnedDesign
from dse.search.scope import Scope

MOST = 2000
"""Designs that a study learns from, at most: those of the best ranks."""
ROWS = 500
"""Rows that are in memory as Python objects at a time."""

Acts = Callable[[Mapping[str, Any]], Collection[str]]


@dataclass
class _Found:
    """A design of earlier results: its settings, flat, and the values of its seeds."""

    settings: Mapping[str, Any]
    seeds: dict[int, Values] = field(default_factory=dict[int, Values])

    @property
    def values(self) -> list[float]:
        """Its quantities, means over seeds."""
        return list(mean([self.seeds[seed] for seed in sorted(self.seeds)]) or ())


@dataclass(frozen=True)
class _Placed:
    """A design of earlier results beside the nearest one of the study."""

    settings: Sequence[Any]
    others: Mapping[str, bool]
    differences: Differences
    values: Sequence[float]
    seeds: int


def learned_from(names: Sequence[str], scope: Scope, acts: Acts | None, criteria: Criteria) -> Learned:
    """Return what a study learns from results.

    Args:
        names: where they are, as the study file says it.
        scope: the designs that the study can have.
        acts: gives the paths of the space that act in a design; None where all do in all of them.
        criteria: what designs are judged by.

    Raises:
        SettingError: there are no such results, they are of another task, or hold nothing that can be learned from.
    """
    found: dict[str, _Found] = {}
    for name in dict.fromkeys(names):
        try:
            where = _where(name, scope.folder)
            _read(name, where, scope, criteria, found)
        except (DataError, ResultsError) as error:
            raise SettingError(f"learn_from: {error}") from None
    best = _best(list(found.values()), criteria)
    placed = [own for one in best if (own := _placed(one, scope, acts)) is not None]
    if not placed:
        raise SettingError(
            f"learn_from: no design of {', '.join(names)} can be put beside those of this study; leave it out"
        )
    return _learned(placed, len(found), scope, criteria)


def kept_in(folder: Path) -> Learned:
    """Return what a study learned, from the file that is kept beside its study file.

    Raises:
        SettingError: it is missing or damaged.
    """
    try:
        return Learned.read((folder / FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise SettingError(f"{folder / FILE}, which holds what the study learned, is unreadable: {error}") from None


def _where(name: str, folder: Path) -> Where:
    return name if "://" in name else folder / at_home(Path(name))


def _read(name: str, where: Where, scope: Scope, criteria: Criteria, found: dict[str, _Found]) -> None:
    """Add the designs of results to those that were found.

    Raises:
        SettingError: there is none to learn from; why.
        ResultsError: there are no results.
    """
    read_about(where)
    tasks, lacking, others, complete, taken = scope.tasks, set(criteria.quantities), set[str](), 0, 0
    for rows in _batches(where):
        for row, values in zip(rows, criteria.of(rows), strict=True):
            complete += 1
            design = flatten(object_of(row["design"], f"the design of trial {row['trial']}"))
            settings = {setting(path, warn=False): own for path, own in design.items()}
            if (task := task_of(settings)) not in tasks:
                others.add(task.name)
                continue
            if values is None or not all(map(math.isfinite, values)):
                lacking -= {own for own in lacking if Criteria([own], criteria.card).of([row]) != [None]}
                continue
            taken += 1
            found.setdefault(row["design_key"], _Found(settings)).seeds.setdefault(row["seed"], values)
    if taken:
        return
    if not complete:
        raise SettingError(f"learn_from: {name} holds no complete design yet; leave it out until it does")
    if len(others) and lacking == set(criteria.quantities):
        here = " or ".join(sorted(task.name for task in tasks))
        raise SettingError(
            f"learn_from: {name} holds results of another task, {' and '.join(sorted(others))}; this study is one of "
            f"{here}. Name results of the same task"
        )
    named = ", ".join(sorted(lacking)) or "all of its objectives and constraints as finite numbers at once"
    raise SettingError(
        f"learn_from: no design of {name} has {named}; give results that were measured on everything that this study "
        "judges by"
    )


def _batches(where: Where) -> Iterator[list[dict[str, Any]]]:
    """Yield the complete rows of results."""
    for batch in read_table(where).to_batches(max_chunksize=ROWS):
        rows = to_rows(pa.Table.from_batches([batch]))
        yield [row for row in rows if row["state"] == "complete" and row["design"] is not None]


def _placed(found: _Found, scope: Scope, acts: Acts | None) -> _Placed | None:
    """Return a design beside the nearest one of the study; None where that contradicts itself."""
    given = {path: _value(path, found.settings, scope) for path in scope.space}
    near = {path: nearest(own, given[path]) for path, own in scope.space.items()}
    try:
        acting = scope.space.keys() if acts is None else acts(near)
        here = flatten(json.loads(json.dumps(compose({**scope.fixed, **near}, scope.folder).as_dict())))
    except SettingError:
        return None
    others = {path: path in acting and _is_other(own, given[path]) for path, own in scope.space.items()}
    part_of = tuple(_table(path) for path, is_other in others.items() if is_other and path in _CHOOSING)
    paths = (found.settings.keys() | here.keys()) - scope.space.keys()
    differences = {
        path: (found.settings.get(path), here.get(path))
        for path in sorted(paths)
        if found.settings.get(path) != here.get(path) and not path.startswith(part_of)
    }
    settings = [given[path] if path in acting else None for path in scope.space]
    return _Placed(settings, others, differences, found.values, len(found.seeds))


_CHOOSING = {family.card or family.path for family in FAMILIES} | {"deployment.device.card"}
"""Settings that choose what others of their table are."""


def _table(path: str) -> str:
    """Return how the settings begin that one chooses; everything, for one that stands in no table."""
    return path[: path.rfind(".") + 1]


def _value(path: str, settings: Mapping[str, Any], scope: Scope) -> Any:
    """Return the value of an earlier design at a path of the space; the default where it has none.

    None where there is no default, such as the card of the cells of a design without cells.
    """
    if path in settings:
        return settings[path]
    given = {**scope.settled, **{own: value for own, value in settings.items() if own in scope.space}}
    default = completed(given).get(path, default_of(path, given))
    return None if default is PydanticUndefined else default


def _is_other(parameter: Parameter, value: object) -> bool:
    """Return whether a value is another choice than those of a parameter whose choices have no order."""
    if not isinstance(parameter, Choice) or all(type(own) in (int, float) for own in parameter.values):
        return False
    if value is None:
        return False
    try:
        parameter.number(value)
    except ValueError:
        return True
    return False


def _best(found: list[_Found], criteria: Criteria) -> list[_Found]:
    """Return the designs of the best ranks, in their order, where there are too many."""
    if len(found) <= MOST:
        return found
    from dse.analysis.fronts.pareto import ranks  # noqa: PLC0415  which most checks do without

    goals: list[Goal] = [quantity(name).goal for name in criteria.objectives]
    points = np.array([own.values[: len(goals)] for own in found])
    kept = np.argsort(ranks(points, goals), kind="stable")[:MOST]
    return [found[place] for place in sorted(kept.tolist())]


def _learned(placed: Sequence[_Placed], count: int, scope: Scope, criteria: Criteria) -> Learned:
    """Return designs with the axes that they need beside the space."""
    found = beside([own.differences for own in placed])
    others = [path for path in scope.space if any(own.others[path] for own in placed)]
    designs = [
        LearnedDesign(own.settings, [*places, *(APART * own.others[path] for path in others)], own.values, own.seeds)
        for own, places in zip(placed, found.places, strict=True)
    ]
    axes = [*found.axes, *(f"another choice of {path}" for path in others)]
    return Learned(list(scope.space), criteria.quantities, axes, found.kinds, count, designs)
