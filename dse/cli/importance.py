"""The command `dse importance`: how much each parameter matters for each objective."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dse.cli.options import (
    emit,
    named,
    objectives_option,
    output_options,
    price_options,
    results_argument,
    seed_option,
)

if TYPE_CHECKING:
    from dse.results.place import Where


@click.command()
@results_argument
@objectives_option
@click.option("--objective", help="One metric; the same as --objectives with one.")
@click.option("--dependence", metavar="PARAMETER", help="How the objectives depend on it, instead of importances.")
@seed_option
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
    tables = open_priced(results, named(asked, []) or None, cards, changes, study=not no_free, constraints=False)
    names = named(asked, tables.objectives)
    if dependence is not None:
        table = pl.concat([what.dependence(tables, name, dependence, seed) for name in names])
        emit(table, format_, output, title=f"partial dependence, 95 % over {what.RESAMPLES} forests, seed {seed}")
        return
    title = f"importance: fall of R2 when shuffled, 95 % over {what.RESAMPLES} forests, seed {seed}"
    emit(what.importance(tables, names, seed), format_, output, title=title)
