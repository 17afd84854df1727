"""Cost cards: the constants that turn events into energy, time, area and lifetime.

`CONSTANTS` is the one table of what a card gives: name, unit, largest value that is no slip of the unit, meaning. A
card that builds on another names it, `base = "bottom_up_28nm"`, and gives only what differs. A card may take its
converters from one of `device_library/converters`, `adc = "flash"`, which gives what differs from the base.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dse.devices.card import Card, Entry, read_card
from dse.errors import SettingError, did_you_mean

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Constant:
    """What a constant of a cost card is.

    Attributes:
        unit: the unit in which a card must give it.
        largest: largest value; beyond it lies a slip of the unit, such as a number in picojoules under joules.
        meaning: one line.
        positive: whether 0 is refused, because something is divided by it.
        default: its value on a card that does not give it; None for one that must be given.
    """

    unit: str
    largest: float
    meaning: str
    positive: bool = False
    default: float | None = None


def _j(meaning: str, unit: str = "J") -> Constant:
    return Constant(unit, 1e-6, meaning)


def _s(meaning: str, unit: str = "s") -> Constant:
    return Constant(unit, 1e-2, meaning)


def _m2(meaning: str) -> Constant:
    return Constant("m2", 1e-6, meaning)


CONSTANTS: dict[str, Constant] = {
    # Converters: E = fixed + per_bit B + per_code 2^B + per_code2 4^B; t = fixed + B (per_bit + per_bit_line lines)
    # + per_code 2^B; area = fixed + scale 2^(exponent B).
    "adc_fixed_j": _j("analog-to-digital conversion, whatever its resolution"),
    "adc_per_bit_j": _j("the same, for each bit", "J/bit"),
    "adc_per_code_j": _j("the same, for each of 2^bits codes", "J/code"),
    "adc_per_code2_j": _j("the same, for each of 4^bits squared codes", "J/code^2"),
    "adc_bits_min": Constant("bits", 32, "resolution from which the converter's formula holds", default=0.0),
    "adc_bits_max": Constant("bits", 32, "resolution up to which the converter's formula holds"),
    "adc_fixed_s": _s("duration of a conversion, whatever its resolution"),
    "adc_per_bit_s": _s("the same, for each bit", "s/bit"),
    "adc_per_bit_line_s": _s("the same, for each bit and line that is summed", "s/(bit line)"),
    "adc_per_code_s": _s("the same, for each of 2^bits codes", "s/code"),
    "adc_area_fixed_m2": _m2("area of a converter, whatever its resolution"),
    "adc_area_scale_m2": _m2("factor of 2^(adc_area_exponent bits) in the area of a converter"),
    "adc_area_exponent": Constant("1", 4, "how the area grows with bits"),
    "columns_per_adc": Constant("columns", 1e6, "columns that share a converter and are read in turn", positive=True),
    "dac_fixed_j": _j("digital-to-analog conversion and drive of a line, whatever its resolution"),
    "dac_per_bit_j": _j("the same, for each bit", "J/bit"),
    "dac_area_m2": _m2("area of the driver of a line"),
    "driver_area_share": Constant(
        "1",
        1,
        "area of a driver of one bit (for bits in turn, or widths of pulses), in dac_area_m2",
        default=1.0,
    ),
    # The array
    "read_voltage_v": Constant("V", 10, "voltage of a read pulse"),
    "read_time_s": _s("duration of a read pulse at full-scale input; smaller inputs last in proportion"),
    "pulse_step_s": Constant(
        "s", 1e-2, "step of a pulse whose width codes an input; as many as codes make the longest", default=1e-9
    ),
    "refresh_conversions_per_read": Constant("1", 1, "conversions that the read of one cell for refresh takes"),
    "set_pulse_j": _j("a SET pulse"),
    "reset_pulse_j": _j("a RESET pulse"),
    "set_pulse_s": _s("duration of a SET pulse"),
    "reset_pulse_s": _s("duration of a RESET pulse"),
    "parallel_pulses": Constant("cells", 1e9, "cells that are programmed at once", positive=True),
    "cell_area_m2": _m2("area of a cell with its selector"),
    "cell_bits": Constant("bits", 32, "bits of a digital memory that one analog cell stands for in an inference"),
    # Accumulators and digital parts of a crossbar
    "chi_memory_per_bit_j": _j("read or write of a bit of an accumulator in static memory", "J/bit"),
    "chi_memory_per_root_bit_j": Constant(
        "J/bit^1.5", 1e-9, "the same, for the root of the bits that a layer keeps in static memory", default=0.0
    ),
    "dram_per_bit_j": _j("read or write of a bit of an accumulator in dynamic memory outside the chip", "J/bit"),
    "binary_read_per_bit_j": _j("read of a bit of an accumulator in binary PCM", "J/bit"),
    "binary_write_j": _j("pulse that changes a bit of an accumulator in binary PCM, mean of SET and RESET"),
    "binary_write_s": _s("duration of such a pulse"),
    "memory_bit_area_m2": _m2("area of a bit of static memory"),
    "gate_j": _j("operation of one logic gate"),
    "gate_area_m2": _m2("area of one logic gate"),
    "gates_per_adder_bit": Constant("gates", 1e4, "gates of an adder, for each bit"),
    "gates_per_multiplier_cell": Constant("gates", 1e4, "gates of a multiplier, for each pair of bits"),
    "float_add_j": _j("addition of 32-bit floats"),
    "float_multiply_j": _j("multiplication of 32-bit floats"),
    "float_add_area_m2": _m2("area of an adder of 32-bit floats"),
    "float_multiply_area_m2": _m2("area of a multiplier of 32-bit floats"),
    "activation_j": _j("activation function of a unit, or its derivative"),
    "clock_hz": Constant("Hz", 1e12, "clock of the digital parts", positive=True),
    "chi_lanes": Constant("words/cycle", 1e9, "accumulator words updated in a clock cycle", positive=True),
    # What a system adds to its arrays and digital parts; nothing where a source gives none
    "control_product_j": Constant("J/product", 1e-6, "control and clock of an array, for each product", default=0.0),
    "control_area_m2": Constant("m2", 1e-6, "area of control and clock of an array", default=0.0),
    "interconnect_per_bit_j": Constant("J/bit", 1e-6, "way of a bit to an array, or from it", default=0.0),
    "interconnect_area_m2": Constant("m2", 1e-6, "area of the interconnect of an array", default=0.0),
    "buffer_per_bit_j": Constant("J/bit", 1e-6, "read or write of a bit in a buffer between layers", default=0.0),
    "buffer_bit_area_m2": Constant("m2", 1e-6, "area of a bit of such a buffer", default=0.0),
    "leakage_w_per_m2": Constant("W/m2", 1e7, "leakage of converters, drivers, logic and interconnect", default=0.0),
    "memory_leakage_w_per_m2": Constant("W/m2", 1e7, "leakage of static memories and buffers", default=0.0),
    # Networks trained and used without a crossbar
    "digital_mac_j": _j("multiply-accumulate of a digital network"),
    "digital_mac_area_m2": _m2("area of a unit that does it"),
    "digital_lanes": Constant("MACs/cycle", 1e9, "multiply-accumulates in a clock cycle", positive=True),
    "digital_word_bits": Constant("bits", 64, "bits of a digital weight"),
    "weight_read_per_bit_j": _j("read of a bit of a digital weight", "J/bit"),
    "weight_read_transposed_per_bit_j": _j("the same in backward products, across the rows of the memory", "J/bit"),
    "weight_write_per_bit_j": _j("write of a bit of a digital weight", "J/bit"),
    "weight_memory_per_root_bit_j": Constant(
        "J/bit^1.5", 1e-9, "access of a bit of a digital weight, for the root of the bits of a layer", default=0.0
    ),
    # Wear
    "set_endurance_pulses": Constant("pulses", 1e18, "SET pulses that a cell endures", positive=True),
    "reset_endurance_cycles": Constant("cycles", 1e18, "full RESET cycles that a cell endures", positive=True),
    "binary_endurance_cycles": Constant("cycles", 1e18, "writes that a binary cell endures", positive=True),
    "trainings_per_day": Constant("1/day", 1e6, "duty: trainings on the same cells in a day", positive=True),
}
"""Every constant of a cost card; a card gives all of them but those with a default, itself or through its base."""
SYSTEM: tuple[str, ...] = (
    *("control_product_j", "control_area_m2", "interconnect_per_bit_j", "interconnect_area_m2"),
    *("buffer_per_bit_j", "buffer_bit_area_m2", "leakage_w_per_m2", "memory_leakage_w_per_m2"),
)
"""Constants of what a system adds to its parts; cards of components have none."""
UNSAID = "not on the card: the default of the framework"
"""The source of a constant that a card does not give."""
GROUPS: dict[str, str] = {
    "adc_fixed_j": "Analog-to-digital converters",
    "dac_fixed_j": "Digital-to-analog converters",
    "read_voltage_v": "Array and cells",
    "chi_memory_per_bit_j": "Memory of accumulators",
    "gate_j": "Digital parts beside a crossbar",
    "control_product_j": "What a system adds",
    "digital_mac_j": "Networks without a crossbar",
    "set_endurance_pulses": "Endurance and duty",
}
"""What constants are about, by the first of each group; a group goes on to the next."""
UNITS: dict[str, str] = {name: constant.unit for name, constant in CONSTANTS.items()}
"""Every constant with the unit it must be given in."""


DEFAULT_CARD = "bottom_up_28nm"
"""The card of a study that names none."""


@dataclass(frozen=True)
class CostCard:
    """A complete cost card.

    Attributes:
        name: name of the card.
        values: the value of every constant of `CONSTANTS`, in the unit given there.
        ranges: (low, high) of the constants on which sources disagree.
        lineage: the cards of the library that it builds on, each with why it is unlike its own base, or "".
    """

    name: str
    values: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]
    lineage: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuse constants that are unknown, missing or out of range.

        Raises:
            SettingError: naming them.
        """
        for key, value in self.values.items():
            check_constant(f"cost card {self.name}", key, value)
        object.__setattr__(self, "values", {**_defaults(), **self.values})
        missing = [key for key in CONSTANTS if key not in self.values]
        if missing:
            raise SettingError(f"cost card {self.name}: missing {', '.join(missing)}")

    def __getattr__(self, name: str) -> float:
        """Return a constant by its name."""
        if name.startswith("_") or name not in CONSTANTS:
            raise AttributeError(name)
        return self.values[name]

    @cached_property
    def table(self) -> "pl.DataFrame":
        """The card as `as_frame` gives it; made once, as it takes a third of the time of a price."""
        return _frame([self])

    def with_values(self, values: Mapping[str, float], name: str | None = None) -> "CostCard":
        """Return the card with some constants replaced; a replaced constant has no range any more.

        Raises:
            SettingError: an unknown constant, or a value out of range.
        """
        ranges = {key: ends for key, ends in self.ranges.items() if key not in values}
        return replace(self, name=name or self.name, values={**self.values, **values}, ranges=ranges)


def check_constant(where: str, key: str, value: float) -> None:
    """Refuse a constant that is not known, or a value that cannot be right.

    Raises:
        SettingError: what came, what is allowed and the nearest name.
    """
    known = CONSTANTS.get(key)
    if known is None:
        raise SettingError(f"{where}: unknown constant {key!r}{did_you_mean(key, CONSTANTS)}")
    # Written so that it refuses what is no number, too.
    if not (value > 0.0 or (value == 0.0 and not known.positive)) or not value <= known.largest:
        least = "above 0" if known.positive else "from 0"
        raise SettingError(f"{where}: {key} = {value} must be a number {least} to {known.largest:g} {known.unit}")


def read_cost_card(name: str, folder: Path | None = None) -> CostCard:
    """Read a cost card from the library, or from a file where `name` ends in .toml; see `read_card`.

    Raises:
        SettingError: a constant that is unknown, missing, out of range or in another unit.
    """
    card, given = card_entries(name, folder)
    return CostCard(
        name=card.name,
        values={key: given[key].value for key in CONSTANTS},
        ranges={key: ends for key in CONSTANTS if (ends := _range(given[key])) is not None},
        lineage=_lineage(card),
    )


def _lineage(card: Card) -> tuple[tuple[str, str], ...]:
    """Return a card and those that it builds on, with why each is unlike its base."""
    own = ((card.name, card.unlike_base or ""),)
    return own if card.base is None else (*own, *_lineage(read_card("costs", card.base)))


def unlike(cards: Sequence[CostCard]) -> list[str]:
    """Return a line for each two cards that must not be read as a step of technology, and why."""
    lines: list[str] = []
    for card in cards:
        for place, (name, why) in enumerate(card.lineage):
            bases = {base for base, _ in card.lineage[place + 1 :]}
            without = [own for own in cards if why and bases & dict(own.lineage).keys() - {name} and own is not card]
            lines += [
                f"{card.name} and {own.name} are no step of technology: {why}"
                for own in without
                if name not in dict(own.lineage)
            ]
    return lines


def card_entries(name: str, folder: Path | None = None) -> tuple[Card, Mapping[str, Entry]]:
    """Return a cost card as it is written, and all its constants with units and sources, those of its base included.

    Raises:
        SettingError: see `read_cost_card`.
    """
    card = read_card("costs", name, folder)
    unsaid = {key: Entry(value, UNITS[key], UNSAID) for key, value in _defaults().items()}
    given = {**unsaid, **_entries(card, name, (card.name,))}
    missing = [key for key in CONSTANTS if key not in given]
    if missing:
        raise SettingError(f"cost card {name}: missing {', '.join(missing)}")
    return card, given


def _entries(card: Card, name: str, chain: tuple[str, ...]) -> Mapping[str, Entry]:
    """Return the entries of a card over those of its base; `chain` names the cards on the way."""
    for key, entry in card.entries.items():
        _check_entry(f"cost card {name}", key, entry)
    own = {**_converters(card, name), **card.entries}
    if card.base is None:
        return own
    if card.base.endswith(".toml"):
        raise SettingError(f"cost card {name}: base = {card.base!r} must be a card of the device library")
    if card.base in chain:
        raise SettingError(f"cost card {name}: its bases go round in a circle, {' -> '.join((*chain, card.base))}")
    base = read_card("costs", card.base)
    return {**_entries(base, card.base, (*chain, card.base)), **own}


def _converters(card: Card, name: str) -> Mapping[str, Entry]:
    """Return the entries of the card of converters that a cost card names; they come before its own."""
    if card.adc is None:
        return {}
    if card.adc.endswith(".toml"):
        raise SettingError(f"cost card {name}: adc = {card.adc!r} must be a card of converters of the device library")
    return read_converters(card.adc)


def read_converters(name: str) -> Mapping[str, Entry]:
    """Return what a card of converters of the device library gives: constants of cost cards, by name.

    Raises:
        SettingError: see `read_cost_card`.
    """
    entries = read_card("converters", name).entries
    for key, entry in entries.items():
        _check_entry(f"converter {name}", key, entry)
    return entries


def _defaults() -> dict[str, float]:
    return {key: known.default for key, known in CONSTANTS.items() if known.default is not None}


def _range(entry: Entry) -> tuple[float, float] | None:
    if entry.low is None and entry.high is None:
        return None
    return (
        entry.value if entry.low is None else entry.low,
        entry.value if entry.high is None else entry.high,
    )


def _check_entry(where: str, key: str, entry: Entry) -> None:
    check_constant(where, key, entry.value)
    if entry.unit != UNITS[key]:
        raise SettingError(f"{where}: {key} is in {entry.unit!r}; it must be in {UNITS[key]!r}")
    for end in (entry.low, entry.high):
        if end is not None:
            check_constant(f"{where}, range", key, end)


def constant(name: str, end: str = "") -> "pl.Expr":
    """Return a constant as a column of the table that `as_frame` gives; `end` is "", "low" or "high"."""
    import polars as pl  # noqa: PLC0415  16 MB that actors and checks do without

    return pl.col(f"card.{name}.{end}" if end else f"card.{name}")


def as_frame(cards: Sequence[CostCard]) -> "pl.DataFrame":
    """Return cards as a table: their names in "card", and a column of Float64 for every `constant`."""
    return cards[0].table if len(cards) == 1 else _frame(cards)


def _frame(cards: Sequence[CostCard]) -> "pl.DataFrame":
    import polars as pl  # noqa: PLC0415  see `constant`

    columns: dict[str, list[str] | list[float]] = {"card": [card.name for card in cards]}
    for key in CONSTANTS:
        columns[f"card.{key}"] = [float(card.values[key]) for card in cards]
        for number, end in enumerate(("low", "high")):
            columns[f"card.{key}.{end}"] = [
                float(card.ranges.get(key, [card.values[key]] * 2)[number]) for card in cards
            ]
    return pl.DataFrame(columns)
