"""Commands that ask why and what for: importance, ablation, require, compare."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dse.cli.options import (
    PLACE,
    Parts,
    emit,
    emit_parts,
    named,
    objectives_option,
    output_options,
    price_options,
    results_argument,
)
from dse.design.outcome import METRICS

if TYPE_CHECKING:
    from dse.results.place import Where

_seed = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all random draws.")


@click.command()
@results_argument
@objectives_option
@click.option("--objective", help="One metric; the same as --objectives with one.")
@click.option("--dependence", metavar="PARAMETER", help="How the objectives depend on it, instead of importances.")
@_seed
@price_options
@output_options
def importance(
    results: "Where",
    objectives: str | None,
    objective: str | None,
    dependence: str | None,
    seed: int,
    cards: tuple[str, ...],
    *,
    changes: tuple[str, ...],
    format_: str,
    output: Path | None,
    no_free: bool,
) -> None:
    """Show how much each parameter matters for each objective of the folder RESULTS.

    By how much R2 of a random forest falls, on designs it has not seen, when the parameter is shuffled; with 95 % bands
    over bootstrap samples of the designs.
    """
    import polars as pl  # noqa: PLC0415

    from dse.analysis.costs.priced import open_priced  # noqa: PLC0415
    from dse.analysis.effects import importance as what  # noqa: PLC0415

    asked = objective or objectives
    tables = open_priced(results, named(asked, []) or None, cards, changes, study=not no_free)
    names = named(asked, tables.objectives)
    if dependence is not None:
        table = pl.concat([what.dependence(tables, name, dependence, seed) for name in names])
        emit(table, format_, output, title=f"partial dependence, 95 % over {what.RESAMPLES} forests, seed {seed}")
        return
    title = f"importance: fall of R2 when shuffled, 95 % over {what.RESAMPLES} forests, seed {seed}"
    emit(what.importance(tables, names, seed), format_, output, title=title)


@click.command()
@results_argument
@objectives_option
@click.option("--base", help="A control, or the number of a trial; by default each control against those before it.")
@output_options
def ablation(results: "Where", objectives: str | None, base: str | None, format_: str, output: Path | None) -> None:
    """Compare the controls of the study in the folder RESULTS: differences with 95 % intervals."""
    from dse.analysis.costs.priced import open_priced  # noqa: PLC0415
    from dse.analysis.effects.ablation import ablation as compared  # noqa: PLC0415

    tables = open_priced(results, named(objectives, []) or None, study=False)
    table = compared(tables, named(objectives, tables.objectives), base)
    emit(
        table, format_, output, title="difference = design - base; intervals of 95 %, paired by seed where seeds agree"
    )


def _targets(command: Callable[..., None]) -> Callable[..., None]:
    for name, metric in reversed(METRICS.items()):
        unit = "" if metric.unit == "1" else f", {metric.unit}"
        spellings = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
        help_ = f"Target: {metric.meaning}{unit}."
        command = click.option(*spellings, name, metavar="BOUND", help=help_)(command)
    priced = "A target of any quantity, of `dse price` too: 'area_m2 <= 1e-7'."
    return click.option("--target", "others", multiple=True, metavar="'NAME BOUND'", help=priced)(command)


@click.command()
@results_argument
@_targets
@click.option("--share", type=float, default=0.9, show_default=True, help="Of designs inside that shall meet them.")
@click.option(
    "--next", "count", type=click.IntRange(min=1, max=100), default=5, show_default=True, help="Designs to propose."
)
@click.option(
    "--show",
    "part",
    type=click.Choice(["all", "region", "sureness", "next"]),
    default="all",
    help="Which table; by default all three, and the region alone in a form for programs.",
)
@_seed
@price_options
@output_options
def require(
    results: "Where",
    share: float,
    count: int,
    part: str,
    seed: int,
    others: tuple[str, ...],
    *,
    cards: tuple[str, ...],
    changes: tuple[str, ...],
    format_: str,
    output: Path | None,
    no_free: bool,
    **bounds: str | None,
) -> None:
    """Find what a design must be like to reach targets, from the study in the folder RESULTS.

    \b
    dse require RESULTS --accuracy ">= 0.975" --energy_per_sample_j "<= 1e-7"
    """  # noqa: D301  click reads \b as "do not wrap"
    from dse.analysis.costs.priced import open_priced  # noqa: PLC0415
    from dse.analysis.inverse import require as inverse  # noqa: PLC0415
    from dse.analysis.inverse.targets import parse_targets, split_target  # noqa: PLC0415

    given = {name: text for name, text in bounds.items() if text is not None} | dict(map(split_target, others))
    targets = parse_targets(given)
    tables = open_priced(results, [target.metric for target in targets], cards, changes, study=not no_free)
    answer = inverse.require(tables, targets, share, seed)
    aim = " and ".join(map(str, targets))
    emit_parts(
        {
            "region": lambda: (inverse.region_table(answer), f"{aim}: the region, loosest first"),
            "sureness": lambda: (
                inverse.summary_table(answer),
                f"share that meets the targets, Wilson's 95 %, seed {seed}",
            ),
            "next": lambda: (inverse.next_table(answer, count), "simulate next: the least certain designs"),
        },
        part,
        format_,
        output,
    )


@click.command()
@click.argument("a", type=PLACE)
@click.argument("b", type=PLACE)
@objectives_option
@click.option(
    "--show",
    "part",
    type=click.Choice(["all", "fronts", "best", "shared"]),
    default="all",
    help="Which table; by default all, and the fronts alone in a form for programs.",
)
@output_options
def compare(a: "Where", b: "Where", objectives: str | None, part: str, format_: str, output: Path | None) -> None:
    """Set the studies in the folders A and B side by side."""
    from dse.analysis.costs.priced import open_priced  # noqa: PLC0415
    from dse.analysis.effects import compare as sides  # noqa: PLC0415

    first, second = (open_priced(side, named(objectives, []) or None, study=False) for side in (a, b))
    names = named(objectives, []) or sides.shared_objectives(first, second)
    for note in sides.notes(first, second):
        click.echo(note, err=True)
    title = f"A: {first.about['name']}, B: {second.about['name']}"
    parts: Parts = {
        "fronts": lambda: (sides.fronts_table(first, second, names), title),
        "best": lambda: (sides.best_table(first, second, names), "best of each; difference = B - A, 95 %"),
    }
    if part == "shared" or sides.shared_count(first, second):
        shared = "designs in both; difference = B - A, 95 %"
        parts["shared"] = lambda: (sides.shared_table(first, second, names), shared)
    emit_parts(parts, part, format_, output)
