"""Latency and area of a layer, from its events, its size and a card.

    read of an array       t_read + min(columns_per_adc, outputs) * t_conversion; where inputs are coded in the width of
                           pulses, t_read is the longest, codes * step
    forward, backward      products * read of an array + (activations + additions of parts) / (lanes * clock)
    update                 (additions to accumulators + 2 * words of an optimiser before them) / (lanes * clock)
                           + pulses * t_pulse / parallel pulses
    refresh                reads / converters of the array * (t_read + conversions a read * t_conversion)
                           + pulses * t_pulse / parallel pulses
    deployment             products * read of an array + additions of parts / (lanes * clock)
                           + reads and pulses as for refresh

Layers and phases follow each other. Beside that stands a pipeline of layers for inference: it takes a sample in the
time of its slowest layer, or of the digital lanes, which all layers share, if these take longer. The tiles of a layer
work at the same time, as long as the largest of them takes; they are full but for the last (`dse.pricing.cut`). Without
a crossbar every phase takes its multiply-accumulates / (lanes * clock). Forward and backward products have converters
of their own. Accumulators in dynamic memory lie outside the chip and take no area,
and their access no time of its own. Digital lanes are shared by the layers and laid out for the longest words. An
optimiser before the accumulators keeps float words on the chip, and multiplies and adds floats in their lanes. Where
lines that a layer leaves unused are there (`array_rows` and `array_columns` among its events), their cells, drivers and
converters take area, and no time. Where layers share arrays (`own_arrays`), an array counts once; layers in it take
turns (`array_turns`), which in a pipeline are all as long as that of the slowest. The adder and the multiplier of a
converter that is corrected digitally take area, and work within the time of a conversion. As many columns share a
converter as the design says (`columns_per_adc` among its events), else as the card does; an output has a column for
each digit of a weight (`slices`, `deployed_slices`). Rows that stand by (`spare_rows`) take area. Buffers hold the
outputs of a layer for a sample, twice: one is written while the other is read. Memories and buffers leak by their area,
as do converters, drivers, logic and interconnect; cells and accumulators of PCM do not.
"""

import polars as pl

from dse.crossbar.usage import (
    ARRAY_LINES,
    ARRAYS,
    COLUMNS_PER_ADC,
    CORRECTIONS,
    FACTS,
    OFFSET_COLUMNS,
    OUTPUT_SCALES,
    PARTIAL_ADDS_DEPLOYMENT,
    SLICES,
    SPARE_ROWS,
    TURNS,
)
from dse.pricing.billed import FLOAT_BITS, PLANES_OF, STEPS_OF, trained
from dse.pricing.card import constant
from dse.pricing.cut import (
    BACKWARD_ROWS,
    BACKWARD_TILE_ROWS,
    COLS,
    COLUMN_TILES,
    FULL_COLS,
    FULL_ROWS,
    ROW_TILES,
    ROWS,
    TILE_COLS,
    TILE_ROWS,
    over_tiles,
)

ARRAY_ROWS, ARRAY_COLS = (pl.col(name).cast(pl.Float64) for name in ARRAY_LINES)
ANALOG = pl.col("cells") > 0
BACKWARD = pl.col("adc_backward") > 0
OPTIMISED = ANALOG & (pl.col("weight_writes") > 0) & (pl.col("chi_adds") > 0)
"""Whether an optimiser stands before the accumulators; without these, its words are those of rules of other kinds."""
TILES = ROW_TILES * COLUMN_TILES
OWN_ARRAYS = pl.col(ARRAYS).cast(pl.Float64).fill_null(TILES)
"""Arrays of a layer; where layers share some, those that count as its own."""
LINES_OF_ALL_ARRAYS = (
    (ROWS * COLUMN_TILES, ARRAY_ROWS * OWN_ARRAYS),
    (COLS * ROW_TILES, ARRAY_COLS * OWN_ARRAYS),
)
"""Rows, and columns, that are used in all arrays of a layer, and that are there."""
OFFSET = pl.col(OFFSET_COLUMNS).cast(pl.Float64)
CELLS_THERE = (
    pl.when(OFFSET > 0)  # columns that hold no weight are as many in an array that is not full
    .then(
        ((pl.col("cells") - OFFSET * ROWS * COLUMN_TILES) / (ROWS * COLS) * ARRAY_COLS + OFFSET)
        * ARRAY_ROWS
        * OWN_ARRAYS
    )
    .otherwise(pl.col("cells") / (ROWS * COLS) * (ARRAY_ROWS * ARRAY_COLS * OWN_ARRAYS))
)
PREPARED: dict[str, pl.Expr] = {
    "held_in_pcm": pl.col("chi_storage").cast(pl.String).fill_null("") == "pcm",
    "held_in_dram": pl.col("chi_storage").cast(pl.String).fill_null("") == "dram",
    "forward_codes": pl.lit(2.0) ** pl.col("adc_bits").cast(pl.Float64),
    "backward_codes": pl.lit(2.0) ** pl.col("adc_backward_bits").cast(pl.Float64),
    "deployment_codes": pl.lit(2.0) ** pl.col("deployed_adc_bits").cast(pl.Float64),
}
"""Columns that the table of layers needs before it meets the cards."""


def _bits(direction: str) -> pl.Expr:
    columns = {"forward": "adc_bits", "backward": "adc_backward_bits", "deployment": "deployed_adc_bits"}
    return pl.col(columns[direction]).cast(pl.Float64)


def _priced(direction: str, amount: pl.Expr) -> pl.Expr:
    """Return null where a converter is ideal or outside of its formula."""
    bits = _bits(direction)
    within = (bits <= constant("adc_bits_max")) & (bits >= constant("adc_bits_min"))
    return pl.when(within).then(amount).otherwise(None)


def _conversion_s(direction: str, lines: pl.Expr) -> pl.Expr:
    bits = _bits(direction)
    by_bit = constant("adc_per_bit_s") + constant("adc_per_bit_line_s") * lines
    seconds = constant("adc_fixed_s") + bits * by_bit + pl.col(f"{direction}_codes") * constant("adc_per_code_s")
    return _priced(direction, seconds)


def _read_s(direction: str, outputs: pl.Expr, lines: pl.Expr) -> pl.Expr:
    turns, steps = pl.min_horizontal(_columns_per_adc(), outputs), STEPS_OF[direction]
    longest = pl.col(steps).cast(pl.Float64) * constant("pulse_step_s")
    pulse = pl.when(pl.col(steps) > 0).then(longest).otherwise(constant("read_time_s"))
    return pulse + turns * _conversion_s(direction, lines)


def _single_read_s(direction: str) -> pl.Expr:
    conversion = pl.when(constant("refresh_conversions_per_read") > 0).then(
        constant("refresh_conversions_per_read") * _conversion_s(direction, TILE_ROWS)
    )
    return (constant("read_time_s") + conversion.otherwise(0.0)) / _output_converters(direction)


def _used(count: str, amount: pl.Expr) -> pl.Expr:
    return pl.when(pl.col(count) > 0).then(pl.col(count) * amount).otherwise(0.0)


def with_arrays(layers: pl.DataFrame) -> pl.DataFrame:
    """Return a table of layers with columns for what some layers have among their events, null where they do not."""
    lacking = [name for name in FACTS if name not in layers.columns]
    return layers.with_columns(pl.lit(None, pl.Float64).alias(name) for name in lacking)


def _or_there(fitting: pl.Expr, there: pl.Expr) -> pl.Expr:
    """Return what a layer takes of arrays that are made to fit, or of those that are there."""
    return pl.when(ARRAY_ROWS.is_null()).then(fitting).otherwise(there)


def _slices(direction: str) -> pl.Expr:
    """Return the columns of an output: one for each digit of a weight."""
    return pl.col(SLICES[direction == "deployment"]).cast(pl.Float64).fill_null(1.0)


def _columns_per_adc() -> pl.Expr:
    return pl.col(COLUMNS_PER_ADC).cast(pl.Float64).fill_null(constant("columns_per_adc"))


def _converters(outputs: pl.Expr) -> pl.Expr:
    return (outputs / _columns_per_adc()).ceil()


def _output_converters(direction: str) -> pl.Expr:
    """Return the output converters of all arrays of a layer, where these are made to fit."""
    along = over_tiles(COLS, FULL_COLS, COLUMN_TILES, lambda columns: _converters(columns * _slices(direction)))
    return along * ROW_TILES


def _input_converters(spare: pl.Expr) -> pl.Expr:
    """Return the converters of backward products of all arrays of a layer, where these are made to fit.

    Args:
        spare: rows of an array that stand by.
    """
    along = over_tiles(BACKWARD_ROWS, FULL_ROWS, ROW_TILES, lambda rows: _converters(rows + spare))
    return along * COLUMN_TILES


def latencies() -> dict[str, pl.Expr]:
    """Return the seconds that a layer spends in each phase over training and deployment."""
    digital = constant("digital_lanes") * constant("clock_hz")
    pulses = constant("parallel_pulses")
    flips = pl.when(pl.col("held_in_pcm")).then(pl.col("chi_flips")).otherwise(0)
    functions = {"forward": pl.col("activations"), "backward": trained(pl.col("activations"))}
    scaled = {phase: pl.col(f"scaled_{phase}").fill_null(0) for phase in functions}
    digital_steps = {
        phase: (own + pl.col(f"partial_adds_{phase}") + scaled[phase]) / digital for phase, own in functions.items()
    }
    analog = {
        "forward": _used("mvm_forward", _read_s("forward", TILE_COLS * _slices("forward"), TILE_ROWS))
        + digital_steps["forward"],
        "backward": _used("mvm_backward", _read_s("backward", BACKWARD_TILE_ROWS, TILE_COLS))
        + digital_steps["backward"],
        "update": (pl.col("chi_adds") + 2 * pl.col("weight_writes")) / (constant("chi_lanes") * constant("clock_hz"))
        + flips * constant("binary_write_s") / pulses
        + pl.col("set_pulses_update") * constant("set_pulse_s") / pulses,
        "refresh": _used("refresh_reads", _single_read_s("forward"))
        + pl.col("resets") * constant("reset_pulse_s") / pulses
        + pl.col("set_pulses_refresh") * constant("set_pulse_s") / pulses,
    }
    plain = {
        "forward": (pl.col("macs_forward") + pl.col("activations")) / digital,
        "backward": (pl.col("macs_backward") + functions["backward"]) / digital,
        "update": pl.col("macs_update") / digital,
        "refresh": pl.lit(0.0),
    }
    deployment = (
        _used("mvm_deployment", _read_s("deployment", TILE_COLS * _slices("deployment"), TILE_ROWS))
        + pl.col(PARTIAL_ADDS_DEPLOYMENT).fill_null(0) / digital
        + _used("single_reads_deployment", _single_read_s("deployment"))
        + pl.col("resets_deployment") * constant("reset_pulse_s") / pulses
        + pl.col("set_pulses_deployment") * constant("set_pulse_s") / pulses
    )
    training = {phase: pl.when(ANALOG).then(analog[phase]).otherwise(plain[phase]) for phase in analog}
    return {**training, "deployment": deployment}


def _adc_m2(direction: str) -> pl.Expr:
    bits = _bits(direction)
    scale = pl.lit(2.0) ** (constant("adc_area_exponent") * bits)
    own = constant("adc_area_fixed_m2") + constant("adc_area_scale_m2") * scale
    adds, multiplies = (pl.when(pl.col(name) > 0) for name in CORRECTIONS)
    gates = adds.then(bits).otherwise(0.0) * constant("gates_per_adder_bit")
    gates = gates + multiplies.then(bits * bits).otherwise(0.0) * constant("gates_per_multiplier_cell")
    return _priced(direction, own + gates * constant("gate_area_m2"))


def areas() -> dict[str, pl.Expr]:
    """Return the square metres of a layer for cells, converters, accumulators and weights of a digital network."""
    word = pl.col("chi_bits").cast(pl.Float64).fill_null(FLOAT_BITS)
    bit = pl.when(pl.col("held_in_pcm")).then(constant("cell_area_m2")).otherwise(constant("memory_bit_area_m2"))
    chi = pl.when(pl.col("held_in_dram")).then(0.0).otherwise(ROWS * COLS * word * bit)
    # Both are counted once an update for each weight.
    kept = pl.when(OPTIMISED).then(pl.col("weight_writes") / pl.col("chi_adds")).otherwise(0.0)
    optimiser = ROWS * COLS * kept * FLOAT_BITS * constant("memory_bit_area_m2")
    arrays = OWN_ARRAYS
    rows, columns = (_or_there(used, there) for used, there in LINES_OF_ALL_ARRAYS)
    spare = pl.col(SPARE_ROWS).cast(pl.Float64).fill_null(0.0)
    rows = rows + spare * arrays
    standing_by = spare / _or_there(ROWS / ROW_TILES, ARRAY_ROWS)  # rows in the mean over all arrays
    of_outputs = _or_there(_output_converters("forward"), _converters(ARRAY_COLS * _slices("forward")) * arrays)
    of_inputs = _or_there(_input_converters(spare), _converters(ARRAY_ROWS + spare) * arrays)
    outputs = of_outputs * _adc_m2("forward")
    inputs = of_inputs * _adc_m2("backward") + columns * _driver_m2("backward")
    converters = outputs + rows * _driver_m2("forward") + pl.when(BACKWARD).then(inputs).otherwise(0.0)
    weights = ROWS * COLS * constant("digital_word_bits") * constant("memory_bit_area_m2")
    return {
        "cells": _or_there(pl.col("cells"), CELLS_THERE) * (1.0 + standing_by) * constant("cell_area_m2"),
        "converters": pl.when(ANALOG).then(converters).otherwise(0.0),
        "chi_memory": pl.when(ANALOG).then(chi).otherwise(0.0),
        "digital_memory": pl.when(ANALOG).then(optimiser).otherwise(weights),
        "control": pl.when(ANALOG).then(arrays * constant("control_area_m2")).otherwise(0.0),
        "interconnect": pl.when(ANALOG).then(arrays * constant("interconnect_area_m2")).otherwise(0.0),
        "buffers": _buffers_m2(),
    }


def _driver_m2(direction: str) -> pl.Expr:
    """Return the area of the driver of a line, which has one bit where bits or the width of a pulse drive it."""
    bits = pl.col({"forward": "dac_bits", "backward": "dac_backward_bits"}[direction]).cast(pl.Float64)
    one = (bits == 1) | (pl.col(STEPS_OF[direction]) > 0)
    return constant("dac_area_m2") * pl.when(one).then(constant("driver_area_share")).otherwise(1.0)


def _buffers_m2() -> pl.Expr:
    """Return the area of two buffers for the outputs of a layer; 0 on a card that gives none."""
    planes = pl.col(PLANES_OF["forward"]).cast(pl.Float64).fill_null(1.0)
    bits = pl.when(ANALOG).then(pl.col("dac_bits").cast(pl.Float64) * planes).otherwise(constant("digital_word_bits"))
    area = constant("buffer_bit_area_m2")
    outputs = pl.col("activations") / pl.col("train_samples")
    return pl.when(area > 0).then(2.0 * outputs * bits * area).otherwise(0.0)


def leakage_w() -> pl.Expr:
    """Return the watts that a layer leaks, without the lanes that layers share; 0 on a card that leaks nothing."""
    own, logic, memory = areas(), constant("leakage_w_per_m2"), constant("memory_leakage_w_per_m2")
    chi = pl.when(pl.col("held_in_pcm")).then(0.0).otherwise(own["chi_memory"])
    circuits = own["converters"] + own["control"] + own["interconnect"]
    memories = chi + own["digital_memory"] + own["buffers"]
    leaks = [pl.when(rate > 0).then(rate * m2).otherwise(0.0) for rate, m2 in ((logic, circuits), (memory, memories))]
    return leaks[0] + leaks[1]


def shared_s() -> pl.Expr:
    """Return the seconds in which a layer keeps the digital lanes from others in the forward phase of a training."""
    behind_arrays = pl.col("partial_adds_forward") + pl.col(OUTPUT_SCALES[0]).fill_null(0)
    steps = pl.when(ANALOG).then(behind_arrays).otherwise(pl.col("macs_forward"))
    return (pl.col("activations") + steps) / (constant("digital_lanes") * constant("clock_hz"))


def turns() -> pl.Expr:
    """Return of how many turns of equal length a layer has one in a pipeline, where layers share arrays; else one."""
    return pl.col(TURNS).cast(pl.Float64).fill_null(1.0)


def lanes_m2() -> pl.Expr:
    """Return the square metres of the digital lanes that a layer needs."""
    bits, operand = pl.col("chi_bits").cast(pl.Float64), pl.col("operand_bits").cast(pl.Float64)
    gate = constant("gate_area_m2")
    adder = (constant("gates_per_adder_bit") * bits * gate).fill_null(constant("float_add_area_m2"))
    multiplier = (constant("gates_per_multiplier_cell") * operand * operand * gate).fill_null(
        constant("float_multiply_area_m2")
    )
    digital = constant("digital_lanes") * constant("digital_mac_area_m2")
    floats = pl.when(OPTIMISED).then(constant("float_add_area_m2") + constant("float_multiply_area_m2")).otherwise(0.0)
    lanes = pl.when(bits.fill_null(FLOAT_BITS) == 0).then(0.0)
    lanes = lanes.otherwise(constant("chi_lanes") * (adder + multiplier + floats))
    return pl.when(ANALOG).then(lanes).otherwise(digital)
