"""From events to joules: a pure function of the table of layers and a cost card.

One set of polars expressions prices a trial while it runs and a stored table of any length, so that both agree bit for
bit. Each part of the energy is a column; the total is their sum, and nothing is counted in two of them.

    ADC        conversions * (C_bit B + C_level 4^B) V^2           B bits (ZigZag-IMC)
    DAC        conversions * C_bit B V^2
    array      drive time * cells on a line * mean G * V_read^2 * t_read
    pulses     SET * E_set + RESET * E_reset
    refresh    cell reads * (G V_read^2 t_read + one conversion)
    chi        words read and written * bits * E_memory (static or dynamic), or in binary PCM words read * bits * E_read
               + bits changed * E_write;  additions * bits * gates * C_gate V^2, or float additions
    outer      products d x^T of B-bit operands: B^2 multiplier cells each, or float multiplications
    digital    float multiplications and additions; 32-bit weights read and written; only without a crossbar

What has no price (ideal converters, resolutions beyond the converter's formula) gives null, never a guess. Activation
functions are counted but cost nothing on any card so far.
"""

from functools import reduce
from operator import add

import polars as pl

from dse.pricing.card import CostCard

FLOAT_BITS = 32
PARTS: tuple[str, ...] = (
    "array_j",
    "dac_j",
    "adc_j",
    "set_pulses_j",
    "reset_pulses_j",
    "refresh_reads_j",
    "chi_memory_j",
    "chi_adds_j",
    "outer_products_j",
    "digital_macs_j",
    "digital_memory_j",
)
"""Columns of energy over the training, one a part; they add up to energy_j."""


def layer_energy(card: CostCard) -> list[pl.Expr]:
    """Return expressions for `PARTS` over a table of layers (joules over the training)."""
    square_v2 = card.supply_v**2
    analog = pl.col("cells") > 0
    chi_bits, operand_bits = pl.col("chi_bits").cast(pl.Float64), pl.col("operand_bits").cast(pl.Float64)
    word_bits = chi_bits.fill_null(FLOAT_BITS)

    def conversion(column: str) -> pl.Expr:
        bits = pl.col(column).cast(pl.Float64)
        switched_f = card.adc_capacitance_per_bit_f * bits + card.adc_capacitance_per_level_f * pl.lit(4.0) ** bits
        return pl.when(bits <= card.adc_bits_max).then(switched_f * square_v2).otherwise(None)

    def drive(column: str) -> pl.Expr:
        return card.dac_capacitance_per_bit_f * square_v2 * pl.col(column).cast(pl.Float64)

    def used(count: str, energy: pl.Expr) -> pl.Expr:
        # What never happens costs nothing, whether or not it has a price.
        return pl.when(pl.col(count) > 0).then(pl.col(count) * energy).otherwise(0.0)

    conversion_j = conversion("adc_bits")
    accesses = pl.col("chi_reads") + pl.col("chi_writes")
    chi_memory_j = (
        pl.when(pl.col("chi_storage") == "pcm")
        .then(
            pl.col("chi_reads") * (card.binary_read_per_bit_j * word_bits) + pl.col("chi_flips") * card.binary_write_j
        )
        .when(pl.col("chi_storage") == "dram")
        .then(accesses * (card.dram_per_bit_j * word_bits))
        .otherwise(accesses * (card.memory_per_bit_j * word_bits))
    )
    read_j = pl.col("mean_conductance_us") * 1e-6 * card.read_voltage_v**2 * card.read_time_s
    gate_j = card.gate_capacitance_f * square_v2
    cells_per_weight = pl.col("cells") / (pl.col("rows") * pl.col("cols"))
    lines = pl.col("drive_time_forward") * pl.col("cols") + pl.col("drive_time_backward") * (pl.col("rows") - 1)

    def on_crossbar(energy: pl.Expr) -> pl.Expr:
        return pl.when(analog).then(energy).otherwise(0.0)

    def digital(energy: pl.Expr) -> pl.Expr:
        return pl.when(analog).then(0.0).otherwise(energy)

    parts = {
        "array_j": on_crossbar(cells_per_weight * lines * read_j),
        "dac_j": on_crossbar(used("dac_forward", drive("dac_bits")) + used("dac_backward", drive("dac_backward_bits"))),
        "adc_j": on_crossbar(used("adc_forward", conversion_j) + used("adc_backward", conversion("adc_backward_bits"))),
        "set_pulses_j": (pl.col("set_pulses_update") + pl.col("set_pulses_refresh")) * card.set_pulse_j,
        "reset_pulses_j": pl.col("resets") * card.reset_pulse_j,
        "refresh_reads_j": on_crossbar(
            pl.when(pl.col("refresh_reads") > 0).then(pl.col("refresh_reads") * (read_j + conversion_j)).otherwise(0.0)
        ),
        "chi_memory_j": on_crossbar(chi_memory_j),
        "chi_adds_j": on_crossbar(
            pl.col("chi_adds") * (card.gates_per_adder_bit * gate_j * chi_bits).fill_null(card.float_add_j)
        ),
        "outer_products_j": on_crossbar(
            pl.col("macs_update")
            * (card.gates_per_multiplier_cell * gate_j * operand_bits * operand_bits).fill_null(card.float_multiply_j)
        ),
        "digital_macs_j": digital(
            (pl.col("macs_forward") + pl.col("macs_backward") + pl.col("macs_update"))
            * (card.float_multiply_j + card.float_add_j)
        ),
        "digital_memory_j": digital(
            (pl.col("weight_reads") + pl.col("weight_writes")) * (card.memory_per_bit_j * FLOAT_BITS)
        ),
    }
    return [parts[name].alias(name) for name in PARTS]


def price(layers: pl.DataFrame, card: CostCard) -> pl.DataFrame:
    """Price trials.

    Args:
        layers: the table of layers: columns trial, seed, layer, train_images, rows, cols, cells, bits, storage, events.
        card: the cost card.

    Returns:
        One row a trial and seed, in order: trial, seed, `PARTS` and energy_j over the training, and
        energy_per_image_j. A part without a price makes the sums null.
    """
    total = reduce(add, (pl.col(name) for name in PARTS))
    # The aggregate of a group with a null is null: a plain sum would pass over it and report too little.
    sums = [
        pl.when(pl.col(name).is_null().any()).then(None).otherwise(pl.col(name).sum()).alias(name) for name in PARTS
    ]
    return (
        layers.sort("trial", "seed", "layer")  # a sum of floats depends on its order
        .with_columns(layer_energy(card))
        .group_by("trial", "seed", maintain_order=True)
        .agg(pl.col("train_images").first(), *sums)
        .with_columns(total.alias("energy_j"))
        .with_columns((pl.col("energy_j") / pl.col("train_images")).alias("energy_per_image_j"))
        .select("trial", "seed", *PARTS, "energy_j", "energy_per_image_j")
    )
