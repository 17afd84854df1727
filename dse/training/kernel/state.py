"""The numbers that the compiled path works on. Matrices have the shape (rows, cols), C order; cells are flat.

The cells of a layer have the order of `PcmCells`, (2, pairs of a weight, rows, cols): cell p of G+ and cell p + P of G-
make a pair, P being the number of pairs, and pair p belongs to weight p modulo rows * cols.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dse.compiled import LARGEST_NORMAL, Floats, f32

Ints = NDArray[np.int64]
Places = NDArray[np.int32]


class State(NamedTuple):
    """The state of a layer; cells and counters are shared with the tensors of the plain path.

    Attributes:
        weight: the weights that products see, float32.
        variance: variance of one read of each weight; empty without read noise.
        transposed: the weights without the bias row, shape (cols, rows - 1); empty where no backward product is taken.
        transposed_variance: the same of the variance.
        word: the accumulators, float32 or int32.
        flips: changes of each bit of each word, shape (rows * cols, bits); empty where the storage does not wear.
        left: what drift has left of each conductance, as a factor.
        g_us, history, pulsed_at_s, set_pulses, reset_pulses, gain, exponent, stuck: see `PcmCells`.
        response: mean conductance after 0, 1, ... pulses above that after RESET, uS.
        keys: keys of the random streams.
        counts: see `COUNTS`.
        drive: drive time forward and backward, and the two sums of the mini-batch at work.
        ranges: range and step of the forward, and of the backward output converter.
        peaks: largest product forward and backward since the last calibration.
    """

    weight: Floats
    variance: Floats
    transposed: Floats
    transposed_variance: Floats
    word: Any
    flips: NDArray[np.int32]
    left: Floats
    g_us: Floats
    history: Floats
    pulsed_at_s: Floats
    set_pulses: Ints
    reset_pulses: Ints
    gain: Floats
    exponent: Floats
    stuck: NDArray[np.bool_]
    response: Floats
    keys: NDArray[np.uint64]
    counts: Ints
    drive: NDArray[np.float64]
    ranges: Floats
    peaks: Floats


class Knobs(NamedTuple):
    """What all layers share, as numbers of the width that the plain path computes with."""

    pairs: int
    beta: Any
    beta_squared: Any
    g_min: Any
    g_max: Any
    mean_slope: Any
    mean_offset: Any
    mean_history: Any
    std_slope: Any
    std_offset: Any
    std_history: Any
    write_scale: Any
    fade: Any
    drifts: bool
    drift_reference: Any
    linear: bool
    read_slope: Any
    read_offset: Any
    read_scale: Any
    reads_are_noisy: bool
    reset_mean: Any
    reset_std: Any
    reset_min: Any
    dac_bits: int
    dac_step: Any
    dac_back_bits: int
    dac_back_step: Any
    adc_bits: int
    adc_back_bits: int
    calibrated: bool
    calibrate_every: int
    headroom: float
    operand_bits: int
    operand_step: Any
    operand_signed_step: Any
    chi_bits: int
    places: int
    chi_scale: Any
    threshold: Any
    limit: Any
    largest_update: Any
    rounding: int
    transfer_every: int
    wears: bool
    refresh_every: int
    refresh_threshold: Any
    refresh_difference: Any
    learning_rate: float
    max_pulses: int


class Buffers(NamedTuple):
    """Room for what passes through a layer in a mini-batch of `batch` samples.

    Attributes:
        x: inputs, the last of each sample 1 for the bias; shape (batch, rows).
        rows: the rows of each sample whose input is not zero, then unused; shape (batch, rows).
        active: how many they are, shape (batch,).
        values: the driven inputs of these rows, of one sample.
        lines: the columns of one sample whose error is not zero; shape (cols,).
        driven: the driven errors of these columns.
        squares: squares of driven inputs or errors, as long as the longer side of the layer.
        y: outputs, shape (batch, cols).
        d: errors of the outputs, shape (batch, cols).
        scaled: -learning rate / batch times the errors, shape (batch, cols).
        errors: what comes back through the layer for one sample, shape (rows - 1,).
        spread: variance of a product, as long as the longer side of the layer.
        draw: normal numbers, as long.
        starts: where the samples of each row begin in `who`, shape (rows + 1,).
        who: samples whose input to a row is not zero, row by row.
        inputs: these inputs.
        sums: a row of updates, shape (cols,).
        before: a row of accumulators before an update, of their type.
    """

    x: Floats
    rows: Places
    active: Ints
    values: Floats
    lines: Places
    driven: Floats
    squares: Floats
    y: Floats
    d: Floats
    scaled: Floats
    errors: Floats
    spread: Floats
    draw: Floats
    starts: Ints
    who: Places
    inputs: Floats
    sums: Floats
    before: Any


# Streams of a layer, in the order of `State.keys`.
WRITE, FORWARD, BACKWARD, REFRESH, RESET, CHI, EVALUATION = range(7)
# Counts of a layer, in the order of `State.counts`: events, then positions of the streams and of the selection counter.
(
    MVM_FORWARD, MVM_BACKWARD, LINES_FORWARD, LINES_BACKWARD, DAC_FORWARD, DAC_BACKWARD, ADC_FORWARD, ADC_BACKWARD,
    CUT_FORWARD, CUT_BACKWARD, SET_UPDATE, SET_REFRESH, RESETS, REFRESH_READS, REFRESHED, PRODUCTS, TRANSFER_READS,
    TRANSFER_WRITES, SATURATED, FLIPS, ACTIVATIONS,
    FORWARD_EVENTS, BACKWARD_EVENTS, REFRESH_EVENTS, CHI_EVENTS, EVALUATION_EVENTS, SELECTED, UPDATES,
) = range(28)  # fmt: skip
COUNTS = 28
NEAREST, STOCHASTIC, TOWARD_ZERO = range(3)
# Where a run stands, in the order of the array `clock`: images since the last refresh and the last calibration, and the
# period of drift that the conductances are in.
SINCE_REFRESH, SINCE_CALIBRATION, PERIOD = range(3)
DONE, DIVERGED, TOO_MANY_PULSES = 0, 1, 2
REACH = f32(LARGEST_NORMAL)
"""No read lies further from its mean, in deviations."""
