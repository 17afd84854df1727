"""Pictures of a front, as PNG, SVG or PDF files."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from dse.analysis.fronts.confidence import half_widths
from dse.analysis.fronts.feasible import Feasibility
from dse.analysis.fronts.pareto import checked, front
from dse.analysis.fronts.table import surfaces_of
from dse.analysis.tables.render import write
from dse.analysis.tables.tables import Tables, controls
from dse.errors import QueryError
from dse.pricing.quantities import QUANTITIES
from dse.pricing.text import counted

FORMATS = (".png", ".svg", ".pdf")
SEARCHED, ON_FRONT, CONTROL = "#8a94a6", "#c2410c", "#1d4ed8"


def plot_front(tables: Tables, objectives: Sequence[str], path: Path) -> None:
    """Draw every pair of objectives, with the front and the controls, as a grid of panels.

    The front is that of all objectives together, so that in a single pair some of its points lie behind others. Where
    designs have several seeds, those on the front have bars of 95 %, and each panel a band: between the surfaces that
    10 and 90 % of the fronts of the pair attain (see `dse.analysis.fronts.confidence`), with the median as a line.

    Args:
        tables: the tables of a study.
        objectives: names of metrics, at least two.
        path: file to write; its ending chooses the format.

    Raises:
        QueryError: fewer than two objectives, an unknown ending, or nothing to draw.
    """
    if path.suffix.lower() not in FORMATS:
        raise QueryError(f"cannot draw {path.name}: the ending must be one of {', '.join(FORMATS)}")
    if len(objectives) < 2:
        raise QueryError("a front needs at least two objectives to draw")
    judged = Feasibility(tables)
    feasible = pl.Series("feasible", judged.met, dtype=pl.Boolean)
    complete = judged.designs.with_columns(feasible).drop_nulls(list(objectives))
    if complete.is_empty():
        raise QueryError(f"no complete trial has all of {', '.join(objectives)} yet: there is nothing to draw")
    complete = complete.join(half_widths(tables, objectives), on="trial", how="left", maintain_order="left")
    best = front(complete.filter("feasible"), objectives)

    import matplotlib as mpl  # noqa: PLC0415  half a second that other commands do without
    from matplotlib.figure import Figure  # noqa: PLC0415

    pairs = [(x, y) for i, y in enumerate(objectives) for x in objectives[i + 1 :]]
    # text.parse_math: the name of a control is a name, whatever dollar signs are in it.
    with mpl.rc_context(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "text.parse_math": False}
    ):
        columns = min(len(pairs), 3 if len(pairs) <= 6 else 4)
        rows = math.ceil(len(pairs) / columns)
        figure = Figure(figsize=(4.2 * columns, 3.8 * rows), layout="constrained")
        for number, (x, y) in enumerate(pairs):
            axes = figure.add_subplot(rows, columns, number + 1)
            _draw_pair(axes, complete, best, controls(tables), x, y)
            if (complete["seeds"] > 1).any():
                _draw_sureness(axes, tables, complete, best, x, y)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        name = tables.about.get("name", "")
        kept = int(complete["feasible"].sum())
        of, out = ("feasible ", f"; {len(complete) - kept} infeasible") if tables.constraints else ("", "")
        figure.suptitle(f"{name}: {len(best)} of {counted(kept, of + 'design')} on the front{out}", fontsize=10)
        drawn = io.BytesIO()
        figure.savefig(drawn, dpi=160, format=path.suffix.lower().removeprefix("."))
    write(path, drawn.getvalue())


def _draw_pair(axes: Any, searched: pl.DataFrame, best: pl.DataFrame, others: pl.DataFrame, x: str, y: str) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter  # noqa: PLC0415

    kept, out = searched.filter("feasible"), searched.filter(~pl.col("feasible"))
    axes.scatter(kept[x], kept[y], s=14, color=SEARCHED, alpha=0.6, linewidths=0, label="searched")
    if len(out):
        axes.scatter(out[x], out[y], s=12, marker="x", color=SEARCHED, alpha=0.5, linewidths=0.7, label="infeasible")
    axes.scatter(best[x], best[y], s=26, color=ON_FRONT, linewidths=0, label="on the front")
    for row in others.drop_nulls(y).iter_rows(named=True):
        value = row[x]
        if is_log(searched, y) and row[y] <= 0:
            continue  # a logarithmic axis has no zero, and this control no place in the panel
        off_scale = value is None or (is_log(searched, x) and value <= 0)
        if off_scale:
            axes.axhline(row[y], color=CONTROL, linewidth=1, linestyle=":", zorder=0)
        else:
            axes.scatter([value], [row[y]], s=30, marker="D", facecolors="none", edgecolors=CONTROL)
        place = {"xycoords": ("axes fraction", "data"), "xy": (0.99, row[y])} if off_scale else {"xy": (value, row[y])}
        axes.annotate(
            row["origin"], **place, xytext=(-4, 3), textcoords="offset points", ha="right", fontsize=7, color=CONTROL
        )
    axes.set(xlabel=_label(x), ylabel=_label(y))
    for name, axis, set_scale in ((x, axes.xaxis, axes.set_xscale), (y, axes.yaxis, axes.set_yscale)):
        if is_log(searched, name):
            set_scale("log")
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(EngFormatter())
            axis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, linewidth=0.4, alpha=0.5)


def _draw_sureness(axes: Any, tables: Tables, searched: pl.DataFrame, best: pl.DataFrame, x: str, y: str) -> None:
    """Draw bars of 95 % for designs on the front, and the band of the front of the pair; keep the limits."""
    limits = axes.get_xlim(), axes.get_ylim()
    bars = [[0.0 if v is None else v for v in best[f"ci95_{name}"].to_list()] for name in (x, y)]
    axes.errorbar(best[x], best[y], *bars[::-1], fmt="none", ecolor=ON_FRONT, elinewidth=0.6, alpha=0.6, zorder=1)
    goals = checked([x, y])
    surfaces = surfaces_of(tables, searched["trial"], [x, y])
    worst_x = limits[0][0 if goals[0] == "maximise" else 1]
    worst_y = limits[1][0 if goals[1] == "maximise" else 1]
    for percentile, ascending in surfaces.items():
        surface = ascending[::-1] if goals[0] == "maximise" else ascending
        corners = np.vstack([[surface[0, 0], worst_y], surface, [worst_x, surface[-1, 1]]])
        median = percentile == 50
        style = {"linewidth": 1.2 if median else 0.7, "linestyle": "-" if median else "--"}
        name = "attained by half of fronts" if median else "by 10 and 90 %" if percentile == 90 else None
        axes.plot(*_stairs(corners), color=ON_FRONT, alpha=0.7 if median else 0.45, label=name, **style)
    axes.set(xlim=limits[0], ylim=limits[1])


def _stairs(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the outline of the region that is attained; corners go from the best to the worst first coordinate."""
    x, y = corners.T
    return np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]


def is_log(table: pl.DataFrame, column: str) -> bool:
    """Return whether a metric is drawn on a logarithmic axis: one that is paid for, and spans half a decade above 0."""
    known = QUANTITIES.get(column)  # not a metric of a plug-in that is not here
    values = [float(v) for v in table[column].drop_nulls().to_list() if math.isfinite(v)]
    return (
        bool(values)
        and known is not None
        and known.goal == "minimise"
        and min(values) > 0
        and math.log10(max(values) / min(values)) > 0.5
    )


def _label(name: str) -> str:
    unit = QUANTITIES[name].unit if name in QUANTITIES else "1"
    return name if unit == "1" else f"{name} ({unit})"
