"""The command `dse explain`: why a design was proposed, went on, or was left."""

import json
from typing import TYPE_CHECKING

import click

from dse.cli.options import echo, results_argument

if TYPE_CHECKING:
    from dse.results.place import Where


@click.command()
@results_argument
@click.argument("trial", type=int)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def explain(results: "Where", trial: int, format_: str) -> None:
    """Say why trial TRIAL of the folder RESULTS was proposed, went on, got further seeds, or was left."""
    from dse.search.explain import explain as explanation_of  # noqa: PLC0415

    found = explanation_of(results, trial)
    echo(json.dumps(list(found.steps), indent=2) if format_ == "json" else "\n".join(found.lines))
