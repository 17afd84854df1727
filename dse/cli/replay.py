"""The command `dse replay`: a stored trial simulated again and compared."""

import sys
from typing import TYPE_CHECKING

import click

from dse.cli.options import echo, results_argument

if TYPE_CHECKING:
    from dse.results.place import Where

DIFFERS = 3
"""Exit status of a replay that differs."""


@click.command()
@results_argument
@click.argument("trial", type=int)
@click.option("--seed", type=int, help="One of its seeds; by default all.")
def replay(results: "Where", trial: int, seed: int | None) -> None:
    """Simulate trial TRIAL of the folder RESULTS again, and compare every field, to the last bit.

    Ends with status 0 if all agree and 3 if not.
    """
    from dse.analysis.tables.render import render  # noqa: PLC0415
    from dse.search.replay import replay as again  # noqa: PLC0415

    found = again(results, trial, seed)
    for one in found:
        verdict = f"{len(one.differences)} differ" if one.differences else "all equal to the last bit"
        echo(f"trial {trial} seed {one.seed}: {one.fields} fields, {verdict}")
        for name, was, now in one.made:
            echo(f"  {name} was {was} and is {now}")
        if one.differences:
            echo(render(one.table()))
    if any(one.differences for one in found):
        sys.exit(DIFFERS)
