"""The memory that kernels of cells work on: tensors of all designs, and a row of settings for each.

Cells are in the order of `PcmCells`, (designs, 2, pairs, rows, cols), weights in that of their matrix. Accumulators are
32 bits, an integer or the pattern of a float, so that designs of both kinds lie side by side.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

NUMBERS = (
    "beta", "beta_squared", "g_min", "g_max", "mean_slope", "mean_offset", "mean_history", "std_slope", "std_offset",
    "std_history", "write_scale", "fade", "drift_reference", "read_slope", "read_offset", "read_scale", "reset_mean",
    "reset_std", "reset_min", "chi_scale", "threshold", "float_limit", "largest_update", "refresh_threshold",
    "refresh_difference", "refresh_tolerance",
)  # fmt: skip
"""Settings of a design that are real, by the names of `dse.kernel.state.KNOBS`."""
INTEGERS = (
    "drifts", "linear", "reads_are_noisy", "chi_bits", "word_bits", "places", "word_limit", "rounding",
    "transfer_every", "wears", "max_pulses", "overflows", "most_pulses", "verify_rounds", "keeps_misses",
)  # fmt: skip
"""Its settings that are whole, likewise."""
KEYS = ("write_key", "refresh_key", "reset_key", "chi_key")
"""The keys of its random streams, behind these; see `dse.kernel.state.STREAMS`."""
COUNTS = (
    "set_pulses_update", "set_pulses_refresh", "resets", "refresh_reads", "refreshed_pairs", "chi_saturated",
    "chi_flips", "touched", "transfer_writes",
)  # fmt: skip
"""What kernels count of a design, by the names of `dse.kernel.state.EVENTS`; then come its status and its culprit."""
STATUS, CULPRIT = len(COUNTS), len(COUNTS) + 1
"""What went wrong, one of `dse.kernel.state`, and the bits of the largest update that was too large."""
_CELLS = (
    *(("g_us", "history", "pulsed_at_s", "left", "gain", "exponent")),
    *(("set_pulses", "reset_pulses", "stuck")),
)


@dataclass(frozen=True)
class Bank:
    """Cells and accumulators of a layer, of one design or of several.

    Attributes:
        g_us: this and the next eight, shape (designs, cells): see `PcmCells` and `dse.kernel.state.STATE_ARRAYS`.
        word: accumulators, int32, shape (designs, weights).
        flips: changes of their bits, int32, shape (designs, weights, bits); no bits where nothing wears.
        weight: weights that products see, float32, shape (designs, weights).
        variance: of one read of each, likewise.
        response: mean conductance after 0, 1, ... pulses above that after RESET, uS, float32, shape (designs, pulses).
        numbers: float32, shape (designs, NUMBERS).
        integers: int64, shape (designs, INTEGERS and KEYS).
        counts: int64, shape (designs, COUNTS, STATUS, CULPRIT).
        pairs: pairs of a weight.
        noisy: whether reads of any design are noisy.
    """

    g_us: Tensor
    history: Tensor
    pulsed_at_s: Tensor
    left: Tensor
    gain: Tensor
    exponent: Tensor
    set_pulses: Tensor
    reset_pulses: Tensor
    stuck: Tensor
    word: Tensor
    flips: Tensor
    weight: Tensor
    variance: Tensor
    response: Tensor
    numbers: Tensor
    integers: Tensor
    counts: Tensor
    pairs: int
    noisy: bool

    @property
    def designs(self) -> int:
        """Number of designs."""
        return self.word.shape[0]

    @property
    def weights(self) -> int:
        """Weights of the layer of one design."""
        return self.word.shape[1]

    def array(self, name: str, design: int) -> np.ndarray:
        """Return a copy of what a design has of a field."""
        return getattr(self, name)[design].detach().cpu().numpy()


def bank_of(records: Any, knobs: Any, arrays: list[dict[str, np.ndarray]], weight: Tensor) -> Bank:
    """Return the memory of a layer of some designs.

    Args:
        records: states of the layer in each design; see `dse.kernel.state.STATE`.
        knobs: settings of each, of the type `dse.kernel.state.KNOBS`.
        arrays: their arrays by name.
        weight: where weights are shown, float32, contiguous, shape (designs, weights), on the device to work on.

    Raises:
        ValueError: the designs have different shapes.
    """
    shapes = {tuple(int(record[name]) for name in ("rows", "cols", "pairs")) for record in records}
    if len(shapes) != 1:
        raise ValueError(f"designs of one launch have one shape, and these have {sorted(shapes)}")
    ((rows, cols, pairs),) = shapes
    device, designs, size = weight.device, len(records), rows * cols
    noisy = any(bool(own["reads_are_noisy"]) for own in knobs)

    def stacked(name: str) -> Tensor:
        return torch.from_numpy(np.stack([own[name].reshape(-1) for own in arrays])).to(device)

    bits = max((own["flips"].shape[-1] for own in arrays if "flips" in own), default=0)
    flips = np.zeros((designs, size, bits), np.int32)
    for place, own in enumerate(arrays):
        if "flips" in own:
            flips[place, :, : own["flips"].shape[-1]] = own["flips"].reshape(size, -1)
    words = np.stack([own["word"].reshape(-1).view(np.int32) for own in arrays])
    numbers = [[own[name] for name in NUMBERS] for own in knobs]
    integers = [
        [*(int(own[name]) for name in INTEGERS), *(int(record[name].astype(np.int64)) for name in KEYS)]
        for own, record in zip(knobs, records, strict=True)
    ]
    longest = max(own["response"].size for own in arrays)
    # What lies behind the last entry is never the nearest.
    response = [np.pad(own["response"], (0, longest - own["response"].size), constant_values=np.inf) for own in arrays]
    return Bank(
        **{name: stacked(name) for name in _CELLS},
        word=torch.from_numpy(words).to(device),
        flips=torch.from_numpy(flips).to(device),
        weight=weight,
        variance=torch.zeros(designs, size if noisy else 0, device=device),
        response=torch.from_numpy(np.stack(response)).to(device),
        numbers=torch.tensor(np.array(numbers, np.float32), device=device),
        integers=torch.tensor(integers, dtype=torch.int64, device=device),
        counts=torch.zeros(designs, len(COUNTS) + 2, dtype=torch.int64, device=device),
        pairs=pairs,
        noisy=noisy,
    )
