"""Scrambled Sobol sequences: the same points as `scipy.stats.qmc.Sobol`, to the last bit, without importing it.

`scipy.stats` takes a start 0.6 s of a processor and a process 17 MB, and a search wants this of it alone. Direction
numbers of Joe and Kuo (2008) come with scipy as a file of numbers; where they are not found, scipy itself is asked.
Points follow one another in the order of a Gray code (Antonov and Saleev 1979), scrambled by random lower triangular
matrices of bits and a shift (Matousek 1998).
"""

from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BITS = 30
"""Binary digits of a coordinate."""
BLOCK = 1024
"""Points that are worked out at once; a power of two, as Sobol sequences want."""
Words = NDArray[np.uint32]
Numbers = NDArray[np.integer[Any]]
Points = NDArray[np.float64]


def blocks_of(dimensions: int, seed: int) -> Callable[[], Points]:
    """Return what gives the next points of a scrambled Sobol sequence in [0, 1)^dimensions, shape (BLOCK, dimensions).

    Args:
        dimensions: number of coordinates, 1 to 21,201.
        seed: of the scrambling.
    """
    tables = _tables()
    if tables is not None:
        return Scrambled(dimensions, seed, *tables).block
    from scipy.stats import qmc  # noqa: PLC0415  a version that keeps its numbers elsewhere

    return partial(qmc.Sobol(dimensions, scramble=True, rng=seed).random, BLOCK)


class Scrambled:
    """The points of a scrambled Sobol sequence, in blocks.

    Args:
        dimensions: number of coordinates.
        seed: of the scrambling.
        polynomials: primitive polynomials modulo 2, one an axis, the coefficients as digits of a number.
        given: the first direction numbers of each axis, as many as its polynomial has degrees.
    """

    def __init__(self, dimensions: int, seed: int, polynomials: Numbers, given: Numbers) -> None:
        random = np.random.default_rng(seed).spawn(1)[0]  # as scipy does
        powers = np.left_shift(np.uint32(1), np.arange(BITS, dtype=np.uint32))
        shift = random.integers(2, size=(dimensions, BITS), dtype=np.uint32) @ powers
        matrices = np.tril(random.integers(2, size=(dimensions, BITS, BITS), dtype=np.uint32))
        matrices[:, range(BITS), range(BITS)] = 1
        self._words = _scrambled(_directions(polynomials[:dimensions], given), matrices @ powers[::-1])
        self._last, self._count = shift, 0

    def block(self) -> Points:
        """Return the next points, shape (BLOCK, dimensions)."""
        numbers = np.arange(max(self._count, 1), self._count + BLOCK)
        # A Gray code changes the digit that is the lowest zero of the number before.
        changed = np.frexp(numbers & -numbers)[1] - 1
        steps = self._words[:, changed].T
        start = self._last if self._count == 0 else self._last ^ steps[0]
        first = 0 if self._count == 0 else 1
        points = np.bitwise_xor.accumulate(np.concatenate([start[None], steps[first:]]), axis=0)
        self._last, self._count = points[-1], self._count + BLOCK
        return points * 2.0**-BITS


def _directions(polynomials: Numbers, given: Numbers) -> Words:
    """Return the direction numbers of the unscrambled sequence, shape (dimensions, BITS)."""
    words = np.ones((len(polynomials), BITS), np.uint32)
    for axis, polynomial in enumerate(map(int, polynomials[1:]), 1):
        degree = polynomial.bit_length() - 1
        own = [int(word) for word in given[axis, :degree]]
        for _ in range(degree, BITS):
            word = own[-degree]
            for back in range(1, degree + 1):
                word ^= ((polynomial >> (degree - back)) & 1) * (own[-back] << back)
            own.append(word)
        words[axis] = own[:BITS]
    return words << np.arange(BITS - 1, -1, -1, dtype=np.uint32)


def _scrambled(words: Words, rows: Words) -> Words:
    """Return direction numbers times matrices of bits, whose rows are words, shape (dimensions, BITS), of each axis."""
    odd = rows[:, :, None] & words[:, None, :]
    for half in (16, 8, 4, 2, 1):
        odd ^= odd >> np.uint32(half)
    places = np.arange(BITS - 1, -1, -1, dtype=np.uint32)
    return np.bitwise_or.reduce((odd & np.uint32(1)) << places[:, None], axis=1)


@cache
def _tables() -> tuple[Numbers, Numbers] | None:
    """Return polynomials and first direction numbers of all axes; None where they do not lie here."""
    found = find_spec("scipy")
    folders = [] if found is None else [Path(place) for place in found.submodule_search_locations or ()]
    for path in (folder / "stats" / "_sobol_direction_numbers.npz" for folder in folders):
        if path.is_file():
            with np.load(path) as tables:
                return tables["poly"], tables["vinit"]
    return None
