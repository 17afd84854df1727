"""Random streams: one per purpose, derived from the seed and named by what it is for.

A stream depends on its name alone, so that switching one source of noise on or off shifts no other, and a trial
replays bit for bit wherever it runs.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.pausing import State, UnlikeStateError, taken

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


def derived_seed(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit seed for a purpose, the same on every machine.

    Args:
        seed: the seed of the trial or of the study.
        purpose: what the stream is for, such as ("write noise", 0).
    """
    text = "\x1f".join([str(seed), *map(str, purpose)])
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, *purpose: str | int) -> "torch.Generator":
    """Return a torch generator on the CPU for a purpose; see `derived_seed`."""
    import torch  # noqa: PLC0415  torch takes seconds to import and the command line does without

    return torch.Generator().manual_seed(derived_seed(seed, *purpose))


@dataclass
class Stream:
    """Random numbers for one purpose, as functions of a counter; see `dse.kernel.arithmetic`.

    Attributes:
        key: what separates this stream from all others.
        events: how many vectors were drawn by `next_normal` and `next_uniform`.
    """

    key: int
    events: int = 0

    def at(self, event: int) -> "Stream":
        """Return the same stream before a vector, whose number is given."""
        return Stream(self.key, event)

    def state(self) -> "dict[str, NDArray[Any]]":
        """Return key and position; see `dse.pausing.Pausable`."""
        return {"position": np.array([self.key, self.events], np.uint64)}

    def restore(self, state: State) -> None:
        """Go back to a position; see `dse.pausing.Pausable`."""
        key, events = (int(number) for number in taken(state, "position", (2,)))
        if key != self.key:
            raise UnlikeStateError("the state is of another seed")
        self.events = events

    def normal(self, counters: "torch.Tensor") -> "torch.Tensor":
        """Return the normal numbers at given counters (int64), float32, of their shape."""
        import torch  # noqa: PLC0415

        return torch.from_numpy(self.normals(counters.numpy()))

    def normals(self, counters: "NDArray[np.int64]") -> "NDArray[np.float32]":
        """Return the normal numbers at given counters, as `normal` does, without torch."""
        from dse.kernel.arithmetic import normals  # noqa: PLC0415

        return normals(self.key, counters)

    def next_normal(self, count: int, vectors: int = 1) -> "torch.Tensor":
        """Return the next vectors of normal numbers, shape (vectors, count); the same count in every call."""
        import torch  # noqa: PLC0415

        from dse.kernel.arithmetic import normal_range  # noqa: PLC0415

        first, self.events = self.events * count, self.events + vectors
        return torch.from_numpy(normal_range(self.key, first, count * vectors)).reshape(vectors, count)

    def next_uniform(self, count: int) -> "torch.Tensor":
        """Return the next vector of uniform numbers in (0, 1), shape (count,); the same count in every call."""
        import torch  # noqa: PLC0415

        from dse.kernel.arithmetic import uniform_range  # noqa: PLC0415

        first, self.events = self.events * count, self.events + 1
        return torch.from_numpy(uniform_range(self.key, first, count))


def stream(seed: int, *purpose: str | int) -> Stream:
    """Return the stream for a purpose; see `derived_seed`."""
    return Stream(derived_seed(seed, *purpose))
