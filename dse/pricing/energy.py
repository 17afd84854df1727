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

from dse.pricing.card import constant

ADDER_AND_MULTIPLIER = ("gates_per_adder_bit", "gates_per_multiplier_cell")
PRODUCTS: tuple[str, ...] = ("forward", "backward", "deployment")
"""Phases in which arrays multiply."""
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
