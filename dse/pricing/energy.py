"""Energy: what a trial is billed for, and at what rate.

A layer's events give **quantities** that no card enters, such as conversions times bits. They are summed over the
layers of a trial. A card gives **rates**, such as the energy of a conversion for each bit. An **item** of the bill is
what one part of the hardware does in one phase of the training: the sum of some quantities times their rates.

    array            siemens * V_read^2 t_read           siemens: drive time * cells on a line * mean G; t_read
                     is the longest pulse, of as many steps as codes, where inputs are coded in the width of pulses
    adc              n (a + b B + c 2^B + d 4^B)         n conversions of B bits; where these are corrected digitally,
                     also n additions of B bits, and n multiplications of B by B bits
    dac              n (a + b B)                         B = 1 where pulses have one height
    set, reset       pulses * energy of a pulse
    chi_memory       words read and written * bits * energy of a bit (static or dynamic; that of static memory may grow
                     with the root of the bits that a layer keeps there); in binary PCM words read
                     * bits * energy of a read + bits changed * energy of a write
    chi_adds         additions * bits * gates * energy of a gate, or float additions
    outer_products   B^2 multiplier cells for each product d x^T of B-bit factors, or float multiplications
    digital_macs     multiply-accumulates, only without a crossbar
    digital_memory   weights read and written * bits * energy of a bit, only without a crossbar
    partial_sums     additions of converted parts of products, of tiles and of windows that overlap, * converter bits
                     * gates * energy of a gate
    activations      activation functions in the forward phase, and as many derivatives in the backward phase of layers
                     that were trained
    control          products of arrays * control and clock of an array
    interconnect     bits to and from arrays * energy of a bit: inputs to every array, words of outputs from each
    buffers          bits read and written between layers * energy of a bit: inputs once for all columns, and outputs of
                     activation functions
    static           leakage of everything that is on the chip * the seconds of the phase, with layers in turn

The last four are what a system adds; most cards give nothing there. A digital network moves and buffers words of
`digital_word_bits`. Words that are shifted before they are added have the bits of the sum.

An item belongs to one phase and one part, so that phases add up to the total, parts add up to the total, and nothing is
counted twice. The read of a single cell, for refresh or to verify what was programmed for a deployment, is billed as a
read of the array and a share of a conversion. Whether weights train on a crossbar and whether they are deployed on one
are two questions: a digital network has no analog item but those of its deployment.
"""

from functools import reduce
from operator import add

import polars as pl

from dse.crossbar.usage import CORRECTIONS, OUTPUT_SCALES, PARTIAL_ADDS_DEPLOYMENT, PLANES, PULSE_STEPS, SHIFTS, SLICES
from dse.pricing.card import constant
from dse.pricing.cut import COLUMN_TILES, ROW_TILES

FLOAT_BITS = 32
NO_BITS = 1e3
"""More bits than any converter has."""
ADDER_AND_MULTIPLIER = ("gates_per_adder_bit", "gates_per_multiplier_cell")
STEPS_OF = {"forward": PULSE_STEPS[0], "backward": PULSE_STEPS[1], "deployment": PULSE_STEPS[0]}
"""Where a layer says how many steps the longest pulse of a direction has."""
PRODUCTS: tuple[str, ...] = ("forward", "backward", "deployment")
"""Phases in which arrays multiply."""
PLANES_OF = {"forward": PLANES[0], "backward": PLANES[1], "deployment": PLANES[0]}
SLICES_OF = {"forward": SLICES[0], "deployment": SLICES[1]}
SHIFT_OF = {"forward": SHIFTS[0], "deployment": SHIFTS[1]}
"""Where a layer says how many bits of inputs and digits of weights are converted apart; backward there are no digits.
"""
PHASES: tuple[str, ...] = ("forward", "backward", "update", "refresh", "deployment")
PARTS: tuple[str, ...] = (
    "array",
    "dac",
    "adc",
    "partial_sums",
    "activations",
    "chi_memory",
    "chi_adds",
    "outer_products",
    "set_pulses",
    "reset_pulses",
    "digital_macs",
    "digital_memory",
    "control",
    "interconnect",
    "buffers",
    "static",
)
SYSTEM_PARTS: tuple[str, ...] = PARTS[-4:]
"""Parts that cards of components have nothing for."""


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64)  # a column of nulls alone has no type


def trained(amount: pl.Expr) -> pl.Expr:
    """Return an amount where errors passed back through a layer, or it learned; else 0: it was there for inference."""
    passed = pl.col("mvm_backward") + pl.col("macs_backward") + pl.col("macs_update")
    return pl.when(passed > 0).then(amount).otherwise(0)


def _when_used(count: str, amount: pl.Expr) -> pl.Expr:
    # What never happens costs nothing, whether or not it has a price.
    return pl.when(pl.col(count) > 0).then(pl.col(count) * amount).otherwise(0.0)


def _on_crossbar(amount: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("cells") > 0).then(amount).otherwise(0.0)


def _digital(amount: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("cells") > 0).then(0.0).otherwise(amount)


def _deployed(amount: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("deployed_cells") > 0).then(amount).otherwise(0.0)


def _stored_in(storage: str, amount: pl.Expr) -> pl.Expr:
    # Accumulators whose storage is not known are billed as static memory.
    held = pl.col("chi_storage").cast(pl.String).fill_null("sram")
    return _on_crossbar(pl.when(held == storage).then(amount).otherwise(0.0))


def _conversions() -> dict[str, pl.Expr]:
    """Return conversions of outputs and of refresh, weighted with what a converter's energy depends on."""
    sources = {
        "forward": ("adc_forward", "adc_bits", _on_crossbar),
        "backward": ("adc_backward", "adc_backward_bits", _on_crossbar),
        "refresh": ("refresh_reads", "adc_bits", _on_crossbar),
        "deployment": ("adc_deployment", "deployed_adc_bits", _deployed),
        "single_reads": ("single_reads_deployment", "deployed_adc_bits", _deployed),
    }
    quantities: dict[str, pl.Expr] = {}
    for phase, (count, column, where) in sources.items():
        bits = _number(column)
        weights = {"": pl.lit(1.0), "_bits": bits, "_codes": pl.lit(2.0) ** bits, "_codes2": pl.lit(4.0) ** bits}
        for suffix, weight in weights.items():
            known = pl.when(bits.is_null()).then(None).otherwise(weight)  # an ideal converter has no price
            quantities[f"{phase}_conversions{suffix}"] = where(_when_used(count, known))
    return quantities


def _corrections() -> dict[str, pl.Expr]:
    """Return digital corrections of conversions, of layers that have some; see `dse.crossbar.usage`."""
    sources = {
        "forward": ("adc_forward", "adc_bits", _on_crossbar),
        "backward": ("adc_backward", "adc_backward_bits", _on_crossbar),
        "deployment": ("adc_deployment", "deployed_adc_bits", _deployed),
    }
    quantities: dict[str, pl.Expr] = {}
    for phase, (count, column, where) in sources.items():
        bits = _number(column)
        adds, multiplies = (pl.when(pl.col(name) > 0) for name in CORRECTIONS)
        quantities[f"{phase}_corrected_bits"] = where(adds.then(_when_used(count, bits)).otherwise(0.0))
        quantities[f"{phase}_corrected_cells"] = where(multiplies.then(_when_used(count, bits * bits)).otherwise(0.0))
    return quantities


def _partial_sums() -> dict[str, pl.Expr]:
    sources = {
        "forward": ("adc_bits", "partial_adds_forward", _on_crossbar),
        "backward": ("adc_backward_bits", "partial_adds_backward", _on_crossbar),
        "deployment": ("deployed_adc_bits", PARTIAL_ADDS_DEPLOYMENT, _deployed),
    }
    return {
        f"{phase}_partial_bits": where(_when_used(count, _number(bits) + _shifted(phase)))
        for phase, (bits, count, where) in sources.items()
    }


def _fact(name: str, unsaid: float) -> pl.Expr:
    return _number(name).fill_null(unsaid)


def _shifted(phase: str) -> pl.Expr:
    """Return by how many bits the words of bits of inputs and of digits of weights are shifted, at most."""
    planes = _fact(PLANES_OF[phase], 1.0) - 1.0
    return planes if phase not in SHIFT_OF else planes + _fact(SHIFT_OF[phase], 0.0)


def _moved() -> dict[str, pl.Expr]:
    """Return products of arrays, and bits that go to arrays, come from them and lie in buffers between layers."""
    sources = {
        "forward": (_on_crossbar, "dac_bits", "adc_bits", pl.col("activations"), COLUMN_TILES),
        "backward": (
            *(_on_crossbar, "dac_backward_bits", "adc_backward_bits"),
            *(trained(pl.col("activations")), ROW_TILES),
        ),
        "deployment": (_deployed, "deployed_dac_bits", "deployed_adc_bits", pl.lit(0), COLUMN_TILES),
    }
    tiles, quantities = ROW_TILES * COLUMN_TILES, dict[str, pl.Expr]()
    for phase, (where, inputs, outputs, functions, copies) in sources.items():
        planes = _fact(PLANES_OF[phase], 1.0)
        words = planes * _fact(SLICES_OF[phase], 1.0) if phase in SLICES_OF else planes
        driven = _when_used(f"dac_{phase}", _number(inputs))
        converted = _when_used(f"adc_{phase}", _number(outputs)) / words
        kept = pl.when(functions > 0).then(functions * planes * _number(inputs)).otherwise(0.0)
        quantities[f"{phase}_array_products"] = where((pl.col(f"mvm_{phase}") * tiles).cast(pl.Float64))
        quantities[f"{phase}_moved_bits"] = where(driven + converted)
        quantities[f"{phase}_buffer_bits"] = where(driven / copies + kept)
    for phase, line in (("forward", pl.col("cols")), ("backward", pl.col("rows") - pl.col("bias_rows"))):
        functions = pl.col("activations") if phase == "forward" else trained(pl.col("activations"))
        quantities[f"{phase}_words"] = _digital(pl.col(f"macs_{phase}") / line + functions)
    return quantities


def _array() -> dict[str, pl.Expr]:
    siemens = pl.col("mean_conductance_us") * 1e-6
    line, weights = pl.col("cells") / pl.col("rows"), pl.col("rows") * pl.col("cols")
    backward = pl.col("drive_time_backward") * (pl.col("rows") - pl.col("bias_rows")) * pl.col("cells") / weights
    deployed_line = pl.col("deployed_cells") / pl.col("rows")
    deployment = pl.col("drive_time_deployment") * deployed_line + pl.col("single_reads_deployment")
    conductance = pl.col("deployed_conductance_us")
    driven = {
        "forward": (_on_crossbar, pl.col("drive_time_forward") * line * siemens, pl.lit(0.0)),
        "backward": (_on_crossbar, backward * siemens, pl.lit(0.0)),
        "deployment": (
            _deployed,
            deployment * conductance * 1e-6,
            pl.col("single_reads_deployment") * conductance * 1e-6,
        ),
    }
    quantities = {"refresh_siemens": _on_crossbar(pl.col("refresh_reads") * siemens)}
    for phase, (where, amount, single_reads) in driven.items():
        steps, wide = _number(STEPS_OF[phase]), pl.when(pl.col(STEPS_OF[phase]) > 0)
        quantities[f"{phase}_siemens"] = where(wide.then(single_reads).otherwise(amount))
        quantities[f"{phase}_siemens_steps"] = where(wide.then((amount - single_reads) * steps).otherwise(0.0))
    inputs = (
        ("forward", "dac_bits", _on_crossbar),
        ("backward", "dac_backward_bits", _on_crossbar),
        ("deployment", "deployed_dac_bits", _deployed),
    )
    for phase, column, where in inputs:
        bits = _number(column)
        one = pl.when(bits.is_null()).then(None).otherwise(1.0)
        bits = pl.when(pl.col(STEPS_OF[phase]) > 0).then(one).otherwise(bits)
        quantities[f"{phase}_drives"] = where(_when_used(f"dac_{phase}", one))
        quantities[f"{phase}_drives_bits"] = where(_when_used(f"dac_{phase}", bits))
    return quantities


def _weights() -> pl.Expr:
    return pl.col("rows").cast(pl.Float64) * pl.col("cols")


def _accumulators() -> dict[str, pl.Expr]:
    bits, operand = _number("chi_bits"), _number("operand_bits")
    word = bits.fill_null(FLOAT_BITS)
    accesses = pl.col("chi_reads") + pl.col("chi_writes")
    return {
        "sram_bits": _stored_in("sram", accesses * word),
        "sram_root_bits": _stored_in("sram", accesses * word * (_weights() * word).sqrt()),
        "dram_bits": _stored_in("dram", accesses * word),
        "pcm_bits_read": _stored_in("pcm", pl.col("chi_reads") * word),
        "pcm_flips": _stored_in("pcm", pl.col("chi_flips").cast(pl.Float64)),
        "adder_bits": _on_crossbar(pl.col("chi_adds") * bits.fill_null(0.0)),
        "float_adds": _on_crossbar(pl.when(bits.is_null()).then(pl.col("chi_adds")).otherwise(0.0)),
        "multiplier_cells": _on_crossbar(pl.col("macs_update") * operand.fill_null(0.0) ** 2),
        "float_multiplies": _on_crossbar(pl.when(operand.is_null()).then(pl.col("macs_update")).otherwise(0.0)),
    }


def _digital_network() -> dict[str, pl.Expr]:
    # A word is read once for all the places of a sample where it is multiplied; the rest is read by updates.
    forward, backward = (pl.col(f"macs_{phase}") // pl.col("places") for phase in ("forward", "backward"))
    root = _weights().sqrt()
    return {
        "macs_forward": _digital(pl.col("macs_forward")),
        "macs_backward": _digital(pl.col("macs_backward")),
        "macs_update": _digital(pl.col("macs_update")),
        "forward_reads": _digital(forward),
        "backward_reads": _digital(backward),
        "update_reads": _digital(pl.col("weight_reads") - forward - backward),
        "weight_writes": _digital(pl.col("weight_writes")),
        # Words of a layer lie in one memory, whose size in bits follows when a card says how long a word is.
        "forward_root_reads": _digital(forward * root),
        "backward_root_reads": _digital(backward * root),
        "update_root_reads": _digital((pl.col("weight_reads") - forward - backward) * root),
        "root_writes": _digital(pl.col("weight_writes") * root),
    }


def _optimiser() -> dict[str, pl.Expr]:
    # On crossbars digital words of weights are those of an optimiser before chi, floats of 32 bits. A word takes two
    # multiply-accumulates: one that lets it fade and adds the gradient, and one in the direction.
    steps = 2 * pl.col("weight_writes")
    # Words and chi are written once an update for each weight.
    kept = pl.when(pl.col("chi_adds") > 0).then(pl.col("weight_writes") / pl.col("chi_adds")).otherwise(0.0)
    accesses = (pl.col("weight_reads") + pl.col("weight_writes")) * FLOAT_BITS
    return {
        "optimiser_root_bits": _on_crossbar(accesses * (_weights() * kept * FLOAT_BITS).sqrt()),
        "optimiser_bits_read": _on_crossbar(pl.col("weight_reads") * FLOAT_BITS),
        "optimiser_bits_written": _on_crossbar(pl.col("weight_writes") * FLOAT_BITS),
        "optimiser_macs": _on_crossbar(steps.cast(pl.Float64)),
    }


SYSTEM_QUANTITIES: dict[str, pl.Expr] = _moved()
"""Quantities of what a system adds, which enter a price only on cards that give it."""
QUANTITIES: dict[str, pl.Expr] = {
    **_optimiser(),
    **_array(),
    **_conversions(),
    **_corrections(),
    **_partial_sums(),
    **_accumulators(),
    **_digital_network(),
    **{name: _on_crossbar(_number(name).fill_null(0.0)) for name in OUTPUT_SCALES},
    "activations": pl.col("activations").cast(pl.Float64),
    "derivatives": trained(pl.col("activations")).cast(pl.Float64),
    "set_pulses_update": pl.col("set_pulses_update").cast(pl.Float64),
    "set_pulses_refresh": pl.col("set_pulses_refresh").cast(pl.Float64),
    "resets": pl.col("resets").cast(pl.Float64),
    "set_pulses_deployment": pl.col("set_pulses_deployment").cast(pl.Float64),
    "resets_deployment": pl.col("resets_deployment").cast(pl.Float64),
}
"""Quantities of a layer over training and deployment; null where a converter is ideal."""


def _resolutions(unused: float) -> dict[str, pl.Expr]:
    """Return the resolution of the converters of a layer by phase; `unused` where none is used."""
    return {
        phase: pl.when((pl.col(cells) > 0) & (pl.col(count) > 0)).then(_number(bits)).otherwise(unused)
        for phase, count, bits, cells in (
            ("forward", "adc_forward", "adc_bits", "cells"),
            ("backward", "adc_backward", "adc_backward_bits", "cells"),
            ("refresh", "refresh_reads", "adc_bits", "cells"),
            ("deployment", "adc_deployment", "deployed_adc_bits", "deployed_cells"),
            ("single_reads", "single_reads_deployment", "deployed_adc_bits", "deployed_cells"),
        )
    }


LONGEST: dict[str, pl.Expr] = {f"{phase}_adc_bits": bits for phase, bits in _resolutions(0.0).items()}
"""Resolution of the converters of a layer that are used; the longest of a trial decides whether it has a price."""
SHORTEST: dict[str, pl.Expr] = {f"{phase}_fewest_bits": bits for phase, bits in _resolutions(NO_BITS).items()}
"""The same for the shortest of a trial."""

Bill = dict[tuple[str, str], pl.Expr]
"""(phase, part) -> joules over training and deployment, from sums of quantities and constants of a card."""


def _sum(*products: tuple[str, pl.Expr]) -> pl.Expr:
    return reduce(add, (pl.col(quantity) * rate for quantity, rate in products))


def _adc(phase: str, share: pl.Expr | None = None) -> pl.Expr:
    energy = _sum(
        (f"{phase}_conversions", constant("adc_fixed_j")),
        (f"{phase}_conversions_bits", constant("adc_per_bit_j")),
        (f"{phase}_conversions_codes", constant("adc_per_code_j")),
        (f"{phase}_conversions_codes2", constant("adc_per_code2_j")),
    )
    if share is None:
        adder, multiplier = (constant(name) * constant("gate_j") for name in ADDER_AND_MULTIPLIER)
        energy = energy + _sum((f"{phase}_corrected_bits", adder), (f"{phase}_corrected_cells", multiplier))
    below = pl.col(f"{phase}_adc_bits") <= constant("adc_bits_max")
    above = pl.col(f"{phase}_fewest_bits") >= constant("adc_bits_min")
    return pl.when(below & above).then(energy if share is None else energy * share).otherwise(None)


def bill() -> Bill:
    """Return every item that can occur."""
    read = constant("read_voltage_v") * constant("read_voltage_v") * constant("read_time_s")
    step = constant("read_voltage_v") * constant("read_voltage_v") * constant("pulse_step_s")
    word = constant("digital_word_bits")
    reads = {
        "forward": ("forward_reads", word * constant("weight_read_per_bit_j")),
        "backward": ("backward_reads", word * constant("weight_read_transposed_per_bit_j")),
    }
    by_size = _word_by_size()
    items: Bill = {}
    for phase in ("forward", "backward"):
        items[phase, "array"] = _sum((f"{phase}_siemens", read), (f"{phase}_siemens_steps", step))
        items[phase, "dac"] = _sum(
            (f"{phase}_drives", constant("dac_fixed_j")), (f"{phase}_drives_bits", constant("dac_per_bit_j"))
        )
        items[phase, "adc"] = _adc(phase)
        adder = constant("gates_per_adder_bit") * constant("gate_j")
        items[phase, "partial_sums"] = _sum((f"{phase}_partial_bits", adder))
        functions = "activations" if phase == "forward" else "derivatives"
        items[phase, "activations"] = _sum((functions, constant("activation_j")))
        scaled = f"scaled_{phase}", constant("float_multiply_j")
        items[phase, "digital_macs"] = _sum((f"macs_{phase}", constant("digital_mac_j")), scaled)
        items[phase, "digital_memory"] = _sum(reads[phase], (f"{phase}_root_reads", by_size))
    return {**items, **_update_items(), **_refresh_items(read), **_deployment_items(read, step)}


def system_items() -> Bill:
    """Return what a system adds, from sums of quantities, leakage and seconds; 0 on a card that gives nothing there.

    What such a card gives nothing for has a price there, known or not: it is not counted.
    """
    word, items = constant("digital_word_bits"), Bill()
    for phase in PRODUCTS:
        moved, kept = pl.col(f"{phase}_moved_bits"), pl.col(f"{phase}_buffer_bits")
        if phase != "deployment":
            moved, kept = (bits + pl.col(f"{phase}_words") * word for bits in (moved, kept))
        amounts = {
            "control": ("control_product_j", pl.col(f"{phase}_array_products")),
            "interconnect": ("interconnect_per_bit_j", moved),
            "buffers": ("buffer_per_bit_j", kept),
        }
        for part, (rate, amount) in amounts.items():
            items[phase, part] = pl.when(constant(rate) > 0).then(amount * constant(rate)).otherwise(0.0)
    return items | {(phase, "static"): leaked(pl.col(f"{phase}_s")) for phase in PHASES}


def leaked(seconds: pl.Expr) -> pl.Expr:
    """Return the joules that a chip leaks in so many seconds; 0 on a card without leakage."""
    watts = pl.col("leakage_w") + pl.col("lanes_m2") * constant("leakage_w_per_m2")
    leaks = constant("leakage_w_per_m2") + constant("memory_leakage_w_per_m2")
    return pl.when(leaks > 0).then(watts * seconds).otherwise(0.0)


def _word_by_size() -> pl.Expr:
    """Return what the size of its memory adds to the energy of a digital word, over the root of the words there."""
    word = constant("digital_word_bits")
    return word * word**0.5 * constant("weight_memory_per_root_bit_j")


def _update_items() -> Bill:
    gate, word = constant("gate_j"), constant("digital_word_bits")
    parts = {
        "chi_memory": _sum(
            ("sram_bits", constant("chi_memory_per_bit_j")),
            ("dram_bits", constant("dram_per_bit_j")),
            ("pcm_bits_read", constant("binary_read_per_bit_j")),
            ("pcm_flips", constant("binary_write_j")),
            ("sram_root_bits", constant("chi_memory_per_root_bit_j")),
        ),
        "chi_adds": _sum(
            ("adder_bits", constant("gates_per_adder_bit") * gate), ("float_adds", constant("float_add_j"))
        ),
        "outer_products": _sum(
            ("multiplier_cells", constant("gates_per_multiplier_cell") * gate),
            ("float_multiplies", constant("float_multiply_j")),
        ),
        "set_pulses": _sum(("set_pulses_update", constant("set_pulse_j"))),
        "digital_macs": _sum(
            ("macs_update", constant("digital_mac_j")),
            ("optimiser_macs", constant("float_multiply_j") + constant("float_add_j")),
        ),
        "digital_memory": _sum(
            ("update_reads", word * constant("weight_read_per_bit_j")),
            ("weight_writes", word * constant("weight_write_per_bit_j")),
            ("optimiser_bits_read", constant("weight_read_per_bit_j")),
            ("optimiser_bits_written", constant("weight_write_per_bit_j")),
            ("update_root_reads", _word_by_size()),
            ("root_writes", _word_by_size()),
            ("optimiser_root_bits", constant("weight_memory_per_root_bit_j")),
        ),
    }
    return {("update", part): energy for part, energy in parts.items()}


def _refresh_items(read: pl.Expr) -> Bill:
    return {
        ("refresh", "array"): _sum(("refresh_siemens", read)),
        ("refresh", "adc"): _adc("refresh", constant("refresh_conversions_per_read")),
        ("refresh", "set_pulses"): _sum(("set_pulses_refresh", constant("set_pulse_j"))),
        ("refresh", "reset_pulses"): _sum(("resets", constant("reset_pulse_j"))),
    }


def _deployment_items(read: pl.Expr, step: pl.Expr) -> Bill:
    return {
        ("deployment", "array"): _sum(("deployment_siemens", read), ("deployment_siemens_steps", step)),
        ("deployment", "dac"): _sum(
            ("deployment_drives", constant("dac_fixed_j")), ("deployment_drives_bits", constant("dac_per_bit_j"))
        ),
        ("deployment", "adc"): _adc("deployment") + _adc("single_reads", constant("refresh_conversions_per_read")),
        ("deployment", "partial_sums"): _sum(
            ("deployment_partial_bits", constant("gates_per_adder_bit") * constant("gate_j"))
        ),
        ("deployment", "set_pulses"): _sum(("set_pulses_deployment", constant("set_pulse_j"))),
        ("deployment", "reset_pulses"): _sum(("resets_deployment", constant("reset_pulse_j"))),
    }


ITEMS: tuple[tuple[str, str], ...] = tuple(
    sorted({**bill(), **system_items()}, key=lambda i: (PHASES.index(i[0]), PARTS.index(i[1])))
)
"""Every (phase, part) that can occur, phase by phase."""
