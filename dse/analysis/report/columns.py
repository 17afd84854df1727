"""Columns of numbers for a page: exact, compact, and read without waiting.

A page holds one text, the bytes of all columns in base64. A column with few different numbers is a list of these and a
place in it for each row; one number alone has no places. Numbers are little-endian floats of 64 bits, so a page
computes with the very bits of the table; a long column that is only shown may have 32, which give seven digits.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

NARROW, WIDE = 2**8, 2**16
ALIGNED = 8
"""Bytes: what begins a column begins at a multiple."""


@dataclass
class Columns:
    """Columns that are packed one after the other; equal ones once."""

    _parts: list[bytes] = field(default_factory=list[bytes])
    _heads: list[list[int]] = field(default_factory=list[list[int]])
    _known: dict[bytes, int] = field(default_factory=dict[bytes, int])

    def add(self, values: Sequence[float] | np.ndarray, *, single: bool = False) -> int:
        """Add a column, NaN where a number is missing; return its place.

        Args:
            values: the numbers.
            single: whether seven digits will do where the numbers are many and different.
        """
        column = np.ascontiguousarray(values, dtype="<f8")
        content = column.tobytes() + bytes([single])
        if content not in self._known:
            self._known[content] = len(self._heads)
            self._pack(column, single=single)
        return self._known[content]

    def _pack(self, column: np.ndarray, *, single: bool) -> None:
        levels, places = np.unique(column.view("<i8"), return_inverse=True)  # as bits: NaN is a level, and so is -0.0
        width = 0 if len(levels) < 2 else 1 if len(levels) <= NARROW else 2
        if len(levels) > min(WIDE, len(column) // 2) or not len(column):
            self._heads.append([len(column), 0, 4 if single else 0])
            self._keep(column.astype("<f4") if single else column)
            return
        self._heads.append([len(column), len(levels), width])
        self._keep(levels)
        if width:
            self._keep(places.astype("u1" if width == 1 else "<u2"))

    def _keep(self, values: np.ndarray) -> None:
        part = values.tobytes()
        self._parts.append(part + bytes(-len(part) % ALIGNED))

    def packed(self) -> dict[str, object]:
        """Return `columns`, for each its rows, levels (0: none) and bytes of a place, and the `bytes` of all.

        A column without levels has 4 for the bytes of a place where its numbers have 32 bits.
        """
        return {"columns": self._heads, "bytes": base64.b64encode(b"".join(self._parts)).decode()}
