"""Contracts fail where a variant of a plug-in breaks them; what the plug-in's own package does counts."""

import importlib
import random
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray
from dse.designs.design import compose
from dse.devices.pcm import PcmCells
from dse.testing import DataContract
from dse.testing.base import check_pauses, heavy_imports
from dse.updates.accumulator import Accumulator
from dse.updates.training import ModuleTraining

DATA = """
from functools import lru_cache
from typing import Literal
import random
import numpy as np
import torch
from dse.data.base import RawImages
from dse.data.image_data import AbstractImageData

LEVELS = iter(range(1, 200))

@lru_cache
def level():
    return next(LEVELS)

class Kept:
    @staticmethod
    @lru_cache
    def level():
        return next(LEVELS)

class Own(AbstractImageData):
    '''Own.'''
    dataset: Literal["own"] = "own"
    '''Own.'''
    total, classes, shape = 20, 2, (1, 4, 4)

    def read(self, folder):
        pixels, labels = np.full((30, 16), READ, np.uint8), np.arange(30) % 2
        return RawImages(pixels[:20], labels[:20], pixels[20:], labels[20:], full_scale=255.0)

DATA = (Own,)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[[dict[str, str]], None]]:
    """Write the modules of a package `faulty`, which is on the search path."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("dse.plugins.source.IMPORTED_S", float("inf"))  # the files are written in this process

    def write(files: dict[str, str]) -> None:
        for name, text in files.items():
            path = tmp_path / "faulty" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "faulty"]:
        del sys.modules[name]
    heavy_imports.cache_clear()


@pytest.mark.parametrize(
    "line",
    [
        "from .deep import mechanism",
        "from .deep.mechanism import nothing",
        "from . import beside",
        "from .. import far",
        "try:\n    import nowhere\nexcept ImportError:\n    import torch",
        "class Own:\n    import torch",
    ],
)
def test_what_takes_seconds_is_found_behind_relative_imports_too(
    line: str, package: Callable[[dict[str, str]], None]
) -> None:
    files = {"__init__.py": "", "far.py": "import torch", "in_it/__init__.py": "", "in_it/light.py": "import json"}
    files |= {"in_it/beside.py": "from torch import nn", "in_it/deep/__init__.py": "", "in_it/spec.py": line}
    files |= {"in_it/deep/mechanism.py": "from ..beside import nn\nnothing = 1"}
    package(files)
    assert heavy_imports("faulty.in_it.spec") == {"torch"}
    assert heavy_imports("faulty.in_it.light") == frozenset()


def same_each_time(read: str, package: Callable[[dict[str, str]], None]) -> None:
    package({"__init__.py": DATA.replace("READ", read)})
    own: Any = type(
        "Own", (DataContract,), {"variant": importlib.import_module("faulty").Own, "settings": {"training.epochs": 1}}
    )
    own.setup_class()
    try:
        own().test_it_is_the_same_each_time_and_draws_from_no_global_generator()
    finally:
        own.teardown_class()


@pytest.mark.parametrize("read", ["level()", "Kept.level()"])
def test_a_data_set_that_is_kept_is_not_compared_with_itself(
    read: str, package: Callable[[dict[str, str]], None]
) -> None:
    with pytest.raises(AssertionError, match="loaded twice, it was not the same"):
        same_each_time(read, package)


@pytest.mark.parametrize(
    ("read", "whose"),
    [
        ("[7, np.random.random()][0]", "numpy"),
        ("[7, random.random()][0]", "Python"),
        ("[7, torch.rand(1)][0]", "torch"),
    ],
)
def test_a_data_set_that_draws_from_a_global_generator_is_found(
    read: str, whose: str, package: Callable[[dict[str, str]], None]
) -> None:
    torchs, numpys, pythons = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    with pytest.raises(AssertionError, match=f"global generators of {whose} were used"):
        same_each_time(read, package)
    torch.set_rng_state(torchs)
    np.random.set_state(numpys)  # noqa: NPY002
    random.setstate(pythons)


def test_a_data_set_that_is_the_same_each_time_passes(package: Callable[[dict[str, str]], None]) -> None:
    same_each_time("7", package)


PAUSING = compose({"workload.images": 60, "network.hidden": [6], "training.epochs": 2, "adc.ranging": "calibrated"})
FALLING = compose(
    {
        "workload.images": 20,
        "network.name": "cnn",
        "training.epochs": 2,
        "training.batch_size": 5,
        "architecture": "float",
    }
)
FORGETFUL: dict[str, tuple[type[Any], str]] = {
    "words of accumulators": (Accumulator, "word"),
    "cells": (PcmCells, "history"),
    "converters": (PairArray, "ranges"),
    "events": (Events, "counts"),
}


@pytest.mark.parametrize("what", FORGETFUL)
def test_a_training_that_forgets_what_it_goes_on_from_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each state has the right names and shapes, and the values of the beginning."""
    owner, name = FORGETFUL[what]
    state: Any = owner.state
    monkeypatch.setattr(owner, "state", lambda self: {**state(self), name: np.zeros_like(state(self)[name])})
    with pytest.raises(AssertionError):
        check_pauses(PAUSING)


def test_a_training_that_looks_at_its_length_and_does_not_say_so_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    check_pauses(FALLING)
    monkeypatch.setattr(ModuleTraining, "shorter_are_prefixes", True)
    with pytest.raises(AssertionError):
        check_pauses(FALLING)
