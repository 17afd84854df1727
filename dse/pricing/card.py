"""Cost cards: the constants that turn events into energy."""

from dataclasses import dataclass
from pathlib import Path

from dse.devices.card import read_card
from dse.errors import SettingError, did_you_mean

LARGEST = 1e6
"""Largest value of a constant; beyond it lies a slip of the unit."""
UNITS: dict[str, str] = {
    "supply_v": "V",
    "adc_capacitance_per_bit_f": "F",
    "adc_capacitance_per_level_f": "F",
    "adc_bits_max": "bits",
    "dac_capacitance_per_bit_f": "F",
    "read_voltage_v": "V",
    "read_time_s": "s",
    "set_pulse_j": "J",
    "reset_pulse_j": "J",
    "memory_per_bit_j": "J/bit",
    "dram_per_bit_j": "J/bit",
    "binary_read_per_bit_j": "J/bit",
    "binary_write_j": "J",
    "gate_capacitance_f": "F",
    "gates_per_adder_bit": "gates",
    "gates_per_multiplier_cell": "gates",
    "float_add_j": "J",
    "float_multiply_j": "J",
}
"""Every constant of a cost card with the unit it must be given in."""


@dataclass(frozen=True)
class CostCard:
    """The constants of a cost card; fields carry their units, and `UNITS` says which a file must give.

    Attributes:
        name: name of the card.
        supply_v: supply of the digital parts and converters.
        adc_capacitance_per_bit_f: capacitance switched by an analog-to-digital conversion, for each bit.
        adc_capacitance_per_level_f: the same, for each level squared (4^bits).
        adc_bits_max: resolution up to which the converter's formula holds.
        dac_capacitance_per_bit_f: capacitance switched by a digital-to-analog conversion, for each bit.
        read_voltage_v: voltage of a read pulse.
        read_time_s: duration of a read pulse at full-scale input; smaller inputs last in proportion.
        set_pulse_j: energy of a SET pulse.
        reset_pulse_j: energy of a RESET pulse.
        memory_per_bit_j: energy to read or write a bit of the static memory of accumulators and digital weights.
        dram_per_bit_j: energy to read or write a bit of dynamic memory outside the chip.
        binary_read_per_bit_j: energy to read a bit of an accumulator in binary PCM.
        binary_write_j: energy of a pulse that changes a bit of an accumulator in binary PCM, mean of SET and RESET.
        gate_capacitance_f: capacitance that one gate switches in an operation.
        gates_per_adder_bit: gates of an adder, for each bit.
        gates_per_multiplier_cell: gates of a multiplier, for each pair of bits.
        float_add_j: energy of a 32-bit float addition.
        float_multiply_j: energy of a 32-bit float multiplication.
    """

    name: str
    supply_v: float
    adc_capacitance_per_bit_f: float
    adc_capacitance_per_level_f: float
    adc_bits_max: float
    dac_capacitance_per_bit_f: float
    read_voltage_v: float
    read_time_s: float
    set_pulse_j: float
    reset_pulse_j: float
    memory_per_bit_j: float
    dram_per_bit_j: float
    binary_read_per_bit_j: float
    binary_write_j: float
    gate_capacitance_f: float
    gates_per_adder_bit: float
    gates_per_multiplier_cell: float
    float_add_j: float
    float_multiply_j: float


def read_cost_card(name: str, folder: Path | None = None) -> CostCard:
    """Read a cost card from the library, or from a file where `name` ends in .toml; see `read_card`.

    Raises:
        SettingError: a constant that is unknown, missing, negative or in another unit.
    """
    card = read_card("costs", name, folder)
    for key, entry in card.entries.items():
        if key not in UNITS:
            raise SettingError(f"cost card {name}: unknown constant {key!r}{did_you_mean(key, UNITS)}")
        if entry.unit != UNITS[key]:
            raise SettingError(f"cost card {name}: {key} is in {entry.unit!r}; it must be in {UNITS[key]!r}")
        if not 0.0 <= entry.value <= LARGEST:
            raise SettingError(f"cost card {name}: {key} = {entry.value} must be a number from 0 to {LARGEST:g}")
    missing = [key for key in UNITS if key not in card.entries]
    if missing:
        raise SettingError(f"cost card {name}: missing {', '.join(missing)}")
    return CostCard(name=card.name, **{key: entry.value for key, entry in card.entries.items()})
