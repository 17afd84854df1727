"""Prices of hand-made layers against the same sums written in plain Python."""

import random
from typing import Any

import polars as pl
import pytest

from dse.crossbar.events import EVENT_NAMES, REAL_EVENTS
from dse.pricing.card import CostCard, read_cost_card
from dse.pricing.price import PARTS, price

CARD = CostCard(
    name="made up",
    supply_v=0.8,
    adc_capacitance_per_bit_f=1e-13,
    adc_capacitance_per_level_f=3e-18,
    adc_bits_max=12,
    dac_capacitance_per_bit_f=5e-14,
    read_voltage_v=0.3,
    read_time_s=2e-7,
    set_pulse_j=3e-12,
    reset_pulse_j=7e-12,
    memory_per_bit_j=2e-13,
    dram_per_bit_j=4e-12,
    binary_read_per_bit_j=5e-13,
    binary_write_j=3e-12,
    gate_capacitance_f=6e-16,
    gates_per_adder_bit=9,
    gates_per_multiplier_cell=11,
    float_add_j=1e-12,
    float_multiply_j=3e-12,
)
SCHEMA: dict[str, Any] = {
    "trial": pl.Int64,
    "seed": pl.Int64,
    "train_images": pl.Int64,
    "rows": pl.Int64,
    "cols": pl.Int64,
    "cells": pl.Int64,
    "dac_bits": pl.Int32,
    "dac_backward_bits": pl.Int32,
    "adc_bits": pl.Int32,
    "adc_backward_bits": pl.Int32,
    "chi_bits": pl.Int32,
    "chi_storage": pl.String,
    "operand_bits": pl.Int32,
    "layer": pl.Int32,
    "mean_conductance_us": pl.Float64,
    **{name: pl.Float64 if name in REAL_EVENTS else pl.Int64 for name in EVENT_NAMES},
}
CONVERTERS = ("adc_bits", "adc_backward_bits", "dac_bits", "dac_backward_bits")
HEAD = {"trial": 0, "seed": 1, "train_images": 1000, "rows": 65, "cols": 16, "layer": 0}
CROSSBAR: dict[str, Any] = {
    **dict.fromkeys(EVENT_NAMES, 0),
    **HEAD,
    "cells": 2 * 65 * 16,
    "dac_bits": 7,
    "dac_backward_bits": 5,
    "adc_bits": 9,
    "adc_backward_bits": 6,
    "chi_bits": 12,
    "chi_storage": "sram",
    "operand_bits": 6,
    "mean_conductance_us": 3.5,
    "drive_time_forward": 20_000.5,
    "drive_time_backward": 700.25,
    "dac_forward": 65_000,
    "dac_backward": 16_000,
    "adc_forward": 16_000,
    "adc_backward": 64_000,
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
    **HEAD,
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
    "weight_reads": 300_000,
    "weight_writes": 100_000,
    "activations": 16_000,
}


def priced(*rows: dict[str, Any], card: CostCard = CARD) -> pl.DataFrame:
    return price(pl.DataFrame([{name: row[name] for name in SCHEMA} for row in rows], schema=SCHEMA), card)


def by_hand(e: dict[str, Any]) -> dict[str, float]:
    """Return the parts of a layer as the formulas give them, one number after the other."""
    zero = dict.fromkeys(PARTS, 0.0)
    if e["cells"] == 0:
        macs = e["macs_forward"] + e["macs_backward"] + e["macs_update"]
        words = e["weight_reads"] + e["weight_writes"]
        return zero | {"digital_macs_j": macs * 4e-12, "digital_memory_j": words * 32 * 2e-13}
    read = e["mean_conductance_us"] * 1e-6 * 0.3**2 * 2e-7
    conversion, back = ((1e-13 * e[n] + 3e-18 * 4 ** e[n]) * 0.8**2 for n in ("adc_bits", "adc_backward_bits"))
    gate = 6e-16 * 0.8**2
    cell_time = 2 * (e["drive_time_forward"] * e["cols"] + e["drive_time_backward"] * (e["rows"] - 1))
    return zero | {
        "array_j": cell_time * read,
        "dac_j": (e["dac_forward"] * e["dac_bits"] + e["dac_backward"] * e["dac_backward_bits"]) * 5e-14 * 0.8**2,
        "adc_j": e["adc_forward"] * conversion + e["adc_backward"] * back,
        "set_pulses_j": (e["set_pulses_update"] + e["set_pulses_refresh"]) * 3e-12,
        "reset_pulses_j": e["resets"] * 7e-12,
        "refresh_reads_j": e["refresh_reads"] * (read + conversion),
        "chi_memory_j": (e["chi_reads"] + e["chi_writes"]) * e["chi_bits"] * 2e-13,
        "chi_adds_j": e["chi_adds"] * e["chi_bits"] * 9 * gate,
        "outer_products_j": e["macs_update"] * e["operand_bits"] ** 2 * 11 * gate,
    }


@pytest.mark.parametrize("layer", [CROSSBAR, DIGITAL], ids=["crossbar", "digital"])
def test_the_price_of_a_layer_is_what_the_formulas_give(layer: dict[str, Any]) -> None:
    parts = by_hand(layer)
    row = priced(layer).row(0, named=True)
    for name in PARTS:
        assert row[name] == pytest.approx(parts[name], rel=1e-12), name
    assert row["energy_j"] == pytest.approx(sum(parts.values()), rel=1e-12)
    assert row["energy_per_image_j"] == pytest.approx(sum(parts.values()) / 1000, rel=1e-12)


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
    for name in PARTS:
        assert row[name] == pytest.approx(by_hand(CROSSBAR)[name] + by_hand(second)[name], rel=1e-12)
    assert row["energy_j"] == pytest.approx(sum(row[name] for name in PARTS), rel=1e-12)


def test_a_crossbar_layer_has_no_digital_parts_and_a_digital_layer_has_no_others() -> None:
    crossbar, digital = priced(CROSSBAR).row(0, named=True), priced(DIGITAL).row(0, named=True)
    for name in PARTS:
        if name.startswith("digital"):
            assert crossbar[name] == 0.0
            assert digital[name] > 0.0
        else:
            assert crossbar[name] > 0.0
            assert digital[name] == 0.0


@pytest.mark.parametrize(
    ("change", "unknown"),
    [
        ({"adc_bits": None}, {"adc_j", "refresh_reads_j"}),
        ({"adc_bits": 13}, {"adc_j", "refresh_reads_j"}),
        ({"adc_bits": 13, "refresh_reads": 0}, {"adc_j"}),
        ({"dac_bits": None}, {"dac_j"}),
        ({"adc_backward_bits": None}, {"adc_j"}),
        ({"adc_backward_bits": 13}, {"adc_j"}),
        ({"dac_backward_bits": None}, {"dac_j"}),
    ],
)
def test_what_has_no_price_is_null_and_so_is_the_sum(change: dict[str, Any], unknown: set[str]) -> None:
    row = priced({**CROSSBAR, **change}).row(0, named=True)
    assert {name for name in PARTS if row[name] is None} == unknown
    assert row["energy_j"] is None
    assert row["energy_per_image_j"] is None


def test_one_layer_without_a_price_leaves_the_trial_without_one() -> None:
    row = priced(CROSSBAR, {**CROSSBAR, "adc_bits": None}).row(0, named=True)
    assert row["adc_j"] is None
    assert row["energy_j"] is None
    assert row["dac_j"] == pytest.approx(2 * by_hand(CROSSBAR)["dac_j"])


def test_a_converter_at_the_end_of_its_range_has_a_price() -> None:
    layer = {**CROSSBAR, "adc_bits": 12}
    assert priced(layer)["adc_j"].item() == pytest.approx(by_hand(layer)["adc_j"], rel=1e-12)


def test_a_layer_without_refresh_pays_for_no_reads() -> None:
    assert priced({**CROSSBAR, "refresh_reads": 0})["refresh_reads_j"].item() == 0.0


def test_activation_functions_cost_nothing() -> None:
    assert priced({**CROSSBAR, "activations": 10**9}).equals(priced(CROSSBAR))


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
    assert {name for name in PARTS if row[name] != sram[name]} <= {"chi_memory_j"}


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
    row = priced({**CROSSBAR, "cells": 2 * pairs * 65 * 16}).row(0, named=True)
    read = 3.5 * 1e-6 * 0.3**2 * 2e-7
    cells_driven = 2 * pairs * (20_000.5 * 16 + 700.25 * 64)
    assert row["array_j"] == pytest.approx(cells_driven * read, rel=1e-12)
    one = priced(CROSSBAR).row(0, named=True)
    assert {name for name in PARTS if row[name] != one[name]} == ({"array_j"} if pairs > 1 else set())


@pytest.mark.parametrize(("bits", "backward_bits"), [(9, 6), (6, 9), (7, 7)])
def test_converters_are_priced_by_the_bits_of_their_direction(bits: int, backward_bits: int) -> None:
    layer = {
        **CROSSBAR,
        "adc_bits": bits,
        "adc_backward_bits": backward_bits,
        "dac_bits": bits,
        "dac_backward_bits": backward_bits,
    }
    row = priced(layer).row(0, named=True)
    forward_j, backward_j = ((1e-13 * b + 3e-18 * 4**b) * 0.8**2 for b in (bits, backward_bits))
    assert row["adc_j"] == pytest.approx(16_000 * forward_j + 64_000 * backward_j, rel=1e-12)
    drive_j = 5e-14 * 0.8**2
    assert row["dac_j"] == pytest.approx(65_000 * bits * drive_j + 16_000 * backward_bits * drive_j, rel=1e-12)
    read_j = 3.5 * 1e-6 * 0.3**2 * 2e-7
    assert row["refresh_reads_j"] == pytest.approx(20_800 * (read_j + forward_j), rel=1e-12)


@pytest.mark.parametrize("bits", [None, 13])
@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_converter_that_is_never_used_costs_nothing_even_without_a_price(way: str, bits: int | None) -> None:
    column = {"forward": "adc_bits", "backward": "adc_backward_bits"}[way]
    idle = {**CROSSBAR, f"adc_{way}": 0, "refresh_reads": 0}
    unpriced = priced({**idle, column: bits}).row(0, named=True)
    assert unpriced["adc_j"] is not None
    assert unpriced == priced(idle).row(0, named=True)
    assert unpriced["energy_j"] is not None


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_driver_that_is_never_used_costs_nothing_even_without_a_price(way: str) -> None:
    column = {"forward": "dac_bits", "backward": "dac_backward_bits"}[way]
    idle = {**CROSSBAR, f"dac_{way}": 0}
    unpriced = priced({**idle, column: None}).row(0, named=True)
    assert unpriced["dac_j"] is not None
    assert unpriced == priced(idle).row(0, named=True)


@pytest.mark.parametrize(
    ("event", "part"),
    [
        ("drive_time_forward", "array_j"),
        ("drive_time_backward", "array_j"),
        ("dac_backward", "dac_j"),
        ("adc_backward", "adc_j"),
        ("set_pulses_refresh", "set_pulses_j"),
        ("resets", "reset_pulses_j"),
        ("refresh_reads", "refresh_reads_j"),
        ("chi_writes", "chi_memory_j"),
        ("chi_adds", "chi_adds_j"),
        ("macs_update", "outer_products_j"),
    ],
)
def test_an_event_is_counted_in_one_part_alone(event: str, part: str) -> None:
    before = priced(CROSSBAR).row(0, named=True)
    after = priced({**CROSSBAR, event: 2 * CROSSBAR[event]}).row(0, named=True)
    assert {name for name in PARTS if after[name] > before[name]} == {part}
    assert {name for name in PARTS if after[name] < before[name]} == set()


def test_the_same_digital_work_costs_the_same_whatever_the_size_of_its_layers() -> None:
    assert priced({**DIGITAL, "rows": 2, "cols": 1}).equals(priced(DIGITAL))


def test_pricing_many_trials_at_once_equals_pricing_them_one_by_one_exactly() -> None:
    dice = random.Random(1)
    rows: list[dict[str, Any]] = []
    for trial in range(25):
        for layer, base in enumerate((CROSSBAR, dice.choice([CROSSBAR, DIGITAL]))):
            scale = dice.uniform(0.1, 1e6)
            events = {n: base[n] * scale if n in REAL_EVENTS else int(base[n] * scale) for n in EVENT_NAMES}
            bits = {n: None if base[n] is None else dice.randint(2, 13) for n in CONVERTERS}
            rows.append({**base, **events, **bits, "trial": trial, "seed": dice.randrange(3), "layer": layer})
    at_once = priced(*rows)
    groups: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["trial"], row["seed"]), []).append(row)
    assert len(rows) == 50
    assert at_once.equals(pl.concat([priced(*groups[key]) for key in sorted(groups)]))
    assert at_once["energy_j"].null_count() < len(at_once)


def test_trials_come_back_in_order() -> None:
    rows = [{**CROSSBAR, "trial": trial, "seed": seed} for trial, seed in ((7, 1), (2, 1), (7, 0), (2, 1))]
    assert priced(*rows).select("trial", "seed").rows() == [(2, 1), (7, 0), (7, 1)]


def test_pricing_leaves_the_table_alone() -> None:
    table = pl.DataFrame([{name: CROSSBAR[name] for name in SCHEMA}], schema=SCHEMA)
    before = table.clone()
    price(table, CARD)
    assert table.equals(before)


def test_the_shipped_card_prices_an_eight_bit_conversion_as_its_source_says() -> None:
    card = read_cost_card("bottom_up_28nm")
    layer = {**CROSSBAR, "adc_bits": 8, "adc_forward": 1, "adc_backward": 0}
    expected = (100e-15 * 8 + 0.001e-15 * 4**8) * 0.9**2
    assert priced(layer, card=card)["adc_j"].item() == pytest.approx(expected, rel=1e-12)
