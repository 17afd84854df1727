"""A generation of perceptrons of one shape that learn together on an accelerator, each step one launch for all of them.

Designs differ in cells, converters, accumulators, rates, refreshes and seeds; they share the samples, the sizes of the
layers, the mini-batch and the time of a sample. Every one has the outputs, pulses and counts that it has alone and on
the processor (`dse.updates.fast`), but for the last digits of the time of driving. One whose updates leave the range of
numbers learns nothing more, and the others go on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.data.images import Split
from dse.kernel import state
from dse.kernel.arithmetic import Floats, ordered_sum
from dse.updates import fast
from dse.updates.layers import CrossbarLayer
from dse.updates.pace import Interval, Pace

ROOM_FLOATS = 2**26
"""Signals of an evaluation are held for as many samples as fit this many floats: a quarter of a gigabyte."""


@dataclass(frozen=True)
class Member:
    """A design of a generation.

    Attributes:
        layers: its layers on crossbars.
        pace: its pace.
        since: samples since the last refresh and the last calibration, int64, shape (2,).
    """

    layers: Sequence[CrossbarLayer]
    pace: Pace
    since: NDArray[Any]


class _Turn:
    """Designs side by side that are refreshed and calibrated at the same time."""

    def __init__(self, some: slice, pace: Pace, since: NDArray[Any], refreshes: list[int]) -> None:
        self.some, self.refreshes = some, refreshes
        self.refresh, self.calibration = Interval(pace.maintain_every), Interval(pace.calibrate_every)
        for interval, own in zip((self.refresh, self.calibration), since, strict=True):
            interval.restore({"since": np.array(own)})


def shape_of(member: Member) -> tuple[Any, ...]:
    """Return what the members of a generation have in common."""
    sizes = tuple((layer.rows, layer.cols, layer.array.pairs) for layer in member.layers)
    return sizes, member.pace.sample_time_s, member.pace.drift_every


def compiles(layers: Sequence[Any]) -> bool:
    """Return whether layers lie on crossbars, and compiled code takes them."""
    return all(isinstance(layer, CrossbarLayer) for layer in layers) and fast.takes(layers)


def takes(layers: Sequence[Any], device: str) -> bool:
    """Return whether layers can learn in a generation on a device: compiled code takes them, and kernels the device."""
    from dse.kernel.accelerator import dispatch  # noqa: PLC0415

    return compiles(layers) and dispatch.takes(torch.empty(0, device=device))


class Generation:
    """What trains the layers of several designs in place.

    Args:
        members: the designs, of one shape.
        lessons: what they learn.
        batch_size: samples between two updates.
        seen: samples learned before.
        device: where they learn.

    Raises:
        ValueError: the designs have different shapes.
    """

    def __init__(
        self, members: Sequence[Member], lessons: fast.Lessons, batch_size: int, seen: int, device: str
    ) -> None:
        from dse.kernel.accelerator import cells, perceptron  # noqa: PLC0415  Triton

        if len({shape_of(own) for own in members}) != 1:
            raise ValueError("designs of one launch have one shape; put those of another in a generation of their own")
        self._cells, self._kernels, self._device = cells, perceptron, torch.device(device)
        self._lessons, self._batch_size = lessons, min(batch_size, len(lessons.split))
        # Those with the same refreshes lie side by side, so that each kernel takes a part of the memory.
        self._places = sorted(range(len(members)), key=lambda number: _turn_of(members[number]))
        self._members = [members[number] for number in self._places]
        self._pace, self._period = members[0].pace, -1
        self._states = [fast.states_of(own.layers) for own in self._members]
        self._knobs = [fast.knobs_of(own.layers[0], own.pace) for own in self._members]
        self._updates = int(self._states[0].records["updates"][0])
        self._draws = [[_draws_of(record) for record in own.records] for own in self._states]
        self._layers = self._placed()
        self._turns = [
            _Turn(
                slice(first := own[0], own[-1] + 1),
                self._members[first].pace,
                self._members[first].since,
                [max(self._refreshed(number, layer) for number in own) for layer in range(len(self._layers))],
            )
            for own in (list(part) for _, part in groupby(range(len(members)), lambda n: _turn_of(self._members[n])))
        ]
        self._inputs: dict[int, Tensor] = {}
        self._rooms: dict[int, list[Tensor]] = {}
        self._rates: dict[int, Tensor] = {}
        self._one = torch.ones(len(members), device=self._device)
        self._learned = self._drawn = self._measured = 0
        self._refreshes = [[0] * len(self._layers) for _ in self._members]
        self._grow_old(seen)

    def _placed(self) -> list[Any]:
        """Return the memory of every layer."""
        from dse.kernel.accelerator.crossbars import crossbars_of  # noqa: PLC0415
        from dse.kernel.accelerator.layout import COUNTS  # noqa: PLC0415

        knobs, layers = np.concatenate(self._knobs), len(self._members[0].layers)
        self._counts = torch.zeros(layers, len(self._members), len(COUNTS) + 2, dtype=torch.int64, device=self._device)
        placed: list[Any] = []
        for number in range(layers):
            records = np.stack([own.records[number] for own in self._states])
            arrays = [own.arrays[number] for own in self._states]
            blocks = self._kernels.blocks_of(int(records[0]["rows"]))
            placed.append(crossbars_of(records, knobs, arrays, self._counts[number], blocks))
        return placed

    def _reads(self, place: int) -> int:
        knobs = self._knobs[place][0]
        return 1 + int(knobs["verify_rounds"]) + int(knobs["keeps_misses"])

    def _refreshed(self, place: int, layer: int) -> int:
        """Return how many refreshes of a layer of a design had read noise."""
        return int(self._states[place].records["refresh_events"][layer]) // self._reads(place)

    def learn(self, orders: Sequence[Tensor], seen: int) -> list[float]:
        """Learn samples in mini-batches, the last of which may be smaller.

        Args:
            orders: the order of each design, int64 indices, all of one length.
            seen: samples learned before.

        Returns:
            The sum of half the squared errors of each design.
        """
        order = torch.stack([orders[number] for number in self._places]).to(self._device)
        images, targets = self._on_device(self._lessons.split), self._targets()
        squares = torch.zeros(order.shape, dtype=torch.float64, device=self._device)
        length = order.shape[1]
        for start in range(0, length, self._batch_size):
            samples = min(self._batch_size, length - start)
            self._grow_old(seen)
            signals = self._room(samples)
            signals[0][:, :, :-1] = images[order[:, start : start + samples]]
            errors = self._errors(signals, order, targets, squares, start)
            self._update(signals, errors, samples, seen)
            seen += samples
            self._drawn += samples
            self._maintain(seen, samples)
        self._learned += length
        return self._given_back([self._loss(own) for own in squares.cpu().numpy()])

    def _errors(
        self, signals: list[Tensor], order: Tensor, targets: Tensor, squares: Tensor, start: int
    ) -> list[Tensor]:
        """Pass a mini-batch forward and its errors back, and return the errors of the outputs of each layer."""
        linear, kernels, last = self._lessons.linear, self._kernels, len(self._layers) - 1
        for number, layer in enumerate(self._layers):
            kernels.drive(layer, signals[number])
            sigmoid = number < last or not linear
            out = signals[number + 1]
            kernels.forward(layer, signals[number], out, drawn=self._drawn, trains=True, sigmoid=sigmoid)
        designs, samples = signals[0].shape[:2]
        errors = [torch.empty(designs, samples, layer.cols, device=self._device) for layer in self._layers]
        kernels.miss(signals[-1], targets, order, start, errors[-1], squares, linear=linear)
        for number in range(last, 0, -1):
            kernels.back(self._layers[number], errors[number], signals[number], errors[number - 1], drawn=self._drawn)
        return errors

    def _update(self, signals: list[Tensor], errors: list[Tensor], samples: int, seen: int) -> None:
        """Apply the update of a mini-batch, one layer after the other, as far as designs have not failed."""
        self._updates += 1
        if samples not in self._rates:  # a copy at every step would wait for the device
            rates = [np.float32(-own.pace.learning_rate / samples) for own in self._members]
            self._rates[samples] = torch.from_numpy(np.array(rates)).to(self._device)
        factors, now_s = self._rates[samples], self._time_s(seen)
        for layer, x, d in zip(self._layers, signals, errors, strict=False):
            own = self._kernels.gradient(layer, x, d, factors, self._counts)
            self._cells.update(layer.bank, own, self._one, self._updates, now_s)

    def _time_s(self, seen: int) -> float:
        return float(np.float32(seen * self._pace.sample_time_s))

    def _maintain(self, seen: int, samples: int) -> None:
        """Refresh and calibrate where it is time."""
        for turn in self._turns:
            if turn.refresh.is_due(samples):
                for number, layer in enumerate(self._layers):
                    self._cells.refresh(layer.at(turn.some), turn.refreshes[number], self._time_s(seen))
                    turn.refreshes[number] += 1
                    for place in range(turn.some.start, turn.some.stop):
                        self._refreshes[place][number] += 1
            if turn.calibration.is_due(samples):
                for layer in self._layers:
                    layer.calibrate(turn.some)

    def _grow_old(self, seen: int) -> None:
        """Evaluate the drift where it is time."""
        period = seen // self._pace.drift_every
        if self._period < 0 or (period != self._period and any(own["drifts"][0] for own in self._knobs)):
            for layer in self._layers:
                self._cells.age(layer.bank, self._time_s(period * self._pace.drift_every))
        self._period = period

    def outputs(self, split: Split, now_s: float) -> list[Floats]:
        """Return the outputs of each design for samples, with fresh read noise for every one."""
        layers, last, linear = [own.elsewhere() for own in self._layers], len(self._layers) - 1, self._lessons.linear
        for own in layers:
            self._cells.age(own.bank, float(np.float32(now_s)))
        images, designs = self._on_device(split), len(self._members)
        found = np.empty((designs, len(split), layers[last].cols), np.float32)
        widest = max(own.rows for own in layers) * designs
        for part in torch.split(torch.arange(len(split)), max(1, ROOM_FLOATS // widest)):
            first, samples = int(part[0]), len(part)
            signal = torch.ones(1, samples, images.shape[1] + 1, device=self._device)
            signal[:, :, :-1] = images[first : first + samples]
            for number, (own, shown) in enumerate(zip(self._layers, layers, strict=True)):
                out = torch.ones(designs, samples, own.cols + (number < last), device=self._device)
                sigmoid, drawn = number < last or not linear, self._measured
                self._kernels.forward(own, signal, out, drawn=drawn, trains=False, sigmoid=sigmoid, shown=shown)
                signal = out
            self._measured += samples
            found[:, first : first + samples] = signal.cpu().numpy()
        for number in range(len(self._layers)):
            for place, member in enumerate(self._members):
                self._count_draws(member.layers[number], place, number)
        return self._given_back(list(found))

    def _given_back(self, own: list[Any]) -> list[Any]:
        """Return what designs have, in the order in which they were given."""
        found: list[Any] = [None] * len(own)
        for place, number in enumerate(self._places):
            found[number] = own[place]
        return found

    def _loss(self, squares: NDArray[Any]) -> float:
        """Return the sum of half the squared errors of a design, in the order of the processor."""
        loss = 0.0
        for start in range(0, len(squares), self._batch_size):
            loss += 0.5 * ordered_sum(squares[start : start + self._batch_size])
        return loss

    def _room(self, samples: int) -> list[Tensor]:
        """Return inputs of every layer, the bias at their end, and outputs of the last."""
        if samples not in self._rooms:
            designs, device = len(self._members), self._device
            inputs = [torch.ones(designs, samples, layer.rows, device=device) for layer in self._layers]
            self._rooms[samples] = [*inputs, torch.empty(designs, samples, self._layers[-1].cols, device=device)]
        return self._rooms[samples]

    def _on_device(self, split: Split) -> Tensor:
        """Return all samples of a split as floats on the device, shape (samples, pixels)."""
        if id(split) not in self._inputs:
            # Scaled on the processor: torch's quotients elsewhere are products with an inverse.
            self._inputs[id(split)] = split.floats(torch.arange(len(split))).to(self._device)
        return self._inputs[id(split)]

    def _targets(self) -> Tensor:
        targets = self._inputs.get(-1)
        if targets is None:
            targets = self._inputs[-1] = self._lessons.targets.contiguous().to(self._device)
        return targets

    def write_back(self) -> None:
        """Bring all layers up to date, their cells among them."""
        from dse.kernel.accelerator.crossbars import hand_over  # noqa: PLC0415

        for place, (member, states, knobs) in enumerate(zip(self._members, self._states, self._knobs, strict=True)):
            for number, layer in enumerate(self._layers):
                record = states.records[number]
                hand_over(layer, place, record, states.arrays[number], self._learned, back=number > 0)
                self._count(member.layers[number], record, knobs[0], place, number)
            fast.write_back(member.layers, states)
        self._learned = 0
        self._refreshes = [[0] * len(self._layers) for _ in self._members]

    def _count(self, layer: CrossbarLayer, record: Any, knobs: Any, place: int, number: int) -> None:
        """Count what follows from the numbers of updates and refreshes."""
        every, before = int(knobs["transfer_every"]), int(record["updates"])
        refreshes = self._refreshes[place][number]
        record["refresh_reads"] += refreshes * layer.array.size
        if every > 1:
            record["transfer_reads"] += (self._updates // every - before // every) * layer.rows * layer.cols
        record["updates"] = self._updates
        record["selected"] = self._updates // every % layer.array.pairs
        if knobs["chi_bits"] > 0 and knobs["rounding"] == state.STOCHASTIC:
            record["chi_events"] = self._updates
        if knobs["reads_are_noisy"]:
            record["refresh_events"] += refreshes * self._reads(place)
            record["forward_events"] = self._draws[place][number]["forward_events"] + self._drawn
            if number > 0:
                record["backward_events"] = self._draws[place][number]["backward_events"] + self._drawn

    def _count_draws(self, layer: CrossbarLayer, place: int, number: int) -> None:
        """Count the samples whose evaluation drew read noise."""
        if self._knobs[place]["reads_are_noisy"][0]:
            events = self._draws[place][number]["evaluation_events"] + self._measured
            self._states[place].records["evaluation_events"][number] = events
            layer.array.evaluation_noise.events = events

    def check(self, number: int) -> None:
        """Check that no update of a design left the range of numbers, by the layers that were written back.

        Raises:
            DivergedError: one did.
        """
        from dse.kernel.accelerator.layout import CULPRIT, STATUS  # noqa: PLC0415

        place = self._places.index(number)
        counts = self._counts[:, place].cpu().numpy()
        for layer, own in enumerate(counts):
            status, culprit = int(own[STATUS]), int(own[CULPRIT])
            if status != state.DONE:
                records = self._states[place].records
                records["culprit"][layer] = np.array(culprit, np.int32).view(np.float32)
                fast.check(state.DIVERGED if culprit else status, self._states[place])

    def since(self, number: int) -> NDArray[Any]:
        """Return the samples of a design since refresh and calibration, int64, shape (2,)."""
        place = self._places.index(number)
        (turn,) = (own for own in self._turns if own.some.start <= place < own.some.stop)
        return np.array([int(own.state()["since"]) for own in (turn.refresh, turn.calibration)], np.int64)


def _draws_of(record: Any) -> dict[str, int]:
    """Return how often products of a layer drew read noise before."""
    return {name: int(record[name]) for name in ("forward_events", "backward_events", "evaluation_events")}


def _turn_of(member: Member) -> tuple[int, ...]:
    pace = member.pace
    return pace.maintain_every, pace.calibrate_every, *(int(own) for own in member.since)
