"""The door to the compiled path: how the state of layers goes in and out of `dse.kernel`.

Networks whose layers are all on crossbars, or all digital, are learned without leaving compiled code, with every
setting of a design, mini-batches of any size included. Everything gives the same result to the last bit as the plain
path of `dse.networks.perceptron.plain`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from dse.crossbar.events import Events
from dse.data.images import Dataset, Split
from dse.devices.pcm import MAX_PULSES, PcmCells, too_many_pulses
from dse.devices.spec import CellSpec
from dse.kernel import engine as images
from dse.kernel import state
from dse.kernel.arithmetic import Floats
from dse.pausing import State, taken
from dse.streams import Stream
from dse.updates.accumulator import LARGEST_UPDATE, too_large
from dse.updates.bits import FLOAT_BITS
from dse.updates.layers import CrossbarLayer, FloatLayer, Layer
from dse.updates.pace import Pace

LINEAR_MAX_PULSES = 2**30
CHUNK_IMAGES = 1000
"""Images whose pixels are floats at the same time, rounded up to whole mini-batches."""
ROUNDINGS = {"nearest": state.NEAREST, "stochastic": state.STOCHASTIC, "toward_zero": state.TOWARD_ZERO}


def takes(layers: Sequence[Layer]) -> bool:
    """Return whether layers can be learned in compiled code: all on PCM of equal hardware, or all digital.

    Wires mix the cells of an array, and compiled code goes from cell to weight. Its converters do not err, and all
    bits of an input drive a line together.
    """
    hardware = [layer.hardware for layer in layers if isinstance(layer, CrossbarLayer)]
    kinds = {type(layer) for layer in layers}
    pairs = [layer for layer in layers if isinstance(layer, CrossbarLayer)]
    cells = all(compiles(layer) and layer.array.wires is None for layer in pairs)
    own = [layer.hardware for layer in pairs]
    cells = cells and all(of.adc.errors is None and of.dac.coding != "bit_serial" for of in own)
    return cells and kinds in ({CrossbarLayer}, {FloatLayer}) and all(own == hardware[0] for own in hardware)


def compiles(layer: CrossbarLayer) -> bool:
    """Return whether there is compiled code for the cells of a layer."""
    # One of its own below it may do something else; compiled cells do not wear out, and all pairs of a weight are one.
    own = layer.array
    return type(own.cells) is PcmCells and own.endurance is None and layer.hardware.array.significance is None


@dataclass(frozen=True)
class Lessons:
    """What layers learn.

    Attributes:
        split: the samples.
        targets: what outputs should be for each, float32, shape (samples, outputs).
        linear: whether the output units are linear; the logistic function follows them otherwise.
    """

    split: Split
    targets: torch.Tensor
    linear: bool = False

    def arrays(self, chosen: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Return some samples (int64 indices) as floats, and what outputs should be for them."""
        return self.split.floats(chosen).numpy(), self.targets[chosen].numpy()

    @classmethod
    def of(cls, data: Dataset) -> "Lessons":
        """Return the training samples of a data set; output units are linear where answers are numbers."""
        return cls(data.train, data.targets(data.train), linear=not data.classes)


def runner(layers: Sequence[Layer], lessons: Lessons, batch_size: int, pace: Pace) -> "CrossbarRun | FloatRun":
    """Return what trains layers in place; see `dse.networks.perceptron.plain.Run`."""
    crossbars = [layer for layer in layers if isinstance(layer, CrossbarLayer)]
    if crossbars:
        return CrossbarRun(crossbars, lessons, batch_size, pace)
    return FloatRun([layer for layer in layers if isinstance(layer, FloatLayer)], lessons, batch_size, pace)


def chunks(order: torch.Tensor, batch_size: int) -> Sequence[torch.Tensor]:
    """Return an order in parts, some whole mini-batches each."""
    return torch.split(order, -(-CHUNK_IMAGES // batch_size) * batch_size)


def outputs_of(records: tuple[np.ndarray, np.ndarray, np.ndarray], split: Split) -> Floats:
    """Return the outputs of layers given as states, settings and room, shape (samples, outputs)."""
    found = np.empty((len(split), int(records[2]["cols"][-1])), np.float32)
    for part in chunks(torch.arange(len(split)), 1):
        images.infer(*records, split.floats(part).numpy(), found[int(part[0]) : int(part[-1]) + 1])
    return found


class FloatRun:
    """Digital floats."""

    def __init__(self, layers: Sequence[FloatLayer], lessons: Lessons, batch_size: int, pace: Pace) -> None:
        self._layers, self._lessons = list(layers), lessons
        self._batch_size, self._pace = min(batch_size, len(lessons.split)), pace
        self._begin()

    def _begin(self) -> None:
        """Take the weights of the layers."""
        layers, lessons, pace = self._layers, self._lessons, self._pace
        self._weights = [layer.weight.numpy().copy() for layer in layers]
        rooms = [room_for(layer, self._batch_size) for layer in layers]
        for number, (weight, (arrays, _)) in enumerate(zip(self._weights, rooms, strict=True)):
            arrays["float_weight"] = weight
            if number > 0:  # no error passes through the first layer
                arrays["float_transposed"] = np.ascontiguousarray(weight[:-1].T)
        self._buffers = state.gathered(state.BUFFERS, rooms)
        own = {"learning_rate": pace.learning_rate, "drift_every": 1, "linear_outputs": lessons.linear}
        knobs = state.gathered(state.KNOBS, [({}, own)])
        self._records = np.zeros(len(layers), state.STATE), knobs.records, self._buffers.records
        self._clock = np.zeros(3, np.int64)

    def learn(self, order: torch.Tensor, seen: int) -> float:
        """Learn images; see `dse.networks.perceptron.plain.Run`."""
        loss, buffers = 0.0, self._buffers.records
        buffers["products"] = buffers["touched"] = 0
        for part in chunks(order, self._batch_size):
            arguments = (*self._lessons.arrays(part), self._batch_size, seen, self._clock, loss)
            _, loss = images.learn(*self._records, *arguments)
        for number, (layer, weight) in enumerate(zip(self._layers, self._weights, strict=True)):
            layer.weight = torch.from_numpy(weight.copy())
            products, touched = int(buffers["products"][number]), int(buffers["touched"][number])
            layer.count(len(order), products, touched, backward=number > 0)
            layer.check()
        return loss

    def state(self) -> dict[str, NDArray[Any]]:
        """Return nothing: all is in the layers; see `dse.networks.perceptron.plain.Run`."""
        return {}

    def restore(self, state: State) -> None:  # noqa: ARG002
        """Go on from the layers as they are; see `dse.networks.perceptron.plain.Run`."""
        self._begin()

    def outputs(self, split: Split, now_s: float) -> Floats:  # noqa: ARG002  digital weights do not age
        """Return the outputs for samples; see `dse.networks.perceptron.plain.Run`."""
        return outputs_of(self._records, split)


class CrossbarRun:
    """Crossbars."""

    def __init__(self, layers: Sequence[CrossbarLayer], lessons: Lessons, batch_size: int, pace: Pace) -> None:
        self._layers, self._lessons = list(layers), lessons
        self._batch_size = min(batch_size, len(lessons.split))
        self._clock = state.started()
        self._knobs = knobs_of(layers[0], pace)
        self._knobs["linear_outputs"] = lessons.linear
        self._states = states_of(layers)
        self._buffers = state.gathered(state.BUFFERS, [room_for(layer, self._batch_size) for layer in layers])
        self._sensed_at_s: float | None = None

    def learn(self, order: torch.Tensor, seen: int) -> float:
        """Learn images; see `dse.networks.perceptron.plain.Run`.

        Raises:
            DivergedError: an update left the range of numbers.
        """
        loss, status, self._sensed_at_s = 0.0, state.DONE, None
        records = self._states.records, self._knobs, self._buffers.records
        for part in chunks(order, self._batch_size):
            arguments = (*self._lessons.arrays(part), self._batch_size, seen, self._clock, loss)
            status, loss = images.learn(*records, *arguments)
            seen += len(part)
            if status != state.DONE:
                break
        write_back(self._layers, self._states)
        check(status, self._states)
        return loss

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the samples since refresh and calibration; see `dse.networks.perceptron.plain.Run`."""
        return {"since": self._clock[: state.PERIOD].copy()}

    def restore(self, saved: State) -> None:
        """Go on from the layers as they are, whose drift is evaluated anew for its period."""
        self._clock = state.started(taken(saved, "since", (state.PERIOD,)))
        self._states, self._sensed_at_s = states_of(self._layers), None

    def outputs(self, split: Split, now_s: float) -> Floats:
        """Return the outputs for samples; see `dse.networks.perceptron.plain.Run`."""
        if self._sensed_at_s != now_s:  # all splits of an epoch see the cells as they are at its end
            for layer in self._layers:
                layer.sense(now_s)
            self._sensed_at_s = now_s
        sensed = self._states.records.copy()
        held: list[torch.Tensor] = []
        for number, layer in enumerate(self._layers):
            for name, tensor in (("weight", layer.sensed.weight), ("variance", layer.sensed.noise_variance)):
                if tensor is not None:
                    held.append(tensor.contiguous())
                    sensed[name][number] = held[-1].data_ptr()
        found = outputs_of((sensed, self._knobs, self._buffers.records), split)
        for number, layer in enumerate(self._layers):
            layer.array.evaluation_noise.events = int(sensed["evaluation_events"][number])
            self._states.records["evaluation_events"][number] = sensed["evaluation_events"][number]
        return found


def check(status: int, states: state.Records) -> None:
    """Check what an update came to.

    Raises:
        DivergedError: it left the range of numbers.
    """
    if status == state.DIVERGED:
        raise too_large(float(states.records["culprit"].max()))
    if status == state.TOO_MANY_PULSES:
        raise too_many_pulses()


def knobs_of(layer: CrossbarLayer, pace: Pace) -> np.ndarray:
    """Return the settings of a layer as one record, shape (1,), in numbers as wide as those of the plain path."""
    hardware, accumulator = layer.hardware, layer.accumulator
    cell, dac, adc, word = cast("CellSpec", hardware.cell), hardware.dac, hardware.adc, hardware.accumulator
    slope, offset, history = cell.mean_terms
    dac_bits, dac_back_bits, operand_bits = _bits(dac.bits), _bits(dac.bits_backward), _bits(word.operand_bits)
    adc_bits, adc_back_bits = _bits(adc.bits), _bits(adc.bits_backward)
    beta = layer.array.beta_us
    values: dict[str, Any] = dict(  # noqa: C408  names read better than quoted keys
        beta=beta,
        beta_squared=beta**2,
        g_min=cell.g_min_us,
        g_max=cell.g_max_us,
        mean_slope=slope,
        mean_offset=offset,
        mean_history=history,
        std_slope=cell.std_slope,
        std_offset=cell.std_offset_us,
        std_history=cell.std_history_us,
        write_scale=cell.write_noise_scale,
        fade=cell.fade,
        drifts=cell.drifts,
        drift_reference=cell.drift_reference_s,
        linear=cell.is_linear,
        read_slope=cell.read_noise_slope,
        read_offset=cell.read_noise_offset_us,
        read_scale=cell.read_noise_scale,
        reads_are_noisy=cell.reads_are_noisy,
        reset_mean=cell.reset_mean_us,
        reset_std=cell.reset_std_us,
        reset_min=cell.reset_min_us,
        dac_bits=dac_bits,
        dac_step=_step(1.0, dac_bits, signed=False),
        dac_back_bits=dac_back_bits,
        dac_back_step=_step(1.0, dac_back_bits, signed=True),
        adc_bits=adc_bits,
        adc_back_bits=adc_back_bits,
        calibrate_every=pace.calibrate_every,
        headroom=adc.headroom,
        operand_bits=operand_bits,
        operand_step=_step(1.0, operand_bits, signed=False),
        operand_signed_step=_step(1.0, operand_bits, signed=True),
        chi_bits=_bits(word.bits),
        places=accumulator.places,
        chi_scale=accumulator.places / accumulator.threshold,
        threshold=accumulator.threshold,
        word_bits=FLOAT_BITS if word.bits == "float" else word.bits,
        float_limit=accumulator.limit if word.bits == "float" else 0.0,
        word_limit=0 if word.bits == "float" else int(accumulator.limit),
        largest_update=accumulator.threshold * LARGEST_UPDATE,
        rounding=ROUNDINGS[word.rounding],
        transfer_every=word.transfer_every,
        overflows=word.overflows and word.transfer_every == 1,
        most_pulses=accumulator.most or 0,
        wears=accumulator.flips is not None,
        refresh_every=pace.maintain_every,
        refresh_threshold=hardware.refresh.threshold_us,
        refresh_difference=hardware.refresh.difference_us,
        refresh_tolerance=hardware.refresh.tolerance_us,
        verify_rounds=hardware.refresh.verify_rounds,
        keeps_misses=word.refresh_misses == "kept",
        learning_rate=pace.learning_rate,
        sample_time_s=pace.sample_time_s,
        drift_every=pace.drift_every,
        max_pulses=LINEAR_MAX_PULSES if cell.is_linear else MAX_PULSES,
    )
    return state.gathered(state.KNOBS, [({}, values)]).records


def states_of(layers: Sequence[CrossbarLayer], *, backward: bool | None = None) -> state.Records:
    """Return the states of layers; their cells and flips are shared, their accumulators are copied.

    Args:
        layers: the layers.
        backward: whether backward products are taken; by default through all layers but the first.
    """
    return state.gathered(
        state.STATE,
        [_state(layer, backward=number > 0 if backward is None else backward) for number, layer in enumerate(layers)],
    )


def _state(layer: CrossbarLayer, *, backward: bool) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the other fields of the state of a layer."""
    cells, array, adc = cast("PcmCells", layer.array.cells), layer.array, layer.hardware.adc
    shape, across = (layer.rows, layer.cols), (layer.cols, layer.rows - 1)
    noisy = cells.spec.reads_are_noisy
    response = np.array(cells.spec.mean_response_us(layer.hardware.refresh.max_pulses), np.float32)
    arrays = {
        "weight": np.zeros(shape, np.float32),
        "word": word_of(layer),
        "left": np.ones(cells.g_us.numel(), np.float32),
        "response": response - response[0],
        **{
            name: getattr(cells, name).view(-1).numpy()
            for name in (
                "g_us", "history", "pulsed_at_s", "set_pulses", "reset_pulses", "gain", "exponent", "stuck"
            )
        },
    }  # fmt: skip
    if noisy:
        arrays["variance"] = np.zeros(shape, np.float32)
    if backward:
        arrays["transposed"] = np.zeros(across, np.float32)
        if noisy:
            arrays["transposed_variance"] = np.zeros(across, np.float32)
    if layer.accumulator.flips is not None:
        arrays["flips"] = layer.accumulator.flips.numpy()
    numbers: dict[str, Any] = {
        "rows": layer.rows,
        "cols": layer.cols,
        "pairs": array.pairs,
        "responses": response.size,
        "selected": array.selected,
        "updates": layer.accumulator.updates,
        "drive_forward": layer.events.drive_time_forward,
        "drive_backward": layer.events.drive_time_backward,
    }
    for name, stream in _streams(layer).items():
        numbers[f"{name}_key"], numbers[f"{name}_events"] = stream.key, stream.events
    ways = zip(("forward", "backward"), array.ranges, array.peaks, (adc.bits, adc.bits_backward), strict=True)
    for way, limit, peak, bits in ways:
        numbers |= {f"range_{way}": limit, f"step_{way}": _step(limit, _bits(bits), signed=True), f"peak_{way}": peak}
    return arrays, numbers


def _streams(layer: CrossbarLayer) -> dict[str, Stream]:
    """Return the streams of a layer by their names in the compiled path."""
    streams = (*layer.array.streams, layer.accumulator.noise, layer.array.evaluation_noise)
    return dict(zip(state.STREAMS, streams, strict=True))


def room_for(layer: Layer, batch_size: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and other fields of the room for what passes through a layer; the bias input is 1."""
    rows, cols, longer = layer.rows, layer.cols, max(layer.rows, layer.cols)

    def floats(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    x = floats(batch_size, rows)
    x[:, -1] = 1.0
    arrays = {
        "x": x,
        "driven_rows": np.zeros((batch_size, rows), np.int32),
        "active": np.zeros(batch_size, np.int64),
        "values": floats(rows),
        "lines": np.zeros(cols, np.int32),
        "driven": floats(cols),
        "squares": floats(longer),
        "y": floats(batch_size, cols),
        "d": floats(batch_size, cols),
        "scaled": floats(batch_size, cols),
        "errors": floats(rows - 1),
        "spread": floats(longer),
        "draw": floats(longer),
        "starts": np.zeros(rows + 1, np.int64),
        "who": np.zeros(batch_size * rows, np.int32),
        "inputs": floats(batch_size * rows),
        "sums": floats(cols),
        "before": np.zeros(cols, np.int32),
    }
    return arrays, {"rows": rows, "cols": cols, "batch": batch_size}


def write_back(layers: Sequence[CrossbarLayer], states: state.Records) -> None:
    """Hand accumulators, events, ranges and positions of streams back to layers; cells and flips are shared."""
    for layer, record, arrays in zip(layers, states.records, states.arrays, strict=True):
        accumulator, array = layer.accumulator, layer.array
        word = torch.from_numpy(arrays["word"])
        accumulator.word = word.clone() if accumulator.spec.bits == "float" else word.to(torch.int64)
        accumulator.updates, array.selected = int(record["updates"]), int(record["selected"])
        if array.adc.ranging == "calibrated":
            array.ranges = [float(record[f"range_{way}"]) for way in ("forward", "backward")]
            array.peaks = [float(record[f"peak_{way}"]) for way in ("forward", "backward")]
        for name, stream in _streams(layer).items():
            stream.events = int(record[f"{name}_events"])
        _hand_over_events(layer.events, record)


def _hand_over_events(events: Events, record: Any) -> None:
    """Add the events of a layer to others, and start again from zero."""
    added = {name: int(record[name]) for name in state.EVENTS}
    touched, reads, writes = (added.pop(name) for name in ("touched", "transfer_reads", "transfer_writes"))
    added |= {"chi_reads": touched + reads, "chi_writes": touched + writes, "chi_adds": touched}
    for name, number in added.items():
        setattr(events, name, getattr(events, name) + number)
    for name in state.EVENTS:
        record[name] = 0
    # These sums of floats run on from where they stood, so that they have the order of the plain path.
    events.drive_time_forward, events.drive_time_backward = (
        float(record["drive_forward"]),
        float(record["drive_backward"]),
    )


def word_of(layer: CrossbarLayer) -> np.ndarray:
    """Return a copy of the accumulators of a layer in the type that the compiled path works on."""
    accumulator = layer.accumulator
    return accumulator.word.numpy().astype(np.float32 if accumulator.spec.bits == "float" else np.int32)


def _bits(bits: int | str) -> int:
    return bits if isinstance(bits, int) else 0


def _step(full_scale: float, bits: int, *, signed: bool) -> float:
    if bits == 0:
        return 1.0
    return full_scale / (2 ** (bits - 1) - 1 if signed else 2**bits - 1)
