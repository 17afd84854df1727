"""What a trial is billed for: quantities of a layer that no card enters, such as conversions times bits.

They follow from the events and sizes of a layer alone, and are summed over the layers of a trial; `dse.pricing.energy`
says at what rate. A quantity is null where a converter is ideal, and 0 where nothing of its kind happens.
"""

import polars as pl

from dse.crossbar.usage import CORRECTIONS, OUTPUT_SCALES, PARTIAL_ADDS_DEPLOYMENT, PLANES, PULSE_STEPS, SHIFTS, SLICES
from dse.pricing.cut import COLUMN_TILES, ROW_TILES

FLOAT_BITS = 32
NO_BITS = 1e3
"""More bits than any converter has."""
STEPS_OF = {"forward": PULSE_STEPS[0], "backward": PULSE_STEPS[1], "deployment": PULSE_STEPS[0]}
"""Where a layer says how many steps the longest pulse of a direction has."""
PLANES_OF = {"forward": PLANES[0], "backward": PLANES[1], "deployment": PLANES[0]}
SLICES_OF = {"forward": SLICES[0], "deployment": SLICES[1]}
SHIFT_OF = {"forward": SHIFTS[0], "deployment": SHIFTS[1]}
"""Where a layer says how many bits of inputs and digits of weights are converted apart; backward there are no digits.
"""


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
