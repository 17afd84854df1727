"""The command `dse query`: SQL over the tables of a study."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dse.cli.options import emit, output_options, price_options, results_argument

if TYPE_CHECKING:
    import polars as pl

    from dse.results.place import Where


FEWER = (
    "Tables side by side give every pair of their rows: join them by what both have, such as USING (trial, seed), "
    "or choose rows before"
)


@click.command()
@results_argument
@click.argument("sql")
@price_options
@output_options
@click.option(
    "--time-limit",
    "time_limit_s",
    type=click.FloatRange(0, min_open=True),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="End a query that takes longer.",
)
def query(
    results: "Where",
    sql: str,
    cards: tuple[str, ...],
    changes: tuple[str, ...],
    format_: str,
    *,
    output: Path | None,
    no_free: bool,
    time_limit_s: float,
) -> None:
    """Run SQL over the tables trials, designs, layers, curves, intervals, ranks and priced of the folder RESULTS.

    `priced` has a row for each design and choice on the free axes, with every quantity of `dse price`. `curves` has
    those that a query names, until each epoch: SELECT trial, epoch, energy_per_sample_j, worst_writes FROM curves

    Names with a dot are quoted: SELECT trial, accuracy, "accumulator.bits" FROM trials ORDER BY accuracy DESC

    A query that takes longer than --time-limit, or more memory than is free, is ended.

    A parameter of numbers and words is a column of numbers, null where it is a word, which NAME.word then holds.
    """
    from dse.analysis.costs.by_epoch import curves_for  # noqa: PLC0415
    from dse.analysis.costs.priced import open_priced, priced_designs  # noqa: PLC0415
    from dse.analysis.queries.sql import DERIVED  # noqa: PLC0415
    from dse.analysis.queries.sql import query as run_sql  # noqa: PLC0415
    from dse.analysis.queries.statement import names_of_flat, needed_columns  # noqa: PLC0415
    from dse.cli.bounded import bounded  # noqa: PLC0415
    from dse.errors import QueryError  # noqa: PLC0415
    from dse.results.schema import COLUMNS  # noqa: PLC0415

    def answer(columns: list[str] | None) -> "pl.DataFrame":
        names = None if columns is None else names_of_flat(sql, (*DERIVED, "curves"))
        # Paths of parameters have a dot; where one has none, the query fails here and is asked of everything.
        chosen = names is None or any("." in name for name in names)
        tables = open_priced(results, None, study=False, columns=columns, metrics=names, chosen=chosen)

        def prices(columns: list[str]) -> "pl.DataFrame":
            return priced_designs(results, tables, columns, cards, changes, study=not no_free)

        def curves(columns: list[str]) -> "pl.DataFrame":
            return curves_for(results, tables, columns, cards, changes)

        return run_sql(tables, sql, prices, curves)

    columns = needed_columns(sql, COLUMNS)
    with bounded("the query", FEWER, seconds=time_limit_s):
        try:
            found = answer(columns)
        except QueryError:
            if columns is None:
                raise
            found = answer(None)  # the message lists all columns that there are
    emit(found, format_, output)
