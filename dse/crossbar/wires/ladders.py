"""Effective conductances by ladders, in a time proportional to the number of cells.

With columns at 0 V, a row that is driven with 1 V is a ladder of segments and cells, solved exactly in two passes: v_ij
is the voltage that reaches the cell. With rows at 0 V, h_ij is what of the current of a cell reaches the end of its
column; by reciprocity it is the voltage along the column when that is driven. So

    A_ij = v_ij G_ij h_ij + sum_q u_qi t_qj sum_k u_qk G_kj h_kj.

The first term is exact where either rows or columns have no resistance. The second is what a driven row lifts the
columns by, and these the other rows: a voltage that is smooth over the array, because it goes through many cells. It is
taken from an array whose cells have the mean conductance g_j of their column: there the modes u_q of a column, with
eigenvalues m_q, do not mix, and a row in mode q sees cells of g m_q / (m_q + g), a cell in series with the columns.
t_qj is the voltage along a ladder of these, less that along a ladder of g. A few modes are enough, because m_q grows
with the square of q; the tables of errors are in findings/benchmarks.md.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.crossbar.wires.base import AbstractSolution, Conductances, Line, Lines

MODES = 4
ROUNDS = 60
"""Rounds of orthogonal iteration; neighbouring modes part by (3.5 / 4.5)^2 a round at the least."""


class Ladders(AbstractSolution):
    """Ladders, and a few modes of the columns."""

    name = "ladders"
    about = "every line a ladder, and what passes between rows as a few modes of the columns, fast"

    @classmethod
    def effective(cls, cells: Conductances, lines: Lines) -> Conductances:
        """Return the effective conductances; see `AbstractSolution`."""
        current = cells if lines.columns.is_ideal else cells * along(cells, lines.columns)
        if lines.rows.is_ideal:
            return current
        found = current * _along_rows(cells, lines.rows)
        if not lines.columns.is_ideal:
            eigenvalues, modes = modes_of(lines.columns, len(cells))
            passed = _passed(cells.mean(axis=0, dtype=np.float64), eigenvalues, lines.rows)
            _kernel().cross(current, modes, passed, np.empty_like(passed), found)
        return found


def shares(cells: Conductances, lines: Lines) -> Conductances:
    """Return v_ij h_ij: what share of the own current of a cell, and of its noise, reaches a converter."""
    found = np.ones_like(cells) if lines.columns.is_ideal else along(cells, lines.columns)
    return found if lines.rows.is_ideal else found * _along_rows(cells, lines.rows)


def along(cells: Conductances, line: Line) -> Conductances:
    """Return the voltages along lines for 1 V at their ends, shape (nodes, lines), the other side of cells at 0 V."""
    found = np.empty_like(cells)
    far = 0.0 if line.far is None else 1.0 / line.far
    ladder = _kernel().ladder
    ladder(cells, np.float32(line.segment), np.float32(line.near), np.float32(far), found)
    if line.far is None:
        return found
    # The other end is driven in turn, and the two add up.
    other = np.empty_like(cells)
    turned = np.ascontiguousarray(cells[::-1])
    ladder(turned, np.float32(line.segment), np.float32(line.far), np.float32(1.0 / line.near), other)
    return found + other[::-1]


def _along_rows(cells: Conductances, line: Line) -> Conductances:
    return np.ascontiguousarray(along(np.ascontiguousarray(cells.T), line).T)


def _passed(mean: NDArray[np.float64], eigenvalues: NDArray[np.float64], line: Line) -> Conductances:
    """Return t_qj, shape (modes, columns), for mean conductances of the columns, uS."""
    series = mean * eigenvalues[:, None] / (eigenvalues[:, None] + mean)
    voltages = along(np.ascontiguousarray(np.vstack([mean, series]).T, np.float32), line).T
    return np.ascontiguousarray(voltages[1:] - voltages[0])


@lru_cache(maxsize=256)
def modes_of(line: Line, nodes: int) -> tuple[NDArray[np.float64], Conductances]:
    """Return the slowest modes of a line without cells: eigenvalues, uS, and voltages, float32, shape (modes, nodes).

    Orthogonal iteration in a fixed order of sums, so that every processor finds the same to the last bit; a library
    of linear algebra would not.
    """
    place = (np.arange(nodes) + 0.5) / nodes
    # Nodes without a segment between them are one node, and have one mode.
    kept = min(MODES, nodes) if line.segment > 0.0 else 1
    basis = np.vander(2.0 * place - 1.0, min(kept + 1, nodes) if line.segment > 0.0 else 1, increasing=True)
    eigenvalues = np.zeros(basis.shape[1])
    for _ in range(ROUNDS):
        basis, lengths = _orthonormal(line.raised(basis))
        eigenvalues = 1.0 / lengths
    return eigenvalues[:kept], np.ascontiguousarray(basis.T[:kept], np.float32)


def _orthonormal(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return vectors, shape (nodes, n), made orthonormal one after the other, and how long each was then."""
    found, lengths = vectors.copy(), np.empty(vectors.shape[1])
    for q in range(vectors.shape[1]):
        for p in range(q):
            found[:, q] -= _dot(found[:, p], found[:, q]) * found[:, p]
        lengths[q] = np.sqrt(_dot(found[:, q], found[:, q]))
        found[:, q] /= lengths[q]
    return found, lengths


def _kernel() -> Any:
    from dse.kernel import wires  # noqa: PLC0415  compiled code, which settings do without

    return wires


def _dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.cumsum(a * b)[-1])  # np.sum and a dot product have orders of their own
