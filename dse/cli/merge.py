"""The command `dse merge`: several results united."""

from typing import TYPE_CHECKING

import click

from dse.cli.options import PLACE, echo

if TYPE_CHECKING:
    from dse.results.place import Where


@click.command()
@click.argument("sources", type=PLACE, nargs=-1, required=True)
@click.option("--out", type=PLACE, required=True, help="Where the united results go; a new folder or address.")
def merge(sources: "tuple[Where, ...]", out: "Where") -> None:
    """Unite the results SOURCES in a new folder.

    Of one study they give results of that study, to be resumed; of different studies a table to read.
    """
    from dse.pricing.text import counted  # noqa: PLC0415
    from dse.results.merge import merge as unite  # noqa: PLC0415

    if len(sources) < 2:
        raise click.UsageError("name at least two results")
    echo(f"{counted(unite(sources, out), 'row')} of {len(sources)} results -> {out}")
