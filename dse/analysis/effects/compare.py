"""Two studies side by side: their fronts, the designs they share, the best of each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from dse.analysis.effects.ablation import difference
from dse.analysis.fronts import quality
from dse.analysis.fronts.pareto import as_costs, checked, is_on_front, points_of
from dse.analysis.tables.tables import Tables, search_trials
from dse.errors import QueryError

MADE_BY = {"code": "code", "data_checksum": "data", "cost_card": "cost card"}


def shared_objectives(a: Tables, b: Tables) -> list[str]:
    """Return the objectives of the first study that the second has too.

    Raises:
        QueryError: there is none.
    """
    found = [name for name in a.objectives if name in b.objectives]
    if not found:
        raise QueryError(
            f"the studies share no objective ({', '.join(a.objectives)}; {', '.join(b.objectives)}); name some with "
            "--objectives"
        )
    return found


def fronts_table(a: Tables, b: Tables, objectives: Sequence[str]) -> pl.DataFrame:
    """Return a row each for A, B and their union.

    `designs` that miss no objective, `on_front` (of their own front), `on_union_front` (of these, on that of both),
    `hypervolume` in the product of the units and its `share` of the box between the reference (the worst value of each
    objective over both studies) and the best, `covers_other`: the share of the other front to which some design of this
    one is at least as good in every objective. Equal points count for both.

    Raises:
        QueryError: an objective that is no metric, or a study without complete designs.
    """
    goals = checked(objectives)
    sets = [points_of(search_trials(t).drop_nulls(list(objectives)), objectives) for t in (a, b)]
    for points, tables in zip(sets, (a, b), strict=True):
        if not len(points):
            raise QueryError(f"{tables.about['name']} has no complete design with all of {', '.join(objectives)}")
    both = np.concatenate(sets)
    reference, best = quality.worst(both, goals), quality.ideal(both, goals)
    box = float(np.abs(reference - best).prod())
    own = [points[is_on_front(points, goals)] for points in (*sets, both)]
    union = {tuple(point) for point in own[2].tolist()}
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
            ("A", "B", "union"),
            (*sets, both),
            own,
            [quality.hypervolume(front, goals, reference) for front in own],
            [quality.coverage(own[0], own[1], goals), quality.coverage(own[1], own[0], goals), None],
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


def notes(a: Tables, b: Tables) -> list[str]:
    """Return what makes the studies hard to compare: other code, data or prices; and constraints that are left out."""
    found: list[str] = []
    for column, what in MADE_BY.items():
        ours, theirs = (set(t.trials[column].drop_nulls().unique().to_list()) for t in (a, b))
        if ours != theirs:
            found.append(f"note: other {what}: {', '.join(sorted(ours))} | {', '.join(sorted(theirs))}")
    if any(tables.about.get("constraints") for tables in (a, b)):
        found.append("note: fronts here are those of all complete designs; the constraints of a study are left out")
    return found
