"""Prices of hand-made layers against the same sums written in plain Python."""

import random
from typing import Any

import polars as pl
import pytest

from dse.crossbar.events import EVENT_NAMES, REAL_EVENTS
from dse.crossbar.usage import WEAR_NAMES
from dse.errors import QueryError
from dse.pricing.card import CostCard, read_cost_card
from dse.pricing.energy import ITEMS, PARTS, PHASES, SYSTEM_PARTS
from dse.pricing.price import COLUMNS, price, price_cards

CARD = CostCard(
    name="made up",
    values={
        "adc_fixed_j": 2e-13,
        "adc_per_bit_j": 6e-14,
        "adc_per_code_j": 1e-15,
        "adc_per_code2_j": 2e-18,
        "adc_bits_max": 12,
        "adc_fixed_s": 1e-9,
        "adc_per_bit_s": 5e-10,
        "adc_per_bit_line_s": 7e-12,
        "adc_per_code_s": 3e-12,
        "adc_area_fixed_m2": 1e-10,
        "adc_area_scale_m2": 2e-12,
        "adc_area_exponent": 0.9,
        "columns_per_adc": 6,
        "dac_fixed_j": 1e-13,
        "dac_per_bit_j": 3e-14,
        "dac_area_m2": 4e-11,
        "read_voltage_v": 0.3,
        "read_time_s": 2e-7,
        "refresh_conversions_per_read": 0.5,
        "set_pulse_j": 3e-12,
        "reset_pulse_j": 7e-12,
        "set_pulse_s": 5e-8,
        "reset_pulse_s": 4e-8,
        "parallel_pulses": 2,
        "cell_area_m2": 1e-13,
        "cell_bits": 3,
        "chi_memory_per_bit_j": 2e-13,
        "dram_per_bit_j": 4e-12,
        "binary_read_per_bit_j": 5e-13,
        "binary_write_j": 3e-12,
        "binary_write_s": 1.5e-7,
        "memory_bit_area_m2": 2e-13,
        "gate_j": 4e-16,
        "gate_area_m2": 6e-13,
        "gates_per_adder_bit": 9,
        "gates_per_multiplier_cell": 11,
        "float_add_j": 1e-12,
        "float_multiply_j": 3e-12,
        "float_add_area_m2": 4e-9,
        "float_multiply_area_m2": 8e-9,
        "activation_j": 2.5e-12,
        "clock_hz": 5e8,
        "chi_lanes": 4,
        "digital_mac_j": 4e-12,
        "digital_mac_area_m2": 1.2e-8,
        "digital_lanes": 32,
        "digital_word_bits": 16,
        "weight_read_per_bit_j": 2e-13,
        "weight_read_transposed_per_bit_j": 3e-13,
        "weight_write_per_bit_j": 5e-13,
        "set_endurance_pulses": 1e9,
        "reset_endurance_cycles": 1e7,
        "binary_endurance_cycles": 1e6,
        "trainings_per_day": 4,
    },
    ranges={"set_endurance_pulses": (1e8, 1e12), "reset_endurance_cycles": (1e5, 1e12)},
)
ENERGY = tuple(name for name in COLUMNS if name.endswith("_j"))
SCHEMA: dict[str, Any] = {
    "trial": pl.Int64,
    "seed": pl.Int64,
    "train_samples": pl.Int64,
    "rows": pl.Int64,
    "cols": pl.Int64,
    "bias_rows": pl.Int32,
    "places": pl.Int32,
    "infers": pl.Boolean,
    "cells": pl.Int64,
    "dac_bits": pl.Int32,
    "dac_backward_bits": pl.Int32,
    "adc_bits": pl.Int32,
    "adc_backward_bits": pl.Int32,
    "chi_bits": pl.Int32,
    "chi_storage": pl.String,
    "operand_bits": pl.Int32,
    "layer": pl.Int32,
    "row_tiles": pl.Int32,
    "column_tiles": pl.Int32,
    "mean_conductance_us": pl.Float64,
    "deployed_cells": pl.Int64,
    "deployed_dac_bits": pl.Int32,
    "deployed_adc_bits": pl.Int32,
    "deployed_conductance_us": pl.Float64,
    **{name: pl.Float64 if name in REAL_EVENTS else pl.Int64 for name in EVENT_NAMES},
    **{f"wear_{name}": pl.Float64 for name in WEAR_NAMES},
}
NOT_DEPLOYED: dict[str, Any] = {
    "deployed_cells": 0,
    **dict.fromkeys(("deployed_dac_bits", "deployed_adc_bits", "deployed_conductance_us")),
}
CONVERTERS = ("adc_bits", "adc_backward_bits", "dac_bits", "dac_backward_bits")
HEAD = {
    "trial": 0, "seed": 1, "train_samples": 1000, "rows": 65, "cols": 16, "bias_rows": 1, "places": 1, "infers": True,
    "layer": 0, "row_tiles": 1, "column_tiles": 1,
}  # fmt: skip
CROSSBAR: dict[str, Any] = {
    **dict.fromkeys(EVENT_NAMES, 0),
    **dict.fromkeys((f"wear_{name}" for name in WEAR_NAMES), 0.0),
    **HEAD,
    **NOT_DEPLOYED,
    "cells": 2 * 65 * 16,
    "dac_bits": 7,
    "dac_backward_bits": 5,
    "adc_bits": 9,
    "adc_backward_bits": 6,
    "chi_bits": 12,
    "chi_storage": "sram",
    "operand_bits": 6,
    "mean_conductance_us": 3.5,
    "mvm_forward": 1000,
    "mvm_backward": 1000,
    "drive_time_forward": 20_000.5,
    "drive_time_backward": 700.25,
    "dac_forward": 65_000,
    "dac_backward": 16_000,
    "adc_forward": 16_000,
    "adc_backward": 64_000,
    "partial_adds_forward": 3_000,
    "partial_adds_backward": 4_000,
    "set_pulses_update": 5_000,
    "set_pulses_refresh": 40,
    "resets": 60,
    "refresh_reads": 20_800,
    "chi_reads": 90_000,
    "chi_writes": 80_000,
    "chi_adds": 70_000,
    "macs_update": 600_000,
    "activations": 16_000,
}
DIGITAL: dict[str, Any] = {
    **dict.fromkeys(EVENT_NAMES, 0),
    **dict.fromkeys((f"wear_{name}" for name in WEAR_NAMES), 0.0),
    **HEAD,
    **NOT_DEPLOYED,
    "cells": 0,
    "dac_bits": None,
    "dac_backward_bits": None,
    "adc_bits": None,
    "adc_backward_bits": None,
    "chi_bits": None,
    "chi_storage": None,
    "operand_bits": None,
    "mean_conductance_us": None,
    "macs_forward": 1_040_000,
    "macs_backward": 1_024_000,
    "macs_update": 600_000,
    "weight_reads": 2_664_000,
    "weight_writes": 100_000,
    "activations": 16_000,
}
LIFE: dict[str, Any] = {
    "deployed_cells": 2 * 65 * 16,
    "deployed_dac_bits": 6,
    "deployed_adc_bits": 7,
    "deployed_conductance_us": 1.5,
    "set_pulses_deployment": 10_400,
    "resets_deployment": 2_080,
    "single_reads_deployment": 10_500,
    "mvm_deployment": 1_100,
    "drive_time_deployment": 9_000.25,
    "dac_deployment": 71_500,
    "adc_deployment": 17_600,
}
DEPLOYED: dict[str, Any] = {**DIGITAL, **LIFE}
KEPT: dict[str, Any] = {**CROSSBAR, **LIFE}
LAYERS = pytest.mark.parametrize(
    "layer",
    [CROSSBAR, {**CROSSBAR, "bias_rows": 0}, DIGITAL, {**DIGITAL, "places": 16}, DEPLOYED, KEPT],
    ids=["crossbar", "crossbar_without_biases", "digital", "digital_convolution", "deployed", "kept"],
)


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{name: row[name] for name in SCHEMA} for row in rows], schema=SCHEMA)


def priced(*rows: dict[str, Any], card: CostCard = CARD) -> pl.DataFrame:
    return price(table(*rows), card)


def conversion(bits: int) -> float:
    return 2e-13 + 6e-14 * bits + 1e-15 * 2**bits + 2e-18 * 4**bits


def items_of() -> list[str]:
    return [f"{phase}_{part}_j" for phase, part in ITEMS]


def life_by_hand(e: dict[str, Any]) -> dict[str, float]:
    """Return the items of a deployment as the formulas give them."""
    if not e["deployed_cells"]:
        return {}
    read = e["deployed_conductance_us"] * 1e-6 * 0.3**2 * 2e-7
    driven = e["drive_time_deployment"] * e["deployed_cells"] / e["rows"] + e["single_reads_deployment"]
    conversions = e["adc_deployment"] + 0.5 * e["single_reads_deployment"]
    return {
        "deployment_array_j": driven * read,
        "deployment_dac_j": e["dac_deployment"] * (1e-13 + 3e-14 * e["deployed_dac_bits"]),
        "deployment_adc_j": conversions * conversion(e["deployed_adc_bits"]),
        "deployment_set_pulses_j": e["set_pulses_deployment"] * 3e-12,
        "deployment_reset_pulses_j": e["resets_deployment"] * 7e-12,
    }


def by_hand(e: dict[str, Any]) -> dict[str, float]:
    """Return the items of a layer as the formulas give them, one number after the other."""
    zero = {f"{phase}_{part}_j": 0.0 for phase, part in ITEMS} | life_by_hand(e)
    act = {f"{phase}_activations_j": e["activations"] * 2.5e-12 for phase in ("forward", "backward")}
    if e["cells"] == 0:
        forward, backward = e["macs_forward"] // e["places"], e["macs_backward"] // e["places"]
        reads = e["weight_reads"] - forward - backward
        return (
            zero
            | act
            | {f"{phase}_digital_macs_j": e[f"macs_{phase}"] * 4e-12 for phase in ("forward", "backward", "update")}
            | {
                "forward_digital_memory_j": forward * 16 * 2e-13,
                "backward_digital_memory_j": backward * 16 * 3e-13,
                "update_digital_memory_j": reads * 16 * 2e-13 + e["weight_writes"] * 16 * 5e-13,
            }
        )
    read = e["mean_conductance_us"] * 1e-6 * 0.3**2 * 2e-7
    per_weight = e["cells"] / (e["rows"] * e["cols"])
    return (
        zero
        | act
        | {
            "forward_array_j": per_weight * e["drive_time_forward"] * e["cols"] * read,
            "backward_array_j": per_weight * e["drive_time_backward"] * (e["rows"] - e["bias_rows"]) * read,
            "forward_dac_j": e["dac_forward"] * (1e-13 + 3e-14 * e["dac_bits"]),
            "backward_dac_j": e["dac_backward"] * (1e-13 + 3e-14 * e["dac_backward_bits"]),
            "forward_adc_j": e["adc_forward"] * conversion(e["adc_bits"]),
            "backward_adc_j": e["adc_backward"] * conversion(e["adc_backward_bits"]),
            "forward_partial_sums_j": e["partial_adds_forward"] * e["adc_bits"] * 9 * 4e-16,
            "backward_partial_sums_j": e["partial_adds_backward"] * e["adc_backward_bits"] * 9 * 4e-16,
            "update_chi_memory_j": (e["chi_reads"] + e["chi_writes"]) * e["chi_bits"] * 2e-13,
            "update_chi_adds_j": e["chi_adds"] * e["chi_bits"] * 9 * 4e-16,
            "update_outer_products_j": e["macs_update"] * e["operand_bits"] ** 2 * 11 * 4e-16,
            "update_set_pulses_j": e["set_pulses_update"] * 3e-12,
            "refresh_array_j": e["refresh_reads"] * read,
            "refresh_adc_j": e["refresh_reads"] * 0.5 * conversion(e["adc_bits"]),
            "refresh_set_pulses_j": e["set_pulses_refresh"] * 3e-12,
            "refresh_reset_pulses_j": e["resets"] * 7e-12,
        }
    )


@LAYERS
def test_the_price_of_a_layer_is_what_the_formulas_give(layer: dict[str, Any]) -> None:
    items = by_hand(layer)
    row = priced(layer).row(0, named=True)
    for name, energy in items.items():
        assert row[name] == pytest.approx(energy, rel=1e-12), name
        assert row[name.replace("_j", "_per_sample_j")] == pytest.approx(energy / 1000, rel=1e-12), name
    assert row["energy_j"] == pytest.approx(sum(items.values()), rel=1e-12)
    assert row["energy_per_sample_j"] == pytest.approx(sum(items.values()) / 1000, rel=1e-12)


def test_a_layer_that_does_not_infer_is_no_part_of_the_model_and_hides_the_price_of_an_inference() -> None:
    alone, both = priced(CROSSBAR), priced(CROSSBAR, {**CROSSBAR, "layer": 1, "infers": False})
    assert both["model_size_bits"].item() == alone["model_size_bits"].item()
    assert both["energy_j"].item() == pytest.approx(2 * alone["energy_j"].item(), rel=1e-12)
    hidden = [name for name in COLUMNS if "_per_inference_" in name]
    assert len(hidden) > 5
    assert all(both[name].item() is None for name in hidden)
    assert all(alone[name].item() is not None for name in hidden)


@LAYERS
def test_phases_add_up_to_the_total_and_so_do_parts(layer: dict[str, Any]) -> None:
    items = by_hand(layer)
    row = priced(layer).row(0, named=True)
    for number, names in enumerate((PHASES, PARTS)):
        for name in names:
            own = sum(items[f"{item[0]}_{item[1]}_j"] for item in ITEMS if item[number] == name)
            assert row[f"{name}_j"] == pytest.approx(own, rel=1e-12), name
        for per in ("", "_per_sample"):
            assert sum(row[f"{name}{per}_j"] for name in names) == pytest.approx(row[f"energy{per}_j"], rel=1e-13)


@LAYERS
def test_an_inference_is_the_forward_phase_of_one_image(layer: dict[str, Any]) -> None:
    row = priced(layer).row(0, named=True)
    assert row["energy_per_inference_j"] == row["forward_per_sample_j"] > 0.0
    parts = [name for name in COLUMNS if name.endswith("_per_inference_j") and not name.startswith("energy")]
    assert sum(row[name] for name in parts) == pytest.approx(row["energy_per_inference_j"], rel=1e-13)
    nothing = {"chi_reads": 0, "set_pulses_update": 0, "adc_backward": 0, "macs_update": 0, "refresh_reads": 0}
    untrained = priced({**layer, **nothing, "weight_writes": 0}).row(0, named=True)
    assert untrained["energy_per_inference_j"] == row["energy_per_inference_j"]


def test_a_deployment_without_analog_events_needs_no_price_of_ideal_converters() -> None:
    ideal = {"deployed_dac_bits": None, "deployed_adc_bits": None}
    none = dict.fromkeys(("dac_deployment", "adc_deployment", "single_reads_deployment"), 0)
    assert priced({**DEPLOYED, **ideal, **none}).row(0, named=True)["energy_j"] > 0.0
    assert priced({**DEPLOYED, **ideal}).row(0, named=True)["energy_j"] is None


def test_floats_in_the_update_cost_float_arithmetic() -> None:
    row = priced({**CROSSBAR, "chi_bits": None, "operand_bits": None}).row(0, named=True)
    assert row["outer_products_j"] == pytest.approx(600_000 * 3e-12)
    assert row["chi_adds_j"] == pytest.approx(70_000 * 1e-12)
    assert row["chi_memory_j"] == pytest.approx(170_000 * 32 * 2e-13)


def test_the_order_of_the_rows_does_not_change_a_bit() -> None:
    layers = [{**CROSSBAR, "layer": n, "set_pulses_update": 10**n, "macs_update": 3**n} for n in range(8)]
    assert priced(*layers).equals(priced(*reversed(layers)))


def test_the_parts_of_a_trial_add_up_over_its_layers() -> None:
    second = {**CROSSBAR, "rows": 17, "cols": 10, "cells": 340, "adc_bits": 5, "set_pulses_update": 77}
    row = priced(CROSSBAR, second).row(0, named=True)
    first = by_hand(CROSSBAR)
    for name, energy in by_hand(second).items():
        assert row[name] == pytest.approx(first[name] + energy, rel=1e-12)


def test_a_crossbar_layer_has_no_digital_parts_and_a_digital_layer_has_no_others() -> None:
    crossbar, digital = priced(CROSSBAR).row(0, named=True), priced(DIGITAL).row(0, named=True)
    for part in set(PARTS) - set(SYSTEM_PARTS):
        assert (crossbar[f"{part}_j"] > 0.0) == (not part.startswith("digital")), part
        assert (digital[f"{part}_j"] > 0.0) == (part.startswith("digital") or part == "activations"), part


@pytest.mark.parametrize(
    ("change", "unknown"),
    [
        ({"adc_bits": None}, {"forward_adc_j", "forward_partial_sums_j", "refresh_adc_j"}),
        ({"adc_bits": 13}, {"forward_adc_j", "refresh_adc_j"}),
        ({"adc_bits": 13, "refresh_reads": 0}, {"forward_adc_j"}),
        ({"adc_backward_bits": None}, {"backward_adc_j", "backward_partial_sums_j"}),
        ({"adc_backward_bits": 13}, {"backward_adc_j"}),
        ({"dac_bits": None}, {"forward_dac_j"}),
        ({"dac_backward_bits": None}, {"backward_dac_j"}),
    ],
)
def test_what_has_no_price_is_null_and_so_is_the_sum(change: dict[str, Any], unknown: set[str]) -> None:
    row = priced({**CROSSBAR, **change}).row(0, named=True)
    assert {f"{p}_{q}_j" for p, q in ITEMS if row[f"{p}_{q}_j"] is None} == unknown
    assert row["energy_j"] is None
    assert row["energy_per_sample_j"] is None
    assert row["update_j"] is not None


def test_one_layer_without_a_price_leaves_the_trial_without_one() -> None:
    row = priced(CROSSBAR, {**CROSSBAR, "adc_bits": None}).row(0, named=True)
    assert row["adc_j"] is None
    assert row["energy_j"] is None
    assert row["forward_dac_j"] == pytest.approx(2 * by_hand(CROSSBAR)["forward_dac_j"])


def test_a_converter_at_the_end_of_its_range_has_a_price() -> None:
    layer = {**CROSSBAR, "adc_bits": 12}
    assert priced(layer)["forward_adc_j"].item() == pytest.approx(by_hand(layer)["forward_adc_j"], rel=1e-12)


def test_a_layer_without_refresh_pays_for_no_reads() -> None:
    row = priced({**CROSSBAR, "refresh_reads": 0}).row(0, named=True)
    assert row["refresh_array_j"] == row["refresh_adc_j"] == 0.0


@pytest.mark.parametrize(
    ("storage", "bits", "memory_j"),
    [
        ("sram", 12, (90_000 + 80_000) * 12 * 2e-13),
        ("dram", 12, (90_000 + 80_000) * 12 * 4e-12),
        ("pcm", 12, 90_000 * 12 * 5e-13 + 123_456 * 3e-12),
        ("sram", None, (90_000 + 80_000) * 32 * 2e-13),
        ("dram", None, (90_000 + 80_000) * 32 * 4e-12),
        ("pcm", None, 90_000 * 32 * 5e-13 + 123_456 * 3e-12),
    ],
)
def test_the_memory_of_accumulators_costs_what_its_storage_does(
    storage: str, bits: int | None, memory_j: float
) -> None:
    layer = {**CROSSBAR, "chi_storage": storage, "chi_bits": bits, "chi_flips": 123_456}
    row = priced(layer).row(0, named=True)
    assert row["chi_memory_j"] == pytest.approx(memory_j, rel=1e-12)
    sram = priced({**layer, "chi_storage": "sram"}).row(0, named=True)
    assert {name for name in items_of() if row[name] != sram[name]} <= {"update_chi_memory_j"}


def test_in_binary_pcm_a_word_written_without_a_change_costs_nothing() -> None:
    layer = {**CROSSBAR, "chi_storage": "pcm", "chi_flips": 50}
    assert priced({**layer, "chi_writes": 10**9}).equals(priced(layer))
    more = priced({**layer, "chi_flips": 51})["chi_memory_j"].item() - priced(layer)["chi_memory_j"].item()
    assert more == pytest.approx(3e-12, rel=1e-3)


@pytest.mark.parametrize("storage", ["sram", "dram"])
def test_bits_that_change_cost_nothing_where_nothing_wears(storage: str) -> None:
    layer = {**CROSSBAR, "chi_storage": storage}
    assert priced({**layer, "chi_flips": 10**9}).equals(priced(layer))


@pytest.mark.parametrize("pairs", [1, 2, 5])
def test_several_pairs_a_weight_draw_more_read_energy_and_nothing_else(pairs: int) -> None:
    layer = {**CROSSBAR, "cells": 2 * pairs * 65 * 16}
    row, one = priced(layer).row(0, named=True), priced(CROSSBAR).row(0, named=True)
    changed = {"forward_array_j", "backward_array_j"} if pairs > 1 else set[str]()
    for name in changed:
        assert row[name] == pytest.approx(pairs * one[name], rel=1e-12)
    assert {name for name in items_of() if row[name] != one[name]} == changed


@pytest.mark.parametrize(("bits", "backward_bits"), [(9, 6), (6, 9), (7, 7)])
def test_converters_are_priced_by_the_bits_of_their_direction(bits: int, backward_bits: int) -> None:
    own = {"adc_bits": bits, "adc_backward_bits": backward_bits, "dac_bits": bits, "dac_backward_bits": backward_bits}
    row = priced({**CROSSBAR, **own}).row(0, named=True)
    forward_j, backward_j = conversion(bits), conversion(backward_bits)
    assert row["adc_j"] == pytest.approx((16_000 + 10_400) * forward_j + 64_000 * backward_j, rel=1e-12)
    drives_j = 65_000 * (1e-13 + 3e-14 * bits) + 16_000 * (1e-13 + 3e-14 * backward_bits)
    assert row["dac_j"] == pytest.approx(drives_j, rel=1e-12)


@pytest.mark.parametrize("bits", [None, 13])
@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_converter_that_is_never_used_costs_nothing_even_without_a_price(way: str, bits: int | None) -> None:
    column = {"forward": "adc_bits", "backward": "adc_backward_bits"}[way]
    idle = {**CROSSBAR, f"adc_{way}": 0, f"partial_adds_{way}": 0, "refresh_reads": 0}
    unpriced = priced({**idle, column: bits}).select(ENERGY)
    assert unpriced.equals(priced(idle).select(ENERGY))
    assert unpriced["adc_j"].item() > 0.0


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_driver_that_is_never_used_costs_nothing_even_without_a_price(way: str) -> None:
    column = {"forward": "dac_bits", "backward": "dac_backward_bits"}[way]
    idle = {**CROSSBAR, f"dac_{way}": 0}
    unpriced = priced({**idle, column: None})
    assert unpriced.equals(priced(idle))
    assert unpriced["dac_j"].item() > 0.0


@pytest.mark.parametrize(
    ("event", "items"),
    [
        ("drive_time_forward", {"forward_array_j"}),
        ("drive_time_backward", {"backward_array_j"}),
        ("dac_forward", {"forward_dac_j"}),
        ("dac_backward", {"backward_dac_j"}),
        ("adc_forward", {"forward_adc_j"}),
        ("adc_backward", {"backward_adc_j"}),
        ("partial_adds_forward", {"forward_partial_sums_j"}),
        ("partial_adds_backward", {"backward_partial_sums_j"}),
        ("set_pulses_update", {"update_set_pulses_j"}),
        ("set_pulses_refresh", {"refresh_set_pulses_j"}),
        ("resets", {"refresh_reset_pulses_j"}),
        ("refresh_reads", {"refresh_array_j", "refresh_adc_j"}),
        ("chi_writes", {"update_chi_memory_j"}),
        ("chi_adds", {"update_chi_adds_j"}),
        ("macs_update", {"update_outer_products_j"}),
        ("activations", {"forward_activations_j", "backward_activations_j"}),
    ],
)
def test_an_event_is_billed_in_its_items_alone(event: str, items: set[str]) -> None:
    before = priced(CROSSBAR).row(0, named=True)
    after = priced({**CROSSBAR, event: 2 * CROSSBAR[event]}).row(0, named=True)
    names = [f"{phase}_{part}_j" for phase, part in ITEMS]
    assert {name for name in names if after[name] != before[name]} == items
    assert all(before[name] < after[name] <= 2 * before[name] * (1 + 1e-12) for name in items)


def test_the_same_digital_work_costs_the_same_whatever_the_size_of_its_layers() -> None:
    assert priced({**DIGITAL, "rows": 2, "cols": 1}).select(ENERGY).equals(priced(DIGITAL).select(ENERGY))


@pytest.mark.slow
def test_pricing_many_trials_at_once_equals_pricing_them_one_by_one_exactly() -> None:
    dice = random.Random(1)
    rows: list[dict[str, Any]] = []
    for trial in range(10):
        for layer, base in enumerate((CROSSBAR, dice.choice([CROSSBAR, DIGITAL]))):
            scale = dice.uniform(0.1, 1e6)
            events = {n: base[n] * scale if n in REAL_EVENTS else int(base[n] * scale) for n in EVENT_NAMES}
            bits = {n: None if base[n] is None else dice.randint(2, 13) for n in CONVERTERS}
            rows.append({**base, **events, **bits, "trial": trial, "seed": dice.randrange(3), "layer": layer})
    at_once = priced(*rows)
    groups: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["trial"], row["seed"]), []).append(row)
    assert len(rows) == 20
    assert at_once.equals(pl.concat([priced(*groups[key]) for key in sorted(groups)]))
    assert at_once["energy_j"].null_count() < len(at_once)


def test_trials_come_back_in_order() -> None:
    rows = [{**CROSSBAR, "trial": trial, "seed": seed} for trial, seed in ((7, 1), (2, 1), (7, 0), (2, 1))]
    assert priced(*rows).select("trial", "seed").rows() == [(2, 1), (7, 0), (7, 1)]


def test_pricing_leaves_the_table_alone() -> None:
    layers = table(CROSSBAR)
    before = layers.clone()
    price(layers, CARD)
    assert layers.equals(before)


def test_the_shipped_card_prices_an_eight_bit_conversion_as_its_source_says() -> None:
    card = read_cost_card("bottom_up_28nm")
    layer = {**CROSSBAR, "adc_bits": 8, "adc_forward": 1, "adc_backward": 0}
    expected = (100e-15 * 8 + 0.001e-15 * 4**8) * 0.9**2
    assert priced(layer, card=card)["forward_adc_j"].item() == pytest.approx(expected, rel=1e-12)


def variants(number: int) -> list[CostCard]:
    dice = random.Random(2)
    return [
        CARD.with_values({key: value * dice.uniform(0.5, 1.0) for key, value in CARD.values.items()}, f"card {n}")
        for n in range(number)
    ]


@pytest.mark.slow
def test_pricing_on_many_cards_at_once_equals_pricing_on_each_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {**base, "trial": trial, "seed": seed, "layer": number, "adc_forward": 100 * trial + seed}
        for trial, seed in ((4, 1), (1, 0), (4, 0), (1, 1))
        for number, base in enumerate((CROSSBAR, CROSSBAR, DIGITAL))
    ]
    layers = table(*rows)
    cards = variants(7)
    at_once = price_cards(layers, cards)
    assert at_once["card"].unique(maintain_order=True).to_list() == [card.name for card in cards]
    assert at_once.select("trial", "seed").rows() == [(1, 0), (1, 1), (4, 0), (4, 1)] * 7
    for card in cards:
        assert at_once.filter(pl.col("card") == card.name).drop("card").equals(price(layers, card))
    monkeypatch.setattr("dse.pricing.price.CHUNK", 9)
    assert price_cards(layers, cards).equals(at_once)


@pytest.mark.slow
def test_a_trial_of_many_layers_has_the_same_price_in_a_table_of_any_size() -> None:
    dice = random.Random(4)
    rows = [
        {**CROSSBAR, "trial": trial, "layer": layer, "drive_time_forward": dice.uniform(1.0, 1e6), "cols": 3 + layer}
        for trial in range(3000)
        for layer in range(7)
    ]
    layers = table(*rows)
    at_once = price_cards(layers.sample(fraction=1.0, shuffle=True, seed=1), variants(2))
    for trial in dice.sample(range(3000), 25):
        alone = price_cards(layers.filter(pl.col("trial") == trial), variants(2))
        assert at_once.filter(pl.col("trial") == trial).equals(alone)


@pytest.mark.parametrize("name", ["energy_per_sample_j", "latency_per_sample_s", "area_m2", "years_to_first_cell"])
def test_asking_for_one_column_gives_what_asking_for_all_gives(name: str) -> None:
    assert price(table(CROSSBAR), CARD, [name])[name].equals(priced(CROSSBAR)[name])


def test_an_unknown_column_is_refused_with_the_nearest() -> None:
    with pytest.raises(QueryError, match="no column 'energy_per_images_j'; did you mean 'energy_per_sample_j'"):
        price(table(CROSSBAR), CARD, ["energy_per_images_j"])


def test_two_cards_of_one_name_are_refused() -> None:
    with pytest.raises(QueryError, match="the same name: made up, made up"):
        price_cards(table(CROSSBAR), [CARD, CARD])


def test_an_empty_table_has_no_prices_but_all_columns() -> None:
    empty = priced()
    assert empty.is_empty()
    assert empty.columns == ["trial", "seed", *COLUMNS]
