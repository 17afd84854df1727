"""hwcomponents: models of components for many nodes (Andrulis et al., arXiv 2404.06553; Accelergy's successor)."""

from collections.abc import Mapping

from dse.devices.card import Entry
from dse.pricing.sources.base import (
    AbstractSource,
    Converter,
    Said,
    Written,
    converter_entries,
    entry,
    root_of_size,
)


class Hwcomponents(AbstractSource):
    """Converters by its survey, logic by Aladdin, memories by cacti, drivers and interconnect by ISAAC and BRAHMS."""

    name = "hwcomponents"
    about = "converters, logic, memories, interconnect and leakage at a node; 7 to 65 nm"
    package = "hwcomponents hwcomponents-adc hwcomponents-library hwcomponents-cacti"
    needs = "Python 3.12"
    nodes_nm = (7.0, 65.0)

    @classmethod
    def read(cls, said: Said, node_nm: float, base: Mapping[str, Entry]) -> Written:
        """Return the entries of a card; see `AbstractSource`."""
        memory, left = _memories(said)
        entries = {**_converters(said), **_logic(said, base), **_drivers(said), **_system(said), **memory}
        why = (
            f"converters, logic and interconnect come from hwcomponents at {node_nm:g} nm, those of the card that it "
            "builds on from other sources; cards of that package at several nodes are a step of technology"
        )
        return Written(entries, left, why)


def _of(said: Said, package: str) -> str:
    return f"{package} {said['versions'][package]}"


def _converters(said: Said) -> dict[str, Entry]:
    source = (
        f"{_of(said, 'hwcomponents-adc')} (arXiv 2404.06553) at {said['speed']:.0e} conversions a second, leakage apart"
    )
    found = [Converter(int(bits), energy, area, 1.0 / said["speed"]) for bits, energy, area, _ in said["adc"]]
    eight = next(energy for bits, energy, _, _ in said["adc"] if bits == 8)
    nothing = ("adc_per_bit_s", "adc_per_bit_line_s", "adc_per_code_s")
    return {
        **converter_entries(found, source),
        "adc_fixed_s": entry("adc_fixed_s", 1.0 / said["speed"], f"{source}: whatever the resolution"),
        **{name: entry(name, 0.0, f"{source}: whatever the resolution") for name in nothing},
        "binary_read_per_bit_j": entry(
            "binary_read_per_bit_j", eight, f"{source}: a conversion of 8 bits as an upper bound of a sense amplifier"
        ),
    }


def _logic(said: Said, base: Mapping[str, Entry]) -> dict[str, Entry]:
    source, width = f"{_of(said, 'hwcomponents-library')}, Aladdin", said["width"]
    gates = base["gates_per_adder_bit"].value
    (add_j, add_m2, _), (multiply_j, multiply_m2, _) = said["adder"], said["multiplier"]
    gate_j, gate_m2 = add_j / width / gates, add_m2 / width / gates
    by_energy, by_area = multiply_j / width**2 / gate_j, multiply_m2 / width**2 / gate_m2
    about = f"{source}: an adder of {width} bits, over {width * gates:g} gates"
    return {
        "gate_j": entry("gate_j", gate_j, about),
        "gate_area_m2": entry("gate_area_m2", gate_m2, about),
        "gates_per_multiplier_cell": entry(
            "gates_per_multiplier_cell",
            by_energy,
            f"{source}: a multiplier of {width} bits, by energy; by area {by_area:.3g}",
            by_area,
        ),
    }


def _drivers(said: Said) -> dict[str, Entry]:
    source, (energy, area), (one_j, one_m2) = _of(said, "hwcomponents-library"), said["dac_8_bits"], said["driver"]
    return {
        "dac_fixed_j": entry("dac_fixed_j", 0.0, f"{source}: BRAHMS over its bits, without a constant term"),
        "dac_per_bit_j": entry(
            "dac_per_bit_j", energy / 8, f"{source}: BRAHMS, 8 bits; ISAAC's driver of one bit at the other end", one_j
        ),
        "dac_area_m2": entry("dac_area_m2", area, f"{source}: BRAHMS, 8 bits"),
        "driver_area_share": entry(
            "driver_area_share", min(one_m2 / area, 1.0), f"{source}: ISAAC's driver of one bit over BRAHMS", 1.0
        ),
    }


def _system(said: Said) -> dict[str, Entry]:
    source = f"{_of(said, 'hwcomponents-library')}, ISAAC"
    energy, area = said["edram"]
    leaks = [watts / m2 for watts, m2 in ((own[3], own[2]) for own in said["adc"] if own[0] == 8)]
    others = [said[name][2] / said[name][1] for name in ("adder", "multiplier")]
    return {
        "interconnect_per_bit_j": entry(
            "interconnect_per_bit_j",
            said["bus"] + said["router"],
            f"{source}: bus and a router; the bus alone, and four routers",
            said["bus"],
            said["bus"] + 4 * said["router"],
        ),
        "buffer_per_bit_j": entry("buffer_per_bit_j", energy, f"{source}: embedded DRAM of 64 KiB"),
        "buffer_bit_area_m2": entry(
            "buffer_bit_area_m2", area / said["edram_bits"], f"{source}: embedded DRAM of 64 KiB"
        ),
        "leakage_w_per_m2": entry(
            "leakage_w_per_m2",
            leaks[0],
            f"{_of(said, 'hwcomponents-adc')}: a converter of 8 bits over its area; Aladdin's adder and multiplier",
            *others,
        ),
    }


def _memories(said: Said) -> tuple[dict[str, Entry], list[str]]:
    if isinstance(said["sram"], str):
        return {}, [f"energies and areas of static memories, since {said['sram']}."]
    source = f"{_of(said, 'hwcomponents-cacti')}, words of 64 bits"
    sizes = [(int(bits), (read + write) / 2) for bits, read, write, _, _ in said["sram"]]
    root, densities = root_of_size(sizes), [area / bits for bits, _, _, area, _ in said["sram"]]
    leaks = [watts / area for *_, area, watts in said["sram"]]
    said_of = ", ".join(f"{1e12 * own:.3g}" for _, own in sizes)
    found = f"{source}: {said_of} pJ/bit at 32, 128, 512 KiB, mean of reads and writes, as the root of the size"
    roots = [energy / bits**0.5 for bits, energy in sizes]
    names = ("chi_memory_per_root_bit_j", "weight_memory_per_root_bit_j")
    nothing = (
        "chi_memory_per_bit_j",
        "weight_read_per_bit_j",
        "weight_read_transposed_per_bit_j",
        "weight_write_per_bit_j",
    )
    return {
        **{name: entry(name, root, found, *roots) for name in names},
        **{
            name: entry(name, 0.0, f"{source}: contained in the energy that goes with the root of the size")
            for name in nothing
        },
        "memory_bit_area_m2": entry(
            "memory_bit_area_m2", densities[0], f"{source}: 32 KiB, decoders and amplifiers included", *densities
        ),
        "memory_leakage_w_per_m2": entry(
            "memory_leakage_w_per_m2", leaks[0], f"{source}: 32 KiB; 512 KiB at the other end", *leaks
        ),
    }, []
