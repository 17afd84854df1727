"""What is counted while a layer trains. Prices come later: an event has no energy, only a number.

Counts cover training, and what a deployment takes to program and calibrate cells; products for measuring accuracy are
the experimenter's and are not counted. Counts are whole numbers, except `drive_time_*`, a sum of input magnitudes.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.pausing import State, taken


@dataclass
class Events:
    """Events of one layer over one training and one deployment.

    Attributes:
        mvm_forward: analog products of the array with an input vector.
        mvm_backward: analog products of the transposed array.
        line_drives_forward: rows driven by an input other than zero.
        line_drives_backward: columns driven by an error other than zero in backward products.
        drive_time_forward: sum of the driven magnitudes, in full-scale read pulses; the array's read energy follows it.
        drive_time_backward: the same for backward products.
        dac_forward: conversions of forward inputs, zeros included.
        dac_backward: conversions of backward inputs.
        adc_forward: conversions of forward outputs.
        adc_backward: conversions of backward outputs.
        adc_cut_forward: forward outputs beyond the range of the converter.
        adc_cut_backward: backward outputs beyond the range of the converter.
        partial_adds_forward: digital additions of converted parts of products: of tiles along the rows.
        partial_adds_backward: the same in backward products: of tiles along the columns, and where windows overlap.
        set_pulses_update: SET pulses that carried updates.
        set_pulses_refresh: SET pulses that re-wrote refreshed pairs.
        resets: RESET pulses.
        refresh_reads: single-cell reads to look for pairs near saturation.
        refreshed_pairs: pairs that were RESET and re-written.
        chi_reads: accumulator words read; once a mini-batch for each weight with an input that is not zero in any of
            its images, and all of them in a transfer that does not come with every update.
        chi_writes: accumulator words written.
        chi_adds: additions to an accumulator word.
        chi_saturated: accumulator words cut at the end of their range.
        chi_flips: bits of stored accumulator words that changed; counted where the storage wears.
        macs_forward: digital multiply-accumulates of forward products; 0 on a crossbar.
        macs_backward: digital multiply-accumulates of backward products; 0 on a crossbar.
        macs_update: digital multiply-accumulates of the outer products d x^T.
        weight_reads: digital words of weights, and of their optimiser, read; on a crossbar those of the optimiser
            alone. A word is read once for all the windows of a sample.
        weight_writes: digital words of weights, and of their optimiser, written; likewise.
        activations: outputs that a digital function follows, an activation or a normalisation; and as many derivatives.
        set_pulses_deployment: SET pulses that programmed the cells of a deployment.
        resets_deployment: RESET pulses before they were programmed.
        single_reads_deployment: reads of single cells that verified programming, or learned weights to be programmed.
        mvm_deployment: analog products that calibrated converters or measured drift in a deployment.
        drive_time_deployment: sum of the magnitudes that drove them, in full-scale read pulses.
        dac_deployment: conversions of their inputs.
        adc_deployment: conversions of their outputs.
    """

    mvm_forward: int = 0
    mvm_backward: int = 0
    line_drives_forward: int = 0
    line_drives_backward: int = 0
    drive_time_forward: float = 0.0
    drive_time_backward: float = 0.0
    dac_forward: int = 0
    dac_backward: int = 0
    adc_forward: int = 0
    adc_backward: int = 0
    adc_cut_forward: int = 0
    adc_cut_backward: int = 0
    partial_adds_forward: int = 0
    partial_adds_backward: int = 0
    set_pulses_update: int = 0
    set_pulses_refresh: int = 0
    resets: int = 0
    refresh_reads: int = 0
    refreshed_pairs: int = 0
    chi_reads: int = 0
    chi_writes: int = 0
    chi_adds: int = 0
    chi_saturated: int = 0
    chi_flips: int = 0
    macs_forward: int = 0
    macs_backward: int = 0
    macs_update: int = 0
    weight_reads: int = 0
    weight_writes: int = 0
    activations: int = 0
    set_pulses_deployment: int = 0
    resets_deployment: int = 0
    single_reads_deployment: int = 0
    mvm_deployment: int = 0
    drive_time_deployment: float = 0.0
    dac_deployment: int = 0
    adc_deployment: int = 0

    def state(self) -> dict[str, NDArray[Any]]:
        """Return counts and sums in the order of their names; see `dse.pausing.Pausable`."""
        counts = [getattr(self, name) for name in EVENT_NAMES if name not in REAL_EVENTS]
        sums = [getattr(self, name) for name in EVENT_NAMES if name in REAL_EVENTS]
        return {"counts": np.array(counts, np.int64), "sums": np.array(sums, np.float64)}

    def restore(self, state: State) -> None:
        """Go back to counts and sums; see `dse.pausing.Pausable`."""
        counts, sums = (iter(taken(state, name).tolist()) for name in ("counts", "sums"))
        for name in EVENT_NAMES:
            setattr(self, name, next(sums if name in REAL_EVENTS else counts))


EVENT_NAMES: tuple[str, ...] = tuple(field.name for field in fields(Events))
REAL_EVENTS: frozenset[str] = frozenset({"drive_time_forward", "drive_time_backward", "drive_time_deployment"})
"""Events that are sums of magnitudes rather than counts."""


@dataclass
class DeploymentEvents(Events):
    """Events of one layer over one deployment.

    Attributes:
        partial_adds_deployment: digital additions of converted parts of its products: of tiles along the rows, of bits
            of inputs and of digits of weights. It came later than the others, so that it is none of `EVENT_NAMES`,
            which every row has; see `dse.crossbar.usage.FACTS`.
    """

    partial_adds_deployment: int = 0
