"""Asks ZigZag for the parts of its analog arrays, and prints what it says as JSON; see `base.py`.

It runs in an interpreter that has ZigZag, which may have nothing of this project.
"""

import json
import sys
from importlib import import_module
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

ImcArray: Any = import_module("zigzag.hardware.architecture.imc_array").ImcArray
ImcUnit: Any = import_module("zigzag.hardware.architecture.imc_unit").ImcUnit

ROWS = (128, 256)
"""Rows whose converters are asked for their duration, which is linear in them."""


def parts() -> dict[str, Any]:
    """Return what ZigZag says, in J, m2 and s."""
    known: Any = ImcUnit.TECH_PARAM_28NM
    unit = SimpleNamespace(tech_param=known)
    dac: Any = ImcArray.get_dac_cost(SimpleNamespace(bit_serial_precision=8, tech_param=known))
    return {
        "versions": {"zigzag-dse": version("zigzag-dse")},
        "rows": ROWS,
        "adc": [converter(bits, known) for bits in range(2, 13)],
        "dac_8_bits": [dac[2] * 1e-12, dac[0] * 1e-6],
        "adder_bit": [ImcUnit.get_1b_adder_energy(unit) * 1e-12, ImcUnit.get_1b_adder_area(unit) * 1e-6],
        "multiplier_cell": [known["nd2_cap"] * known["vdd"] ** 2 * 1e-12, ImcUnit.get_1b_multiplier_area(unit) * 1e-6],
        "gate": [known["nd2_cap"] * known["vdd"] ** 2 * 1e-12, known["nd2_area"] * 1e-6],
    }


def converter(bits: int, known: Any) -> list[float]:
    """Return bits, energy, area, and durations for `ROWS`."""
    own: Any = [
        ImcArray.get_adc_cost(SimpleNamespace(adc_resolution=bits, bitline_dim_size=rows, tech_param=known))
        for rows in ROWS
    ]
    return [bits, own[0][2] * 1e-12, own[0][0] * 1e-6, *(cost[1] * 1e-9 for cost in own)]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(parts()) + "\n")
