"""The wires of a layer: all of its tiles, each with bit lines for the cells of its weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dse.crossbar.cuts import cuts
from dse.crossbar.wire_spec import WireSpec
from dse.crossbar.wires import solution_named
from dse.crossbar.wires.base import Conductances, Lines
from dse.crossbar.wires.ladders import shares

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ArrayWires:
    """The wires of the arrays that hold a matrix of weights.

    Attributes:
        spec: the wires.
        tile_rows: inputs of an array; None for as many as the matrix has.
        tile_columns: outputs of an array; likewise.
        inputs_first: whether the matrix has the shape (inputs, outputs), as that of a perceptron, or (outputs, inputs).
        unused_lines: whether an array has all of its lines where a tile takes fewer.
    """

    spec: WireSpec
    tile_rows: int | None = None
    tile_columns: int | None = None
    inputs_first: bool = True
    unused_lines: bool = False

    def effective(self, g_us: "Tensor") -> "Tensor":
        """Return the effective conductance of every cell, which stands for it in products of both directions.

        Args:
            g_us: conductances, uS, shape (2, pairs of a weight, ...) with two dimensions for the matrix.
        """
        return self._of_tiles(g_us, solution_named(self.spec.solution).effective)

    def shares(self, g_us: "Tensor") -> "Tensor":
        """Return what share of the noise of every cell reaches a converter; the same for all solutions."""
        return self._of_tiles(g_us, shares)

    def _of_tiles(self, g_us: "Tensor", work_out: Callable[[Conductances, Lines], Conductances]) -> "Tensor":
        """Return what is worked out for the cells of every tile, as cells are given."""
        import torch  # noqa: PLC0415  settings load without

        planes, order = 2 * g_us.shape[1], (2, 3, 1, 0) if self.inputs_first else (3, 2, 1, 0)
        cells = g_us.permute(order).numpy()  # inputs, outputs, pairs, G+ and G-
        inputs, outputs = cells.shape[:2]
        found = np.empty((inputs, outputs * planes), np.float32)
        lines_of_cells = cells.reshape(found.shape)
        for rows in cuts(inputs, self.tile_rows):
            for columns in cuts(outputs, self.tile_columns):
                tile = slice(*rows), slice(planes * columns[0], planes * columns[1])
                unused = [
                    size - (last - first) if self.unused_lines and size is not None else 0
                    for size, (first, last) in ((self.tile_rows, rows), (self.tile_columns, columns))
                ]
                lines = self.spec.lines(unused[0], planes * unused[1])
                found[tile] = work_out(np.ascontiguousarray(lines_of_cells[tile]), lines)
        back = torch.from_numpy(found.reshape(cells.shape))
        return back.permute(tuple(int(place) for place in np.argsort(order))).contiguous()
