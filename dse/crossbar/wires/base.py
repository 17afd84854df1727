"""What wires do to an array, as a matrix: the current at the end of a column for a volt at the end of a row.

Cells are conductances between a row and a column. Rows are held at their voltages (0 V where an input is 0) and columns
at 0 V where they are read, both behind the resistance of the wires. All of this is linear in the voltages, whatever the
conductances are, so that products of wired arrays are products again, with **effective conductances**

    I_j = sum_i V_i A_ij(G),

the same for every input, for both signs, and for pulses of any width, as long as rows that are not driven stay at 0 V.
A read in the other direction goes through the same ends of the same lines, and a network of resistors is reciprocal:
backward products see A^T.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Conductances = NDArray[np.float32]
"""Conductances of the cells of an array, or effective ones, uS, float32, shape (rows, columns)."""
FIRST, LAST = 0, -1


@dataclass(frozen=True)
class Line:
    """A line with a cell at each of its nodes; resistances in megaohm, the inverse of microsiemens.

    Attributes:
        segment: resistance between neighbouring nodes.
        near: resistance between the first node and what drives or reads the line there.
        far: the same at the last node; None where the line is open there.
    """

    segment: float
    near: float
    far: float | None = None

    @property
    def is_ideal(self) -> bool:
        """Whether all of the line is at the voltage of its end."""
        return self.near == 0.0  # the first segment lies before the first node

    def resistance(self, nodes: int) -> NDArray[np.float64]:
        """Return the resistance of a line of some nodes between each of them and its near end, the far end open."""
        return self.near + self.segment * np.arange(nodes, dtype=np.float64)

    def raised(self, currents: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the voltages of the nodes, in volt, for microamperes that flow into them, the ends at 0 V.

        Args:
            currents: shape (nodes, ...); so many lines.
        """
        passing = np.cumsum(currents[::-1], axis=0)[::-1]
        own = np.full((len(currents), *[1] * (currents.ndim - 1)), self.segment)
        own[FIRST] = self.near
        open_ended = np.cumsum(own * passing, axis=0)
        if self.far is None:
            return open_ended
        share = self.resistance(len(currents)).reshape(own.shape)
        return open_ended - share * open_ended[LAST] / (share[LAST] + self.far)


@dataclass(frozen=True)
class Lines:
    """The lines of an array: its rows, and its columns."""

    rows: Line
    columns: Line


class AbstractSolution:
    """A way to work out effective conductances. Its classes are never made instances of."""

    name: ClassVar[str]
    """Its name in a study file."""
    about: ClassVar[str]
    """What it is, in a line."""

    @classmethod
    def effective(cls, cells: Conductances, lines: Lines) -> Conductances:
        """Return the effective conductances of an array, uS: those of A above, shape (rows, columns).

        Args:
            cells: conductances of its cells, uS, in C order; they are not changed.
            lines: its wires. Rows are driven, and columns read, next to the first cell.
        """
        raise NotImplementedError
