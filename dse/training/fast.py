"""The door to the compiled path: which networks it takes, and how their state goes in and out.

Single images on crossbars, and in digital floats, are learned without leaving compiled code. With larger mini-batches
products are torch's, and the pass over the weights (accumulators, pulses, refresh) is compiled: `CompiledLayer`.
Everything gives the same result to the last bit as the plain path of `dse.training.loop`.
"""

from collections.abc import Sequence

import numpy as np
import torch

from dse.compiled import f32
from dse.crossbar.pairs import Sensed
from dse.devices.pcm import MAX_PULSES, mean_response_us
from dse.errors import DivergedError
from dse.training import kernel
from dse.training.accumulator import Accumulator
from dse.training.datasets import Split
from dse.training.layers import CrossbarLayer, FloatLayer, Layer
from dse.training.pace import Pace

LINEAR_MAX_PULSES = 2**30


def takes(layers: Sequence[Layer], batch_size: int) -> bool:
    """Return whether whole images can stay in compiled code for these layers."""
    kinds = {type(layer) for layer in layers}
    return batch_size == 1 and kinds in ({CrossbarLayer}, {FloatLayer})


def runner(layers: Sequence[Layer], split: Split, pace: Pace) -> "CrossbarRun | FloatRun":
    """Return what trains layers in place, one image at a time; see `dse.training.loop.Run`."""
    crossbars = [layer for layer in layers if isinstance(layer, CrossbarLayer)]
    if crossbars:
        return CrossbarRun(crossbars, split, pace)
    return FloatRun([layer for layer in layers if isinstance(layer, FloatLayer)], split, pace)


class FloatRun:
    """Digital floats, one image at a time."""

    def __init__(self, layers: Sequence[FloatLayer], split: Split, pace: Pace) -> None:
        self._layers, self._split = list(layers), split
        self._learning_rate = f32(-pace.learning_rate)
        self._weights = tuple(layer.weight.numpy().copy() for layer in layers)
        self._buffers = tuple(buffers_of(layer) for layer in layers)

    def learn(self, order: torch.Tensor, seen: int) -> float:  # noqa: ARG002  digital weights do not age
        """Learn images; see `dse.training.loop.Run`."""
        products = np.zeros(len(self._layers), np.int64)
        images, labels = self._split.images.numpy(), self._split.labels.numpy()
        arguments = (order.numpy(), images, labels, self._learning_rate, products)
        loss = kernel.train_floats(self._weights, self._buffers, *arguments)
        for number, (layer, weight) in enumerate(zip(self._layers, self._weights, strict=True)):
            layer.weight = torch.from_numpy(weight.copy())
            layer.count(len(order), int(products[number]), backward=number > 0)
            layer.check()
        return loss


class CrossbarRun:
    """Crossbars, one image at a time."""

    def __init__(self, layers: Sequence[CrossbarLayer], split: Split, pace: Pace) -> None:
        self._layers = list(layers)
        self._images = split.images.numpy()
        self._labels = split.labels.numpy()
        self._time = (pace.image_time_s, pace.drift_every)
        self._knobs = knobs_of(layers[0], pace.learning_rate, pace.maintain_every)
        self._states = tuple(state_of(layer) for layer in layers)
        self._buffers = tuple(buffers_of(layer) for layer in layers)

    def learn(self, order: torch.Tensor, seen: int) -> float:
        """Learn images in an order (int64 indices) and return the sum of half the squared errors.

        Raises:
            DivergedError: an update left the range of numbers.
        """
        status, loss = kernel.train_images(
            self._states, self._knobs, self._buffers, order.numpy(), self._images, self._labels, seen, *self._time
        )
        for layer, state in zip(self._layers, self._states, strict=True):
            _write_back(layer, state, EVENT_PLACES)
        _check(status)
        return loss


class CompiledLayer:
    """A crossbar layer whose pass over the weights is compiled; for mini-batches of any size.

    Args:
        layer: the layer, which shares its cells; its accumulator is brought up to date by `write_back`.
        pace: learning rate and time.
    """

    def __init__(self, layer: CrossbarLayer, pace: Pace) -> None:
        self.rows, self.cols, self.events = layer.rows, layer.cols, layer.events
        self._layer = layer
        self._knobs = knobs_of(layer, pace.learning_rate, pace.maintain_every)
        self._state = state_of(layer)
        self._aged_to_s: float | None = None
        noisy = self._knobs.reads_are_noisy
        variance = torch.from_numpy(self._state.variance) if noisy else None
        self._sensed = Sensed(torch.from_numpy(self._state.weight), variance)

    def sense(self, now_s: float) -> None:
        """Let the cells drift to a time; weights are kept up to date as pulses fall."""
        if self._aged_to_s is None or (now_s != self._aged_to_s and self._knobs.drifts):
            kernel.age(self._state, self._knobs, f32(now_s))
        self._aged_to_s = now_s

    def forward(self, x: torch.Tensor, *, training: bool) -> torch.Tensor:
        """Return the analog product; see `PairArray.forward`."""
        return self._layer.array.forward(self._sensed, x, self.events if training else None)

    def backward(self, d: torch.Tensor) -> torch.Tensor:
        """Return the analog product with the transposed array; see `PairArray.backward`."""
        return self._layer.array.backward(self._sensed, d, self.events)

    def update(self, x: torch.Tensor, d: torch.Tensor, learning_rate: float, now_s: float) -> None:
        """Add the update to chi and apply the pulses that leave it.

        Raises:
            DivergedError: an update left the range of numbers.
        """
        updates = self._layer.wanted(x, d, learning_rate)
        _check(kernel.add_updates(self._state, self._knobs, updates.contiguous().numpy(), f32(now_s)))

    def maintain(self, now_s: float) -> None:
        """Refresh pairs near saturation."""
        kernel.refresh(self._state, self._knobs, f32(now_s))

    def survey(self, now_s: float) -> None:
        """Take stock; see `CrossbarLayer.survey`."""
        self._layer.survey(now_s)

    def write_back(self) -> None:
        """Hand accumulators, events and positions of the streams back to the layer."""
        _write_back(self._layer, self._state, EVENT_PLACES[2:])


def _check(status: int) -> None:
    if status == kernel.DIVERGED:
        raise DivergedError("an update is beyond what the accumulator can take")
    if status == kernel.TOO_MANY_PULSES:
        raise DivergedError(f"one cell would get more than {MAX_PULSES} SET pulses at once")


def knobs_of(layer: CrossbarLayer, learning_rate: float, maintain_every: int) -> kernel.Knobs:
    """Return the settings of a layer as numbers of the width that the plain path computes with."""
    hardware = layer.hardware
    cell, dac, adc, chi = hardware.cell, hardware.dac.bits, hardware.adc, hardware.accumulator
    dac_bits, adc_bits, operand_bits = _bits(dac), _bits(adc.bits), _bits(chi.operand_bits)
    slope, offset, history = cell.mean_terms
    beta = hardware.array.conductance_per_weight_us
    return kernel.Knobs(
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
        dac_signed_step=f32(_step(1.0, dac_bits, signed=True)),
        adc_bits=adc_bits,
        adc_range=f32(adc.range),
        adc_step=f32(_step(adc.range, adc_bits, signed=True)),
        adc_back_range=f32(adc.backward_range),
        adc_back_step=f32(_step(adc.backward_range, adc_bits, signed=True)),
        operand_bits=operand_bits,
        operand_step=f32(_step(1.0, operand_bits, signed=False)),
        operand_signed_step=f32(_step(1.0, operand_bits, signed=True)),
        chi_bits=_bits(chi.bits),
        places=layer.accumulator.places,
        chi_scale=f32(layer.accumulator.places / layer.accumulator.threshold),
        threshold=f32(layer.accumulator.threshold),
        stochastic=chi.rounding == "stochastic",
        toward_zero=chi.rounding == "toward_zero",
        refresh_every=maintain_every,
        refresh_threshold=f32(hardware.refresh.threshold_us),
        refresh_difference=f32(hardware.refresh.difference_us),
        learning_rate=f32(-learning_rate),
        max_pulses=LINEAR_MAX_PULSES if cell.is_linear else MAX_PULSES,
    )


def state_of(layer: CrossbarLayer) -> kernel.State:
    """Return the state of a layer; its cells are shared, its accumulator is copied."""
    cells, array = layer.array.cells, layer.array
    shape = (layer.rows, layer.cols)
    response = np.array(mean_response_us(cells.spec, layer.hardware.refresh.max_pulses), np.float32)
    counts = np.zeros(kernel.COUNTS, np.int64)
    for place, stream in zip(EVENT_PLACES, (*array.streams[1:4], layer.accumulator.noise), strict=True):
        counts[place] = stream.events
    return kernel.State(
        weight=np.zeros(shape, np.float32),
        variance=np.zeros(shape, np.float32),
        word=_word(layer.accumulator),
        left=np.ones((2, *shape), np.float32),
        g_us=cells.g_us.numpy(),
        history=cells.history.numpy(),
        pulsed_at_s=cells.pulsed_at_s.numpy(),
        set_pulses=cells.set_pulses.numpy(),
        reset_pulses=cells.reset_pulses.numpy(),
        gain=cells.gain.numpy(),
        exponent=cells.exponent.numpy(),
        stuck=cells.stuck.numpy(),
        response=response - response[0],
        keys=np.array([s.key for s in (*array.streams, layer.accumulator.noise)], np.uint64),
        counts=counts,
        drive=np.zeros(2),
    )


EVENT_PLACES = (kernel.FORWARD_EVENTS, kernel.BACKWARD_EVENTS, kernel.REFRESH_EVENTS, kernel.CHI_EVENTS)


def buffers_of(layer: Layer) -> kernel.Buffers:
    """Return room for what passes through a layer; the bias input is 1."""
    rows, cols = layer.rows, layer.cols
    floats = {name: np.zeros(size, np.float32) for name, size in (("x", rows), ("driven", rows))}
    floats["x"][-1] = 1.0
    return kernel.Buffers(
        **floats,
        rows=np.zeros(rows, np.int64),
        active=np.zeros(1, np.int64),
        y=np.zeros(cols, np.float32),
        spread=np.zeros(cols, np.float32),
        d=np.zeros(cols, np.float32),
        errors=np.zeros(rows - 1, np.float32),
        scaled=np.zeros(cols, np.float32),
    )


def _write_back(layer: CrossbarLayer, state: kernel.State, streams: tuple[int, ...]) -> None:
    """Hand accumulators, events and the positions of some streams back to the layer."""
    word = torch.from_numpy(state.word)
    layer.accumulator.word = word.clone() if layer.accumulator.spec.bits == "float" else word.to(torch.int64)
    counts, events = state.counts, layer.events
    for name, place in COUNTED.items():
        setattr(events, name, getattr(events, name) + int(counts[place]))
    for name in ("chi_reads", "chi_writes", "chi_adds", "macs_update"):
        setattr(events, name, getattr(events, name) + int(counts[kernel.PRODUCTS]))
    events.drive_time_forward += float(state.drive[0])
    events.drive_time_backward += float(state.drive[1])
    for place, stream in zip(EVENT_PLACES, (*layer.array.streams[1:4], layer.accumulator.noise), strict=True):
        if place in streams:
            stream.events = int(counts[place])
    counts[: kernel.FORWARD_EVENTS] = 0
    state.drive[:] = 0.0


COUNTED: dict[str, int] = {
    "mvm_forward": kernel.MVM_FORWARD,
    "mvm_backward": kernel.MVM_BACKWARD,
    "line_drives_forward": kernel.LINES_FORWARD,
    "line_drives_backward": kernel.LINES_BACKWARD,
    "dac_forward": kernel.DAC_FORWARD,
    "dac_backward": kernel.DAC_BACKWARD,
    "adc_forward": kernel.ADC_FORWARD,
    "adc_backward": kernel.ADC_BACKWARD,
    "adc_cut_forward": kernel.CUT_FORWARD,
    "adc_cut_backward": kernel.CUT_BACKWARD,
    "set_pulses_update": kernel.SET_UPDATE,
    "set_pulses_refresh": kernel.SET_REFRESH,
    "resets": kernel.RESETS,
    "refresh_reads": kernel.REFRESH_READS,
    "refreshed_pairs": kernel.REFRESHED,
    "activations": kernel.ACTIVATIONS,
}


def _word(accumulator: Accumulator) -> np.ndarray:
    return accumulator.word.numpy().astype(np.float32 if accumulator.spec.bits == "float" else np.int32)


def _bits(bits: int | str) -> int:
    return bits if isinstance(bits, int) else 0


def _step(full_scale: float, bits: int, *, signed: bool) -> float:
    if bits == 0:
        return 1.0
    return full_scale / (2 ** (bits - 1) - 1 if signed else 2**bits - 1)
