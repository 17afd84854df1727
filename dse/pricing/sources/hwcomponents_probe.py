"""Asks the packages of hwcomponents for components at a node, and prints what they say as JSON; see `base.py`.

It runs in an interpreter that has them, which may have nothing of this project. Argument: the node in nm.
"""

import contextlib
import io
import json
import logging
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any

ADC_MODELS: Any = import_module("hwcomponents_adc")
ALADDIN: Any = import_module("hwcomponents_library.library.aladdin")
BRAHMS: Any = import_module("hwcomponents_library.library.brahms")
ISAAC: Any = import_module("hwcomponents_library.library.isaac")
PACKAGES = ("hwcomponents", "hwcomponents-adc", "hwcomponents-library", "hwcomponents-cacti")
WIDTH = 32
"""Bits of the adder and the multiplier."""
WORD = 64
"""Bits of a word of a memory."""
KIB = (32, 128, 512)
"""Sizes of memories, KiB."""
SPEED = 1e8
"""Conversions a second."""


def parts(node: float) -> dict[str, Any]:
    """Return what the packages say of components at a node, in J, m2, s and W."""
    adder, multiplier = ALADDIN.AladdinAdder(node, width=WIDTH), ALADDIN.AladdinMultiplier(node, width=WIDTH)
    edram, dac, driver = (
        ISAAC.IsaacEDRAM(node, width=256, depth=2048),
        BRAHMS.BrahmsDAC(node, resolution=8),
        ISAAC.IsaacDAC(node),
    )
    return {
        "versions": {name: version(name) for name in PACKAGES},
        "speed": SPEED,
        "adc": [converter(bits, node) for bits in range(4, 13)],
        "width": WIDTH,
        "adder": [adder.add().energy, adder.area, adder.leak_power],
        "multiplier": [multiplier.multiply().energy, multiplier.area, multiplier.leak_power],
        "dac_8_bits": [dac.convert().energy, dac.area],
        "driver": [driver.convert().energy, driver.area],
        "edram_bits": 256 * 2048,
        "edram": [edram.read().energy / 256, edram.area],
        "bus": ISAAC.IsaacEDRAMBus(node).read().energy,
        "router": ISAAC.IsaacRouter(node).read().energy / 256,
        "sram": memories(node),
    }


def converter(bits: int, node: float) -> list[float]:
    """Return bits, energy, area and leakage of a converter."""
    own = ADC_MODELS.ADC(bits, node, SPEED)
    return [bits, own.convert().energy, own.area, own.leak_power]


def memories(node: float) -> list[list[float]] | str:
    """Return bits, energies of a read and a write a bit, area and leakage of memories; or why they are not known."""
    try:
        cacti: Any = import_module("hwcomponents_cacti")
        made = [cacti.SRAM(node, width=WORD, size=kib * 8192) for kib in KIB]
        return [
            [k * 8192, m.read().energy / WORD, m.write().energy / WORD, m.area, m.leak_power]
            for k, m in zip(KIB, made, strict=True)
        ]
    except Exception as error:  # noqa: BLE001  whatever keeps cacti from running, the rest is still an answer
        return f"cacti did not run there ({type(error).__name__}); its program may need a newer system"


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    with contextlib.redirect_stdout(io.StringIO()):
        found = parts(float(sys.argv[1]) * 1e-9)
    sys.stdout.write(json.dumps(found) + "\n")
