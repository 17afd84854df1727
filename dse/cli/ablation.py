"""The command `dse ablation`: the controls of a study, compared."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dse.cli.options import emit, named, objectives_option, output_options, results_argument

if TYPE_CHECKING:
    from dse.results.place import Where


@click.command()
@results_argument
@objectives_option
@click.option("--base", help="A control, or the number of a trial; by default each control against those before it.")
@output_options
def ablation(results: "Where", objectives: str | None, base: str | None, format_: str, output: Path | None) -> None:
    """Compare the controls of the study in the folder RESULTS: differences with 95 % intervals."""
    from dse.analysis.costs.priced import open_priced  # noqa: PLC0415
    from dse.analysis.effects.ablation import ablation as compared  # noqa: PLC0415

    tables = open_priced(results, named(objectives, []) or None, study=False, constraints=False)
    table = compared(tables, named(objectives, tables.objectives), base)
    emit(
        table, format_, output, title="difference = design - base; intervals of 95 %, paired by seed where seeds agree"
    )
