"""What every data set promises: it is known before it is loaded, and it is the same each time."""

import sys
from typing import Any

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
        before = torch.get_rng_state()
        first = fresh(self.workload())
        second = fresh(self.workload())
        assert len(first.checksum) == 64
        assert first.checksum == second.checksum
        assert samples_of(first) == samples_of(second)
        assert torch.equal(torch.get_rng_state(), before)

    def test_it_says_whether_there_are_samples_beside_the_test_samples_to_measure_on(self) -> None:
        """A study whose objective is measured on them is refused where there are none."""
        own = self.workload()
        data: Any = own.load()
        assert own.held_out == (data.validation is not None)


def fresh(workload: AbstractData) -> Data:
    """Return a data set, loaded anew: what processes keep of data sets is forgotten."""
    for name, module in list(sys.modules.items()):
        if name.startswith("dse.data"):
            for kept in vars(module).values():
                if hasattr(kept, "cache_clear"):
                    kept.cache_clear()
    return workload.load()


def samples_of(data: Any) -> list[Any]:
    """Return the samples of each split as bytes, however they are held."""
    return [_plain(getattr(data, split)) for split in ("train", "validation", "test")]


def _plain(split: Any) -> Any:
    if isinstance(split, torch.Tensor):
        return split.numpy().tobytes()
    held: dict[str, Any] = getattr(split, "__dict__", {})
    return {name: _plain(value) for name, value in held.items()} if held else split
