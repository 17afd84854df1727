"""The numbers that the compiled path works on, as records: plain memory with named fields, handed on by address.

Arrays stand in a record as addresses; `dse.kernel.arithmetic.floats_at` and its like make arrays of them. Matrices have
the shape (rows, cols), C order; cells are flat in the order of `PcmCells`, (2, pairs of a weight, rows, cols): cell p
of G+ and cell p + P of G- make a pair, P being the number of pairs, and pair p belongs to weight p modulo rows * cols.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dse.kernel.arithmetic import LARGEST_NORMAL, f32

Record = Any
"""A record in compiled code; which, the name of the argument says: s a layer, k the settings, b the buffers."""

STATE_ARRAYS: tuple[str, ...] = (
    "weight",  # the weights that products see, float32 (rows, cols)
    "variance",  # variance of one read of each weight, float32 (rows, cols); absent without read noise
    "transposed",  # the weights without the bias row, float32 (cols, rows - 1); absent without backward products
    "transposed_variance",  # the same of the variance
    "word",  # the accumulators, float32 or int32 (rows, cols)
    "flips",  # changes of each bit of each word, int32 (rows * cols, bits); absent where the storage does not wear
    "left",  # what drift has left of each conductance, as a factor, float32
    "g_us",  # this and the next seven: see `PcmCells`
    "history",
    "pulsed_at_s",
    "set_pulses",
    "reset_pulses",
    "gain",
    "exponent",
    "stuck",
    "response",  # mean conductance after 0, 1, ... pulses above that after RESET, uS, float32
)
EVENTS: tuple[str, ...] = (
    "mvm_forward",
    "mvm_backward",
    "line_drives_forward",
    "line_drives_backward",
    "dac_forward",
    "dac_backward",
    "adc_forward",
    "adc_backward",
    "adc_cut_forward",
    "adc_cut_backward",
    "set_pulses_update",
    "set_pulses_refresh",
    "resets",
    "refresh_reads",
    "refreshed_pairs",
    "chi_saturated",
    "chi_flips",
    "activations",
    "macs_update",
    "touched",
    "transfer_reads",
    "transfer_writes",
)
"""Counts of a layer: events by the names of `Events`; words added to; words read and written by separate transfers."""
STREAMS: tuple[str, ...] = ("write", "forward", "backward", "refresh", "reset", "chi", "evaluation")

STATE = np.dtype(
    [
        *((name, np.int64) for name in STATE_ARRAYS),
        *((name, np.int64) for name in ("rows", "cols", "pairs", "responses")),
        *((f"{name}_key", np.uint64) for name in STREAMS),
        *((f"{name}_events", np.int64) for name in STREAMS),
        *((name, np.int64) for name in EVENTS),
        ("selected", np.int64),  # the pair that takes the next first pulse
        ("updates", np.int64),
        ("culprit", np.float64),  # the update that was too large
        *((name, np.float64) for name in ("drive_forward", "drive_backward")),  # drive time so far
        *((name, np.float64) for name in ("batch_forward", "batch_backward")),  # and of the mini-batch at work
        # range and step of the output converters, and the largest product since the last calibration
        *((f"{what}_{way}", np.float32) for way in ("forward", "backward") for what in ("range", "step", "peak")),
    ],
    align=True,
)
"""The state of a layer."""

_NUMBERS = (
    "beta", "beta_squared", "g_min", "g_max", "mean_slope", "mean_offset", "mean_history", "std_slope", "std_offset",
    "std_history", "write_scale", "fade", "drift_reference", "read_slope", "read_offset", "read_scale", "reset_mean",
    "reset_std", "reset_min", "dac_step", "dac_back_step", "operand_step", "operand_signed_step", "chi_scale",
    "threshold", "float_limit", "largest_update", "refresh_threshold", "refresh_difference", "refresh_tolerance",
)  # fmt: skip
_INTEGERS = (
    "drifts", "linear", "reads_are_noisy", "dac_bits", "dac_back_bits", "adc_bits", "adc_back_bits", "calibrate_every",
    "operand_bits", "chi_bits", "word_bits", "places", "word_limit", "rounding", "transfer_every", "wears",
    "refresh_every", "max_pulses", "drift_every", "linear_outputs", "overflows", "most_pulses",
    "verify_rounds", "keeps_misses",
)  # fmt: skip
KNOBS = np.dtype(
    [
        *((name, np.float32) for name in _NUMBERS),
        *((name, np.int64) for name in _INTEGERS),
        *((name, np.float64) for name in ("headroom", "learning_rate", "sample_time_s")),
    ],
    align=True,
)
"""The settings that all layers share, as numbers of the width that the plain path computes with."""

BUFFER_ARRAYS: tuple[str, ...] = (
    "x",  # inputs, the last of each sample 1 for the bias, float32 (batch, rows)
    "driven_rows",  # the rows of each sample whose input is not zero, then unused, int32 (batch, rows)
    "active",  # how many they are, int64 (batch,)
    "values",  # the driven inputs of these rows, of one sample, float32 (rows,)
    "lines",  # the columns of one sample whose error is not zero, int32 (cols,)
    "driven",  # the driven errors of these columns, float32 (cols,)
    "squares",  # squares of driven inputs or errors, float32, as long as the longer side of the layer
    "y",  # outputs, float32 (batch, cols)
    "d",  # errors of the outputs, float32 (batch, cols)
    "scaled",  # -learning rate / batch times the errors, float32 (batch, cols)
    "errors",  # what comes back through the layer for one sample, float32 (rows - 1,)
    "spread",  # variance of a product, float32, as long as the longer side
    "draw",  # normal numbers, float32, as long
    "starts",  # where the samples of each row begin in `who`, int64 (rows + 1,)
    "who",  # samples whose input to a row is not zero, row by row, int32 (batch * rows,)
    "inputs",  # these inputs, float32 (batch * rows,)
    "sums",  # a row of updates, float32 (cols,)
    "before",  # a row of accumulators before an update, int32 (cols,)
    "float_weight",  # weights of a digital layer, float32 (rows, cols)
    "float_transposed",  # the same without the bias row, float32 (cols, rows - 1); absent in the first layer
)
BUFFERS = np.dtype(
    [
        *((name, np.int64) for name in BUFFER_ARRAYS),
        *((name, np.int64) for name in ("rows", "cols", "batch", "products", "touched")),
    ],
    align=True,
)
"""Room for what passes through a layer in a mini-batch of up to `batch` samples."""

NEAREST, STOCHASTIC, TOWARD_ZERO = range(3)
# Where a run stands, in the order of the array `clock`: images since the last refresh and the last calibration, and the
# period of drift that the conductances are in.
SINCE_REFRESH, SINCE_CALIBRATION, PERIOD = range(3)


def started(since: np.ndarray | None = None) -> np.ndarray:
    """Return the clock of a run that begins, or goes on so many images after refresh and calibration.

    Its drift is not yet evaluated. Evaluated anew it is what it was: cells pulsed since the period began have no age.
    """
    return np.array([*([0, 0] if since is None else since), -1], np.int64)


DONE, DIVERGED, TOO_MANY_PULSES = 0, 1, 2
REACH = f32(LARGEST_NORMAL)
"""No read lies further from its mean, in deviations."""


@dataclass(frozen=True)
class Records:
    """Records of one kind, one a layer, with the arrays whose addresses they hold.

    Attributes:
        records: the records, shape (layers,).
        arrays: for each layer the arrays by name; they must live as long as the records are used.
    """

    records: np.ndarray
    arrays: tuple[dict[str, np.ndarray], ...]


def gathered(kind: np.dtype[Any], layers: list[tuple[dict[str, np.ndarray], dict[str, Any]]]) -> Records:
    """Return records for layers, each given as its arrays and its other fields; absent arrays have the address 0.

    Raises:
        KeyError: a field that the records do not have; a defect of the framework.
        BufferError: an array that is not contiguous or of another type than compiled code reads, likewise.
    """
    records = np.zeros(len(layers), kind)
    for place, (arrays, numbers) in enumerate(layers):
        for name, array in arrays.items():
            if not array.flags.c_contiguous or array.dtype.type not in _types_of(name):
                raise BufferError(f"{name} is no contiguous array of {_types_of(name)}, but {array.dtype}")
            records[name][place] = array.ctypes.data
        for name, number in numbers.items():
            records[name][place] = number
    return Records(records, tuple(arrays for arrays, _ in layers))


_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("set_pulses", "reset_pulses", "active", "starts"), (np.int64,)),
    **dict.fromkeys(("flips", "driven_rows", "lines", "who", "before"), (np.int32,)),
    "stuck": (np.bool_,),
    "word": (np.float32, np.int32),
}


def _types_of(name: str) -> tuple[type, ...]:
    """Return the types that compiled code reads at an address."""
    return _TYPES.get(name, (np.float32,))
