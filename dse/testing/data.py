"""What every data set promises: it is known before it is loaded, and it is the same each time."""

import random
import sys
from inspect import getattr_static
from types import ModuleType
from typing import Any

import numpy as np
import torch

from dse.data.base import AbstractData, Data
from dse.testing.base import DesignContract


class DataContract(DesignContract):
    """What a data set promises. `settings` name a network that learns it, if that is not the default one."""

    idea = "DATA"

    def chosen(self) -> dict[str, Any]:
        """Return the setting that chooses the data set."""
        return {"workload.dataset": self.name}

    def workload(self, **changes: Any) -> AbstractData:
        """Return the data set of the small design, with some of its own settings changed."""
        return self.design(**{f"workload__{name}": value for name, value in changes.items()}).workload

    def test_what_is_known_of_it_before_is_what_is_loaded(self) -> None:
        """Studies are checked without loading anything."""
        own = self.workload()
        assert own.load().info == own.info
        assert own.load().name == self.name

    def test_it_is_the_same_each_time_and_draws_from_no_global_generator(self) -> None:
        """The checksum is that of what was read, whatever is used of it."""
        before = global_generators()
        first = fresh(self.workload())
        second = fresh(self.workload())
        assert len(first.checksum) == 64
        assert first.checksum == second.checksum, "loaded twice, it was not the same"
        assert samples_of(first) == samples_of(second)
        changed = [name for name, state in global_generators().items() if state != before[name]]
        assert not changed, f"the global generators of {', '.join(changed)} were used"

    def test_it_says_whether_there_are_samples_beside_the_test_samples_to_measure_on(self) -> None:
        """A study whose objective is measured on them is refused where there are none."""
        own = self.workload()
        data: Any = own.load()
        assert own.held_out == (data.validation is not None)


def fresh(workload: AbstractData) -> Data:
    """Return a data set, loaded anew: what processes keep of data sets is forgotten, in its own package too."""
    own = type(workload).__module__.partition(".")[0]
    packages = {"dse.data", own} - {"dse"}
    for name, module in list(sys.modules.items()):
        if any(name == package or name.startswith(f"{package}.") for package in packages):
            _forget(module)
    return workload.load()


def _forget(module: ModuleType) -> None:
    """Clear what the functions of a module keep, and those of its classes."""
    held: list[Any] = list(vars(module).values())
    inner: list[Any] = [kept for own in held if isinstance(own, type) for kept in vars(own).values()]
    for function in [*held, *inner, *(kept.__func__ for kept in inner if type(kept) in (classmethod, staticmethod))]:
        if getattr_static(function, "cache_clear", None) is not None:
            function.cache_clear()


def global_generators() -> dict[str, bytes]:
    """Return the states of the generators that a whole process shares, by the name of their package."""
    name, *state = np.random.get_state(legacy=True)  # noqa: NPY002  that is the one that is watched
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": repr((name, *(part.tobytes() if isinstance(part, np.ndarray) else part for part in state))).encode(),
        "Python": repr(random.getstate()).encode(),
    }


def samples_of(data: Any) -> list[Any]:
    """Return the samples of each split as bytes, however they are held."""
    return [_plain(getattr(data, split)) for split in ("train", "validation", "test")]


def _plain(split: Any) -> Any:
    if isinstance(split, torch.Tensor):
        return split.numpy().tobytes()
    held: dict[str, Any] = getattr(split, "__dict__", {})
    return {name: _plain(value) for name, value in held.items()} if held else split
