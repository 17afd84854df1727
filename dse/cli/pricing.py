"""Commands that price stored designs on cost cards: price, ranges."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dse.cli.options import PLACE, emit, emit_parts, named, objectives_option, output_options, results_argument

if TYPE_CHECKING:
    from dse.results.place import Where


@click.command()
@click.argument("results", type=PLACE, required=False)
@click.option("--card", "cards", multiple=True, help="A cost card or a .toml file; by default the study's. Repeat it.")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Replace a constant of the cards.")
@click.option("--columns", help="Quantities, separated by commas.")
@click.option("--anchors", "published", is_flag=True, help="Hold cards against published figures; needs no RESULTS.")
@output_options
def price(
    results: "Where | None",
    cards: tuple[str, ...],
    changes: tuple[str, ...],
    columns: str | None,
    format_: str,
    output: Path | None,
    *,
    published: bool,
) -> None:
    """Price the designs in the folder RESULTS on cost cards, without simulating again.

    Energy, latency, area and lifetime, as means over the seeds of a design. Several cards stand side by side in a
    table, and below each other in csv, json and parquet, which hold every quantity unless --columns says otherwise.
    """
    from dse.analysis.costs import prices as p  # noqa: PLC0415
    from dse.analysis.tables.tables import open_tables  # noqa: PLC0415
    from dse.pricing.price import COLUMNS  # noqa: PLC0415

    if published == (results is not None):
        raise click.UsageError("give the folder RESULTS to price it, or --anchors to see published figures")
    values = p.settings(changes)
    if results is None:
        _anchors(cards, values, columns, format_, output)
        return
    tables = open_tables(results)
    found = [p.open_card(name) for name in cards] or [p.own_card(results, tables)]
    chosen = [p.with_settings(card, values) for card in found]
    brief = p.SHOWN if len(chosen) == 1 else p.SHOWN[:1]
    names = [name.strip() for name in columns.split(",")] if columns else brief if format_ == "table" else COLUMNS
    table = p.prices(tables, chosen, names)
    on = ", ".join(card.name for card in chosen)
    title = f"{tables.about['name']} on {on}; designs priced: {tables.layers['trial'].n_unique()}"
    emit(p.side_by_side(table) if format_ == "table" else table, format_, output, title=title)
    note = p.without_price(table)
    if note:
        click.echo(note, err=True)


def _anchors(
    cards: tuple[str, ...], values: dict[str, float], columns: str | None, format_: str, output: Path | None
) -> None:
    from dse.analysis.costs import prices as p  # noqa: PLC0415
    from dse.devices.card import library  # noqa: PLC0415
    from dse.pricing.anchors import compare  # noqa: PLC0415

    if columns is not None:
        raise click.UsageError("--columns is for RESULTS; --anchors shows what was published")
    chosen = [p.with_settings(p.open_card(name), values) for name in cards or library("costs")]
    emit(p.anchors(chosen) if format_ == "table" else compare(chosen), format_, output)


@click.command()
@results_argument
@objectives_option
@click.option("--card", help="A cost card or a .toml file; by default the study's.")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Replace a constant of the card.")
@click.option("--worlds", "count", type=int, default=1000, show_default=True, help="Worlds to draw.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the draws.")
@click.option(
    "--show",
    "part",
    type=click.Choice(["all", "designs", "constants"]),
    default="all",
    help="Which table; by default both, and the designs alone in a form for programs.",
)
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
    from dse.analysis.costs.worlds import tornado_table, worlds_table  # noqa: PLC0415
    from dse.analysis.tables.tables import open_tables  # noqa: PLC0415

    tables = open_tables(results)
    chosen = p.with_settings(p.own_card(results, tables) if card is None else p.open_card(card), p.settings(changes))
    names = named(objectives, tables.objectives)
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
