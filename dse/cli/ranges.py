"""The command `dse ranges`: how far a front depends on constants that sources disagree on."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dse.cli.options import (
    echo,
    emit_parts,
    named,
    objectives_option,
    output_options,
    part_option,
    results_argument,
    seed_option,
)

if TYPE_CHECKING:
    from dse.results.place import Where


@click.command()
@results_argument
@objectives_option
@click.option("--card", help="A cost card or a .toml file; by default the study's.")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Replace a constant of the card.")
@click.option("--worlds", "count", type=int, default=1000, show_default=True, help="Worlds to draw.")
@seed_option
@part_option("designs", "constants")
@output_options
def ranges(
    results: "Where",
    objectives: str | None,
    card: str | None,
    changes: tuple[str, ...],
    count: int,
    seed: int,
    *,
    part: str,
    format_: str,
    output: Path | None,
) -> None:
    """Ask how far the front of the folder RESULTS depends on constants that sources disagree on.

    Designs: in what share of plausible worlds, drawn from the ranges of the card, each is on the front. Constants: what
    each does to the front when it alone goes to the ends of its range.
    """
    from dse.analysis.costs import prices as p  # noqa: PLC0415
    from dse.analysis.costs.priced import open_priced  # noqa: PLC0415
    from dse.analysis.costs.worlds import tornado_table, worlds_table  # noqa: PLC0415

    tables = open_priced(results, None, study=False, constraints=False)
    chosen = p.with_settings(p.own_card(results, tables) if card is None else p.open_card(card), p.settings(changes))
    names = named(objectives, tables.objectives)
    if tables.about["constraints"]:
        echo("note: fronts here are those of all complete designs; the constraints are left out", err=True)
    made = {
        "designs": lambda: (
            worlds_table(tables, chosen, names, count, seed),
            f"share of {count} worlds in which a design is on the front; {chosen.name}, seed {seed}",
        ),
        "constants": lambda: (
            tornado_table(tables, chosen, names),
            f"one constant at a time at the ends of its range, those that move anything; {chosen.name}",
        ),
    }
    emit_parts(made, part, format_, output)
