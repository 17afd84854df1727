"""How layers are cut into arrays, for prices: as the simulation cuts them, full arrays and one with the rest.

The lines of a full array stand among the events of a layer (`dse.crossbar.usage.FULL_LINES`) where they do not follow
from its lines and the number of its arrays. A row without them is cut into equal parts: those whose arrays are all
full, and those of earlier versions, whose prices are what they were.
"""

from collections.abc import Callable

import polars as pl

from dse.crossbar.usage import FULL_LINES

ROWS, COLS = pl.col("rows").cast(pl.Float64), pl.col("cols").cast(pl.Float64)
BACKWARD_ROWS = ROWS - pl.col("bias_rows").cast(pl.Float64)
"""Rows through which errors pass back. Only layers in one array have a bias row."""
FULL_ROWS, FULL_COLS = (pl.col(name).cast(pl.Float64) for name in FULL_LINES)


def _tiles(lines: pl.Expr, full: pl.Expr, told: str) -> pl.Expr:
    return pl.when(full.is_null()).then(pl.col(told).cast(pl.Float64)).otherwise((lines / full).ceil())


ROW_TILES, COLUMN_TILES = _tiles(ROWS, FULL_ROWS, "row_tiles"), _tiles(COLS, FULL_COLS, "column_tiles")
"""Arrays of a layer along its inputs, and along its outputs."""


def _largest(lines: pl.Expr, full: pl.Expr, tiles: pl.Expr) -> pl.Expr:
    return pl.when(full.is_null()).then(lines / tiles).otherwise(full)


TILE_ROWS, TILE_COLS = _largest(ROWS, FULL_ROWS, ROW_TILES), _largest(COLS, FULL_COLS, COLUMN_TILES)
"""Lines of the largest array of a layer, for which the others wait."""
BACKWARD_TILE_ROWS = _largest(BACKWARD_ROWS, FULL_ROWS, ROW_TILES)


def over_tiles(lines: pl.Expr, full: pl.Expr, tiles: pl.Expr, amount: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """Return the sum of an amount over the arrays along one direction.

    Args:
        lines: all lines of a layer along it.
        full: those of a full array; null where the parts are equal.
        tiles: the arrays along it.
        amount: what an array with some lines has.
    """
    rest = lines - (tiles - 1.0) * full
    whole = amount(full) * (tiles - 1.0) + amount(rest)
    return pl.when(full.is_null()).then(amount(lines / tiles) * tiles).otherwise(whole)
