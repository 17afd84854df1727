"""The command `dse show`: everything about one trial."""

from typing import TYPE_CHECKING

import click

from dse.cli.options import echo, results_argument

if TYPE_CHECKING:
    from dse.results.place import Where


@click.command()
@results_argument
@click.argument("trial", type=int)
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
def show(results: "Where", trial: int, format_: str) -> None:
    """Show trial TRIAL of the folder RESULTS: its design, metrics, events, wear and curve."""
    from dse.analysis.costs.priced import open_priced  # noqa: PLC0415
    from dse.analysis.queries.show import as_json, as_text  # noqa: PLC0415

    tables = open_priced(results, None, study=False)
    echo(as_json(tables, trial) if format_ == "json" else as_text(tables, trial))
