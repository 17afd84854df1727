"""The command `dse price`: stored designs on cost cards, and cards against published figures."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dse.cli.options import PLACE, echo, emit, named, output_options

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

    Energy, latency, area and lifetime, as means over the seeds of a design. Several cards are shown side by side in a
    table, and below each other in csv, json and parquet, which hold every quantity unless --columns names some.
    """
    from dse.analysis.costs import prices as p  # noqa: PLC0415
    from dse.analysis.tables.tables import open_tables  # noqa: PLC0415
    from dse.pricing.card import unlike  # noqa: PLC0415
    from dse.pricing.price import COLUMNS  # noqa: PLC0415

    if published == (results is not None):
        raise click.UsageError("give the folder RESULTS to price it, or --anchors to see published figures")
    values = p.settings(changes)
    if results is None:
        _anchors(cards, values, columns, format_, output)
        return
    tables = open_tables(results, (), (), chosen=False)
    found = [p.open_card(name) for name in cards] or [p.own_card(results, tables)]
    chosen = [p.with_settings(card, values) for card in found]
    brief = p.SHOWN if len(chosen) == 1 else p.SHOWN[:1]
    names = named(columns, list(brief if format_ == "table" else COLUMNS))
    table = p.prices(tables, chosen, names)
    on = ", ".join(card.name for card in chosen)
    title = f"{tables.about['name']} on {on}; designs priced: {tables.layers['trial'].n_unique()}"
    emit(p.side_by_side(table) if format_ == "table" else table, format_, output, title=title)
    for line in unlike(chosen):
        echo(f"note: {line}", err=True)
    note = p.without_price(table)
    if note:
        echo(note, err=True)


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
