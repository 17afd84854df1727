"""The command `dse front`: the Pareto front of a study, its ranks, volume and bands."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dse.cli.options import (
    OUTPUT,
    echo,
    emit,
    named,
    objectives_option,
    output_options,
    price_options,
    results_argument,
)

if TYPE_CHECKING:
    from dse.results.place import Where


@click.command()
@results_argument
@objectives_option
@click.option("--ranks", is_flag=True, help="All designs, by rank: 0 is the front, 1 the front without it, ...")
@click.option("--knee", is_flag=True, help="Add the expected marginal utility, and put the knee first.")
@click.option("--epsilon", help='Also designs that none beats by more: "1%", or "accuracy=0.005,loss=2%".')
@click.option("--hypervolume", is_flag=True, help="The volume that the front dominates, instead of its designs.")
@click.option("--reference", help='Reference of the hypervolume, "NAME=VALUE,..."; by default the worst values.')
@click.option("--bands", is_flag=True, help="Of two objectives: surfaces that 10, 50 and 90 % of fronts attain.")
@click.option("--all", "unconstrained", is_flag=True, help="Leave out the constraints of the study.")
@click.option("--plot", type=OUTPUT, help="Also draw the front: a .png, .svg or .pdf file.")
@price_options
@output_options
def front(
    results: "Where",
    objectives: str | None,
    plot: Path | None,
    cards: tuple[str, ...],
    changes: tuple[str, ...],
    format_: str,
    *,
    output: Path | None,
    no_free: bool,
    ranks: bool,
    knee: bool,
    epsilon: str | None,
    hypervolume: bool,
    reference: str | None,
    bands: bool,
    unconstrained: bool,
) -> None:
    """Show the Pareto front of the study in the folder RESULTS; of feasible designs, where it has constraints.

    Means over seeds have 95 % intervals (ci95) and a probability to be on the front; every draw is seeded. Objectives
    are metrics, or any quantity of `dse price`, such as area_m2 or years_to_first_cell.
    """
    from dse.analysis.costs.priced import open_priced  # noqa: PLC0415
    from dse.analysis.fronts import table as fronts  # noqa: PLC0415
    from dse.analysis.fronts.plot import plot_front  # noqa: PLC0415

    if sum([hypervolume, bands, ranks or knee or epsilon is not None]) > 1:
        raise click.UsageError("--hypervolume, --bands and --ranks, --knee, --epsilon are different tables; take one")
    if reference is not None and not hypervolume:
        raise click.UsageError("--reference is for --hypervolume")
    tables = open_priced(
        results,
        named(objectives, []) or None,
        cards,
        changes,
        study=not no_free,
        constraints=not unconstrained,
        columns=(),
        metrics=named(objectives, []),
    )
    names = named(objectives, tables.objectives)
    title = fronts.front_title(tables, names)
    if format_ != "table":
        for told in filter(None, (fronts.infeasible_note(tables), fronts.infinite_note(tables, names))):
            echo(f"note: {told}", err=True)
    if plot is not None:
        plot_front(tables, names, plot)
        echo(f"drawn: {plot}", err=True)
    if hypervolume:
        same = fronts.constant_note(tables, names)
        if same and format_ != "table":
            echo(f"note: {same}", err=True)
        title = f"{title}\n{same}" if same else title
        emit(fronts.hypervolume_table(tables, names, reference), format_, output, title=title)
    elif bands:
        emit(fronts.bands_table(tables, names), format_, output, title=f"{title}; percentiles of fronts")
    else:
        table = fronts.front_table(tables, names, ranked=ranks, knee=knee, epsilon=epsilon)
        emit(table, format_, output, title=f"{title}\n{fronts.confidence_note(tables)}")
