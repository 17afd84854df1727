"""The main figures of a study as files, from the same numbers as the page."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dse.analysis.fronts.plot import CONTROL, ON_FRONT, SEARCHED, plot_front
from dse.analysis.report.panels import Filled, filled
from dse.analysis.report.series import GROWN, KINDS
from dse.analysis.report.subject import Json, Subject, thinned
from dse.analysis.tables.render import UnwritableError, check_folder, write
from dse.analysis.tables.tables import Tables
from dse.errors import DseError, QueryError
from dse.pricing.quantities import QUANTITIES
from dse.pricing.text import si
from dse.results.inside import fresh
from dse.results.place import Where

FORMATS = ("png", "svg")
BARS = 24
"""Designs with a bar of energy."""


def write_pictures(
    folder: Path, where: Where, tables: Tables, objectives: Sequence[str], ending: str, without: Sequence[str] = ()
) -> tuple[list[Path], list[str]]:
    """Draw the front, learning curves, energies, wear and importances into a folder, a file each.

    Args:
        folder: where to; made if it is not there.
        where: the results.
        tables: its tables.
        objectives: names of metrics.
        ending: one of `FORMATS`.
        without: panels to leave out, by name.

    Returns:
        The files, and for each figure that is missing a line with the reason.

    Raises:
        QueryError: an objective that is no metric, a panel that is none, or a folder that cannot be written.
    """
    check_folder(folder)
    subject = Subject(where, tables, objectives)
    parts = {part.panel.name: part for part in filled(subject, without)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise QueryError(f"cannot make the folder {folder}: {error.strerror}") from None
    written: list[Path] = []
    missing: list[str] = []
    for name, draw in DRAWERS.items():
        if name not in parts:
            continue
        path = fresh(folder, f"{name}.{ending}")
        try:
            draw(subject, _content(parts[name]), path)
        except UnwritableError:  # nor can the others be
            raise
        except DseError as error:
            missing.append(f"{name}: {error}")
        else:
            written.append(path)
    if not written:
        raise QueryError("there is nothing to draw yet: " + "; ".join(missing))
    return written, missing


def _content(part: Filled) -> Any:
    if part.content is None:
        raise QueryError(part.reason)
    return part.content


def _front(subject: Subject, _: Json, path: Path) -> None:
    plot_front(subject.tables, subject.objectives, path)


def _curves(subject: Subject, content: Json, path: Path) -> None:
    names = [name for name in content["metrics"] if name not in GROWN]
    figure, panels = _figure(len(names), 4.2, 3.4)
    roles = _roles(subject)
    for axes, name in zip(panels, names, strict=True):
        for trial, curve in reversed(content["of"].items()):
            role = roles[trial]
            colour = {"control": CONTROL, "front": ON_FRONT}.get(role, SEARCHED)
            dashed = "--" if role == "control" else "-"
            sign = "o" if len(curve["epoch"]) == 1 else None  # a line of one point is not seen
            axes.plot(
                curve["epoch"], curve[name], color=colour, linestyle=dashed, marker=sign, linewidth=0.8, alpha=0.6
            )
        axes.set(xlabel="epoch", ylabel=name)
    panels[0].plot([], [], color=ON_FRONT, label="on the front")
    panels[0].plot([], [], color=SEARCHED, label="searched")
    if len(subject.controls):
        panels[0].plot([], [], color=CONTROL, linestyle="--", label="control")
    _save(figure, path, legend=True)


def _energy(subject: Subject, content: Json, path: Path) -> None:
    names = list(dict.fromkeys(item["part"] for item in content["items"]))
    front = [trial for trial in subject.front["trial"].to_list() if trial in content["of"]]
    labels = {row["trial"]: str(row["origin"]) for row in subject.controls.iter_rows(named=True)}
    trials = [*(t for t in labels if t in content["of"]), *thinned(front, BARS)][::-1]
    totals = [content["total"][t] for t in trials]
    figure, (axes,) = _figure(1, 8.0, 1.2 + 0.22 * len(trials))
    left = [0.0] * len(trials)
    for name, colour in zip(names, _colours(len(names)), strict=True):
        places = [i for i, item in enumerate(content["items"]) if item["part"] == name]
        shares = [
            100 * sum(content["of"][t][i] for i in places) / (total or 1.0)
            for t, total in zip(trials, totals, strict=True)
        ]
        axes.barh(range(len(trials)), shares, left=left, height=0.75, color=colour, label=name.replace("_", " "))
        left = [a + b for a, b in zip(left, shares, strict=True)]
    ticks = [f"{labels.get(t, f'trial {t}')}, {si(total, 'J')}" for t, total in zip(trials, totals, strict=True)]
    axes.set_yticks(range(len(trials)), ticks, parse_math=False)  # a name may hold dollar signs
    axes.set(xlabel=f"% of the energy of a training image, on {content['card']}", xlim=(0, 100))
    _save(figure, path, legend=True)


def _wear(subject: Subject, content: Json, path: Path) -> None:
    """Draw a histogram of the most written cells, and one of each kind of wear that these do not count."""
    metric = "worst_writes"
    writes: dict[int, float] = dict(subject.searched.select("trial", metric).drop_nulls().iter_rows())
    shown: dict[str, dict[int, float]] = {f"{metric} ({QUANTITIES[metric].unit})": writes} if writes else {}
    searched = set(subject.searched["trial"].to_list())
    for kind, words in content["kinds"].items():
        if kind not in KINDS and (worst := _worst(content["of"], kind, searched)):
            shown[f"{words}, the largest of a layer"] = worst
    if not shown:
        raise QueryError(f"no complete design has {metric}")
    front = set(subject.front["trial"].to_list())
    figure, panels = _figure(len(shown), 5.2, 3.4)
    for axes, (name, of) in zip(panels, shown.items(), strict=True):
        parts = [[float(v) for t, v in of.items() if (t in front) is on] for on in (True, False)]
        axes.hist(parts, bins=20, stacked=True, color=[ON_FRONT, SEARCHED], label=["on the front", "searched"])
        axes.set(xlabel=name, ylabel="designs")
    _save(figure, path, legend=True)


def _worst(wear: Mapping[int, Any], kind: str, trials: set[int]) -> dict[int, float]:
    """Return the largest wear of a kind over the layers and quantiles of some trials, of those that have it."""
    known = {t: [v for row in rows for v in row[kind] if v is not None] for t, rows in wear.items() if t in trials}
    return {trial: max(values) for trial, values in known.items() if values}


def _importance(_: Subject, content: Json, path: Path) -> None:
    objectives = content["objectives"]
    most = max(len(of["parameter"]) for of in objectives)
    figure, panels = _figure(len(objectives), 4.6, 1.2 + 0.26 * most)
    for axes, of in zip(panels, objectives, strict=True):
        rows = range(len(of["parameter"]))[::-1]
        axes.axvline(0, color=SEARCHED, linewidth=0.8)
        axes.hlines(list(rows), of["low"], of["high"], color=SEARCHED, linewidth=1.5)
        axes.plot(of["importance"], list(rows), "o", color=ON_FRONT, markersize=5)
        axes.set_yticks(list(rows), of["parameter"])
        axes.set_title(f"{of['objective']}, R2 {of['r2']:.2f}", fontsize=9)
        axes.set_xlabel("fall of R2, 95 %")
    _save(figure, path)


DRAWERS: dict[str, Callable[[Subject, Any, Path], None]] = {
    "front": _front,
    "curves": _curves,
    "energy": _energy,
    "wear": _wear,
    "importance": _importance,
}
"""What is drawn, by the name of the panel that holds its numbers."""


def _colours(count: int) -> list[Any]:
    import matplotlib as mpl  # noqa: PLC0415

    return list(mpl.color_sequences["tab20"][:count])


def _roles(subject: Subject) -> dict[int, str]:
    designs = subject.describe()
    return dict(zip(designs["trial"], designs["role"], strict=True))


def _figure(columns: int, width: float, height: float) -> tuple[Any, list[Any]]:
    """Return a figure and a row of axes; sizes of each in inches."""
    import matplotlib as mpl  # noqa: PLC0415  half a second that other commands do without
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(width * columns, height), layout="constrained")
        panels = [figure.add_subplot(1, columns, number + 1) for number in range(columns)]
    for axes in panels:
        axes.grid(visible=True, linewidth=0.4, alpha=0.5)
        axes.set_axisbelow(True)
    return figure, panels


def _save(figure: Any, path: Path, *, legend: bool = False) -> None:
    if legend:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4), frameon=False)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=160, format=path.suffix.removeprefix("."))
    write(path, drawn.getvalue())
