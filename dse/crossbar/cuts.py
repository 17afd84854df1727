"""How the lines of a layer are cut into arrays."""

Tile = tuple[int, int]
"""First and last + 1 of some lines of an array."""


def cuts(size: int, tile: int | None) -> list[Tile]:
    """Return first and last + 1 line of each tile that `size` lines take."""
    step = tile or size
    return [(start, min(start + step, size)) for start in range(0, size, step)]
