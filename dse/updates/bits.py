"""Bits of words and weights, without torch."""

import math

from dse.devices.base import AbstractCell
from dse.updates.spec import AccumulatorSpec

FLOAT_BITS = 32
"""Bits of a float."""


def bits_of_weight(cell: AbstractCell, pairs: float, chi: AccumulatorSpec | None) -> float:
    """Return the bits of a weight that inference reads.

    The pairs of a weight hold as many levels as pulses can tell apart: 1 + 2 * pairs * window / granularity, where a
    coarse pair counts as often as its significance says. With
    `inference = "cells_and_accumulator"` the word of the accumulator comes on top.
    """
    levels = 1.0 + 2.0 * pairs * (cell.g_max_us - cell.g_min_us) / cell.granularity_us
    if chi is None or chi.inference == "cells":
        return math.log2(levels)
    return math.log2(levels) + (FLOAT_BITS if chi.bits == "float" else chi.bits)


def whole(bits: int | str) -> int | None:
    """Return a resolution in bits; None for floats and ideal converters."""
    return bits if isinstance(bits, int) else None
