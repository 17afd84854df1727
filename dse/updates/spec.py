"""What can be chosen about an update rule: the accumulator, and how simulated time runs."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import model_validator

from dse.spec import ActsUnless, Added, Spec

AccumulatorBits = Annotated[int, Ge(1), Le(32)] | Literal["float"]
OperandBits = Annotated[int, Ge(2), Le(16)] | Literal["float"]
MostPulses = Annotated[int, Ge(1), Le(1000)] | Literal["unlimited"]


class AccumulatorSpec(Spec):
    """The digital accumulator chi of each weight, where updates gather until they are worth a pulse.

    The word is a signed fixed-point number whose magnitude ends at the threshold: its last place is worth
    threshold / 2^(bits - 1). With 1 bit nothing gathers, and every update is rounded to whole pulses. Where pulses
    leave only every few updates, or only so many at once, or a refresh adds what it missed, `headroom_bits` of the word
    hold what exceeds the threshold, and a word at its end saturates.
    """

    bits: AccumulatorBits = 32
    """Length of the word, sign included; "float" keeps a 32-bit float."""
    rounding: Annotated[Literal["nearest", "stochastic", "toward_zero"], ActsUnless(bits="float")] = "nearest"
    """How an update is rounded to the last place of the word."""
    operand_bits: OperandBits = "float"
    """Resolution of the inputs and errors whose products update chi; "float" multiplies 32-bit floats. A
    perceptron quantises inputs in [0, 1] and errors relative to the largest of their sample, deep networks both
    relative to the largest of their sample."""
    epsilon: Annotated[float, Gt(0.0), Le(1e3)] = 1.0
    """Threshold in units of the granularity of a pulse: chi / threshold, cut to an integer, is the number of pulses."""
    transfer_every: Annotated[int, Ge(1), Le(10**9)] = 1
    """Updates (mini-batches) between two transfers of whole pulses to the cells."""
    max_pulses: Annotated[MostPulses, Added()] = "unlimited"
    """Most pulses that a cell takes in one update; what is beyond stays in chi. With several pairs a weight each takes
    up to as many."""
    refresh_misses: Annotated[Literal["lost", "kept"], ActsUnless({"refresh.every_samples": 0}), Added()] = "lost"
    """Whether a pair is read once more after a refresh, and what was missed goes into chi."""
    headroom_bits: Annotated[
        int, Ge(0), Le(31), ActsUnless(transfer_every=1, max_pulses="unlimited", refresh_misses="lost")
    ] = 2
    """Bits of the word above the threshold, where pulses do not all leave at every update: the last place is then
    worth threshold / 2^(bits - 1 - headroom_bits), and a word (of floats, too) saturates at 2^headroom_bits thresholds,
    less one place for integers. Where they leave only every few updates, these need at least one such bit."""
    storage: Literal["sram", "dram", "pcm"] = "sram"
    """What holds the words. In binary PCM every bit that changes, in two's complement, writes a cell and is counted."""
    inference: Literal["cells", "cells_and_accumulator"] = "cells"
    """What a deep network is measured with: the weights in the pairs alone, or with the accumulators
    added, as a second part of lower significance."""

    @property
    def room_bits(self) -> int:
        """Bits of the word above the threshold that act."""
        return self.headroom_bits if self.transfer_every > 1 or self.overflows else 0

    @property
    def overflows(self) -> bool:
        """Whether a word may be worth a pulse or more after a transfer."""
        return self.max_pulses != "unlimited" or self.refresh_misses == "kept"

    @model_validator(mode="after")
    def _headroom_leaves_a_place(self) -> "AccumulatorSpec":
        if self.bits == "float" or (self.transfer_every == 1 and not self.overflows):
            return self
        if self.headroom_bits == 0 and self.transfer_every > 1:
            msg = "headroom_bits = 0 would let no integer word reach the threshold between transfers; give at least 1"
            raise ValueError(msg)
        if self.headroom_bits >= self.bits:
            msg = f"headroom_bits = {self.headroom_bits} must be below bits = {self.bits}; lengthen the word"
            raise ValueError(msg)
        return self


class ClockSpec(Spec):
    """How simulated time runs, which drift and lifetime follow."""

    sample_time_s: Annotated[float, Gt(0.0), Le(1e6)] = 0.01
    """Time that one training image takes, s."""
    drift_every_samples: Annotated[
        int, Ge(1), Le(10**9), ActsUnless({"device.drift_exponent": 0.0, "device.drift_exponent_spread": 0.0})
    ] = 1000
    """Training images between two evaluations of the drift; in between, only a pulse changes a conductance."""
