"""The command `dse compare`: studies side by side."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dse.cli.options import (
    OUTPUT,
    PLACE,
    Parts,
    echo,
    emit_parts,
    named,
    objectives_option,
    output_options,
    part_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dse.analysis.tables.tables import Tables
    from dse.results.place import Where


@click.command()
@click.argument("studies", type=PLACE, nargs=-1, required=True, metavar="A B ...")
@objectives_option
@part_option("fronts", "best", "shared", "changed")
@output_options
@click.option("--report", "page", type=OUTPUT, metavar="FILE", help="Write a page for a browser instead.")
def compare(
    studies: "Sequence[Where]", objectives: str | None, part: str, format_: str, output: Path | None, page: Path | None
) -> None:
    """Set the studies in the folders A, B and so on side by side.

    The tables compare each with A. The page of --report has the fronts over one another, the designs that are in
    several studies, what differs between the study files, and what a page of `dse report` asks and answers.
    """
    from dse.analysis.costs.priced import open_priced  # noqa: PLC0415
    from dse.analysis.effects import compare as sides  # noqa: PLC0415

    if not 2 <= len(studies) <= len(sides.LETTERS):
        raise click.UsageError(f"give the folders of 2 to {len(sides.LETTERS)} studies, not {len(studies)}")
    asked = named(objectives, []) or None
    tables = [open_priced(side, asked, study=False, constraints=False) for side in studies]
    names = asked or sides.shared_objectives(*tables)
    for note in sides.notes(*tables):
        echo(note, err=True)
    if page is not None:
        from dse.analysis.report.compared import write_comparison  # noqa: PLC0415

        write_comparison(page, studies, tables, names)
        echo(f"{page}  {page.stat().st_size / 1e6:.1f} MB")
        return
    emit_parts(_parts(studies, tables, names, shared=part == "shared"), part, format_, output)


def _parts(studies: "Sequence[Where]", tables: "Sequence[Tables]", names: "Sequence[str]", *, shared: bool) -> Parts:
    from dse.analysis.effects import compare as sides  # noqa: PLC0415

    title = ", ".join(f"{letter}: {own.about['name']}" for letter, own in zip(sides.LETTERS, tables, strict=False))
    first, letters = tables[0], "B - A" if len(tables) == 2 else "study - A"
    parts: Parts = {
        "fronts": lambda: (sides.fronts_table(*tables, objectives=names), title),
        "best": lambda: (sides.against_first(sides.best_table, tables, names), f"best of each; {letters}, 95 %"),
    }
    if shared or any(sides.shared_count(first, other) for other in tables[1:]):
        words = f"designs in both; difference = {letters}, 95 %"
        parts["shared"] = lambda: (sides.against_first(sides.shared_table, tables, names), words)
    parts["changed"] = lambda: (sides.changed_table(studies, tables), "settings in which the study files differ")
    return parts
