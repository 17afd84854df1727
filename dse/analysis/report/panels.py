"""The panels of a page, in their order.

A panel is an entry of `PANELS`: what it is called, a line on how to read it, and a function of the subject. What the
function returns is drawn in the page by the function of the panel's name in `assets/panels/NAME.js`; a panel that is
text goes through `assets/panels/NAME.html` instead.
"""

import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dse.analysis.effects.importance import RESAMPLES, importance
from dse.analysis.fronts.pareto import best_first
from dse.analysis.fronts.table import bands_table, confidence_note
from dse.analysis.report import provenance, series
from dse.analysis.report.subject import DETAILED, EXACT, Json, Subject, short, thinned
from dse.analysis.report.whatif import whatif
from dse.errors import DseError, QueryError, did_you_mean
from dse.pricing.quantities import QUANTITIES

log = logging.getLogger(__name__)

VIEWS = 6
"""Pairs of objectives that are drawn from the start; any other is a choice away."""
ROWS = 500
"""Rows of a table in a page."""


@dataclass(frozen=True)
class Panel:
    """A part of a page.

    Attributes:
        name: its anchor, and the name of what draws it.
        title: its heading.
        brief: one word for it, in the list of panels.
        content: what it shows, from the subject; None where there is nothing, with the reason in a `DseError`.
        lead: how to read it.
        empty: text where there is nothing to show.
        is_text: whether a template shows it; a script draws the others.
        is_folded: whether a reader opens it.
        template: the template of a text, where it is not that of the name.
    """

    name: str
    title: str
    brief: str
    content: Callable[[Subject], Any]
    lead: str = ""
    empty: str = "Nothing to show."
    is_text: bool = False
    is_folded: bool = False
    template: str = ""


@dataclass(frozen=True)
class Filled:
    """A panel with its content, or with the reason why it has none."""

    panel: Panel
    content: Any
    reason: str


def filled(subject: Subject, without: Sequence[str] = (), panels: Sequence[Panel] | None = None) -> list[Filled]:
    """Return panels with their content, by default all of a study, but for some that are left out by name.

    Raises:
        QueryError: a name that no panel has.
    """
    panels = PANELS if panels is None else panels
    names = [panel.name for panel in panels]
    for name in without:
        if name not in names:
            raise QueryError(
                f"no panel {name!r} to leave out{did_you_mean(name, names)} (there are {', '.join(names)})"
            )
    return [_fill(panel, subject) for panel in panels if panel.name not in without]


def _fill(panel: Panel, subject: Subject) -> Filled:
    try:
        content = panel.content(subject)
    except DseError as error:
        return Filled(panel, None, f"{error}.")
    except Exception as error:  # noqa: BLE001  a defect of one panel, which shall not cost the others
        log.warning("the panel %r could not be made: %s: %s", panel.name, type(error).__name__, error)
        return Filled(
            panel,
            None,
            f"This panel could not be made: {type(error).__name__}: {error}. The others do not depend on it.",
        )
    return Filled(panel, content, panel.empty if content is None else "")


def summary(subject: Subject) -> Json:
    """Return the head of the page: how many designs, how sure, how far the study is."""
    tables = subject.tables
    states = dict(tables.designs.group_by("state").len().iter_rows())
    return {
        "complete": len(subject.searched),
        "on_front": len(subject.front),
        "infeasible": subject.judged.infeasible,
        "feasibility": subject.judged.summary(),
        "failed": states.get("failed", 0),
        "controls": len(subject.controls),
        "seeds": int(tables.about["seeds"]),
        "note": confidence_note(tables),
        "unfinished": tables.unfinished,
        "left_out": left_out(subject),
        "best": _best(subject),
    }


def left_out(subject: Subject) -> list[str]:
    """Return what a page of a large study leaves out, in sentences."""
    searched, front, controls = len(subject.searched), len(subject.front), len(subject.controls)
    held, priced = len(subject.drawn) - controls, len(subject.priced) - controls
    notes: list[str] = []
    if held < searched:
        notes.append(f"Held: {_kept(held, front, searched)}.")
    if priced < held:
        notes.append(f"Priced anew when prices change: {_kept(priced, front, searched)}.")
    if held > EXACT:
        notes.append("Metrics that are no objectives are held to seven digits.")
    if held > DETAILED:
        notes.append(f"Curves, energy and wear are held for {DETAILED} designs, the best ranks first.")
    return notes


def _kept(count: int, front: int, searched: int) -> str:
    """Return which designs are kept, in words."""
    first = f"all {front} on the front and" if front <= count else f"{count} of {front} on the front and"
    return f"{first} {max(0, count - front)} of the {searched - front} others, evenly thinned out"


def _best(subject: Subject) -> list[Json]:
    """Return for each objective its best feasible design, and what the controls have."""
    rows: list[Json] = []
    for name in subject.objectives:
        known = subject.judged.feasible.drop_nulls(name)
        if known.is_empty():
            continue
        best = known.sort(name, descending=QUANTITIES[name].goal == "maximise", maintain_order=True).row(0, named=True)
        others = _best_of_sides(subject, name) or [
            (row["origin"], provenance.shown(name, row[name]), row["trial"], row["trial"] + 1)
            for row in subject.controls.iter_rows(named=True)
        ]
        rows.append(
            {
                "name": name,
                "goal": QUANTITIES[name].goal,
                "meaning": QUANTITIES[name].meaning,
                "trial": best["trial"],
                "of": subject.name_of(best["trial"]),
                "value": provenance.shown(name, best[name]),
                "others": others,
            }
        )
    return rows


def _best_of_sides(subject: Subject, name: str) -> list[tuple[str, str, int, int]]:
    """Return the best design of each of several studies, its value, and the range of trials that it is of."""
    rows: list[tuple[str, str, int, int]] = []
    known = best_first(subject.judged.feasible.drop_nulls(name), [name])
    for side in subject.sides:
        own = known.filter(pl.col("trial").is_between(side.first, side.end, closed="left"))
        if len(own):
            rows.append((subject.name_of(own["trial"][0]), provenance.shown(name, own[name][0]), side.first, side.end))
    return rows


def _front(subject: Subject) -> Json | None:
    if subject.drawn.is_empty():
        return None
    names = list(subject.objectives)
    pairs = [[x, y] for y, x in itertools.combinations(names, 2)] or [["trial", names[0]]]
    return {"views": pairs[:VIEWS], "bands": _bands(subject)}


def _bands(subject: Subject) -> Json | None:
    """Return the surfaces that shares of drawn fronts attain; for two objectives and several seeds."""
    names = list(subject.objectives)
    if len(names) != 2 or not subject.has_intervals:
        return None
    table = bands_table(subject.tables, names)
    parts = table.partition_by("percentile", as_dict=True).items()
    return {
        "objectives": names,
        "surfaces": {f"{key[0]:g}": [short(part[name].to_list()) for name in names] for key, part in parts},
    }


def _parallel(subject: Subject) -> Json | None:
    if subject.searched.is_empty():
        return None
    varying = [name for name in subject.tables.parameters if subject.searched[name].drop_nulls().n_unique() > 1]
    bounded = [bound.metric for bound in subject.tables.constraints]
    return {"axes": list(dict.fromkeys([*varying, *subject.objectives, *bounded]))}


def _table(subject: Subject) -> Json | None:
    """Return the front as `dse front --knee` gives it, a cell with its text and the value that it is sorted by."""
    if subject.front.is_empty():
        if subject.judged.infeasible and not subject.judged.met.any():
            raise QueryError(f"No design is on the front: {subject.judged.summary()}")
        return None
    hidden = {"rank", "distance", *(name for name in subject.front.columns if name.startswith("ci95_"))}
    shown = [name for name in subject.front.columns if name not in hidden]
    kept = subject.front.filter(pl.col("trial").is_in(thinned(subject.front["trial"].to_list(), ROWS)))
    rows = [[_cell(name, row) for name in shown] for row in kept.iter_rows(named=True)]
    for cells in rows:
        cells[0]["text"] = subject.name_of(cells[0]["value"])
    numeric = [subject.front[name].dtype.is_numeric() for name in shown]
    return {
        "columns": [{"name": name, "numeric": n} for name, n in zip(shown, numeric, strict=True)],
        "rows": rows,
        "left_out": len(subject.front) - len(rows),
        "has_intervals": subject.has_intervals,
    }


def _cell(name: str, row: Json) -> Json:
    half = row.get(f"ci95_{name}")
    sure = (
        "" if half is None else f"\N{PLUS-MINUS SIGN}\N{NO-BREAK SPACE}{provenance.shown(name, float(f'{half:.2g}'))}"
    )
    return {"text": provenance.shown(name, row[name]), "interval": sure, "value": row[name]}


def _importance(subject: Subject) -> Json:
    table = importance(subject.tables, subject.objectives)
    objectives: list[Json] = []
    for key, part in table.partition_by("objective", as_dict=True, maintain_order=True).items():
        first = part.row(0, named=True)
        bars = part.select("parameter", "importance", "low", "high")
        objectives.append(
            {
                "objective": key[0],
                "r2": short([first["r2"]])[0],
                "scale": first["scale"],
                **{name: short(bars[name].to_list()) for name in bars.columns},
            }
        )
    return {"objectives": objectives}


def _study(subject: Subject) -> Json | None:
    """Return the study file, and each constraint with how many complete designs do not meet it."""
    text = provenance.study_file(subject)
    return None if text is None else {"text": text, "constraints": subject.judged.counts()}


def _failures(subject: Subject) -> Json | None:
    rows = provenance.failures(subject)
    return {"rows": rows[:ROWS], "left_out": max(0, len(rows) - ROWS)} if rows else None


PANELS: tuple[Panel, ...] = (
    Panel(
        "front",
        "Pareto views",
        "Pareto",
        _front,
        "Click a design to select it, drag over several; every other view follows. The front is that of all objectives "
        "together, so in a single pair some of its designs lie behind others.",
        "No design is complete yet.",
    ),
    Panel(
        "whatif",
        "What if",
        "What if",
        whatif,
        "Change any constant of the card: prices, ranks and the front follow, here and in all pictures. Nothing is "
        "simulated again, because the table holds events. The page computes as dse price does.",
        "No design has events that could be priced.",
    ),
    Panel(
        "selected",
        "Selected designs",
        "Selected",
        lambda subject: {} if len(subject.drawn) else None,
        "What was selected, side by side. Parameters in which the designs differ are marked.",
        "No design is complete yet.",
    ),
    Panel(
        "ask",
        "Ask",
        "Ask",
        lambda subject: {} if len(subject.searched) else None,
        "Limits, weights and reasons follow the prices above. Select what is found, and every picture marks it.",
        "No design is complete yet.",
    ),
    Panel(
        "parallel",
        "Parameters and objectives",
        "Parameters",
        _parallel,
        "A line is a design. On objectives, up is better. Drag along axes to select the designs that pass there.",
        "No design is complete yet.",
    ),
    Panel(
        "table",
        "The front",
        "Front",
        _table,
        "Sort by a heading; click a row to select the design.",
        "No design is on the front: none is complete with all objectives.",
        is_text=True,
    ),
    Panel(
        "curves",
        "Learning curves",
        "Learning",
        series.curves,
        "Means over seeds, with a band of 95 % for selected designs where there are several seeds.",
        "No design has a learning curve yet.",
    ),
    Panel(
        "energy",
        "Energy of a training image",
        "Energy",
        series.energy,
        "By part of the hardware or by phase of the training, on the cost card of the study; a bar is the 95 % "
        "interval of the mean over seeds.",
        "No design has a price on the card of the study.",
    ),
    Panel(
        "wear",
        "Wear",
        "Wear",
        series.wear,
        "How often the most written cell of each design was written, and how writes spread over the cells of a layer.",
        "No design has cells that wear.",
    ),
    Panel(
        "importance",
        "What decides",
        "Importance",
        _importance,
        f"By how much R2 of a random forest falls, on designs it has not seen, when a parameter is shuffled; bars of "
        f"95 % over {RESAMPLES} bootstrap samples. 0: it does not matter, or another parameter carries the same "
        "information.",
    ),
    Panel("failures", "Failed trials", "Failures", _failures, empty="No trial failed.", is_text=True),
    Panel(
        "study",
        "Study file",
        "Study",
        _study,
        empty="The results folder holds no study file.",
        is_text=True,
        is_folded=True,
    ),
    Panel("provenance", "What made it", "Provenance", provenance.facts, is_text=True, is_folded=True),
    Panel(
        "card",
        "Cost card",
        "Prices",
        provenance.card_table,
        "Every constant that priced the energies, with its source.",
        "Nothing is priced yet.",
        is_text=True,
        is_folded=True,
    ),
)
"""The panels, in the order of the page."""
