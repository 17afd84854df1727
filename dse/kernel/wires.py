"""Lines of resistors with a cell at every node, as ladders: two passes along all lines of an array at once.

All numbers of a ladder are positive, so that float32 loses nothing where a cell is a millionth of a wire.
"""

from typing import Any

from dse.kernel.arithmetic import Floats, compiled, f32


@compiled
def ladder(cells: Floats, segment: Any, near: Any, far: Any, out: Floats) -> None:
    """Write the voltages along lines that are driven with 1 V at the near end, the other side of every cell at 0 V.

    Args:
        cells: conductances, uS, shape (nodes, lines).
        segment: resistance between nodes, megaohm.
        near: resistance between the driver and the first node, megaohm.
        far: conductance between the last node and 0 V, uS.
        out: receives the voltages, V, shape (nodes, lines).
    """
    nodes, lines = cells.shape
    # What a node sees from itself on: its own cell, and behind a segment what the next node sees.
    for j in range(lines):
        out[nodes - 1, j] = cells[nodes - 1, j] + far
    for step in range(1, nodes):
        i = nodes - 1 - step
        for j in range(lines):
            beyond = out[i + 1, j]
            out[i, j] = cells[i, j] + beyond / (f32(1.0) + segment * beyond)
    for j in range(lines):
        out[0, j] = f32(1.0) / (f32(1.0) + near * out[0, j])
    for i in range(1, nodes):
        for j in range(lines):
            out[i, j] = out[i - 1, j] / (f32(1.0) + segment * out[i, j])


@compiled
def cross(current: Floats, modes: Floats, shares: Floats, sums: Floats, out: Floats) -> None:
    """Add to effective conductances what passes from row to row through the columns.

    out_ij += sum_q modes_qi shares_qj sum_k modes_qk current_kj

    Args:
        current: current at the end of a column for a volt along the row, uS, shape (rows, columns).
        modes: orthonormal voltages along a column, shape (modes, rows).
        shares: what each mode lets pass at each column, shape (modes, columns).
        sums: room, shape (modes, columns).
        out: effective conductances, uS, shape (rows, columns).
    """
    rows, columns = current.shape
    for q in range(len(modes)):
        for j in range(columns):
            sums[q, j] = f32(0.0)
        for k in range(rows):
            weight = modes[q, k]
            for j in range(columns):
                sums[q, j] += weight * current[k, j]
        for j in range(columns):
            sums[q, j] *= shares[q, j]
        for i in range(rows):
            weight = modes[q, i]
            for j in range(columns):
                out[i, j] += weight * sums[q, j]
