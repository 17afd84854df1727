"""Digital factors of the outputs of a layer: for how many outputs one stands, what it begins with, and those of tiles.

    layer, column    y = s * (sum over row tiles of ADC(DAC(x) W_tile))      backward: s times the errors that drive
    tile             y = sum over row tiles of s_tile ADC(DAC(x) W_tile)     backward: likewise, of the transposed tiles

A factor of a tile stands behind the converters of its array, in both directions, and on the gradient of its weights.
Factors learn, or are fixed by the initial weights.
"""

import math

import torch
from torch import Tensor, nn

from dse.crossbar.analog.spec import Crossbars
from dse.crossbar.cuts import Tile, cuts
from dse.errors import SettingError


def factors_of(crossbars: Crossbars, weight: Tensor) -> nn.Parameter | None:
    """Return the factors of the outputs of a layer before training; fixed ones are taken out of its weights.

    Those of tiles go through the tiles along the outputs first, then along the inputs. A fixed factor is the deviation
    of the weights that it stands for, or their largest magnitude, over that of the layer.

    Args:
        crossbars: arrays and converters.
        weight: initial weights, shape (outputs, ...); fixed factors divide them in place.

    Raises:
        SettingError: a fixed factor would stand for the whole layer.
    """
    if crossbars.output_scale == "none":
        return None
    if crossbars.output_scale == "layer" and crossbars.output_scale_kind == "fixed":
        raise SettingError(
            'output_scale = "layer" with output_scale_kind = "fixed" would leave every factor at 1, as it compares '
            'parts of a layer with the whole; give output_scale = "column" or "tile", or output_scale_kind = "learned"'
        )
    flat = weight.detach().reshape(weight.shape[0], -1)
    tiles = cuts(flat.shape[1], crossbars.tile_rows), cuts(flat.shape[0], crossbars.tile_columns)
    number = {"layer": 1, "column": len(flat), "tile": len(tiles[0]) * len(tiles[1])}[crossbars.output_scale]
    own = torch.ones(number, device=weight.device)
    if crossbars.output_scale_kind == "fixed":
        groups = [flat[slice(*columns), slice(*rows)] for rows in tiles[0] for columns in tiles[1]]
        groups = {"layer": [flat], "column": [*flat.unbind(0)], "tile": groups}[crossbars.output_scale]
        whole = _size_of(flat, crossbars)
        for place, group in enumerate(groups):
            own[place] = (_size_of(group, crossbars) / whole if whole else 0.0) or 1.0
        divided = torch.empty_like(flat)
        spread = own.reshape(-1, 1)
        if crossbars.output_scale == "tile":
            spread = TileFactors(own, tiles).of_weights
        torch.div(flat, spread, out=divided)
        weight.data.copy_(divided.reshape(weight.shape))
    return nn.Parameter(own, requires_grad=crossbars.output_scale_kind == "learned")


def _size_of(weights: Tensor, crossbars: Crossbars) -> float:
    """Return the deviation of weights around 0, or their largest magnitude."""
    if crossbars.output_scale_by == "largest":
        return float(weights.abs().max())
    return math.sqrt(float(weights.double().square().mean()))


class TileFactors:
    """One factor for each tile of a layer, laid out for products.

    Attributes:
        grid: the factors, shape (row tiles, column tiles).
        of_outputs: for each row tile those of every output, shape (row tiles, outputs).
        of_inputs: for each column tile those of every input, shape (column tiles, rows).

    Args:
        factors: float32, shape (row tiles * column tiles,).
        tiles: the tiles along the inputs, and those along the outputs.
    """

    def __init__(self, factors: Tensor, tiles: tuple[list[Tile], list[Tile]]) -> None:
        self._rows, self._columns = (
            torch.tensor([last - first for first, last in own], device=factors.device) for own in tiles
        )
        self.grid = factors.detach().clone().reshape(len(tiles[0]), len(tiles[1]))
        self.of_outputs = self.grid.repeat_interleave(self._columns, dim=1)
        self.of_inputs = self.grid.t().repeat_interleave(self._rows, dim=1)

    @property
    def of_weights(self) -> Tensor:
        """The factor of every weight, shape (outputs, rows)."""
        return self.of_outputs.t().repeat_interleave(self._rows, dim=1)

    def gradient(self, errors: Tensor, parts: list[Tensor], column: int) -> Tensor:
        """Return the gradient of the factors, shape (row tiles * column tiles,).

        Args:
            errors: those of the outputs.
            parts: for each row tile its products before the factor, of their shape.
            column: the axis of the outputs.
        """
        rest = [axis for axis in range(errors.dim()) if axis != column]
        by_column = torch.stack([(errors * part).sum(dim=rest) for part in parts])
        of_tiles = torch.zeros_like(self.grid)
        which = torch.arange(len(self._columns), device=errors.device).repeat_interleave(self._columns)
        return of_tiles.index_add_(1, which, by_column).reshape(-1)
