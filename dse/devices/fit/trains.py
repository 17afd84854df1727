"""Measured trains of SET pulses, read from a CSV file and checked before anything is fitted to them.

cell         any name of the cell
pulse        0 after RESET, then 1, 2, ... after each SET pulse
conductance  uS, or another unit that the header names
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dse.devices.fit.header import COLUMNS
from dse.devices.fit.table import Table, read_table
from dse.errors import DataError

MIN_CELLS = 10
MIN_PULSES = 5
"""Seven parameters of the response are fitted; shorter trains do not separate the history from the offset."""
NOISE_REACH = 5.0
"""Deviations of read noise by which a measured conductance may lie below zero."""


@dataclass(frozen=True)
class Trains:
    """Checked trains.

    Attributes:
        name: name of the file.
        g_us: conductances, uS, shape (cells, pulses + 1); NaN after the end of a shorter train.
        names: names of the cells.
        form: what the file looked like, in words.
        left_out: why, for each cell of the file that is not among them; see `dse.devices.fit.outliers`.
    """

    name: str
    g_us: NDArray[np.float64]
    names: tuple[str, ...] = ()
    form: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.g_us.shape[0]

    @property
    def pulses(self) -> int:
        """Number of SET pulses in the longest train."""
        return self.g_us.shape[1] - 1


def read_trains(path: Path, noise_at_zero_us: float = 0.0) -> Trains:
    """Read trains of SET pulses.

    Args:
        path: a text file with the columns cell, pulse and conductance; see `dse.devices.fit.table`. Other columns are
            ignored.
        noise_at_zero_us: deviation of a read at G = 0, uS; lets reads of a RESET cell lie a little below zero.

    Raises:
        DataError: the file cannot be read, a column is missing, a number is none, a train has a gap, there are too
            few cells or pulses, a conductance is negative, or the unit cannot be microsiemens.
    """
    read = read_table(path)
    table = _numbers(path, read)
    _check_unit(path, table)
    lowest = -NOISE_REACH * noise_at_zero_us
    if len(below := table.filter(pl.col("conductance") < lowest)):
        row = below.row(0, named=True)
        why = f" by more than read noise explains ({-lowest:.3g} uS)" if lowest < 0 else ""
        raise DataError(
            f"{path}: cell {row['cell']}, pulse {row['pulse']}: conductance {row['conductance']:.4g} uS is negative"
            f"{why}; correct the offset of the measurement"
        )
    names, g_us = _matrix(path, table)
    return Trains(path.name, g_us, names, read.form)


def _numbers(path: Path, read: Table) -> pl.DataFrame:
    """Return pulses as integers and conductances as floats, uS, or name the first line where they are none."""
    raw = pl.DataFrame(read.columns, schema=dict.fromkeys(COLUMNS, pl.String))
    pulse = pl.col("pulse").cast(pl.Float64, strict=False)
    conductance = pl.col("conductance").cast(pl.Float64, strict=False)
    table = raw.select(pl.col("cell"), pulse, conductance if read.unit_us == 1.0 else conductance * read.unit_us)
    fine = {
        "cell": (raw["cell"] != "", "a name"),
        "pulse": (((table["pulse"] >= 0) & (table["pulse"] % 1 == 0)).fill_null(value=False), "an integer from 0"),
        "conductance": (table["conductance"].is_finite().fill_null(value=False), "a number of uS"),
    }
    for name, (good, needed) in fine.items():
        if not good.all():
            row = int(np.flatnonzero(~good.to_numpy())[0])
            raise DataError(f"{path}, line {read.lines[row]}: {name} = {raw[name][row]!r} must be {needed}")
    return table.with_columns(pl.col("pulse").cast(pl.Int64)).sort("cell", "pulse")


def _check_unit(path: Path, table: pl.DataFrame) -> None:
    after = table.filter(pl.col("pulse") > 0)["conductance"].to_numpy()
    middle = float(np.median(after)) if len(after) else 1.0
    if 0.0 < middle < 1e-3:
        raise DataError(
            f"{path}: the median conductance after SET pulses is {middle:.3g}; these look like siemens. "
            "Give microsiemens: multiply by 1e6"
        )
    if middle > 1e5:
        raise DataError(
            f"{path}: the median conductance after SET pulses is {middle:.3g}; these look like nano- or picosiemens. "
            "Give microsiemens"
        )


def _matrix(path: Path, table: pl.DataFrame) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return the names of the cells and their trains as rows, or say where one has a gap or that there are too few."""
    trains = table.group_by("cell", maintain_order=True).agg("pulse", "conductance")
    rows: list[list[float]] = []
    for cell, pulses, conductances in trains.iter_rows():
        for expected, found in enumerate(pulses):
            if found != expected:
                what = f"has pulse {found} twice" if found < expected else f"has no pulse {expected}"
                raise DataError(f"{path}: cell {cell} {what}; a train is 0 (after RESET), 1, 2, ... without gaps")
        rows.append(conductances)
    longest = max(map(len, rows), default=1) - 1
    if len(rows) < MIN_CELLS:
        raise DataError(f"{path} holds {len(rows)} cells; a fit needs at least {MIN_CELLS}")
    if longest < MIN_PULSES:
        raise DataError(f"{path}: the longest train has {longest} SET pulses; a fit needs at least {MIN_PULSES}")
    g = np.full((len(rows), longest + 1), np.nan)
    for index, row in enumerate(rows):
        g[index, : len(row)] = row
    return tuple(trains["cell"]), g
