"""The progress of a study, from its results alone, on any machine that can read them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import polars as pl

from dse.analysis.costs.priced import open_priced
from dse.analysis.fronts.feasible import Feasibility
from dse.analysis.fronts.pareto import front
from dse.analysis.fronts.table import hypervolume_table
from dse.analysis.tables.tables import Tables
from dse.errors import QueryError
from dse.results.address import place_of
from dse.results.place import Where
from dse.results.reading import PAUSED, Damage, kept_damages, read_about
from dse.results.under_way import UnderWay, read_under_way

NEEDED = ("started_at", "wall_s", "host", "came_from")
"""Columns of trials beside those that say how good a design is."""
WINDOW_S = 600.0
"""The rate is that of the last ten minutes."""
SHOWN_FAILURES = 20
"""Failures that are quoted."""


@dataclass(frozen=True)
class Status:
    """The progress of a study.

    Attributes:
        name: name of the study.
        running: who writes to it, or None.
        done: simulations that are stored, copies included.
        total: simulations that the study asks for; None where that depends on their results, until it has ended.
        failed: stored failures.
        per_minute: simulations that finished a minute, lately; None if none did.
        left_s: time to the end at this rate, s; None if nobody works on it, or the rate is not known.
        last_finished_at: end of the last simulation, UTC, ISO 8601.
        front: designs on the front, of those that meet the constraints.
        constraints: the constraints, each with how many complete designs do not meet it.
        infeasible: complete designs that do not meet all of them.
        nearest: which of these is nearest to being feasible, where none is; else None.
        epochs: epochs that were simulated for designs of the search; None where these all go to their end at once, and
            so the three that follow.
        epochs_saved: what all of these would have taken under all seeds to their ends, less that.
        rungs: designs that wait at each rung, by epochs.
        front_sure: designs on the front that have all seeds.
        exhausted: how many designs the space has, where all were tried; else None.
        volume: hypervolume of the front, as a share of the box between the worst and the best values; None if unknown.
        failures: the last failures, "trial N seed S on MACHINE: KIND: REASON".
        under_way: simulations that actors have, as the driver last told; none where nobody works on the study.
        hosts: simulations by machine.
        damaged: files that are not what was written.
    """

    name: str
    running: str | None
    done: int
    total: int | None
    failed: int
    per_minute: float | None
    left_s: float | None
    last_finished_at: str | None
    front: int
    volume: float | None
    failures: list[str]
    hosts: dict[str, int]
    damaged: list[str]
    constraints: dict[str, int]
    infeasible: int
    nearest: str | None
    under_way: list[UnderWay]
    exhausted: int | None = None
    epochs: int | None = None
    epochs_saved: int | None = None
    rungs: dict[int, int] | None = None
    front_sure: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


def status(where: Where, now: datetime | None = None) -> Status:
    """Return the progress of a study.

    Args:
        where: its results.
        now: the time to count from; by default the clock.

    Raises:
        ResultsError: there are none, or they cannot be reached.
    """
    return status_of(where, tables_of_status(where), now)


def tables_of_status(where: Where, objectives: Sequence[str] = ()) -> Tables:
    """Return the tables of a study with what its progress is told from, and other objectives if some are named.

    Args:
        where: its results.
        objectives: names of metrics beside those that the study asks for.

    Raises:
        ResultsError: there are none, or they cannot be reached.
    """
    about = read_about(where)
    design = ("design",) if about["in_steps"] else ()
    asked = [*map(str, about["objectives"]), *objectives]
    return open_priced(where, asked, study=False, columns=(*NEEDED, *design), metrics=objectives, chosen=False)


def status_of(where: Where, tables: Tables, now: datetime | None = None) -> Status:
    """Return the progress of a study whose tables are open.

    Args:
        where: its results.
        tables: as `tables_of_status` gives them.
        now: the time to count from; by default the clock.

    Raises:
        ResultsError: the results cannot be reached.
    """
    place = place_of(where)
    running = place.holder()
    trials = tables.trials
    total = int(tables.about["trials"]) * int(tables.about["seeds"])
    if tables.about["in_steps"]:
        total = len(trials) if tables.about["ended"] else None
    ends = _ends(trials)
    rate = _per_second(ends, now or datetime.now(UTC)) if running else None
    judged = Feasibility(tables)
    designs = judged.feasible.drop_nulls(tables.objectives)
    best = front(designs, tables.objectives)
    failed = trials.filter(pl.col("state") == "failed").sort("started_at", nulls_last=False)
    quoted = failed.tail(SHOWN_FAILURES).select("trial", "seed", "host", "failure_kind", "failure").rows()
    last = cast("datetime | None", ends["end"].max())
    return Status(
        name=str(tables.about["name"]),
        running=running,
        done=len(trials),
        total=total,
        failed=len(failed),
        per_minute=None if rate is None else round(60 * rate, 3),
        left_s=None if not rate or total is None else round(max(total - len(trials), 0) / rate, 1),
        last_finished_at=None if last is None else last.isoformat(timespec="seconds"),
        front=len(best),
        volume=_volume(tables, designs),
        failures=[f"trial {trial} seed {seed} on {at}: {kind}: {reason}" for trial, seed, at, kind, reason in quoted],
        hosts=dict(trials.filter(pl.col("same_as").is_null())["host"].drop_nulls().value_counts().sort("host").rows()),
        damaged=[_told(damage) for damage in [*tables.damages, *kept_damages(place, tables.about)]],
        constraints=dict(judged.counts()),
        infeasible=judged.infeasible,
        nearest=judged.nearest() if judged.infeasible and not judged.met.any() else None,
        under_way=read_under_way(place, trials.select("trial", "seed").rows()) if running else [],
        exhausted=tables.about["exhausted"],
        **(_of_steps(tables, best) if tables.about["in_steps"] else {}),
    )


def _of_steps(tables: Tables, best: pl.DataFrame) -> dict[str, Any]:
    """Return what a study that goes in steps has spent and saved, and how sure its front is.

    Args:
        tables: the tables.
        best: the designs on the front.
    """
    seeds = int(tables.about["seeds"])
    rows = tables.rungs.filter((pl.col("origin") == "search") & pl.col("same_as").is_null())
    simulated = rows.group_by("trial", "seed").agg(
        pl.col("epochs").max(), (pl.col("state") == PAUSED).all().alias("waits")
    )
    whole = rows.unique("trial")["design"].str.json_path_match("$.training.epochs").cast(pl.Int64).sum() * seeds
    epochs = int(simulated["epochs"].sum())
    waiting = simulated.filter("waits")["epochs"].value_counts().sort("epochs")
    return {
        "epochs": epochs,
        "epochs_saved": int(whole) - epochs,
        "rungs": dict(waiting.iter_rows()),
        "front_sure": len(best.filter(pl.col("seeds") >= seeds)),
    }


def _volume(tables: Tables, designs: pl.DataFrame) -> float | None:
    """Return the share of the box that the front dominates; None where no design has finite values."""
    if designs.is_empty():
        return None
    try:
        return hypervolume_table(tables, tables.objectives)["share"][0]
    except QueryError:
        return None


def _ends(trials: pl.DataFrame) -> pl.DataFrame:
    """Return start and end of what was simulated here, and not copied or taken over."""
    own = trials.filter(pl.col("same_as").is_null() & pl.col("came_from").is_null())
    start = pl.col("started_at").str.to_datetime(time_zone="UTC", strict=False)
    end = start + pl.duration(microseconds=pl.col("wall_s") * 1e6)
    return own.select(start=start, end=end).drop_nulls()


def _per_second(ends: pl.DataFrame, now: datetime) -> float | None:
    recent = ends.filter(pl.col("end") > now - timedelta(seconds=WINDOW_S))
    first = cast("datetime | None", recent["start"].min())
    if first is None:
        return None
    return len(recent) / min(max((now - first).total_seconds(), 1e-3), WINDOW_S)


def _told(damage: Damage) -> str:
    return f"{damage.name}: {damage.reason}"
