"""SQL over the tables of a study.

trials, designs, rungs, layers, curves, deployments   see `dse.analysis.tables.tables`
intervals                         a row a trial and metric: mean, 95 % interval; see `dse.analysis.fronts.confidence`
ranks                             a row a complete, feasible design of the search: rank, distance to the front, knee,
                                  probability to be on the front, for the objectives of the study; see
                                  `dse.analysis.fronts.table`
priced                            a row a design and choice on the free axes; see `dse.analysis.costs.priced`

`curves` has the prices that a query names, too: those of the training until an epoch (`dse.analysis.costs.by_epoch`).

A parameter of numbers and words ("float" among bits) is a column of numbers, null where it is a word, with a column
NAME.word behind it.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence

import polars as pl

from dse.analysis.costs.priced import priced_columns
from dse.analysis.fronts.confidence import intervals
from dse.analysis.fronts.table import front_table
from dse.analysis.queries.statement import (
    Token,
    check_statement,
    has_own_order,
    is_cut,
    named_tables,
    unknown_table,
)
from dse.analysis.tables.epochs import curves_of
from dse.analysis.tables.mixed import with_words_apart
from dse.analysis.tables.tables import Tables
from dse.errors import QueryError, did_you_mean
from dse.pricing.price import COLUMNS
from dse.renamed import in_word

log = logging.getLogger(__name__)
STORED = ("trials", "designs", "rungs", "layers", "curves", "deployments")
"""Tables of what results hold."""
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
        QueryError: SQL that reads something else or changes something, or that polars does not take, with its reason
            and what there is.
    """
    pieces = check_statement(sql)
    makers: dict[str, Callable[[], pl.DataFrame]] = {
        "trials": lambda: tables.trials,
        "designs": lambda: tables.designs,
        "rungs": lambda: tables.rungs,
        "layers": lambda: tables.layers,
        "curves": lambda: _curves(tables, sql, curves),
        "deployments": lambda: tables.deployments,
        "intervals": lambda: intervals(tables),
        "ranks": lambda: front_table(tables, tables.objectives, ranked=True, knee=True),
    }
    if prices is not None:
        makers["priced"] = lambda: prices(priced_columns(sql))
    unknown = unknown_table(pieces, [*makers, *DERIVED])
    if unknown:
        raise QueryError(f"{unknown}\n{_renamed(sql) or _tables()}")
    # What a query does not name is not even read; SHOW TABLES shows those that are read.
    names = STORED if pieces[0].says("show") else named_tables(pieces, makers)
    used = {name: with_words_apart(makers[name](), tables.parameters) for name in names}
    if pieces[0].says("describe"):
        return _described(used)
    try:
        with pl.SQLContext(used, eager=True) as context:
            return _in_order(context.execute(sql), pieces)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, TypeError) as error:
        raise QueryError(f"the query failed: {_reason(error, used)}\n{_renamed(sql) or _columns(used)}") from None


def _described(used: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return the columns of tables with their types, which the SQL of polars cannot tell.

    Raises:
        QueryError: no table is named, or several.
    """
    if len(used) != 1:
        raise QueryError(f"DESCRIBE takes one table, as in DESCRIBE trials\n{_tables()}")
    ((_, table),) = used.items()
    return pl.DataFrame({"column": table.columns, "type": [str(kind) for kind in table.dtypes]})


def _in_order(found: pl.DataFrame, pieces: Sequence[Token]) -> pl.DataFrame:
    """Return an answer in the order that its query asks for, or else by its columns, the first first."""
    if has_own_order(pieces):
        return found
    if is_cut(pieces):
        log.warning("note: LIMIT without ORDER BY after JOIN or GROUP BY: which rows come is not fixed; add ORDER BY")
    by = [name for name, kind in found.schema.items() if not kind.is_nested()]
    return found.sort(by, nulls_last=True, maintain_order=True) if by else found


def _reason(error: BaseException, used: Mapping[str, pl.DataFrame]) -> str:
    """Return what is wrong with a query in one line, with the nearest column where one is missing."""
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    said = said.partition("; valid columns:")[0]
    if not isinstance(error, pl.exceptions.ColumnNotFoundError):
        return said
    name = said.removeprefix("unable to find column ").strip("\"' ")
    known = dict.fromkeys(column for frame in used.values() for column in frame.columns)
    return f"there is no column {name!r}{did_you_mean(name, known)}"


def _curves(tables: Tables, sql: str, curves: Priced | None) -> pl.DataFrame:
    named = [name for name in COLUMNS if _names(name, sql) and name not in tables.curves.columns]
    return curves_of(tables) if curves is None else curves(named)


def _renamed(sql: str) -> str:
    """Return what the names of before in a query are called now; "" where it has none."""
    words = dict.fromkeys(re.findall(r"[\w.]+", sql))
    return "\n".join(f"{word} is called {now} now" for word in words if (now := in_word(word)) != word)


def _columns(used: Mapping[str, pl.DataFrame]) -> str:
    names = "\n".join(f"  {name}: {', '.join(frame.columns)}" for name, frame in used.items())
    return f'Columns of the tables named (quote names with a dot: "accumulator.bits"):\n{names}' if used else ""


def _tables() -> str:
    return f"Tables: {', '.join(STORED)}; and, computed when named: {', '.join(DERIVED)}"


def _names(table: str, sql: str) -> bool:
    return re.search(rf"\b{table}\b", sql, re.IGNORECASE) is not None
