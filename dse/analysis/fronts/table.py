"""The front of a study as a table: ranks, knees, epsilon, intervals, the probability to be on it; its hypervolume."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from dse.analysis.fronts import quality
from dse.analysis.fronts.confidence import bands, front_probability, half_widths, replicates
from dse.analysis.fronts.feasible import Feasibility
from dse.analysis.fronts.pareto import best_first, checked, is_on_front, points_of, ranks
from dse.analysis.tables.tables import Tables, present, search_trials
from dse.analysis.tables.variants import simulation_groups, with_simulated_trials
from dse.errors import QueryError, did_you_mean
from dse.pricing.bounds import number
from dse.pricing.quantities import is_test_metric
from dse.pricing.text import counted
from dse.renamed import quantity
from dse.results.reading import PAUSED

NAMED = 8
"""Trials that a note names."""
MOST_DRAWN = 20_000
"""Most designs for which the probability to be on the front is drawn, which then takes some ten seconds."""


def front_table(
    tables: Tables, objectives: Sequence[str], *, ranked: bool = False, knee: bool = False, epsilon: str | None = None
) -> pl.DataFrame:
    """Return the designs on the front, best first in the first objective.

    Where the study has constraints, these are feasible designs alone, here and in ranks; see
    `dse.analysis.fronts.feasible`.

    Args:
        tables: the tables of a study.
        objectives: names of metrics.
        ranked: all designs that miss no objective, with `rank` and `distance` (see `quality.distances`), by rank, and
            within a rank by knee if asked.
        knee: add `knee`, the expected marginal utility, and sort by it; null off the front.
        epsilon: all designs that no other beats by more; see `parse_epsilon`. Adds `distance`.

    Returns:
        Columns `trial`, those named above, the objectives, metrics of the task on test samples, the parameters. Where
        designs have several seeds also `p_front` and `seeds`, and beside each objective `ci95_NAME`, the half-width of
        the interval of its mean.

    Raises:
        QueryError: an objective that is no metric, or an epsilon that cannot be read.
    """
    goals = checked(objectives)
    judged = Feasibility(tables)
    searched, points = judged.designs, judged.points(objectives)
    keep = ~np.any(np.isnan(points), axis=1) if ranked else is_on_front(points, goals)
    added: dict[str, pl.Series] = {}
    if ranked:
        added["rank"] = pl.Series(ranks(points, goals))
    if epsilon is not None:
        size, relative = parse_epsilon(epsilon, objectives)
        keep = quality.is_on_epsilon_front(points, goals, size, relative)
    if ranked or epsilon is not None:
        added["distance"] = _column(quality.distances(points, goals))
    if knee:
        added["knee"] = _column(quality.knees(points, goals))
    designs, sure = _with_confidence(tables, searched.with_columns(**added), objectives, pl.Series(keep))
    found = best_first(designs, objectives)
    order = [name for name in ("rank", "knee") if name in added]
    if order:
        found = found.sort(order, descending=[name == "knee" for name in order], nulls_last=True, maintain_order=True)
    measured = [name for objective in objectives for name in (objective, f"ci95_{objective}") if name in found.columns]
    extra = [name for name in present(tables.trials, tables.metrics) if name not in objectives and is_test_metric(name)]
    return with_simulated_trials(tables, found).select("trial", *added, *sure, *measured, *extra, *tables.parameters)


def _with_confidence(
    tables: Tables, designs: pl.DataFrame, objectives: Sequence[str], keep: pl.Series
) -> tuple[pl.DataFrame, list[str]]:
    """Return those designs that are kept, with how sure their means are, and the columns that say so."""
    kept = designs.filter(keep)
    if not (designs["seeds"] > 1).any():
        return kept, []
    shown = replace(tables, trials=tables.trials.join(kept.select("trial"), on="trial", how="semi"))
    widths = half_widths(shown, objectives)
    if len(designs) > MOST_DRAWN:
        return kept.join(widths, on="trial", how="left", maintain_order="left"), ["seeds"]
    values = replicates(tables, designs["trial"], [*objectives, *(bound.metric for bound in tables.constraints)])
    groups = simulation_groups(tables, designs["trial"])
    found = front_probability(values, checked(objectives), groups=groups, constraints=tables.constraints)
    sure = designs.with_columns(p_front=_column(found)).filter(keep)
    return sure.join(widths, on="trial", how="left", maintain_order="left"), ["p_front", "seeds"]


def front_title(tables: Tables, objectives: Sequence[str]) -> str:
    """Return how many designs are on the front, and whether the study is done; a second line on infeasible designs."""
    goals = checked(objectives)
    judged = Feasibility(tables)
    searched = judged.designs
    on = int(is_on_front(judged.points(objectives), goals).sum())
    state = f" (unfinished: {tables.unfinished})" if tables.unfinished else ""
    many = "" if tables.variants == 1 else f" ({tables.variants} variants each of {len(searched) // tables.variants})"
    feasible = len(judged.feasible)
    of = counted(*(feasible, "feasible design") if judged.constraints and feasible else (len(searched), "design"))
    title = f"{tables.about['name']}: {on} of {of}{many} {'is' if on == 1 else 'are'} on the front{state}"
    left_out = tables.about.get("constraints") if not judged.constraints else None
    said = f"constraints are left out: {', '.join(map(' '.join, left_out.items()))}" if left_out else judged.summary()
    lines = [title, said, waiting_note(tables), infinite_note(tables, objectives), single_note(tables, objectives)]
    return "\n".join(line for line in lines if line)


def waiting_note(tables: Tables) -> str:
    """Return how many designs wait at a rung, where none of the search has ended; "" otherwise."""
    if not search_trials(tables).is_empty() or tables.rungs.is_empty():
        return ""
    waiting = tables.rungs.filter(pl.col("state") == PAUSED).n_unique("trial")
    if not waiting:
        return ""
    are = "waits" if waiting == 1 else "wait"
    return (
        f"no design was trained to its end: {counted(waiting, 'design')} {are} at a rung, in the table rungs of "
        "`dse query`; `dse explain` says why"
    )


def single_note(tables: Tables, objectives: Sequence[str]) -> str:
    """Return which designs on the front have one seed where others have more; "" where none has."""
    judged = Feasibility(tables)
    front = judged.designs.filter(pl.Series(is_on_front(judged.points(objectives), checked(objectives))))
    single = with_simulated_trials(tables, front.filter(pl.col("seeds") < 2))["trial"].unique(maintain_order=True)
    if int(tables.about["seeds"]) < 2 or single.is_empty():
        return ""
    shown = ", ".join(map(str, single[:NAMED].to_list())) + (", ..." if len(single) > NAMED else "")
    return (
        f"{len(single)} of the {len(front)} on the front under one seed alone, without an interval (trial {shown}): "
        "not sure; more budget.epochs or budget.trials give it others"
    )


def constant_note(tables: Tables, objectives: Sequence[str]) -> str:
    """Return which objectives are the same for all complete designs, which leaves no volume; "" where none is."""
    designs = Feasibility(tables).feasible
    same = [name for name in objectives if len(designs) > 1 and designs[name].drop_nulls().n_unique() == 1]
    return f"{', '.join(same)} is the same for all designs: there is no volume, nor a share of one" if same else ""


def infinite_note(tables: Tables, objectives: Sequence[str]) -> str:
    """Return which objectives are infinite for which complete designs, and what becomes of these; "" where none is."""
    designs = Feasibility(tables).designs
    found: list[str] = []
    for name in objectives:
        own = designs.filter(pl.col(name).cast(pl.Float64).is_infinite().fill_null(value=False))
        trials = with_simulated_trials(tables, own)["trial"].unique(maintain_order=True).to_list()
        if trials:
            shown = ", ".join(map(str, trials[:NAMED])) + (", ..." if len(trials) > NAMED else "")
            found.append(f"{name} is infinite for {counted(len(own), 'design')} (trial {shown})")
    if not found:
        return ""
    return (
        f"{'; '.join(found)}: distances, knees and pictures take it for one range beyond the finite values, volumes "
        "and importances leave it out"
    )


def confidence_note(tables: Tables) -> str:
    """Return what the intervals of a front are, or that there are none."""
    if int(tables.about["seeds"]) < 2:
        return "one seed a design: no intervals, and no probability to be on the front; see budget.seeds"
    if len(search_trials(tables)) > MOST_DRAWN:
        return f"means over seeds; ci95: half-width of Student's 95 % interval; above {MOST_DRAWN} designs no p_front"
    return "means over seeds; ci95: half-width of Student's 95 % interval; p_front: share of 1000 draws of the means"


def hypervolume_table(tables: Tables, objectives: Sequence[str], reference: str | None = None) -> pl.DataFrame:
    """Return one row: the hypervolume of the front and the reference point it is measured from.

    Args:
        tables: the tables of a study.
        objectives: names of metrics.
        reference: "NAME=VALUE,..." for all objectives; by default the worst value of each over the complete designs,
            of a study with constraints over the feasible ones.

    Returns:
        `share` of the box between the reference and the best value of each objective, `hypervolume` in the product of
        the units, `designs`, `on_front`, `infeasible` where there are constraints, `infinite` where designs with an
        infinite value are left out (a life without end has no volume), and
        `reference_NAME` and `best_NAME` for each objective. There is no interval:
        the volume of noisy means is biased upward, and draws of them more so.

    Raises:
        QueryError: no complete design, none that is feasible, or a reference that cannot be read.
    """
    goals = checked(objectives)
    judged = Feasibility(tables)
    designs = _complete(judged, objectives)
    finite: np.ndarray = np.all(np.isfinite(points_of(designs, objectives)), axis=1)
    if not finite.any():
        raise QueryError(
            f"no complete design has a finite value of each objective; {infinite_note(tables, objectives)}"
        )
    designs = designs.filter(pl.Series(finite))
    points = points_of(designs, objectives)
    corner = quality.worst(points, goals) if reference is None else parse_point(reference, objectives)
    best = quality.ideal(points, goals)
    box = float(np.abs(np.where(quality.as_costs(corner - best, goals) > 0, corner - best, 0.0)).prod())
    volume = quality.hypervolume(points, goals, corner)
    share = 1.0 / box if box > 0 else math.nan
    row = {"share": volume * share, "hypervolume": volume}
    row |= {"designs": len(designs), "on_front": int(is_on_front(points, goals).sum())}
    row |= {"infeasible": judged.infeasible} if judged.constraints else {}
    row |= {} if finite.all() else {"infinite": int((~finite).sum())}
    row |= {f"reference_{name}": float(value) for name, value in zip(objectives, corner, strict=True)}
    row |= {f"best_{name}": float(value) for name, value in zip(objectives, best, strict=True)}
    return pl.DataFrame([row]).with_columns(pl.col(pl.Float64).fill_nan(None))


def bands_table(tables: Tables, objectives: Sequence[str]) -> pl.DataFrame:
    """Return attainment surfaces of the front, a row a point: `percentile` and the objectives; see `confidence.bands`.

    Raises:
        QueryError: not two objectives, one seed, or no complete design.
    """
    goals = checked(objectives)
    if len(goals) != 2:
        raise QueryError(f"bands take two objectives, not {len(goals)}; choose them with --objectives")
    if int(tables.about["seeds"]) < 2:
        raise QueryError("bands need complete designs with several seeds; see budget.seeds of the study file")
    judged = Feasibility(tables)
    _complete(judged, objectives)
    surfaces = surfaces_of(tables, judged.designs.drop_nulls(list(objectives))["trial"], objectives)
    if not surfaces:
        raise QueryError(
            f"no surface is attained by 10 % of the draws: few have a feasible design; {infeasible_note(tables)}"
        )
    parts = [
        pl.DataFrame(surface, schema=list(objectives), orient="row").insert_column(
            0, pl.Series("percentile", [percentile] * len(surface))
        )
        for percentile, surface in surfaces.items()
    ]
    return pl.concat(parts)


def surfaces_of(tables: Tables, trials: pl.Series, objectives: Sequence[str]) -> dict[float, np.ndarray]:
    """Return attainment surfaces of the front of two objectives; see `confidence.bands`.

    Args:
        tables: the tables of a study.
        trials: complete designs, those that are infeasible by their means among them: some draws have them feasible.
        objectives: names of metrics.
    """
    values = replicates(tables, trials, [*objectives, *(bound.metric for bound in tables.constraints)])
    groups = simulation_groups(tables, trials)
    return bands(values, checked(objectives), groups=groups, constraints=tables.constraints)


def _complete(judged: Feasibility, objectives: Sequence[str]) -> pl.DataFrame:
    """Return the feasible designs that have all objectives.

    Raises:
        QueryError: there is none.
    """
    designs = judged.feasible.drop_nulls(list(objectives))
    if designs.is_empty():
        said = judged.summary() if not judged.met.any() else ""
        raise QueryError(said or "no complete design has all of these objectives yet")
    return designs


def infeasible_note(tables: Tables) -> str:
    """Return a line on infeasible designs and the nearest, or "" where the study has no constraints."""
    return Feasibility(tables).summary()


def parse_epsilon(text: str, objectives: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return epsilon for each objective and whether it is relative.

    "1%" takes a hundredth of every objective; "accuracy=0.005,energy_per_sample_j=10%" half a point of one and a tenth
    of the other, and nothing of those that are not named.

    Raises:
        QueryError: what came and what is allowed.
    """
    parts = [part.strip() for part in text.split(",")]
    named = dict(_named(part, objectives) for part in parts) if "=" in text else dict.fromkeys(objectives, text.strip())
    sizes = [_size(named.get(name, "0")) for name in objectives]
    return np.array([size for size, _ in sizes]), np.array([relative for _, relative in sizes])


def _named(part: str, objectives: Sequence[str]) -> tuple[str, str]:
    name, equals, value = (piece.strip() for piece in part.partition("="))
    name = quantity(name)
    if not equals or name not in objectives:
        hint = did_you_mean(name, objectives)
        raise QueryError(f"{part!r} is not understood{hint}; give NAME=VALUE for some of: {', '.join(objectives)}")
    return name, value


def _size(text: str) -> tuple[float, bool]:
    relative = text.endswith("%")
    size = number(text.removesuffix("%")) / (100 if relative else 1)
    if size < 0 or (relative and size >= 1):
        raise QueryError(
            f"epsilon {text!r} is not allowed; give a number from 0, or a percentage from 0% to below 100%"
        )
    return size, relative


def parse_point(text: str, objectives: Sequence[str]) -> np.ndarray:
    """Return a value for each objective from "NAME=VALUE,...".

    Raises:
        QueryError: one is missing, unknown or no number.
    """
    named = dict(_named(part, objectives) for part in text.split(","))
    if missing := [name for name in objectives if name not in named]:
        raise QueryError(f"the reference point misses {', '.join(missing)}; give NAME=VALUE for every objective")
    return np.array([number(named[name]) for name in objectives])


def _column(values: np.ndarray) -> pl.Series:
    return pl.Series(values).fill_nan(None)
