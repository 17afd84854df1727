"""Why a design of a study was proposed, went on, got seeds, or was left: from its decisions and its rows.

Decisions are kept with what they were made of (`dse.search.decisions`). What was drawn without regard to results has
none, and says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from dse.analysis.costs.priced import open_priced
from dse.analysis.fronts.feasible import Feasibility
from dse.analysis.fronts.pareto import as_costs, points_of
from dse.analysis.tables.tables import Tables, one_trial, open_tables
from dse.metric import Goal
from dse.pricing.quantities import quantity
from dse.pricing.text import cell, counted
from dse.results.address import place_of
from dse.results.place import Where
from dse.results.source import study_tables
from dse.search.decisions import read_decisions
from dse.search.steps import Step

SHOWN = 3
"""Others that are named, at most."""
LEAST_CHANCE = 1e-3
"""Probability below which a smaller one says no more: models are not that sure of anything."""
KINDS = {
    "new": "proposed",
    "on": "went on",
    "seeds": "got all seeds, as it was expected to gain most",
    "certify": "got all seeds, to make sure of the front",
}


@dataclass(frozen=True)
class Explanation:
    """Why things happened to a design.

    Attributes:
        trial: its number.
        steps: what was decided of it, in order: step, kind, and what the decision was made of.
        lines: the same for people, with what came of it.
    """

    trial: int
    steps: Sequence[Mapping[str, Any]]
    lines: Sequence[str]


def explain(where: Where, trial: int) -> Explanation:
    """Return why a trial was proposed, went on, got seeds, or was left.

    Args:
        where: the results.
        trial: its number.

    Raises:
        QueryError: there is no such trial.
        ResultsError: there are no results.
    """
    place, tables = place_of(where), open_tables(where)
    rows = one_trial(replace(tables, trials=tables.rungs), trial)
    if rows["origin"][0] != "search":
        lines = [f"trial {trial} is the control {rows['origin'][0]}: the study file names it, no search proposed it"]
        return Explanation(trial, [], lines)
    controls = len(tables.rungs.filter(pl.col("origin") != "search").unique("trial"))
    decided = sorted(read_decisions(place).values(), key=lambda step: step.number)
    own = [step for step in decided if step.trial == trial - controls]
    lines = [f"trial {trial} of {tables.about['name']}"]
    if not any(step.kind == "new" for step in own):
        named = trial - controls < len(study_tables(where, tables.about, "first"))
        how = "the study file names it, in its [[first]]" if named else "at the start, or by a sampler that sees none"
        lines.append(f"  proposed without regard to results: {how}")
    for step in own:
        lines += _told(step, tables)
    lines += _seen(rows, tables)
    lines += _left(rows, own, decided, controls, tables) or _standing(trial, open_priced(where, None, study=False))
    return Explanation(
        trial, [{"step": s.number, "kind": s.kind, "until": s.until, **(s.why or {})} for s in own], lines
    )


def _told(step: Step, tables: Tables) -> list[str]:
    until = "its end" if step.until is None else f"a pause after {counted(step.until, 'epoch')}"
    why = dict(step.why or {})
    lines = [f"  step {step.number}: {KINDS[step.kind]}, to {until}"]
    if "drawn" in why:
        lines.append(f"    {why['drawn']}")
    if "sampler" in why:
        lines.append(f"    by Optuna's {why['sampler']}, which gives no reasons")
    if "p_front" in why:
        lines.append(
            f"    probability to be on the front {why['p_front']:.2f}: the least sure of "
            f"{counted(why['candidates'], 'member')} of the front without all seeds"
        )
    if "earlier" in why:
        lines.append(f"    the models also knew {counted(why['earlier'], 'design')} of earlier results")
    if "gain" in why:
        lines.append(
            f"    largest expected gain in hypervolume of {counted(why['candidates'], 'candidate')}: "
            f"{why['gain']:.3g}, in boxes of the front so far"
        )
    if "chance" in why:
        lines.append(
            f"    no design was known to meet the bounds: of {counted(why['candidates'], 'candidate')} the most "
            f"probable to, {_chance(why['chance'])}"
        )
    for name, mean, ends in zip(tables.objectives, why.get("expected", ()), why.get("range", ()), strict=False):
        lines.append(f"    expected {name} {cell(name, mean)}, within {' to '.join(cell(name, end) for end in ends)}")
    return lines


def _worth(step: Step) -> str:
    """Return what a design that went on was expected to gain, or how probable it was to meet the bounds."""
    why = step.why or {}
    return f"probability {_chance(why['chance'])}" if "chance" in why else f"gain {why.get('gain', 0.0):.3g}"


def _measure(step: Step) -> float:
    """Return what a design that went on was chosen by; see `_worth`."""
    why = step.why or {}
    return float(why.get("chance", why.get("gain", 0.0)))


def _chance(value: float) -> str:
    return f"{value:.2g}" if value >= LEAST_CHANCE else f"below {LEAST_CHANCE:g}"


def _seen(rows: pl.DataFrame, tables: Tables) -> list[str]:
    """Return what came of each simulation, shortly."""
    lines: list[str] = []
    for row in rows.sort("step", "seed", nulls_last=False).iter_rows(named=True):
        if row["state"] == "failed":
            lines.append(f"  seed {row['seed']} failed: {row['failure']}")
            continue
        stored = [name for name in tables.objectives if row.get(name) is not None]
        values = ", ".join(f"{name} {cell(name, row[name])}" for name in stored)
        lines.append(f"  seed {row['seed']} after {counted(row['epochs'] or 0, 'epoch')}: {values}")
    return lines


def _left(rows: pl.DataFrame, own: Sequence[Step], decided: Sequence[Step], controls: int, tables: Tables) -> list[str]:
    """Return why a design waits at a rung; nothing for one that has ended."""
    if (rows["state"] != "paused").any():
        return []
    at = int(rows["epochs"].max() or 0)  # type: ignore[arg-type]
    last = max((step.number for step in own), default=-1)
    others = [step for step in decided if step.kind == "on" and step.since == at and step.number > last]
    lines = [f"  waits after {counted(at, 'epoch')}" + ("; it may still go on" if not tables.about["ended"] else "")]
    if others:
        best = sorted(others, key=lambda step: -_measure(step))[:SHOWN]
        named = ", ".join(f"trial {step.trial + controls} ({_worth(step)})" for step in best)
        lines.append(f"    another that waited there was worth more, {counted(len(others), 'time')}: {named}")
    else:
        lines.append("    no design went on from there since")
    return lines


def _standing(trial: int, tables: Tables) -> list[str]:
    """Return whether a design that has ended is on the front, or what is better."""
    judged = Feasibility(tables)
    feasible = judged.feasible
    if not (feasible["trial"] == trial).any():
        return ["  it is not on the front: " + (judged.missed(trial) or "it failed, or lacks an objective")]
    goals: list[Goal] = [quantity(name).goal for name in tables.objectives]
    costs = as_costs(points_of(feasible, tables.objectives), goals)
    here = costs[int((feasible["trial"] == trial).arg_max() or 0)]
    better = ((costs <= here).all(axis=1) & (costs < here).any(axis=1)).nonzero()[0]
    if not len(better):
        return ["  it is on the front"]
    named = ", ".join(str(feasible["trial"][int(place)]) for place in better[:SHOWN])
    more = f" and {len(better) - SHOWN} more" if len(better) > SHOWN else ""
    return [f"  off the front: better in every objective, or equal: trial {named}{more}"]
