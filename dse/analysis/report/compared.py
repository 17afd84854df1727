"""Several studies in one page: their fronts over one another, the designs that they share, what differs in their files.

The tables of all are united under numbers of trials of their own, with the parameter `study`; the panels of a page of
one study then draw them together. Ranks, the front and the probability to be on it are those of all designs together.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import polars as pl

from dse.analysis.effects import compare
from dse.analysis.report.page import page
from dse.analysis.report.panels import PANELS, Panel
from dse.analysis.report.provenance import shown
from dse.analysis.report.subject import Json, Side, Subject
from dse.analysis.tables.nested import Nested
from dse.analysis.tables.render import check_writable, write
from dse.analysis.tables.tables import Tables, search_trials
from dse.errors import QueryError
from dse.pricing.text import counted
from dse.results.place import Where
from dse.results.rows import object_of

STUDY = "study"
"""The parameter that says which study a design is of."""
ROWS = 200
"""Shared designs that a page lists."""


def write_comparison(path: Path, places: Sequence[Where], studies: Sequence[Tables], objectives: Sequence[str]) -> None:
    """Write the page of several studies.

    Args:
        path: the file.
        places: the results.
        studies: their tables, without constraints.
        objectives: names of metrics.

    Raises:
        QueryError: an objective that is no metric, a study without complete designs, or a file that cannot be written.
    """
    check_writable(path)
    write(path, page(united(places, studies, objectives), panels=COMPARED).encode())


def united(places: Sequence[Where], studies: Sequence[Tables], objectives: Sequence[str]) -> Subject:
    """Return studies as one subject: complete designs and controls of all, under numbers that differ.

    A parameter that a study fixes has the value of its designs.
    """
    sides: list[Side] = []
    first = 0
    for letter, place, tables in zip(compare.LETTERS, places, studies, strict=False):
        most = cast("int | None", tables.trials["trial"].max())
        end = first + (0 if most is None else most) + 1
        sides.append(Side(letter, place, tables, first, end))
        first = end
    parameters = list(dict.fromkeys(name for tables in studies for name in tables.parameters))
    rows = _alike([_rows(side, parameters) for side in sides], parameters)
    names = ("layers", "curves", "trails")
    nested = {name: pl.concat([_nested(side, name) for side in sides], how="diagonal_relaxed") for name in names}
    named = ", ".join(f"{side.name}: {side.tables.about['name']}" for side in sides)
    # Trials are complete here, however many seeds their study gives them.
    about = {**studies[0].about, "name": named, "in_steps": True, "ended": True}
    about["seeds"] = max(int(tables.about["seeds"]) for tables in studies)
    tables = replace(
        studies[0],
        about=about,
        trials=rows,
        nested=Nested(given=nested),
        parameters=[STUDY, *parameters],
        metrics=list(dict.fromkeys(name for tables in studies for name in tables.metrics)),
        objectives=list(objectives),
    )
    return Subject(places[0], tables, objectives, sides)


def _rows(side: Side, parameters: Sequence[str]) -> pl.DataFrame:
    """Return the rows of complete designs and controls, with all parameters, under the numbers of all studies."""
    complete = side.tables.designs.filter(pl.col("state") == "complete").select("trial")
    rows = side.tables.trials.join(complete, on="trial", how="semi", maintain_order="left")
    fixed = [_fixed(rows, name) for name in parameters if name not in rows.columns]
    origin = pl.col("origin")
    return rows.with_columns(fixed).with_columns(
        pl.col("trial", "same_as") + side.first,
        pl.lit(side.name).alias(STUDY),
        pl.format("{}/{}", pl.lit(side.name), "design_key").alias("design_key"),
        pl.when(origin == "search").then(origin).otherwise(pl.format("{} {}", pl.lit(side.name), origin)),
    )


def _fixed(rows: pl.DataFrame, name: str) -> pl.Series:
    """Return a setting of the designs of rows as a column; null where a design has none."""
    each: dict[str, Any] = {}
    for text in rows["design"].unique().drop_nulls():
        value = _at(object_of(text, "the design of a trial"), name)
        each[text] = json.dumps(value) if isinstance(value, list | dict) else value
    values = [each.get(text) for text in rows["design"].to_list()]
    if any(isinstance(value, str) for value in values):
        values = [None if value is None else str(value) for value in values]
    return pl.Series(name, values, strict=False)


def _at(table: Any, path: str) -> Any:
    """Return what a table holds at a path; None where it has no such key."""
    for key in path.split("."):
        table = cast("dict[str, Any]", table).get(key) if isinstance(table, dict) else None
    return table


def _alike(frames: Sequence[pl.DataFrame], parameters: Sequence[str]) -> pl.DataFrame:
    """Return frames one below the other; a parameter that is text in one of them is text."""
    for name in parameters:
        if any(frame.schema[name] == pl.String for frame in frames):
            frames = [frame.with_columns(pl.col(name).cast(pl.String)) for frame in frames]
    return pl.concat(frames, how="diagonal_relaxed")


def _nested(side: Side, name: str) -> pl.DataFrame:
    frame: pl.DataFrame = getattr(side.tables, name)
    return frame.with_columns(pl.col("trial") + side.first) if len(frame) else frame


def _fronts(subject: Subject) -> Json:
    """Return the tables of `dse compare`: volumes and coverage, and what makes the studies hard to compare."""
    table = compare.fronts_table(*(side.tables for side in subject.sides), objectives=subject.objectives)
    names = {side.name: f"{side.name}: {side.tables.about['name']}" for side in subject.sides}
    rows = [[{"text": _of(names, name, value)} for name, value in row.items()] for row in table.iter_rows(named=True)]
    unfinished = [
        f"{side.name} is unfinished: {side.tables.unfinished}" for side in subject.sides if side.tables.unfinished
    ]
    said = compare.notes(*(side.tables for side in subject.sides))
    return {
        "tables": [{"title": "", "columns": table.columns, "rows": rows}],
        "notes": [
            "Volumes from the worst value of each objective over all studies; covers_other: the share of the other "
            "fronts to which a design of this one is at least as good in every objective.",
            *(line.removeprefix("note: ") for line in said),
            *unfinished,
        ],
    }


def _of(names: dict[str, str], name: str, value: Any) -> str:
    return names.get(str(value), str(value)) if name == "study" else shown(name, value)


def _shared(subject: Subject) -> Json | None:
    """Return a row for each design that several studies completed, with the differences of its objectives."""
    first, tables = subject.sides[0], []
    for other in subject.sides[1:]:
        keys = ["design_key", "trial"]
        pairs = (
            search_trials(first.tables)
            .select(keys)
            .join(search_trials(other.tables).select(keys), on="design_key", suffix="_b", maintain_order="left")
        )
        if pairs.is_empty():
            continue
        some = pairs.head(ROWS)
        kept = [
            replace(side.tables, trials=side.tables.trials.join(some, left_on="trial", right_on=key, how="semi"))
            for side, key in ((first, "trial"), (other, "trial_b"))
        ]
        found = compare.shared_table(kept[0], kept[1], subject.objectives)
        rows = [_pair(subject, first, other, part) for part in found.partition_by("trial_a", maintain_order=True)]
        columns = ["design", *(f"{name}, {other.name} - {first.name}" for name in subject.objectives)]
        left = f"; {ROWS} of them here" if len(pairs) > ROWS else ""
        title = f"{counted(len(pairs), 'design')} of {first.name} and {other.name} are equal in every setting{left}"
        tables.append({"title": title, "columns": columns, "rows": rows})
    if not tables:
        return None
    words = (
        "Select a pair to see it in every picture. Intervals are those of 95 %, paired by seed where seeds are equal."
    )
    return {"tables": tables, "notes": [words]}


def _pair(subject: Subject, first: Side, other: Side, part: pl.DataFrame) -> list[Json]:
    """Return the cells of a shared design: a button that selects both, and the difference in each objective."""
    trials = [first.first + part["trial_a"][0], other.first + part["trial_b"][0]]
    cells: list[Json] = [{"text": " and ".join(map(subject.name_of, trials)), "pick": ",".join(map(str, trials))}]
    for name, row in zip(subject.objectives, part.iter_rows(named=True), strict=True):
        if row["difference"] is None:
            cells.append({"text": "-"})
            continue
        ends = "" if row["low"] is None else f" ({shown(name, row['low'])} to {shown(name, row['high'])})"
        verdict = "" if row["verdict"] is None else f", {row['verdict']}"
        cells.append({"text": f"{shown(name, row['difference'])}{ends}{verdict}"})
    return cells


def _changed(subject: Subject) -> Json:
    """Return the settings in which the study files differ."""
    places, tables = [side.where for side in subject.sides], [side.tables for side in subject.sides]
    found = compare.changed(compare.study_files(places, tables))
    if not found:
        raise QueryError("The study files say the same in every setting")
    rows = [[{"text": path}, *({"text": "\N{EN DASH}" if v is None else v} for v in own)] for path, own in found]
    columns = ["setting", *(f"{side.name}: {side.tables.about['name']}" for side in subject.sides)]
    words = "\N{EN DASH}: the file leaves it out, and the default holds. dse show TRIAL has every setting of a design."
    return {"tables": [{"title": "", "columns": columns, "rows": rows}], "notes": [words]}


_OF_ONE = {panel.name: panel for panel in PANELS}
_DRAWN = ("whatif", "selected", "ask", "parallel", "table", "curves", "energy", "wear")

COMPARED: tuple[Panel, ...] = (
    replace(
        _OF_ONE["front"],
        title="Fronts over one another",
        lead="A line is the front of a study in the two columns of a view alone. Large: on the front of all studies "
        "and objectives together. Click a design to select it, drag over several.",
    ),
    Panel("fronts", "How good each front is", "Volumes", _fronts, is_text=True, template="tables"),
    Panel(
        "shared",
        "Designs in several studies",
        "Shared",
        _shared,
        empty="No design is in two of the studies: none are equal in every setting.",
        is_text=True,
        template="tables",
    ),
    Panel("changed", "What differs in the study files", "Changed", _changed, is_text=True, template="tables"),
    *(_OF_ONE[name] for name in _DRAWN),
    _OF_ONE["provenance"],
    _OF_ONE["card"],
)
"""The panels of a page of several studies, in their order."""
