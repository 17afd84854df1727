"""What is known of a design while a search goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dse.search.criteria import Values


@dataclass
class Record:
    """A design of a search.

    Attributes:
        trial: its number in the search.
        parameters: what the search chose.
        epochs: epochs of its whole training; 0 where it has none.
        seen: what it is judged by, by epochs and seed.
        planned: epochs that were planned, by seed.
        is_open: whether a step of it is not told yet.
        failed: whether a simulation of it failed.
    """

    trial: int
    parameters: Mapping[str, Any]
    epochs: int
    seen: dict[int, dict[int, Values]] = field(default_factory=dict[int, dict[int, Values]])
    planned: dict[int, int] = field(default_factory=dict[int, int])
    is_open: bool = False
    failed: bool = False

    @property
    def top(self) -> int:
        """The most epochs at which it was seen; -1 where it was not."""
        return max(self.seen, default=-1)

    @property
    def has_ended(self) -> bool:
        """Whether it was trained to the end under some seed."""
        return self.epochs in self.seen and not self.failed

    @property
    def seeds(self) -> list[int]:
        """The seeds under which it was trained to the end."""
        return sorted(self.seen.get(self.epochs, {}))

    @property
    def waits(self) -> bool:
        """Whether it may get a step: nothing of it is under way, and it has not failed."""
        return not self.is_open and not self.failed

    @property
    def values(self) -> list[Values]:
        """What it is judged by where it was seen last, one entry a seed, in order of seeds."""
        own = self.seen.get(self.top, {})
        return [own[seed] for seed in sorted(own)]

    def take(self, until: int, values: Mapping[int, Values | None]) -> None:
        """Take what came of a step."""
        self.is_open = False
        if any(own is None for own in values.values()):
            self.failed = True
            return
        place = self.seen.setdefault(until, {})
        place.update({seed: own for seed, own in values.items() if own is not None})
