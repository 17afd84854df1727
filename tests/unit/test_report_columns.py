"""Columns of numbers in a page: every bit comes back, and few numbers take little room."""

import base64

import numpy as np

from dse.analysis.report.columns import Columns


def unpacked(packed):
    """Return the columns, read as the module describes them."""
    content, at, found = base64.b64decode(packed["bytes"]), 0, []

    def take(kind, count):
        nonlocal at
        part = np.frombuffer(content, kind, count, at)
        at += -(-part.nbytes // 8) * 8
        return part

    for rows, levels, width in packed["columns"]:
        if not levels:
            found.append(take("<f4" if width == 4 else "<f8", rows).astype("<f8"))
            continue
        known = take("<f8", levels)
        found.append(known[take({1: "u1", 2: "<u2"}[width], rows)] if width else np.repeat(known, rows))
    assert at == len(content)
    return found


def test_every_bit_comes_back():
    random = np.random.default_rng(1)
    given = [
        random.standard_normal(1001),
        np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324] * 7),
        np.full(33, 1e-300),
        random.integers(0, 700, 5000).astype(float),
        np.array([]),
        np.array([3.0]),
    ]
    columns = Columns()
    assert [columns.add(column) for column in given] == list(range(6))
    assert columns.add(given[3].tolist()) == 3
    for want, got in zip(given, unpacked(columns.packed()), strict=True):
        assert want.astype("<f8").tobytes() == got.astype("<f8").tobytes()


def test_few_numbers_take_little_room():
    columns = Columns()
    columns.add(np.arange(8000) % 40)
    assert len(columns.packed()["bytes"]) < 12_000


def test_many_numbers_that_are_only_shown_take_half_the_room_and_keep_seven_digits():
    values = np.append(np.random.default_rng(2).lognormal(-20, 8, 4000), np.nan)
    columns = Columns()
    places = [columns.add(values), columns.add(values, single=True)]
    exact, single = (unpacked(columns.packed())[place] for place in places)
    assert exact.tobytes() == values.tobytes()
    assert np.allclose(single, values, rtol=6e-8, atol=0, equal_nan=True)
    assert len(columns._parts[1]) == -(-len(columns._parts[0]) // 16) * 8
