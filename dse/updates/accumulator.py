"""The accumulator chi: updates gather digitally and leave as whole pulses.

    chi <- chi + update;   p = trunc(chi / eps);   chi <- chi - p eps

(Nandakumar et al., Front. Neurosci. 14:406, 2020.) chi is conserved: the pulses times eps plus chi equal the sum of
the updates as rounded to the word, exactly for integer words and to float rounding for floats. Where pulses leave only
every few updates, or only so many at once, a word can reach the end of its range; it then saturates, and what is lost
is counted.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.crossbar.events import Events
from dse.errors import DivergedError
from dse.pausing import State, array_of, below, fill, gathered, taken
from dse.streams import Stream
from dse.updates.bits import FLOAT_BITS
from dse.updates.spec import AccumulatorSpec

LARGEST_UPDATE = 2.0**30
"""Largest update in units of the threshold; what exceeds it has left the range of numbers."""


class Accumulator:
    """One chi per weight.

    Attributes:
        word: the stored remainder, float32 in units of weight, or int64 in places; shape (rows, cols).
        places: places of an integer word that are worth the threshold; 1 for floats.
        limit: largest magnitude of a word, in places or in units of weight.
        most: most pulses that leave a word at once; None where there is no such bound.
        updates: updates so far.
        flips: how often each bit of each word changed, int32, shape (rows, cols, bits), lowest bit first; None where
            the storage does not wear.

    Args:
        spec: bits, rounding, threshold, storage.
        shape: (rows, cols) of the layer.
        threshold: eps in units of weight.
        noise: stream of stochastic rounding.
        cells: cells of a weight that share its pulses in one direction.
    """

    def __init__(
        self, spec: AccumulatorSpec, shape: tuple[int, int], threshold: float, noise: Stream, cells: int = 1
    ) -> None:
        self.spec = spec
        self.most = None if spec.max_pulses == "unlimited" else spec.max_pulses * cells
        self.threshold = threshold
        self.noise = noise
        self.updates = 0
        if spec.bits == "float":
            self.word = torch.zeros(shape, dtype=torch.float32)
            self.places = 1
            self.limit: float = threshold * 2**spec.room_bits
        else:
            self.word = torch.zeros(shape, dtype=torch.int64)
            self.places = 2 ** (spec.bits - 1 - spec.room_bits)
            self.limit = 2 ** (spec.bits - 1) - 1
        bits = FLOAT_BITS if spec.bits == "float" else spec.bits
        self.flips = torch.zeros((*shape, bits), dtype=torch.int32) if spec.storage == "pcm" else None

    @property
    def chi(self) -> Tensor:
        """The stored remainder in units of weight, shape (rows, cols)."""
        return self.word if self.spec.bits == "float" else self.word * (self.threshold / self.places)

    def add(self, update: Tensor, events: Events | None = None) -> Tensor | None:
        """Add updates and, where a transfer is due, take out whole pulses.

        Args:
            update: wanted change of each weight, float32, shape (rows, cols).
            events: counts of saturated words, changed bits and words read for a transfer, to add to.

        Returns:
            Signed number of pulses, int64, shape (rows, cols); None where no transfer is due.

        Raises:
            DivergedError: an update is not finite, or is worth more than 2^30 pulses.
        """
        events = events or Events()
        largest = float(update.abs().max())
        if not largest <= np.float32(self.threshold * LARGEST_UPDATE):
            raise too_large(largest)
        self.updates += 1
        if self.spec.bits == "float":
            total = self.word + update
        else:
            total = self.word + self._round(update * (self.places / self.threshold)).to(torch.int64)
        if self.spec.transfer_every == 1:
            pulses, rest = self._split(total)
            if self.spec.overflows:
                self._hold(rest, events)
            else:
                self._write(rest, events)
            return pulses
        self._hold(total, events)
        if self.updates % self.spec.transfer_every != 0:
            return None
        pulses, rest = self._split(self.word)
        self._write(rest, events)
        events.chi_reads += rest.numel()
        events.chi_writes += int(torch.count_nonzero(pulses))
        return pulses

    def give_back(self, weights: Tensor, missed: Tensor, events: Events) -> None:
        """Add what a refresh missed, to the nearest place; words saturate at their ends.

        Args:
            weights: flat indices of weights, each once, int64, shape (n,).
            missed: what is missing there, in units of weight, float32, shape (n,).
            events: counts of words read, added to and written, saturated words and changed bits, to add to.
        """
        added = missed
        if self.spec.bits != "float":
            added = torch.round(missed * (self.places / self.threshold)).to(torch.int64)
        word = self.word.clone()
        total = word.view(-1)[weights] + added
        held = total.clamp(-self.limit, self.limit)
        word.view(-1)[weights] = held
        self._write(word, events)
        events.chi_saturated += int(torch.count_nonzero(held != total))
        for name in ("chi_reads", "chi_writes", "chi_adds"):
            setattr(events, name, getattr(events, name) + weights.numel())

    def state(self) -> dict[str, NDArray[Any]]:
        """Return words, changes of their bits and where rounding stands; see `dse.pausing.Pausable`."""
        flips = {} if self.flips is None else {"flips": array_of(self.flips)}
        own = {"word": array_of(self.word), "updates": np.array(self.updates), **flips}
        return {**own, **gathered({"noise": self.noise})}

    def restore(self, state: State) -> None:
        """Go back to a state; the flips stay in the memory that compiled code shares; see `dse.pausing.Pausable`."""
        fill(self.word, state, "word")
        self.updates = int(taken(state, "updates", ()))
        self.noise.restore(below(state, "noise"))
        if self.flips is not None:
            fill(self.flips, state, "flips")

    def _split(self, total: Tensor) -> tuple[Tensor, Tensor]:
        """Return the whole pulses in sums, int64, and what remains of the sums."""
        if self.spec.bits == "float":
            pulses = self._bounded(torch.trunc(total / self.threshold))
            return pulses.to(torch.int64), total - pulses * self.threshold
        pulses = self._bounded(torch.div(total, self.places, rounding_mode="trunc"))
        return pulses, total - pulses * self.places

    def _bounded(self, pulses: Tensor) -> Tensor:
        return pulses if self.most is None else pulses.clamp(-self.most, self.most)

    def _hold(self, total: Tensor, events: Events) -> None:
        """Store sums, which saturate at the ends of the word."""
        self._write(total.clamp(-self.limit, self.limit), events)
        events.chi_saturated += int(torch.count_nonzero(self.word != total))

    def _write(self, word: Tensor, events: Events) -> None:
        """Store words, and count the bits that change where the storage wears."""
        before, self.word = self.word, word
        if self.flips is None:
            return
        changed = (_bit_pattern(before) ^ _bit_pattern(word))[..., None] >> np.arange(self.flips.shape[-1])
        flipped = torch.from_numpy((changed & 1).astype(np.int32))
        self.flips += flipped
        events.chi_flips += int(flipped.sum())

    def _round(self, places: Tensor) -> Tensor:
        if self.spec.rounding != "stochastic":
            return torch.round(places) if self.spec.rounding == "nearest" else torch.trunc(places)
        return torch.floor(places + self.noise.next_uniform(places.numel()).reshape(places.shape))


def too_large(largest: float) -> DivergedError:
    """Return the error for an update, in units of weight, that no accumulator can take."""
    return DivergedError(f"an update of {largest:g} is beyond what the accumulator can take")


def _bit_pattern(word: Tensor) -> np.ndarray:
    """Return words as the integers whose bits a memory holds: two's complement, or the pattern of a float32."""
    return word.numpy().view(np.int32) if word.dtype == torch.float32 else word.numpy()
