"""The equations of all nodes of an array, solved at once: exact, readable, and too slow for a training.

A cell is a conductance between a node of its row and a node of its column. Kirchhoff's law at every node,

    sum of conductance * (own voltage - voltage of a neighbour) = 0,

with the drivers at the ends of rows at their voltages and the ends of columns at 0 V, is a sparse system of two
equations a cell. It is factored once and solved for each row, driven with 1 V alone, or for each column, whichever are
fewer: the network is reciprocal.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.crossbar.wires.base import FIRST, LAST, AbstractSolution, Conductances, Line, Lines

SHORT = 1e12
"""Conductance in place of no resistance, uS: a millionth of an ohm."""


class Nodal(AbstractSolution):
    """All nodes, solved."""

    name = "nodal"
    about = "the equations of all nodes, exact and slow"

    @classmethod
    def effective(cls, cells: Conductances, lines: Lines) -> Conductances:
        """Return the effective conductances; see `AbstractSolution`."""
        if lines.rows.is_ideal and lines.columns.is_ideal:
            return cells
        if cells.shape[0] > cells.shape[1]:
            return np.ascontiguousarray(cls.effective(cells.T, Lines(lines.columns, lines.rows)).T)
        from scipy.sparse import linalg  # noqa: PLC0415  half a second

        rows, columns = np.arange(2 * cells.size).reshape(2, *cells.shape)
        system, drives, reads = _system(cells, rows, columns, lines)
        # The matrix is symmetric and positive definite, which needs no pivots.
        solver: Any = linalg
        factored = solver.splu(
            system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        found = np.empty(cells.shape)
        for row in range(len(cells)):
            currents = np.zeros(2 * cells.size)
            for node, conductance in drives:
                currents[rows[row, node]] += conductance
            voltages: NDArray[np.float64] = factored.solve(currents)
            found[row] = sum(conductance * voltages[columns[node]] for node, conductance in reads)
        return found.astype(np.float32)


def _system(
    cells: Conductances, rows: NDArray[Any], columns: NDArray[Any], lines: Lines
) -> tuple[Any, list[tuple[int, float]], list[tuple[int, float]]]:
    """Return the matrix of the nodes, and the ends of rows and of columns: which node, behind what conductance."""
    from scipy.sparse import csc_matrix  # noqa: PLC0415

    row, column = (_conductance(line.segment) for line in (lines.rows, lines.columns))
    links = [
        (rows[:, :-1], rows[:, 1:], row),
        (columns[:-1], columns[1:], column),
        (rows, columns, cells.astype(np.float64)),
    ]
    diagonal = np.zeros(2 * cells.size)
    places: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    for one, other, conductance in links:
        a, b = one.ravel(), other.ravel()
        between = np.broadcast_to(conductance, one.shape).ravel()
        np.add.at(diagonal, a, between)
        np.add.at(diagonal, b, between)
        places += [(a, b, -between), (b, a, -between)]
    drives, reads = _ends(lines.rows), _ends(lines.columns)
    for node, conductance in drives:
        diagonal[rows[:, node]] += conductance
    for node, conductance in reads:
        diagonal[columns[node]] += conductance
    every = np.arange(diagonal.size)
    a, b, values = (np.concatenate(parts) for parts in zip(*places, (every, every, diagonal), strict=True))
    return csc_matrix((values, (a, b)), shape=(every.size, every.size)), drives, reads


def _ends(line: Line) -> list[tuple[int, float]]:
    far = [] if line.far is None else [(LAST, _conductance(line.far))]
    return [(FIRST, _conductance(line.near)), *far]


def _conductance(resistance: float) -> float:
    return 1.0 / resistance if resistance > 0.0 else SHORT
