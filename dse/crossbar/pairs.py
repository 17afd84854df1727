"""A crossbar of differential pairs: analog products in both directions, programming, refresh.

The array holds W = sum_n (G+_n - G-_n) / (N beta), shape (rows, cols), N being the pairs of a weight. Its cells are one
block of shape (2, N, rows, cols), G+ before G-. Its rows are the inputs of a layer, bias row included.

With several pairs a counter of the array selects which of them takes the first pulse of every weight; further pulses
go to the next ones in turn, and the counter moves on by one at every transfer (Boybat et al., Nat. Commun. 9:2514,
2018). All pairs of a weight start equal, so that N changes no initial weight. Pairs of unequal significance count in
the sum as often as that says, and the first, fine one takes all pulses; see `dse.crossbar.significance`.

Read noise is fresh for every cell and every sample. A product sums independent Gaussians, so that it is drawn at the
outputs with the exact variance, sum_i x_i^2 sum_n (sigma+_nij^2 + sigma-_nij^2) / (N beta)^2, instead of cell by cell;
the two have the same distribution.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.crossbar.converter_errors import ConverterErrors, errors_of, noise_of_conversions
from dse.crossbar.converters import calibrated, count_cut, largest_error, quantise_signed, quantise_unsigned
from dse.crossbar.cuts import Tile, cuts
from dse.crossbar.endurance import Endurance, endurance_of
from dse.crossbar.events import Events
from dse.crossbar.planes import planes_of
from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec, RefreshSpec
from dse.crossbar.usage import SPARE_ROWS
from dse.devices.base import AbstractCell, Cells, read_at
from dse.errors import SettingError
from dse.kernel.arithmetic import ordered_sum
from dse.pausing import State, by_number, fill, gathered, hand_out, taken
from dse.streams import Stream, stream


@dataclass(frozen=True)
class Slice:
    """A digit of weights in columns of its own, whose products are converted apart.

    Attributes:
        weight: its cells in units of the largest conductance, of the shape of the weights.
        worth: weight that the largest conductance stands for.
    """

    weight: Tensor
    worth: float


@dataclass(frozen=True)
class Sensed:
    """What the array presents to a product at one moment.

    Attributes:
        weight: sum_n (G+_n(t) - G-_n(t)) / (N beta), shape (rows, cols).
        noise_variance: variance of one read of each weight, shape (rows, cols), or None without read noise.
        slices: digits of the weights, where each has columns and conversions of its own; products see these then.
    """

    weight: Tensor
    noise_variance: Tensor | None
    slices: tuple[Slice, ...] = ()


@dataclass(frozen=True)
class Missed:
    """What pairs lack that were written anew.

    Attributes:
        pairs: flat indices of the pairs, int64.
        difference_us: how much their difference lies below what it should be, as they read, uS.
    """

    pairs: Tensor
    difference_us: Tensor


def _check_significance(array: ArraySpec, cell: AbstractCell) -> None:
    """Check that pairs of unequal significance can be there.

    Raises:
        SettingError: they cannot; settings of a design say so before.
    """
    own = array.significance
    if own is None:
        return
    if array.pairs_per_weight == 1 or own.ratio == 1.0:
        raise SettingError(
            f"a significance of ratio {own.ratio:g} came with {array.pairs_per_weight} pairs a weight; give two pairs "
            "or more and a ratio above 1, or leave significance out"
        )
    if cell.directions == "both":
        raise SettingError(
            "pairs of unequal significance are erased when they hand on what they hold, and the cell takes pulses in "
            "both directions; leave significance out, or take a cell that is RESET"
        )


class PairArray:
    """An array of differential pairs with its converters.

    Args:
        rows: number of inputs, bias row included.
        cols: number of outputs.
        cell: the cell.
        array: what conductance stands for weight, and the initial state.
        dac: converters of the inputs.
        adc: converters of the outputs.
        seed: seed of the trial.
        layer: number of the layer, which separates its random streams from those of the others.
        inputs_first: whether `rows` are inputs of the layer, and `cols` outputs, or the other way round: wires differ.
    """

    def __init__(
        self,
        rows: int,
        cols: int,
        cell: AbstractCell,
        array: ArraySpec,
        dac: DacSpec,
        adc: AdcSpec,
        *,
        seed: int,
        layer: int,
        inputs_first: bool = True,
    ) -> None:
        self.rows, self.cols = rows, cols
        self.wires = array.wires_of_tiles(inputs_first=inputs_first)
        self.pairs = array.pairs_per_weight
        _check_significance(array, cell)
        self.worths = array.worths
        self.beta_us = array.conductance_per_weight_us * sum(self.worths)
        self.selected, self.transfers = 0, 0
        self.dac, self.adc = dac, adc
        self.ranges = [adc.range, adc.backward_range]
        self.peaks = [0.0, 0.0]
        self._errors: dict[int, ConverterErrors | None] = {}
        self._variation = stream(seed, "cell variation", layer)
        self.cells = self._started(cell, initial_conductance_us(array, rows, cols, seed=seed, layer=layer))
        self.endurance = endurance_of(cell, (2, self.pairs, rows, cols), seed=seed, layer=layer)
        self._spec, self._inputs_first = array, inputs_first
        # Spare rows that each array along the inputs and outputs has taken into use.
        self.remapped = torch.zeros([len(own) for own in self._tiles()], dtype=torch.int64)
        self._write_noise = stream(seed, "write noise", layer)
        self._forward_noise = stream(seed, "forward read noise", layer)
        self._backward_noise = stream(seed, "backward read noise", layer)
        self.evaluation_noise = stream(seed, "read noise of evaluations", layer)
        self._refresh_reads = stream(seed, "refresh reads", layer)
        self._reset_noise = stream(seed, "reset", layer)
        self._conversions = {
            noise.key: noise_of_conversions(noise)
            for noise in (self._forward_noise, self._backward_noise, self.evaluation_noise)
        }
        self._number = (seed, layer)

    def converter_errors(self, way: int) -> ConverterErrors | None:
        """Return the errors of the converters of a direction; no error passes back to the last row, of a bias."""
        if self.adc.errors is None:
            return None
        if way not in self._errors:
            outputs = self.cols if way == 0 else self.rows - 1
            seed, layer = self._number
            self._errors[way] = errors_of(self.adc, way, [(0, outputs)], 1, seed=seed, layer=layer)
        return self._errors[way]

    def _started(self, cell: AbstractCell, initial: Tensor) -> Cells:
        """Return fresh cells; `initial` gives G+ and G- of every weight, uS, shape (2, rows, cols)."""
        initial = initial.clamp(cell.g_min_us, cell.g_max_us)[:, None].expand(2, self.pairs, self.rows, self.cols)
        return cell.cells(initial.contiguous(), self._variation)

    def start_from(self, weight: Tensor, mean_us: float) -> float:
        """Replace the cells by fresh ones whose pairs hold given weights as near a mean conductance as the window lets.

        Args:
            weight: wanted weights, shape (rows, cols).
            mean_us: wanted mean of G+ and G-, uS.

        Returns:
            The share of weights whose conductance difference exceeds the window; these are held at its ends.
        """
        cell = self.cells.spec
        difference = weight * (self.beta_us / sum(self.worths))
        size = difference.abs().clamp_max(cell.g_max_us - cell.g_min_us)
        lower = (mean_us - 0.5 * size).clamp_min(cell.g_min_us).minimum(cell.g_max_us - size)
        plus, minus = (torch.where(difference * sign > 0, lower + size, lower) for sign in (1.0, -1.0))
        self.cells = self._started(cell, torch.stack([plus, minus]))
        return float(torch.count_nonzero(difference.abs() > size)) / difference.numel()

    def start_at(self, g_us: Tensor) -> None:
        """Replace the cells by fresh ones at given conductances, uS, of their shape."""
        self.cells = self.cells.spec.cells(g_us.contiguous(), self._variation)

    @property
    def size(self) -> int:
        """Number of cells."""
        return 2 * self.pairs * self.rows * self.cols

    @property
    def cells_in_turn(self) -> int:
        """Cells of a weight that take its pulses of one direction in turn; see `program`."""
        return len(self._planes_in_turn)

    @property
    def _planes_in_turn(self) -> list[int]:
        """Planes of cells that take pulses in turn; those of G+ alone where cells go one way, as G- follows them."""
        pairs = self.pairs if self._spec.significance is None else 1
        both = self.cells.spec.directions == "both"
        return [sign * self.pairs + n for sign in range(1 + both) for n in range(pairs)]

    @property
    def streams(self) -> tuple[Stream, Stream, Stream, Stream, Stream]:
        """The streams of write noise, of forward, backward and refresh reads, and of RESET levels."""
        return self._write_noise, self._forward_noise, self._backward_noise, self._refresh_reads, self._reset_noise

    def sense(self, now_s: float) -> Sensed:
        """Return the weights and their read noise, as products see them at a time; valid until the next pulse."""
        return self.presented(self.conductance_us(now_s))

    def conductance_us(self, now_s: float) -> Tensor:
        """Return the conductances at a time, worn cells where they stick, uS."""
        g = self.cells.conductance_us(now_s)
        return g if self.endurance is None else self.endurance.shown(self.cells, g)

    def _pulse(self, cells: Tensor, count: Tensor, now_s: float) -> int:
        """Send pulses to cells (see `Cells.pulse`), of which worn ones take none, and return how many were sent."""
        if self.endurance is None:
            return self.cells.pulse(cells, count, now_s, self._write_noise)
        self.cells.pulse(*self.endurance.lasting(self.cells, cells, count), now_s, self._write_noise)
        return int(count.abs().sum())

    def _reset(self, cells: Tensor, now_s: float) -> int:
        """Send a RESET pulse to cells, which worn ones do not take, and return how many were sent."""
        if self.endurance is None:
            return self.cells.reset(cells, now_s, self._reset_noise)
        alive = ~self.endurance.worn(self.cells).view(-1)[cells]
        self.cells.reset(cells[alive], now_s, self._reset_noise)
        return cells.numel()

    def presented(self, g: Tensor, *, wired: bool = True) -> Sensed:
        """Return what conductances present to products.

        Args:
            g: conductances of the cells, uS, of their shape.
            wired: whether through the wires, as all products see them; or as reads of single cells do.
        """
        std = self.cells.read_noise_std_us(g)
        if wired and self.wires is not None:
            std = None if std is None else std * self.wires.shares(g)
            g = self.wires.effective(g)
        weight, variance = g[0, 0] - g[1, 0], None
        for n, worth in enumerate(self.worths[1:], 1):
            own = g[0, n] - g[1, n]
            weight = weight + (own if worth == 1 else own * worth)
        if std is not None:
            variance = std[0, 0] ** 2 + std[1, 0] ** 2
            for n, worth in enumerate(self.worths[1:], 1):
                own = std[0, n] ** 2 + std[1, n] ** 2
                variance = variance + (own if worth == 1 else own * worth**2)
            variance = variance / self.beta_us**2
        return Sensed(weight / self.beta_us, variance)

    def forward(self, sensed: Sensed, x: Tensor, events: Events | None = None) -> Tensor:
        """Return ADC(DAC(x) W).

        Args:
            sensed: the state of the array.
            x: inputs in [0, 1], shape (batch, rows).
            events: counts to add to, or None for a product that is no part of training.

        Returns:
            Products, shape (batch, cols).
        """
        driven = quantise_unsigned(x, self.dac.bits)
        # Measuring accuracy must not shift the noise that training sees.
        noise = self.evaluation_noise if events is None else self._forward_noise
        planes = planes_of(driven, self.dac, 0, signed=False)
        products: list[Tensor] = []
        for plane, worth in planes:
            analog = _product(plane, sensed.weight, sensed.noise_variance, noise)
            y, cut = self._converted(0, analog, noise, counted=events is not None)
            products.append(y if worth == 1.0 else y * worth)
            if events is not None:
                events.line_drives_forward += int(torch.count_nonzero(plane))
                events.drive_time_forward += ordered_sum(plane.numpy())
                events.adc_cut_forward += cut
                self.peaks[0] = max(self.peaks[0], float(analog.abs().max()))
        if events is not None:
            batch = x.shape[0] * len(planes)
            events.mvm_forward += batch
            events.dac_forward += batch * self.rows
            events.adc_forward += batch * self.cols
            events.partial_adds_forward += (batch - x.shape[0]) * self.cols
        return reduce(Tensor.add, products)

    def backward(self, sensed: Sensed, d: Tensor, events: Events) -> Tensor:
        """Return ADC(DAC(d / s) W^T) s without the bias row, s being the largest |d| of each sample.

        Args:
            sensed: the state of the array.
            d: errors, shape (batch, cols).
            events: counts to add to.

        Returns:
            Back-propagated errors, shape (batch, rows - 1).
        """
        scale = largest_error(d)
        driven = quantise_signed(d / scale, self.dac.bits_backward)
        weight = sensed.weight[:-1].T
        variance = None if sensed.noise_variance is None else sensed.noise_variance[:-1].T
        planes = planes_of(driven, self.dac, 1, signed=True)
        products: list[Tensor] = []
        for plane, worth in planes:
            analog = _product(plane, weight, variance, self._backward_noise)
            events.line_drives_backward += int(torch.count_nonzero(plane))
            events.drive_time_backward += ordered_sum(plane.abs().numpy())
            self.peaks[1] = max(self.peaks[1], float(analog.abs().max()))
            y, cut = self._converted(1, analog, self._backward_noise, counted=True)
            events.adc_cut_backward += cut
            products.append(y if worth == 1.0 else y * worth)
        batch = d.shape[0] * len(planes)
        events.mvm_backward += batch
        events.dac_backward += batch * self.cols
        events.adc_backward += batch * (self.rows - 1)
        events.partial_adds_backward += (batch - d.shape[0]) * (self.rows - 1)
        return reduce(Tensor.add, products) * scale

    def _converted(self, way: int, analog: Tensor, noise: Stream, *, counted: bool) -> tuple[Tensor, int]:
        """Return products behind the converters of a direction, and how many were cut, where they are counted."""
        bits, full_scale = self.adc.bits if way == 0 else self.adc.bits_backward, self.ranges[way]
        errors = self.converter_errors(way)
        if errors is not None:
            return errors.convert(analog, full_scale, 0, self._conversions[noise.key])
        return quantise_signed(analog, bits, full_scale), count_cut(analog, bits, full_scale) if counted else 0

    def calibrate(self) -> None:
        """Set the ranges of the output converters by the largest products since the last time; see `AdcSpec`."""
        self.ranges, self.peaks = calibrated(self.ranges, self.peaks, self.adc.headroom), [0.0, 0.0]

    def program(self, pulses: Tensor, now_s: float, events: Events) -> None:
        """Apply |p| pulses, blind, to G+ where p > 0 and to G- where p < 0, in turn from the selected pair.

        Cells that go both ways share them: all cells of a weight in turn from the selected one, G+ in the direction of
        p and G- against it, so that neither drifts to an end of its window.

        Args:
            pulses: signed number of pulses, int64, shape (rows, cols).
            now_s: time, s.
            events: counts to add to.
        """
        flat, both = pulses.reshape(-1), self.cells.spec.directions == "both"
        where = torch.nonzero(flat).squeeze(1)
        p, first, in_turn = flat[where], self.selected, self._planes_in_turn
        planes = len(in_turn)
        self.selected = (first + 1) % planes
        for turn in range(planes):
            count = (p.abs() - turn + planes - 1) // planes
            takes = count > 0
            plane, own = in_turn[(first + turn) % planes], count[takes]
            if both:
                own = own * (p[takes].sign() if plane < self.pairs else -p[takes].sign())
            cells = (plane if both else plane + (p[takes] < 0) * self.pairs) * flat.numel() + where[takes]
            events.set_pulses_update += self._pulse(cells, own, now_s)

    def refresh(
        self,
        spec: RefreshSpec,
        now_s: float,
        events: Events,
        drifted_to_s: float | None = None,
        *,
        look: bool = False,
    ) -> list[Missed]:
        """Look for pairs near saturation, RESET them and write their difference anew; see `RefreshSpec`.

        Args:
            spec: the rule.
            now_s: time of the pulses, s.
            events: counts to add to.
            drifted_to_s: time at which drift was last evaluated, s; `now_s` where not given.
            look: whether pairs are read at the end.

        Returns:
            What was missed, as it was read at last; it is meant where `look` holds.
        """
        g = self.conductance_us(now_s if drifted_to_s is None else drifted_to_s)
        read = read_at(self.cells, g, self._refresh_reads)
        read = read.reshape(2, -1)
        events.refresh_reads += read.numel()
        difference = read[0] - read[1]
        saturated = (read > spec.threshold_us).any(dim=0)
        where = torch.nonzero(saturated & (difference.abs() < spec.difference_us)).squeeze(1)
        if self.endurance is None or not self._spec.spare_rows:
            return [self.write_anew(where, difference, spec, now_s, events, look=look)]
        # What moves to a spare row is written there alone.
        spare = self._remapped(self.endurance)
        where = where[~torch.isin(where, spare)]
        return [self.write_anew(own, difference, spec, now_s, events, look=look) for own in (where, spare)]

    def write_anew(
        self, where: Tensor, difference: Tensor, spec: RefreshSpec, now_s: float, events: Events, *, look: bool
    ) -> Missed:
        """RESET some pairs (flat indices, int64) and write their differences, uS; see `refresh`.

        The reads of a round have numbers of their own for every cell, whether it is read or not, so that they do not
        depend on the order of the pairs.
        """
        first, target = self._refresh_reads.events, difference[where]
        missing = target.clone()
        if self.cells.read_noise_std_us(target) is not None:
            self._refresh_reads.events += spec.verify_rounds + look
        if where.numel() == 0:
            return Missed(where, missing)
        pairs = difference.numel()
        events.refreshed_pairs += where.numel()
        events.resets += self._reset(torch.cat([where, where + pairs]), now_s)
        self.write(where, target, spec, now_s, events)
        left = torch.arange(where.numel())
        for turn in range(spec.verify_rounds + look):
            events.refresh_reads += 2 * left.numel()
            missing[left] = target[left] - self._difference_of(where[left], first + turn, now_s)
            if turn == spec.verify_rounds:
                break
            left = left[missing[left].abs() > spec.tolerance_us]
            left = left[self.write(where[left], missing[left], spec, now_s, events)]
        return Missed(where, missing)

    def write(self, where: Tensor, wanted: Tensor, spec: RefreshSpec, now_s: float, events: Events) -> Tensor:
        """Pulse pairs by wanted changes of their differences, uS, open loop, and return which took pulses."""
        count = self.pulses_for(wanted, spec)
        written = count > 0
        cells = (where + (wanted < 0) * (self.size // 2))[written]
        events.set_pulses_refresh += self._pulse(cells, count[written], now_s)
        return written

    def pulses_for(self, wanted: Tensor, spec: RefreshSpec) -> Tensor:
        """Return the numbers of SET pulses, int64, whose mean response is nearest to changes of differences, uS."""
        response = torch.tensor(self.cells.spec.mean_response_us(spec.max_pulses))
        return (wanted.abs()[:, None] - (response - response[0])).abs().argmin(dim=1)

    def read_differences(self, pairs: Tensor, now_s: float, events: Events) -> Tensor:
        """Return the differences of some pairs (flat indices, int64), uS, by a read that is counted."""
        event = self._refresh_reads.events
        if self.cells.read_noise_std_us(torch.zeros(1)) is not None:
            self._refresh_reads.events += 1
        events.refresh_reads += 2 * pairs.numel()
        return self._difference_of(pairs, event, now_s)

    def _difference_of(self, pairs: Tensor, event: int, now_s: float) -> Tensor:
        """Return one noisy read of the differences of some pairs (flat indices, int64), uS."""
        cells = torch.stack([pairs, pairs + self.size // 2])
        g = self.conductance_us(now_s).reshape(-1)[cells]
        std = self.cells.read_noise_std_us(g)
        read = g if std is None else g + std * self._refresh_reads.normal(event * self.size + cells)
        return read[0] - read[1]

    def _tiles(self) -> tuple[list[Tile], list[Tile]]:
        """Return the rows of each array along the inputs, and its columns along the outputs."""
        lines = (self.rows, self.cols) if self._inputs_first else (self.cols, self.rows)
        sizes = (None if own == "whole" else own for own in (self._spec.tile_rows, self._spec.tile_columns))
        inputs, outputs = (cuts(count, size) for count, size in zip(lines, sizes, strict=True))
        return inputs, outputs

    def _remapped(self, endurance: Endurance) -> Tensor:
        """Let spare rows take the place of rows that are too worn, and return the pairs there (flat indices, int64)."""
        worn = endurance.worn(self.cells)
        places = torch.arange(worn.numel()).reshape(worn.shape)
        if not self._inputs_first:
            worn, places = worn.transpose(2, 3), places.transpose(2, 3)
        moved: list[Tensor] = []
        inputs, outputs = self._tiles()
        for down, rows in enumerate(inputs):
            for across, columns in enumerate(outputs):
                tile = (slice(None), slice(None), slice(*rows), slice(*columns))
                share = worn[tile].double().mean(dim=(0, 1, 3))
                worst = share.argsort(descending=True, stable=True)
                left = self._spec.spare_rows - int(self.remapped[down, across])
                chosen = worst[share[worst] >= self._spec.remap_worn_share][:left]
                for row in cast("list[int]", chosen.tolist()):
                    self.remapped[down, across] += 1
                    cells = places[tile][:, :, row]
                    endurance.replace(self.cells, cells.reshape(-1), int(self.remapped[down, across]))
                    moved.append(cells[0].reshape(-1))
        return torch.cat(moved) if moved else torch.empty(0, dtype=torch.int64)

    @property
    def facts(self) -> dict[str, int]:
        """What prices must know, for the events of a layer."""
        return {SPARE_ROWS: self._spec.spare_rows} if self.endurance is not None and self._spec.spare_rows else {}

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {"streams": by_number([*self.streams, self.evaluation_noise]), "cells": self.cells}
        if self.adc.errors is not None:
            parts["conversions"] = by_number(list(self._conversions.values()))
        return parts

    def state(self) -> dict[str, NDArray[Any]]:
        """Return cells, ranges and where its streams stand; see `dse.pausing.Pausable`."""
        numbers: dict[str, Any] = {"selected": self.selected, "ranges": self.ranges, "peaks": self.peaks}
        if self._spec.significance is not None:
            numbers["transfers"] = self.transfers
        if self.facts and self.endurance is not None:
            limits = {"set_limits": self.endurance.set_pulses, "reset_limits": self.endurance.reset_pulses}
            numbers |= {name: own.numpy() for name, own in {**limits, "remapped": self.remapped}.items()}
        return {**{name: np.array(value) for name, value in numbers.items()}, **gathered(self._parts())}

    def restore(self, state: State) -> None:
        """Go back to a state; see `dse.pausing.Pausable`."""
        self.selected = int(taken(state, "selected", ()))
        if self._spec.significance is not None:
            self.transfers = int(taken(state, "transfers", ()))
        self.ranges, self.peaks = (taken(state, name, (2,)).tolist() for name in ("ranges", "peaks"))
        if self.facts and self.endurance is not None:
            fill(self.endurance.set_pulses, state, "set_limits")
            fill(self.endurance.reset_pulses, state, "reset_limits")
            fill(self.remapped, state, "remapped")
        hand_out(self._parts(), state)


def _product(x: Tensor, weight: Tensor, variance: Tensor | None, noise: Stream) -> Tensor:
    y = ordered_product(x, weight)
    if variance is not None:
        # numpy's square root is rounded correctly; torch takes it from a library whose last bit may differ.
        deviation = torch.from_numpy(np.sqrt(ordered_product(x * x, variance).numpy()))
        y = y + deviation * noise.next_normal(y.shape[1], vectors=y.shape[0])
    return y


def ordered_product(x: Tensor, matrix: Tensor) -> Tensor:
    """Return x matrix as a sum over the rows of the matrix in ascending order, zeros left out.

    The order makes the result the same on every processor and in the compiled path; a library's product has an order of
    its own on every kind of processor.
    """
    y = torch.zeros(x.shape[0], matrix.shape[1])
    for row in cast("list[int]", torch.nonzero(x.any(dim=0)).squeeze(1).tolist()):
        y += x[:, row, None] * matrix[row]
    return y


def initial_conductance_us(array: ArraySpec, rows: int, cols: int, *, seed: int, layer: int) -> Tensor:
    """Return the initial conductances of G+ and G-, uS, shape (2, rows, cols), the same for every cell and control."""
    noise = stream(seed, "initial conductance", layer).next_normal(2 * rows * cols).reshape(2, rows, cols)
    g = array.initial_mean_us + array.initial_std_us * noise
    return g.clamp(array.initial_min_us, array.initial_max_us)
