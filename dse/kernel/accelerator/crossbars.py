"""The memory of a layer of a perceptron in a generation of designs: its cells, its converters, and what is counted."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dse.kernel.accelerator.layout import COUNTS, Bank, bank_of

STEPS = ("dac_step", "dac_back_step", "operand_step", "operand_signed_step")
"""Steps of converters, by the names of `dse.kernel.state.KNOBS`."""
_KNOBS = ("dac_bits", "dac_back_bits", "adc_bits", "adc_back_bits", "operand_bits", "calibrate_every",
    "reads_are_noisy")  # fmt: skip
_STREAMS = (
    *("forward_key", "backward_key", "evaluation_key"),
    *("forward_events", "backward_events", "evaluation_events"),
)
SETTINGS = (*_KNOBS, *_STREAMS)
"""Settings that are whole; then the keys of streams, and the draws before this memory was made, of `STATE`."""
COUNTED = ("line_drives_forward", "line_drives_backward", "adc_cut_forward", "adc_cut_backward", "products", "words")
"""What products count; then products of updates and words that these touch, both for one output."""
RANGES = ("range_forward", "step_forward", "range_backward", "step_backward")
"""Ranges and steps of output converters, by the names of `dse.kernel.state.STATE`."""
_WAYS = ("forward", "backward")


@dataclass(frozen=True)
class Crossbars:
    """A layer in every design of a generation.

    Attributes:
        bank: cells and accumulators.
        rows: inputs, the bias among them.
        cols: outputs.
        steps: float32, shape (designs, STEPS).
        settings: int64, shape (designs, SETTINGS).
        ranges: float32, shape (designs, RANGES).
        peaks: bits of the largest product since the last calibration, int32, shape (designs, 2), forward and backward.
        counted: int64, shape (designs, COUNTED).
        time_forward: sums of driven magnitudes, float64, shape (designs, blocks of rows).
        time_backward: the same of errors, shape (designs,).
        headroom: of the converters, float64, shape (designs,).
        levels: levels of the converters above zero, float64, shape (designs, 2); 0 for ideal ones.
    """

    bank: Bank
    rows: int
    cols: int
    steps: Tensor
    settings: Tensor
    ranges: Tensor
    peaks: Tensor
    counted: Tensor
    time_forward: Tensor
    time_backward: Tensor
    headroom: Tensor
    levels: Tensor

    def at(self, some: slice) -> Bank:
        """Return the cells and accumulators of some designs that lie side by side, in the same memory."""
        own = {name: value[some] for name, value in vars(self.bank).items() if isinstance(value, Tensor)}
        return replace(self.bank, **own)

    def elsewhere(self) -> "Crossbars":
        """Return the same layer with other memory for what follows from its cells: weights, variances, drift."""
        bank = self.bank
        shown = {"weight": torch.empty_like(bank.weight), "variance": torch.empty_like(bank.variance)}
        return replace(self, bank=replace(bank, left=bank.left.clone(), **shown))

    def calibrate(self, some: slice) -> None:
        """Set the ranges of the converters of some designs; see `dse.kernel.engine.calibrate`."""
        peaks = self.peaks[some].view(torch.float32)
        # Each number is rounded as on the processor: a product in double precision, then single precision.
        limits = (self.headroom[some, None] * peaks.double()).float()
        steps = torch.where(self.levels[some] > 0, limits.double() / self.levels[some].clamp_min(1.0), 1.0).float()
        found, ranges = peaks > 0.0, self.ranges[some].view(-1, 2, 2)
        ranges[:, :, 0] = torch.where(found, limits, ranges[:, :, 0])
        ranges[:, :, 1] = torch.where(found, steps, ranges[:, :, 1])
        self.peaks[some] = 0


def crossbars_of(
    records: Any, knobs: Any, arrays: list[dict[str, np.ndarray]], counts: Tensor, blocks: int
) -> Crossbars:
    """Return the memory of a layer in some designs.

    Args:
        records: states of the layer in each design; see `dse.kernel.state.STATE`.
        knobs: settings of each, of the type `dse.kernel.state.KNOBS`.
        arrays: their arrays by name.
        counts: zeros for the counts of cells, int64, shape (designs, ...), on the device to work on.
        blocks: sums of the time of driving; see `perceptron.blocks_of`.
    """
    device, designs = counts.device, len(records)
    rows, cols = int(records[0]["rows"]), int(records[0]["cols"])
    bank = bank_of(records, knobs, arrays, torch.zeros(designs, rows * cols, device=device))
    settings = [
        [*(int(own[name]) for name in _KNOBS), *(int(record[name].astype(np.int64)) for name in _STREAMS)]
        for own, record in zip(knobs, records, strict=True)
    ]
    numbers = {
        "steps": np.array([[own[name] for name in STEPS] for own in knobs], np.float32),
        "ranges": np.array([[record[name] for name in RANGES] for record in records], np.float32),
        "peaks": np.array([[record[f"peak_{way}"] for way in _WAYS] for record in records], np.float32).view(np.int32),
        "settings": np.array(settings, np.int64),
        "counted": np.zeros((designs, len(COUNTED)), np.int64),
        "time_forward": np.zeros((designs, blocks)),
        "time_backward": np.zeros(designs),
        "headroom": np.array([own["headroom"] for own in knobs], np.float64),
        "levels": np.array([[_levels(own[name]) for name in ("adc_bits", "adc_back_bits")] for own in knobs]),
    }
    placed = {name: torch.from_numpy(own).to(device) for name, own in numbers.items()}
    return Crossbars(replace(bank, counts=counts), rows, cols, **placed)


def _levels(bits: Any) -> float:
    return float(2 ** (int(bits) - 1) - 1) if bits > 0 else 0.0


def hand_over(
    layer: Crossbars, design: int, record: Any, arrays: dict[str, np.ndarray], samples: int, *, back: bool
) -> None:
    """Add to the state of a layer of a design what happened since the last time; its time of driving runs on.

    Args:
        layer: the layer in every design, whose counts begin again.
        design: number of the design.
        record: its state.
        arrays: the arrays of the state, which take what stands here.
        samples: samples learned since.
        back: whether errors passed back through it.
    """
    bank, rows, cols = layer.bank, layer.rows, layer.cols
    names = ("g_us", "history", "pulsed_at_s", "set_pulses", "reset_pulses", "word")
    for name in (*names, *(("flips",) if "flips" in arrays else ())):
        own = arrays[name]
        there = bank.array(name, design)
        own[...] = (there[:, : own.shape[-1]] if name == "flips" else there).reshape(own.shape).view(own.dtype)
    for place, name in enumerate(COUNTS):
        record[name] += int(bank.counts[design, place])
    bank.counts[design, : len(COUNTS)] = 0
    counted, ranges = layer.counted[design].cpu().numpy(), layer.ranges[design].cpu().numpy()
    peaks = layer.peaks[design].cpu().numpy().view(np.float32)
    found = {name: int(number) for name, number in zip(COUNTED, counted, strict=True)}
    record["macs_update"] += found.pop("products") * cols
    record["touched"] += found.pop("words") * cols
    for name, number in found.items():
        record[name] += number
    layer.counted[design] = 0
    record["mvm_forward"] += samples
    record["dac_forward"] += samples * rows
    record["adc_forward"] += samples * cols
    record["activations"] += samples * cols
    if back:
        record["mvm_backward"] += samples
        record["dac_backward"] += samples * cols
        record["adc_backward"] += samples * (rows - 1)
    record["drive_forward"] += float(layer.time_forward[design].cpu().numpy().sum())
    record["drive_backward"] += float(layer.time_backward[design])
    layer.time_forward[design] = 0.0
    layer.time_backward[design] = 0.0
    for name, number in zip(RANGES, ranges, strict=True):
        record[name] = number
    for way, number in zip(_WAYS, peaks, strict=True):
        record[f"peak_{way}"] = number
