"""How the lines of a layer are cut into arrays: full ones, and one with the rest."""

from collections.abc import Sequence

from dse.crossbar.usage import FULL_LINES

Tile = tuple[int, int]
"""First and last + 1 of some lines of an array."""


def cuts(size: int, tile: int | None) -> list[Tile]:
    """Return first and last + 1 line of each tile that `size` lines take."""
    step = tile or size
    return [(start, min(start + step, size)) for start in range(0, size, step)]


def full_lines(rows: Sequence[Tile], columns: Sequence[Tile], told: tuple[int, int] | None = None) -> dict[str, int]:
    """Return, for the events of a layer, the lines of its full arrays where the last holds fewer.

    Args:
        rows: all tiles along its inputs; see `cuts`.
        columns: all tiles along its outputs.
        told: how many tiles prices are told of along either, where these are others.
    """
    found: dict[str, int] = {}
    for name, tiles, count in zip(FULL_LINES, (rows, columns), told or (len(rows), len(columns)), strict=True):
        full, lines = tiles[0][1] - tiles[0][0], tiles[-1][1]
        if full * count != lines:
            found[name] = full
    return found
