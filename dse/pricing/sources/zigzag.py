"""ZigZag's model of analog in-memory arrays (KU Leuven), 28 nm alone."""

from collections.abc import Mapping

from dse.devices.card import Entry
from dse.pricing.sources.base import AbstractSource, Converter, Said, Written, converter_entries, entry


class ZigZag(AbstractSource):
    """Converters, drivers and gates of its analog arrays; it has no other node and no leakage."""

    name = "zigzag"
    about = "converters, drivers and gates of analog arrays; 28 nm"
    package = "zigzag-dse"
    needs = "Python 3.11"
    nodes_nm = (28.0, 28.0)

    @classmethod
    def read(cls, said: Said, node_nm: float, base: Mapping[str, Entry]) -> Written:
        """Return the entries of a card; see `AbstractSource`."""
        source = f"zigzag-dse {said['versions']['zigzag-dse']}, analog arrays at {node_nm:g} nm"
        energy, area = said["dac_8_bits"]
        (gate_j, gate_m2), (add_j, add_m2), (cell_j, _) = said["gate"], said["adder_bit"], said["multiplier_cell"]
        low, high = add_j / gate_j, add_m2 / gate_m2
        adder = entry("gates_per_adder_bit", low, f"{source}: an adder of one bit, by energy; by area {high:.3g}", high)
        cell = low + cell_j / gate_j
        entries = {
            **converter_entries([Converter(int(own[0]), own[1], own[2], own[3]) for own in said["adc"]], source),
            **_seconds(said, source),
            "dac_fixed_j": entry("dac_fixed_j", 0.0, f"{source}: no constant term"),
            "dac_per_bit_j": entry("dac_per_bit_j", energy / 8, f"{source}: 8 bits"),
            "dac_area_m2": entry("dac_area_m2", area, f"{source}: neglected there", base["dac_area_m2"].value),
            "gate_j": entry("gate_j", gate_j, f"{source}: a NAND of two inputs"),
            "gate_area_m2": entry("gate_area_m2", gate_m2, f"{source}: a NAND of two inputs"),
            "gates_per_adder_bit": adder,
            "gates_per_multiplier_cell": entry(
                "gates_per_multiplier_cell", cell, f"{source}: a multiplier of one bit and an adder of one bit"
            ),
        }
        left = ["memories, which ZigZag takes from cacti, and all that a system adds, which it does not give."]
        why = "converters, drivers and gates come from zigzag at 28 nm, the rest from other sources"
        return Written(entries, left, why)


def _seconds(said: Said, source: str) -> dict[str, Entry]:
    """Return the duration of a conversion, which is proportional to its bits, and linear in the rows."""
    few, many = said["rows"]
    bits, _, _, first, last = said["adc"][-1]
    by_line = (last - first) / (many - few) / bits
    return {
        "adc_fixed_s": entry("adc_fixed_s", 0.0, f"{source}: in proportion to the bits"),
        "adc_per_bit_s": entry("adc_per_bit_s", first / bits - by_line * few, f"{source}: at {few} and {many} rows"),
        "adc_per_bit_line_s": entry("adc_per_bit_line_s", by_line, f"{source}: at {few} and {many} rows"),
        "adc_per_code_s": entry("adc_per_code_s", 0.0, f"{source}: in proportion to the bits"),
    }
