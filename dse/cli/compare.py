"""The command `dse compare`: two studies side by side."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dse.cli.options import PLACE, Parts, echo, emit_parts, named, objectives_option, output_options, part_option

if TYPE_CHECKING:
    from dse.results.place import Where


@click.command()
@click.argument("a", type=PLACE)
@click.argument("b", type=PLACE)
@objectives_option
@part_option("fronts", "best", "shared")
@output_options
def compare(a: "Where", b: "Where", objectives: str | None, part: str, format_: str, output: Path | None) -> None:
    """Set the studies in the folders A and B side by side."""
    from dse.analysis.costs.priced import open_priced  # noqa: PLC0415
    from dse.analysis.effects import compare as sides  # noqa: PLC0415

    first, second = (
        open_priced(side, named(objectives, []) or None, study=False, constraints=False) for side in (a, b)
    )
    names = named(objectives, []) or sides.shared_objectives(first, second)
    for note in sides.notes(first, second):
        echo(note, err=True)
    title = f"A: {first.about['name']}, B: {second.about['name']}"
    parts: Parts = {
        "fronts": lambda: (sides.fronts_table(first, second, names), title),
        "best": lambda: (sides.best_table(first, second, names), "best of each; difference = B - A, 95 %"),
    }
    if part == "shared" or sides.shared_count(first, second):
        shared = "designs in both; difference = B - A, 95 %"
        parts["shared"] = lambda: (sides.shared_table(first, second, names), shared)
    emit_parts(parts, part, format_, output)
