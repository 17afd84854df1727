"""Families of tests of which the default suite runs a part: `@pytest.mark.one_in(4)`; the others are slow."""

import math
from collections import defaultdict
from zlib import crc32

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow all but one in n of the cases of a test that says so.

    Which ones follows from their names alone, scattered, so that cases of several parameters do not lose all of one
    value, and one stays at least. Those that are slow by a mark of their own are not counted.
    """
    families = defaultdict[tuple[str, str], list[pytest.Item]](list)
    for item in items:
        if item.get_closest_marker("one_in") and not item.get_closest_marker("slow"):
            families[str(item.path), getattr(item, "originalname", item.name)].append(item)
    for cases in families.values():
        marker = cases[0].get_closest_marker("one_in")
        assert marker is not None
        [n] = marker.args
        cases.sort(key=lambda item: (crc32(item.name.encode()), item.name))
        for item in cases[math.ceil(len(cases) / n) :]:
            item.add_marker(pytest.mark.slow)
