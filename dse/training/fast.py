"""The door to the compiled path: how the state of layers goes in and out of `dse.training.kernel`.

Networks whose layers are all on crossbars, or all digital, are learned without leaving compiled code, with every setting
of a design, mini-batches of any size included. Everything gives the same result to the last bit as the plain path of
`dse.training.loop`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from dse.compiled import f32
from dse.crossbar.events import Events
from dse.devices.pcm import MAX_PULSES, mean_response_us
from dse.errors import DivergedError
from dse.training.datasets import Split
from dse.training.kernel import chi, images, state
from dse.training.layers import CrossbarLayer, FloatLayer, Layer
from dse.training.pace import Pace

LINEAR_MAX_PULSES = 2**30
CHUNK_IMAGES = 1000
"""Images whose pixels are floats at the same time, rounded up to whole mini-batches."""
ROUNDINGS = {"nearest": state.NEAREST, "stochastic": state.STOCHASTIC, "toward_zero": state.TOWARD_ZERO}


def takes(layers: Sequence[Layer]) -> bool:
    """Return whether layers can be learned in compiled code: all on crossbars, or all digital."""
    return {type(layer) for layer in layers} in ({CrossbarLayer}, {FloatLayer})


def runner(layers: Sequence[Layer], split: Split, batch_size: int, pace: Pace) -> "CrossbarRun | FloatRun":
    """Return what trains layers in place; see `dse.training.loop.Run`."""
    crossbars = [layer for layer in layers if isinstance(layer, CrossbarLayer)]
    if crossbars:
        return CrossbarRun(crossbars, split, batch_size, pace)
    return FloatRun([layer for layer in layers if isinstance(layer, FloatLayer)], split, batch_size, pace)


def chunks(split: Split, order: torch.Tensor, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield images as floats and their classes in an order, some whole mini-batches at a time."""
    size = -(-CHUNK_IMAGES // batch_size) * batch_size
    for part in torch.split(order, size):
        yield split.floats(part).numpy(), split.labels[part].numpy()


class FloatRun:
    """Digital floats."""

    def __init__(self, layers: Sequence[FloatLayer], split: Split, batch_size: int, pace: Pace) -> None:
        self._layers, self._split = list(layers), split
        self._batch_size = min(batch_size, len(split))
        self._learning_rate = pace.learning_rate
        self._weights = tuple(layer.weight.numpy().copy() for layer in layers)
        # No error passes through the first layer, so that its transpose is not needed.
        self._transposed = tuple(
            np.ascontiguousarray(w[:-1].T) if number else np.zeros((w.shape[1], 0), np.float32)
            for number, w in enumerate(self._weights)
        )
        self._buffers = tuple(buffers_of(layer, self._batch_size) for layer in layers)

    def learn(self, order: torch.Tensor, seen: int) -> float:  # noqa: ARG002  digital weights do not age
        """Learn images; see `dse.training.loop.Run`."""
        products = np.zeros(len(self._layers), np.int64)
        loss = 0.0
        for pixels, labels in chunks(self._split, order, self._batch_size):
            arguments = (pixels, labels, self._batch_size, self._learning_rate, products)
            loss += images.learn_floats(self._weights, self._transposed, self._buffers, *arguments)
        for number, (layer, weight) in enumerate(zip(self._layers, self._weights, strict=True)):
            layer.weight = torch.from_numpy(weight.copy())
            layer.count(len(order), int(products[number]), backward=number > 0)
            layer.check()
        return loss

    def accuracy(self, split: Split, now_s: float) -> float:  # noqa: ARG002  digital weights do not age
        """Return the share of images recognised; see `dse.training.loop.Run`."""
        every = torch.arange(len(split))
        return sum(
            images.recognise_floats(self._weights, self._buffers, pixels, labels)
            for pixels, labels in chunks(split, every, 1)
        ) / len(split)


class CrossbarRun:
    """Crossbars."""

    def __init__(self, layers: Sequence[CrossbarLayer], split: Split, batch_size: int, pace: Pace) -> None:
        self._layers, self._split = list(layers), split
        self._batch_size = min(batch_size, len(split))
        self._time = (pace.image_time_s, pace.drift_every)
        self._clock = np.array([0, 0, -1], np.int64)
        self._knobs = knobs_of(layers[0], pace)
        self._states = tuple(state_of(layer, backward=number > 0) for number, layer in enumerate(layers))
        self._buffers = tuple(buffers_of(layer, self._batch_size, word_of(layer).dtype) for layer in layers)

    def learn(self, order: torch.Tensor, seen: int) -> float:
        """Learn images; see `dse.training.loop.Run`.

        Raises:
            DivergedError: an update left the range of numbers.
        """
        loss, status = 0.0, state.DONE
        for pixels, labels in chunks(self._split, order, self._batch_size):
            arguments = (pixels, labels, self._batch_size, seen, *self._time, self._clock)
            status, part = images.learn(self._states, self._knobs, self._buffers, *arguments)
            seen += len(labels)
            loss += part
            if status != state.DONE:
                break
        for layer, inner in zip(self._layers, self._states, strict=True):
            write_back(layer, inner)
        check(status)
        return loss

    def accuracy(self, split: Split, now_s: float) -> float:
        """Return the share of images recognised; see `dse.training.loop.Run`."""
        sensed: list[state.State] = []
        for layer, inner in zip(self._layers, self._states, strict=True):
            layer.sense(now_s)
            variance = layer.sensed.noise_variance
            sensed.append(
                inner._replace(
                    weight=layer.sensed.weight.contiguous().numpy(),
                    variance=inner.variance if variance is None else variance.contiguous().numpy(),
                )
            )
        every = torch.arange(len(split))
        right = sum(
            images.recognise(tuple(sensed), self._knobs, self._buffers, pixels, labels)
            for pixels, labels in chunks(split, every, 1)
        )
        for layer, inner in zip(self._layers, self._states, strict=True):
            layer.array.evaluation_noise.events = int(inner.counts[state.EVALUATION_EVENTS])
        return right / len(split)


def check(status: int) -> None:
    """Check what an update came to.

    Raises:
        DivergedError: it left the range of numbers.
    """
    if status == state.DIVERGED:
        raise DivergedError("an update is beyond what the accumulator can take")
    if status == state.TOO_MANY_PULSES:
        raise DivergedError(f"one cell would get more than {MAX_PULSES} SET pulses at once")


def knobs_of(layer: CrossbarLayer, pace: Pace) -> state.Knobs:
    """Return the settings of a layer as numbers of the width that the plain path computes with."""
    hardware, accumulator = layer.hardware, layer.accumulator
    cell, dac, adc, word = hardware.cell, hardware.dac, hardware.adc, hardware.accumulator
    slope, offset, history = cell.mean_terms
    dac_bits, dac_back_bits, operand_bits = _bits(dac.bits), _bits(dac.bits_backward), _bits(word.operand_bits)
    adc_bits, adc_back_bits = _bits(adc.bits), _bits(adc.bits_backward)
    beta = layer.array.beta_us
    return state.Knobs(
        pairs=layer.array.pairs,
        beta=f32(beta),
        beta_squared=f32(beta**2),
        g_min=f32(cell.g_min_us),
        g_max=f32(cell.g_max_us),
        mean_slope=f32(slope),
        mean_offset=f32(offset),
        mean_history=f32(history),
        std_slope=f32(cell.std_slope),
        std_offset=f32(cell.std_offset_us),
        std_history=f32(cell.std_history_us),
        write_scale=f32(cell.write_noise_scale),
        fade=f32(cell.fade),
        drifts=cell.drifts,
        drift_reference=f32(cell.drift_reference_s),
        linear=cell.is_linear,
        read_slope=f32(cell.read_noise_slope),
        read_offset=f32(cell.read_noise_offset_us),
        read_scale=f32(cell.read_noise_scale),
        reads_are_noisy=cell.reads_are_noisy,
        reset_mean=f32(cell.reset_mean_us),
        reset_std=f32(cell.reset_std_us),
        reset_min=f32(cell.reset_min_us),
        dac_bits=dac_bits,
        dac_step=f32(_step(1.0, dac_bits, signed=False)),
        dac_back_bits=dac_back_bits,
        dac_back_step=f32(_step(1.0, dac_back_bits, signed=True)),
        adc_bits=adc_bits,
        adc_back_bits=adc_back_bits,
        calibrated=pace.calibrate_every > 0,
        calibrate_every=pace.calibrate_every,
        headroom=adc.headroom,
        operand_bits=operand_bits,
        operand_step=f32(_step(1.0, operand_bits, signed=False)),
        operand_signed_step=f32(_step(1.0, operand_bits, signed=True)),
        chi_bits=_bits(word.bits),
        places=accumulator.places,
        chi_scale=f32(accumulator.places / accumulator.threshold),
        threshold=f32(accumulator.threshold),
        limit=f32(accumulator.limit) if word.bits == "float" else int(accumulator.limit),
        largest_update=f32(accumulator.threshold * 2.0**30),
        rounding=ROUNDINGS[word.rounding],
        transfer_every=word.transfer_every,
        wears=accumulator.flips is not None,
        refresh_every=pace.maintain_every,
        refresh_threshold=f32(hardware.refresh.threshold_us),
        refresh_difference=f32(hardware.refresh.difference_us),
        learning_rate=pace.learning_rate,
        max_pulses=LINEAR_MAX_PULSES if cell.is_linear else MAX_PULSES,
    )


def state_of(layer: CrossbarLayer, *, backward: bool) -> state.State:
    """Return the state of a layer; its cells and flips are shared, its accumulator is copied.

    Args:
        layer: the layer.
        backward: whether backward products are taken.
    """
    cells, array, adc = layer.array.cells, layer.array, layer.hardware.adc
    shape, across = (layer.rows, layer.cols), (layer.cols, layer.rows - 1)
    none, nowhere = (0, 0), (layer.cols, 0)
    noisy = cells.spec.reads_are_noisy
    response = np.array(mean_response_us(cells.spec, layer.hardware.refresh.max_pulses), np.float32)
    counts = np.zeros(state.COUNTS, np.int64)
    for place, stream in _streams(layer):
        counts[place] = stream.events
    counts[state.SELECTED], counts[state.UPDATES] = array.selected, layer.accumulator.updates
    ranges: list[float] = []
    for limit, bits in zip(array.ranges, (adc.bits, adc.bits_backward), strict=True):
        ranges += [limit, _step(limit, _bits(bits), signed=True)]
    flips = layer.accumulator.flips
    return state.State(
        weight=np.zeros(shape, np.float32),
        variance=np.zeros(shape if noisy else none, np.float32),
        transposed=np.zeros(across if backward else nowhere, np.float32),
        transposed_variance=np.zeros(across if backward and noisy else nowhere, np.float32),
        word=word_of(layer),
        flips=np.zeros(none, np.int32) if flips is None else flips.view(-1, flips.shape[-1]).numpy(),
        left=np.ones(cells.g_us.numel(), np.float32),
        g_us=cells.g_us.view(-1).numpy(),
        history=cells.history.view(-1).numpy(),
        pulsed_at_s=cells.pulsed_at_s.view(-1).numpy(),
        set_pulses=cells.set_pulses.view(-1).numpy(),
        reset_pulses=cells.reset_pulses.view(-1).numpy(),
        gain=cells.gain.view(-1).numpy(),
        exponent=cells.exponent.view(-1).numpy(),
        stuck=cells.stuck.view(-1).numpy(),
        response=response - response[0],
        keys=np.array([s.key for s in (*array.streams, layer.accumulator.noise, array.evaluation_noise)], np.uint64),
        counts=counts,
        drive=np.array([layer.events.drive_time_forward, layer.events.drive_time_backward, 0.0, 0.0]),
        ranges=np.array(ranges, np.float32),
        peaks=np.array(array.peaks, np.float32),
    )


def _streams(layer: CrossbarLayer) -> list[tuple[int, Any]]:
    """Return the streams of a layer that move on, each with the place of its position."""
    _, forward, backward, refresh, _ = layer.array.streams
    return [
        (state.FORWARD_EVENTS, forward),
        (state.BACKWARD_EVENTS, backward),
        (state.REFRESH_EVENTS, refresh),
        (state.CHI_EVENTS, layer.accumulator.noise),
        (state.EVALUATION_EVENTS, layer.array.evaluation_noise),
    ]


def buffers_of(layer: Layer, batch_size: int, word: np.dtype[Any] | type = np.float32) -> state.Buffers:
    """Return room for what passes through a layer in mini-batches; the bias input is 1."""
    rows, cols, longer = layer.rows, layer.cols, max(layer.rows, layer.cols)
    listed = batch_size * rows if batch_size > 1 else rows

    def floats(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    x = floats(batch_size, rows)
    x[:, -1] = 1.0
    return state.Buffers(
        x=x,
        rows=np.zeros((batch_size, rows), np.int32),
        active=np.zeros(batch_size, np.int64),
        values=floats(rows),
        lines=np.zeros(cols, np.int32),
        driven=floats(cols),
        squares=floats(longer),
        y=floats(batch_size, cols),
        d=floats(batch_size, cols),
        scaled=floats(batch_size, cols),
        errors=floats(rows - 1),
        spread=floats(longer),
        draw=floats(longer),
        starts=np.zeros(rows + 1, np.int64),
        who=np.zeros(listed, np.int32),
        inputs=floats(listed),
        sums=floats(cols),
        before=np.zeros(cols, word),
    )


def write_back(layer: CrossbarLayer, inner: state.State) -> None:
    """Hand accumulators, events, ranges and positions back to a layer."""
    word = torch.from_numpy(inner.word)
    accumulator, array, counts = layer.accumulator, layer.array, inner.counts
    accumulator.word = word.clone() if accumulator.spec.bits == "float" else word.to(torch.int64)
    accumulator.updates, array.selected = int(counts[state.UPDATES]), int(counts[state.SELECTED])
    array.ranges = [float(inner.ranges[0]), float(inner.ranges[2])]
    array.peaks = [float(peak) for peak in inner.peaks]
    for place, stream in _streams(layer):
        stream.events = int(counts[place])
    hand_over_events(layer.events, inner)


def hand_over_events(events: Events, inner: state.State) -> None:
    """Add the events of a state to others, and start again from zero."""
    counts = inner.counts
    products = int(counts[state.PRODUCTS])
    added = {name: int(counts[place]) for name, place in COUNTED.items()}
    for name in ("chi_reads", "chi_writes", "chi_adds", "macs_update"):
        added[name] = products
    added["chi_reads"] += int(counts[state.TRANSFER_READS])
    added["chi_writes"] += int(counts[state.TRANSFER_WRITES])
    for name, number in added.items():
        setattr(events, name, getattr(events, name) + number)
    # These sums of floats run on from where they stood, so that they have the order of the plain path.
    events.drive_time_forward, events.drive_time_backward = float(inner.drive[0]), float(inner.drive[1])
    counts[: state.FORWARD_EVENTS] = 0


COUNTED: dict[str, int] = {
    "mvm_forward": state.MVM_FORWARD,
    "mvm_backward": state.MVM_BACKWARD,
    "line_drives_forward": state.LINES_FORWARD,
    "line_drives_backward": state.LINES_BACKWARD,
    "dac_forward": state.DAC_FORWARD,
    "dac_backward": state.DAC_BACKWARD,
    "adc_forward": state.ADC_FORWARD,
    "adc_backward": state.ADC_BACKWARD,
    "adc_cut_forward": state.CUT_FORWARD,
    "adc_cut_backward": state.CUT_BACKWARD,
    "set_pulses_update": state.SET_UPDATE,
    "set_pulses_refresh": state.SET_REFRESH,
    "resets": state.RESETS,
    "refresh_reads": state.REFRESH_READS,
    "refreshed_pairs": state.REFRESHED,
    "chi_saturated": state.SATURATED,
    "chi_flips": state.FLIPS,
    "activations": state.ACTIVATIONS,
}


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
