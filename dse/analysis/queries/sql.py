"""SQL over the tables of a study.

trials, designs, rungs, layers, curves, deployments   see `dse.analysis.tables.tables`
intervals                         a row a trial and metric: mean, 95 % interval; see `dse.analysis.fronts.confidence`
ranks                             a row a complete, feasible design of the search: rank, distance to the front, knee,
                                  probability to be on the front, for the objectives of the study; see
                                  `dse.analysis.fronts.table`
priced                            a row a design and choice on the free axes; see `dse.analysis.costs.priced`

`curves` has the prices that a query names, too: those of the training until an epoch (`dse.analysis.costs.by_epoch`).
"""

import re
from collections.abc import Callable, Mapping

import polars as pl

from dse.analysis.costs.priced import priced_columns
from dse.analysis.fronts.confidence import intervals
from dse.analysis.fronts.table import front_table
from dse.analysis.tables.epochs import curves_of
from dse.analysis.tables.tables import Tables
from dse.errors import QueryError
from dse.pricing.price import COLUMNS
from dse.renamed import in_word

DERIVED = ("intervals", "ranks", "priced")
"""Tables that are computed when a query names them."""


Priced = Callable[[list[str]], pl.DataFrame]
"""Gives a table with some of the columns of prices."""


def query(tables: Tables, sql: str, prices: Priced | None = None, curves: Priced | None = None) -> pl.DataFrame:
    """Run polars SQL over the tables.

    Args:
        tables: the tables of a study.
        sql: the query.
        prices: gives the table `priced`; without it there is none.
        curves: gives the table `curves`; without it, it has no prices.

    Raises:
        QueryError: SQL that polars does not take, with its reason and what there is.
    """
    frames = {
        "trials": tables.trials,
        "designs": tables.designs,
        "rungs": tables.rungs,
        "layers": tables.layers,
        "curves": _curves(tables, sql, curves) if _names("curves", sql) else tables.curves,
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
        raise QueryError(f"the query failed: {error}\n{_renamed(sql) or _columns(frames)}") from None


def _curves(tables: Tables, sql: str, curves: Priced | None) -> pl.DataFrame:
    named = [name for name in COLUMNS if _names(name, sql) and name not in tables.curves.columns]
    return curves_of(tables) if curves is None else curves(named)


def _renamed(sql: str) -> str:
    """Return what the names of before in a query are called now; "" where it has none."""
    words = dict.fromkeys(re.findall(r"[\w.]+", sql))
    return "\n".join(f"{word} is called {now} now" for word in words if (now := in_word(word)) != word)


def _columns(frames: Mapping[str, pl.DataFrame]) -> str:
    names = "\n".join(f"  {name}: {', '.join(frame.columns)}" for name, frame in frames.items())
    others = ", ".join(name for name in DERIVED if name not in frames)
    more = f"\nand, computed when named: {others}" if others else ""
    return f'Tables and columns (quote names with a dot: "accumulator.bits"):\n{names}{more}'


def _names(table: str, sql: str) -> bool:
    return re.search(rf"\b{table}\b", sql, re.IGNORECASE) is not None
