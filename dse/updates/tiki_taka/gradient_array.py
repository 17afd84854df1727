"""The array A in which gradients gather, and what is read of it on to the weights C.

    update     pulses of -rate * x_i d_j, with the sign c_i of the line, into A
    transfer   every so many updates, of the next lines i in turn:
               v_ij = c_i (ADC(A_ij) - R_ij)            a product with an input of 1 on line i alone
               H_ij <- H_ij + part * v_ij               the accumulator of the weight
               p_ij = trunc(H_ij / eps), H_ij <- H_ij - p_ij eps; p_ij pulses go to C

(TTv2: Gokmen, Front. Artif. Intell. 4:699148, 2021.) A is not erased by a reading. Pulses up and down draw a cell to
where its steps are equal, so that A forgets and R, its reading there, is the zero of gradients; H averages the noise of
A, and its threshold that of the steps of C. Where lines turn their signs c_i at random after a reading, what is wrong
with R averages out (c-TTv2), and R may be the mean M of the readings until the last turn (AGAD):

    M_ij <- M_ij + mean_part * (ADC(A_ij) - M_ij);   R_ij <- M_ij where c_i turns

(Rasch, Carta, Fagbohungbe and Gokmen, Nat. Commun. 15:7133, 2024.) Decisions that the sources leave open: what is left
in H after a pulse stays there; as many pulses leave as H is worth; a converter of A spans the window of a pair; A
begins where steps are equal. Pairs of cells that go up only are equal there, and their zero needs no word.
"""

from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray
from dse.crossbar.usage import LayerUsage
from dse.kernel.arithmetic import mean
from dse.pausing import State, array_of, fill, gathered, hand_out, taken
from dse.streams import derived_seed, stream
from dse.updates.accumulator import Accumulator
from dse.updates.bits import FLOAT_BITS
from dse.updates.layers import Hardware
from dse.updates.standing import standing_of
from dse.updates.tiki_taka.transfer import TransferSpec
from dse.updates.usage import usage_of_pairs


@runtime_checkable
class Balanced(Protocol):
    """Cells that say where their steps up and down are equal."""

    def balanced_us(self) -> Tensor:
        """Return that conductance of each cell, uS."""
        ...


class GradientArray:
    """The gradients of a layer; see `dse.updates.pulse_trains.between.Between`.

    Args:
        inputs: inputs of the layer, bias row included.
        outputs: outputs of the layer.
        hardware: cells, converters, accumulators, refresh: those of the weights.
        spec: what is read, and when.
        per_weight_us: conductance difference of a pair that stands for a weight of 1, uS.
        seed: seed of the trial.
        number: number of the layer.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hardware: Hardware,
        spec: TransferSpec,
        *,
        per_weight_us: float,
        seed: int,
        number: int,
    ) -> None:
        self.rate, self.events, self._spec, self._hardware = spec.gradient_rate, Events(), spec, hardware
        array = hardware.array.model_copy(update={"conductance_per_weight_us": per_weight_us})
        own = derived_seed(seed, "array of gradients")
        cell = hardware.cell
        self.array = PairArray(inputs, outputs, cell, array, hardware.dac, hardware.adc, seed=own, layer=number)
        self.reference = self._balance(array.initial_mean_us)
        if spec.reference == "symmetric_point":
            error = spec.reference_error_us / per_weight_us
            self.reference += error * stream(own, "reference", number).next_normal(inputs * outputs).reshape(
                inputs, outputs
            )
        else:
            self.reference.zero_()
        self.mean = torch.zeros_like(self.reference)
        self.array.ranges[0] = (cell.g_max_us - cell.g_min_us) / per_weight_us
        granularity = cell.granularity_us / self.array.beta_us
        self.filter = Accumulator(
            hardware.accumulator,
            (inputs, outputs),
            threshold=hardware.accumulator.epsilon * granularity,
            noise=stream(own, "chi rounding", number),
        )
        self.signs = torch.ones(inputs, dtype=torch.int64)
        self._turns = stream(own, "chopper", number)
        self.next_line = self.updates = 0
        self.surveys_us: list[float] = []

    def _balance(self, mean_us: float) -> Tensor:
        """Let all cells begin where their steps are equal, and return the weights that they show there."""
        array, nothing = self.array, torch.zeros(self.array.rows, self.array.cols)
        array.start_from(nothing, mean_us)
        if not isinstance(array.cells, Balanced):
            return nothing
        array.start_at(array.cells.balanced_us())
        return array.presented(array.cells.balanced_us()).weight.clone()

    def gather(self, pulses: Tensor, now_s: float) -> None:
        """Send pulses to the array; see `Between`."""
        self.array.program(pulses * self.signs[:, None], now_s, self.events)

    def transfer(self, now_s: float, events: Events) -> Tensor | None:
        """Note an update, and return the pulses that leave for the weights where a transfer is due; see `Between`."""
        self.updates += 1
        if self.updates % self._spec.every:
            return None
        rows, count = self.array.rows, min(self._spec.lines, self.array.rows)
        lines = (self.next_line + torch.arange(count)) % rows
        self.next_line = (self.next_line + count) % rows
        read = self._read(lines, now_s)
        change = torch.zeros(rows, self.array.cols)
        change[lines] = (read - self.reference[lines]) * (self.signs[lines, None] * self._spec.part)
        words = read.numel()
        events.chi_reads += words
        events.chi_writes += words
        events.chi_adds += words
        self._follow(lines, read)
        return self.filter.add(change, events)

    def _read(self, lines: Tensor, now_s: float) -> Tensor:
        """Return the readings of some lines, one after the other, shape (lines, cols)."""
        driven = torch.zeros(len(lines), self.array.rows)
        driven[torch.arange(len(lines)), lines] = 1.0
        drivers, products = self.events.dac_forward, self.events.mvm_forward
        found = self.array.forward(self.array.sense(now_s), driven, self.events)
        # One line is driven by what it is read with, and no other needs a conversion.
        self.events.dac_forward = drivers + self.events.mvm_forward - products
        return found

    def _follow(self, lines: Tensor, read: Tensor) -> None:
        """Take the reference off, turn signs and follow the mean, and count the words that this takes."""
        spec, words = self._spec, read.numel()
        turned = torch.zeros(len(lines), dtype=torch.bool)
        if spec.chopper > 0.0:
            turned = self._turns.next_uniform(self.array.rows)[lines] < spec.chopper
            self.signs[lines[turned]] *= -1
        if spec.reference == "none" or not self._has_words:
            return
        self.events.chi_reads += words
        self.events.chi_adds += words
        if spec.reference == "running_mean":
            self.mean[lines] += spec.mean_part * (read - self.mean[lines])
            self.reference[lines[turned]] = self.mean[lines[turned]]
            # The word of the mean is read, added to and written; that of the reference is written at a turn.
            self.events.chi_reads += words
            self.events.chi_adds += words
            self.events.chi_writes += words + int(turned.sum()) * self.array.cols

    @property
    def _has_words(self) -> bool:
        """Whether references are words: pairs of cells that go up only are equal where they are zero."""
        spec = self._spec
        known_zero = spec.reference == "symmetric_point" and not isinstance(self.array.cells, Balanced)
        return spec.reference != "none" and not (known_zero and spec.reference_error_us == 0.0)

    def maintain(self, now_s: float) -> None:
        """Refresh pairs near saturation."""
        self.array.refresh(self._hardware.refresh, now_s, self.events)

    def survey(self, now_s: float) -> None:
        """Note the mean conductance of a cell, which the energy of a read follows."""
        self.surveys_us.append(mean(self.array.conductance_us(now_s).numpy()))

    def usage(self, number: int) -> LayerUsage:
        """Return the account of the array, in which no inference takes part."""
        refresh = self._hardware.refresh
        own = usage_of_pairs(
            number,
            self.array,
            None,
            self.events,
            size=(self.array.rows, self.array.cols),
            ranges=self.array.ranges,
            operand_bits="float",
            surveys_us=self.surveys_us,
            standing=standing_of(self.array, refresh.threshold_us if refresh.every_samples else None),
            signed=False,
        )
        words = {"symmetric_point": 1, "running_mean": 2, "none": 0}[self._spec.reference] if self._has_words else 0
        bits = self._hardware.accumulator.bits
        # Two words of a weight are billed as one of twice the length, floats then as an integer of 64 bits.
        held = words * (FLOAT_BITS if bits == "float" else bits)
        held = None if bits == "float" and words == 1 else held
        storage = "sram" if words else None
        return replace(own, inference_bits=0.0, infers=False, dac_bits=1, chi_bits=held, chi_storage=storage)

    def _parts(self) -> dict[str, Any]:
        return {"array": self.array, "filter": self.filter, "events": self.events, "turns": self._turns}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return cells, words, signs and where its readings stand; see `dse.pausing.Pausable`."""
        tensors = {name: array_of(getattr(self, name)) for name in ("reference", "mean", "signs")}
        numbers = {"next_line": np.array(self.next_line), "updates": np.array(self.updates)}
        return {"surveys_us": np.array(self.surveys_us), **tensors, **numbers, **gathered(self._parts())}

    def restore(self, state: State) -> None:
        """Go back to a state; see `dse.pausing.Pausable`."""
        self.surveys_us = taken(state, "surveys_us").tolist()
        for name in ("reference", "mean", "signs"):
            fill(getattr(self, name), state, name)
        self.next_line, self.updates = (int(taken(state, name, ())) for name in ("next_line", "updates"))
        hand_out(self._parts(), state)
