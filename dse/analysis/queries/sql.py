"""SQL over the tables of a study.

trials, designs, layers, curves, deployments   see `dse.analysis.tables.tables`
intervals                         a row a trial and metric: mean, 95 % interval; see `dse.analysis.fronts.confidence`
ranks                             a row a complete design of the search: rank, distance to the front, knee, probability
                                  to be on the front, for the objectives of the study; see `dse.analysis.fronts.table`
priced                            a row a design and choice on the free axes; see `dse.analysis.costs.priced`
"""

import re
from collections.abc import Callable

import polars as pl

from dse.analysis.costs.priced import priced_columns
from dse.analysis.fronts.confidence import intervals
from dse.analysis.fronts.table import front_table
from dse.analysis.tables.tables import Tables
from dse.errors import QueryError

DERIVED = ("intervals", "ranks", "priced")
"""Tables that are computed when a query names them."""


def query(tables: Tables, sql: str, prices: Callable[[list[str]], pl.DataFrame] | None = None) -> pl.DataFrame:
    """Run polars SQL over the tables.

    Args:
        tables: the tables of a study.
        sql: the query.
        prices: gives the table `priced` with some of the columns of prices; without it there is none.

    Raises:
        QueryError: SQL that polars does not take, with its reason and what there is.
    """
    frames = {
        "trials": tables.trials,
        "designs": tables.designs,
        "layers": tables.layers,
        "curves": tables.curves,
        "deployments": tables.deployments,
    }
    if _names("intervals", sql):
        frames["intervals"] = intervals(tables)
    if _names("ranks", sql):
        frames["ranks"] = front_table(tables, tables.objectives, ranked=True, knee=True)
    if prices is not None and _names("priced", sql):
        frames["priced"] = prices(priced_columns(sql))
    try:
        with pl.SQLContext(frames, eager=True) as context:
            return context.execute(sql)
    except pl.exceptions.PolarsError as error:
        names = "\n".join(f"  {name}: {', '.join(frame.columns)}" for name, frame in frames.items())
        others = ", ".join(name for name in DERIVED if name not in frames)
        raise QueryError(
            f'the query failed: {error}\nTables and columns (quote names with a dot: "accumulator.bits"):\n{names}'
            + (f"\nand, computed when named: {others}" if others else "")
        ) from None


def _names(table: str, sql: str) -> bool:
    return re.search(rf"\b{table}\b", sql, re.IGNORECASE) is not None
