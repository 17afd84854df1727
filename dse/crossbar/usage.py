"""What a layer came to in a training: its size, its converters, its events, the wear of its cells.

A layer and what moves its weights count as they go, and give this account at the end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

QUANTILES: tuple[float, ...] = (0.5, 0.9, 0.99, 0.999)
"""Quantiles of the wear over the cells of a layer that are kept beside the maximum."""
WEAR_NAMES: tuple[str, ...] = (
    *(f"{kind}_{q}" for kind in ("set", "reset", "flip") for q in ("q50", "q90", "q99", "q999", "max")),
    "writes_max",
)
"""Names of the wear of a layer."""
ARRAY_LINES = ("array_rows", "array_columns")
"""Names, among the events of a layer, of the inputs and outputs that each of its arrays has, used or not; a layer whose
arrays are made to fit has none."""
FULL_LINES = ("full_rows", "full_columns")
"""Names, among the events of a layer, of the lines of its arrays that are full, where the last holds fewer, or where a
network that was trained digitally is deployed on several. Rows of earlier versions have none."""
ARRAYS, TURNS = "own_arrays", "array_turns"
"""Names, among the events of a layer, of the arrays that count as its own, and of the turns of which one is
its own, where layers share arrays; see `dse.crossbar.packing`."""
COLUMNS_PER_ADC = "columns_per_adc"
"""Name, among the events of a layer, of the columns that share a converter, where the design says so and not the card.
"""
CORRECTIONS = ("corrects_offset", "corrects_gain")
"""Names, among the events of a layer, of what is corrected digitally behind every conversion: 1 where it is."""
PULSE_STEPS = ("pulse_steps", "pulse_steps_backward")
"""Names, among the events of a layer, of the steps of a pulse at full scale, where inputs are coded in its width."""
SLICES = ("slices", "deployed_slices")
"""Names, among the events of a layer, of the digits that a weight has columns for, in inference and in a deployment."""
PLANES = ("input_planes", "input_planes_backward")
"""Names, among the events of a layer, of the products that the bits of an input take one after the other."""
SHIFTS = ("digit_shift", "deployed_digit_shift")
"""Names, among the events of a layer, of the bits by which the first digit of a weight is shifted to be added."""
OFFSET_COLUMNS = "offset_columns"
"""Name, among the events of a layer, of the columns of each of its arrays that hold no weight."""
SPARE_ROWS = "spare_rows"
"""Name, among the events of a layer, of the rows of each of its arrays that stand by."""
PARTIAL_ADDS_DEPLOYMENT = "partial_adds_deployment"
"""Name, among the events of a layer, of the digital additions of converted parts in the products of a deployment, where
there are some. Rows of earlier versions have none: they were not counted there."""
SINCE = (*PLANES, *SHIFTS, OFFSET_COLUMNS, PARTIAL_ADDS_DEPLOYMENT, *FULL_LINES)
"""Those that rows of earlier versions lack, though they had what these tell of; their prices are what they were."""
OUTPUT_SCALES = ("scaled_forward", "scaled_backward")
"""Names, among the events of a layer, of the digital multiplications of its outputs and errors by learned scales."""
FACTS = (
    *(*ARRAY_LINES, COLUMNS_PER_ADC, *CORRECTIONS, *PULSE_STEPS, *SLICES, SPARE_ROWS, *SINCE),
    *(*OUTPUT_SCALES, ARRAYS, TURNS),
)
"""What prices find among the events of some layers; others have none of it."""


@dataclass(frozen=True)
class LayerUsage:
    """What happened in one layer over the training.

    Attributes:
        layer: number, 0 at the input.
        rows: inputs of the array, bias row included where there is one.
        cols: outputs.
        cells: cells of its arrays; 0 for a digital layer.
        inference_bits: bits of all weights that inference reads; see `dse.updates.bits.bits_of_weight`.
        events: counts by name; see `dse.crossbar.events`.
        wear: "set_max", "set_q50", ..., "reset_max", ..., "writes_max": pulses of single cells; "flip_max", ...: writes
            of single binary cells of the accumulators.
        dac_bits: resolution of the forward input converters, 1 where bits drive a line one after the other; None where
            ideal or digital.
        dac_backward_bits: resolution of the backward input converters; None where ideal or digital.
        adc_bits: resolution of the forward output converters; None where ideal or digital.
        adc_backward_bits: resolution of the backward output converters; None where ideal or digital.
        adc_range: range of the forward output converters at the end; None where ideal or digital.
        adc_backward_range: range of the backward output converters at the end; None where ideal or digital.
        chi_bits: length of an accumulator word; None for a 32-bit float and a digital layer, 0 for cells without any.
        chi_storage: what holds the accumulators; None where there are none.
        operand_bits: resolution of the factors of an update; None for 32-bit floats and for a digital layer.
        mean_conductance_us: mean conductance of a cell over the ends of the epochs, uS; None for a digital layer.
        deployed_cells: cells that hold the layer in a deployment; 0 without one.
        deployed_dac_bits: resolution of its input converters; None where ideal or without a deployment.
        deployed_adc_bits: resolution of its output converters; likewise.
        deployed_conductance_us: mean conductance of its cells at time 0, uS; None without a deployment.
        bias_rows: rows that hold biases, through which no error passes back: 1 in a perceptron, else 0.
        places: products of a sample with the weights in one pass: windows of a convolution, else 1. A digital layer
            reads its weights once for all of them.
        infers: whether inference uses the layer; not a discriminator.
        row_tiles: arrays along the inputs; 1 for a digital layer.
        column_tiles: arrays along the outputs; 1 for a digital layer.
    """

    layer: int
    rows: int
    cols: int
    cells: int
    inference_bits: float
    events: Mapping[str, int | float]
    wear: Mapping[str, float]
    dac_bits: int | None = None
    dac_backward_bits: int | None = None
    adc_bits: int | None = None
    adc_backward_bits: int | None = None
    adc_range: float | None = None
    adc_backward_range: float | None = None
    chi_bits: int | None = None
    chi_storage: str | None = None
    operand_bits: int | None = None
    mean_conductance_us: float | None = None
    deployed_cells: int = 0
    deployed_dac_bits: int | None = None
    deployed_adc_bits: int | None = None
    deployed_conductance_us: float | None = None
    bias_rows: int = 0
    places: int = 1
    infers: bool = True
    row_tiles: int = 1
    column_tiles: int = 1


def numbered(layers: Iterable[LayerUsage]) -> list[LayerUsage]:
    """Return the layers of several networks numbered on, in their order."""
    return [replace(usage, layer=number) for number, usage in enumerate(layers)]
