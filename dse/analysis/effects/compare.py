"""Studies side by side: their fronts, the designs they share, the best of each, what differs in their files."""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import polars as pl

from dse.analysis.effects.ablation import difference
from dse.analysis.fronts import quality
from dse.analysis.fronts.pareto import as_costs, checked, is_on_front, points_of
from dse.analysis.tables.tables import Tables, search_trials
from dse.errors import QueryError
from dse.results.place import Where
from dse.results.source import study_text

MADE_BY = {"code": "code", "data_checksum": "data", "cost_card": "cost card"}


def shared_objectives(*studies: Tables) -> list[str]:
    """Return the objectives of the first study that all others have too.

    Raises:
        QueryError: there is none.
    """
    found = [name for name in studies[0].objectives if all(name in other.objectives for other in studies)]
    if not found:
        raise QueryError(
            f"the studies share no objective ({'; '.join(', '.join(t.objectives) for t in studies)}); name some with "
            "--objectives"
        )
    return found


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Names of studies, in their order."""


def fronts_table(*studies: Tables, objectives: Sequence[str]) -> pl.DataFrame:
    """Return a row each for the studies A, B and so on, and their union.

    `designs` that miss no objective, `on_front` (of their own front), `on_union_front` (of these, on that of both),
    `hypervolume` in the product of the units and its `share` of the box between the reference (the worst value of each
    objective over all studies) and the best, `covers_other`: the share of the other fronts to which some design of this
    one is at least as good in every objective. Equal points count for all.

    Raises:
        QueryError: an objective that is no metric, or a study without complete designs.
    """
    goals = checked(objectives)
    sets = [points_of(search_trials(t).drop_nulls(list(objectives)), objectives) for t in studies]
    for points, tables in zip(sets, studies, strict=True):
        if not len(points):
            raise QueryError(f"{tables.about['name']} has no complete design with all of {', '.join(objectives)}")
    united = np.concatenate(sets)
    reference, best = quality.worst(united, goals), quality.ideal(united, goals)
    box = float(np.abs(reference - best).prod())
    own = [points[is_on_front(points, goals)] for points in (*sets, united)]
    union = {tuple(point) for point in own[-1].tolist()}

    def covered(place: int) -> float:
        others = np.concatenate([front for n, front in enumerate(own[:-1]) if n != place])
        return quality.coverage(own[place], others, goals)

    rows = [
        {
            "study": name,
            "designs": len(points),
            "on_front": len(front),
            "on_union_front": sum(tuple(point) in union for point in front.tolist()),
            "hypervolume": volume,
            "share": volume / box if box > 0 else None,
            "covers_other": covers,
        }
        for name, points, front, volume, covers in zip(
            (*LETTERS[: len(sets)], "union"),
            (*sets, united),
            own,
            [quality.hypervolume(front, goals, reference) for front in own],
            [*map(covered, range(len(sets))), None],
            strict=True,
        )
    ]
    return pl.DataFrame(rows)


def best_table(a: Tables, b: Tables, objectives: Sequence[str]) -> pl.DataFrame:
    """Return the best design of each study for each objective, with the difference B - A and its interval."""
    rows: list[dict[str, Any]] = []
    for name in objectives:
        trials = [_best(tables, name) for tables in (a, b)]
        if None not in trials:
            rows.append({"objective": name} | _difference(a, trials[0], b, trials[1], name))
    return pl.DataFrame(rows, infer_schema_length=None)


def shared_table(a: Tables, b: Tables, objectives: Sequence[str]) -> pl.DataFrame:
    """Return a row for each design that both studies completed and each objective, with the difference B - A.

    Raises:
        QueryError: they share none.
    """
    keys = ["design_key", "trial"]
    pairs = search_trials(a).select(keys).join(search_trials(b).select(keys), on="design_key", suffix="_b")
    rows = [
        {"objective": name} | _difference(a, trial_a, b, trial_b, name)
        for _, trial_a, trial_b in pairs.iter_rows()
        for name in objectives
    ]
    if not rows:
        raise QueryError("the studies share no design: no two are equal in every setting")
    return pl.DataFrame(rows, infer_schema_length=None)


def against_first(
    table: Callable[[Tables, Tables, Sequence[str]], pl.DataFrame], studies: Sequence[Tables], objectives: Sequence[str]
) -> pl.DataFrame:
    """Return `best_table` or `shared_table` of the first study and each other; of several others with a column `study`.

    Raises:
        QueryError: none of the others has anything for it.
    """
    if len(studies) == 2:
        return table(studies[0], studies[1], objectives)
    found: list[pl.DataFrame] = []
    reason = ""
    for letter, other in zip(LETTERS[1:], studies[1:], strict=False):
        try:
            own = table(studies[0], other, objectives)
        except QueryError as error:
            reason = str(error)
            continue
        found.append(own.insert_column(0, pl.Series("study", [letter] * len(own))))
    if not found:
        raise QueryError(reason)
    return pl.concat(found, how="diagonal_relaxed")


def study_files(places: Sequence[Where], studies: Sequence[Tables]) -> list[dict[str, Any]]:
    """Return the study files of results, as TOML gives them.

    Raises:
        QueryError: results that unite several studies, or whose file cannot be read.
    """
    found: list[dict[str, Any]] = []
    for place, tables in zip(places, studies, strict=True):
        text = study_text(place, tables.about)
        if text is None:
            raise QueryError(f"{place} holds no study file to compare: it unites several studies, or cannot be read")
        try:
            found.append(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise QueryError(f"the study file of {place} is damaged: {error}") from None
    return found


def changed_table(places: Sequence[Where], studies: Sequence[Tables]) -> pl.DataFrame:
    """Return a row for each setting in which the study files differ: `setting`, and a column for each study.

    Raises:
        QueryError: see `study_files`.
    """
    letters = LETTERS[: len(studies)]
    rows = [
        {"setting": path, **dict(zip(letters, values, strict=True))}
        for path, values in changed(study_files(places, studies))
    ]
    return pl.DataFrame(rows, schema={"setting": pl.String, **dict.fromkeys(letters, pl.String)})


def shared_count(a: Tables, b: Tables) -> int:
    """Return how many designs both studies completed."""
    return len(search_trials(a).join(search_trials(b), on="design_key", how="semi"))


def _difference(a: Tables, trial_a: Any, b: Tables, trial_b: Any, name: str) -> dict[str, object]:
    found = difference(b, name, trial_b, a, trial_a)
    values = {"a": found["of_base"], "b": found["of_design"]}
    return {"trial_a": trial_a, "trial_b": trial_b, **values} | {
        key: found[key] for key in ("difference", "low", "high", "verdict")
    }


def _best(tables: Tables, objective: str) -> int | None:
    designs = search_trials(tables).drop_nulls(objective)
    if designs.is_empty():
        return None
    return int(designs["trial"][int(as_costs(points_of(designs, [objective]), checked([objective])).argmin())])


def changed(files: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str | None]]]:
    """Return the settings in which study files differ: the path of each, and what each file has, None for nothing.

    Settings that a file leaves out have their default, which is not looked up here.

    Args:
        files: study files as TOML gives them.
    """
    flat = [dict(_flat(file)) for file in files]
    paths = dict.fromkeys(path for own in flat for path in own)
    rows = [(path, [own.get(path) for own in flat]) for path in paths]
    return [(path, values) for path, values in rows if len(set(values)) > 1]


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path of each value and the value as text; a range of the space is one value."""
    for name, value in table.items():
        path = f"{before}.{name}" if before else name
        if isinstance(value, Mapping) and not (
            before.startswith("space") and _is_range(cast("Mapping[str, Any]", value))
        ):
            yield from _flat(cast("Mapping[str, Any]", value), path)
        else:
            yield path, json.dumps(value, ensure_ascii=False, default=str)


def _is_range(value: Mapping[str, Any]) -> bool:
    return {"low", "high"} <= value.keys()


def notes(*studies: Tables) -> list[str]:
    """Return what makes studies hard to compare: other code, data or prices; and constraints that are left out."""
    found: list[str] = []
    for column, what in MADE_BY.items():
        made = [set(t.trials[column].drop_nulls().unique().to_list()) for t in studies]
        if any(own != made[0] for own in made):
            found.append(f"note: other {what}: {' | '.join(', '.join(sorted(own)) for own in made)}")
    if any(tables.about.get("constraints") for tables in studies):
        found.append("note: fronts here are those of all complete designs; the constraints of a study are left out")
    return found
