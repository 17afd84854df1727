"""Latency, area, model size and lifetime of hand-made layers against the same sums in plain Python."""

import math
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from dse.crossbar.cuts import cuts, full_lines
from dse.crossbar.usage import ARRAY_LINES, LayerUsage
from dse.designs.report import used
from dse.pricing.card import CostCard
from dse.pricing.price import price
from tests.unit.test_price import CARD, CROSSBAR, DEPLOYED, DIGITAL, priced, table

WORN: dict[str, float] = {
    "wear_set_max": 2000.0,
    "wear_set_q999": 900.0,
    "wear_set_q99": 50.0,
    "wear_reset_max": 40.0,
    "wear_reset_q999": 1.0,
    "wear_reset_q99": 0.0,
}


def row(*layers: dict[str, Any], card: CostCard = CARD) -> dict[str, Any]:
    return priced(*layers, card=card).row(0, named=True)


def conversion_s(bits: int, lines: int) -> float:
    return 1e-9 + bits * (5e-10 + 7e-12 * lines) + 3e-12 * 2**bits


def adc_m2(bits: int) -> float:
    return 1e-10 + 2e-12 * 2 ** (0.9 * bits)


def test_a_product_takes_the_read_and_the_conversions_that_share_a_converter() -> None:
    forward = 1000 * (2e-7 + 6 * conversion_s(9, 65)) + (16_000 + 3_000) / (32 * 5e8)
    backward = 1000 * (2e-7 + 6 * conversion_s(6, 16)) + (16_000 + 4_000) / (32 * 5e8)
    r = row(CROSSBAR)
    assert r["forward_per_sample_s"] == pytest.approx(forward / 1000, rel=1e-12)
    assert r["latency_per_inference_s"] == r["forward_per_sample_s"]
    assert r["backward_per_sample_s"] == pytest.approx(backward / 1000, rel=1e-12)


def test_a_converter_is_not_read_more_often_than_there_are_columns() -> None:
    narrow = {**CROSSBAR, "cols": 4, "cells": 2 * 65 * 4, "activations": 0, "partial_adds_forward": 0}
    expected = 2e-7 + 4 * conversion_s(9, 65)
    assert row(narrow)["latency_per_inference_s"] == pytest.approx(expected, rel=1e-12)


def test_tiles_work_at_the_same_time_with_converters_of_their_own() -> None:
    quiet = {**CROSSBAR, "activations": 0, "partial_adds_forward": 0, "adc_backward": 0}
    tiled = row({**quiet, "row_tiles": 5, "column_tiles": 2})
    assert tiled["latency_per_inference_s"] == pytest.approx(2e-7 + 6 * conversion_s(9, 13), rel=1e-12)
    converters = math.ceil(8 / 6) * 10 * adc_m2(9)
    dacs = 65 * (row({**quiet, "column_tiles": 2})["converters_m2"] - row(quiet)["converters_m2"] - adc_m2(9)) / 65
    assert tiled["converters_m2"] == pytest.approx(converters + 2 * dacs, rel=1e-9)


def said(*layers: dict[str, Any], card: CostCard = CARD, **facts: float | None) -> dict[str, Any]:
    """Return the price of layers among whose events stands what prices must know."""
    known = table(*layers).with_columns(**{name: pl.lit(value) for name, value in facts.items()})
    return price(known, card).row(0, named=True)


def test_additions_of_a_deployment_are_billed_once_and_nothing_where_they_were_not_counted() -> None:
    without, own = said(DEPLOYED), said(DEPLOYED, partial_adds_deployment=5_000)
    assert said(DEPLOYED, partial_adds_deployment=None) == without
    changed = {name for name in own if own[name] != without[name]}
    both = ("deployment_partial_sums", "deployment", "partial_sums", "energy")
    times = {"deployment_per_sample_s", "latency_per_sample_s"}
    assert changed == {f"{name}{end}" for name in both for end in ("_j", "_per_sample_j")} | times
    assert own["deployment_partial_sums_j"] == pytest.approx(5_000 * 7 * 9 * 4e-16, rel=1e-12)
    seconds = 5_000 / (CARD.values["digital_lanes"] * 5e8) / 1000
    waited = own["deployment_per_sample_s"] - without["deployment_per_sample_s"]
    assert waited == pytest.approx(seconds, rel=1e-6)


def test_a_layer_is_cut_into_full_arrays_and_a_rest_where_its_events_say_so() -> None:
    tiled = {**CROSSBAR, "bias_rows": 0, "row_tiles": 3, "column_tiles": 2, "activations": 0}
    tiled |= {"partial_adds_forward": 0, "partial_adds_backward": 0}
    own, without = said(tiled, full_rows=30, full_columns=10), said(tiled)  # 30, 30, 5 rows; 10, 6 columns
    assert said(tiled, full_rows=None, full_columns=None) == without
    assert own["latency_per_inference_s"] == pytest.approx(2e-7 + 6 * conversion_s(9, 30), rel=1e-12)
    assert own["backward_per_sample_s"] == pytest.approx(2e-7 + 6 * conversion_s(6, 10), rel=1e-12)
    # Six lines share a converter: two and one of the outputs, where equal parts have two each; five, five and one of
    # the inputs, where equal parts have four each.
    outputs, inputs = 3 * (2 + 1) - 3 * (2 + 2), 2 * (5 + 5 + 1) - 2 * (4 + 4 + 4)
    more = outputs * adc_m2(9) + inputs * adc_m2(6)
    assert own["converters_m2"] - without["converters_m2"] == pytest.approx(more, rel=1e-9)
    assert own["cells_m2"] == without["cells_m2"]
    assert own["energy_j"] == without["energy_j"]


def test_arrays_of_equal_parts_say_no_more_of_their_lines() -> None:
    assert full_lines(cuts(60, 30), cuts(16, None)) == {}
    assert full_lines(cuts(65, 30), cuts(16, 10)) == {"full_rows": 30, "full_columns": 10}
    # A network that was trained digitally has no arrays until it is deployed.
    assert full_lines(cuts(60, 30), cuts(16, None), told=(1, 1)) == {"full_rows": 30}


def there_of(layer: dict[str, Any], *, rows: int, columns: int) -> dict[str, Any]:
    """Return the price of a layer whose arrays have so many lines."""
    layers = table(layer).with_columns(pl.lit(rows).alias("array_rows"), pl.lit(columns).alias("array_columns"))
    return price(layers, CARD).row(0, named=True)


def test_lines_that_are_there_take_area_and_no_time() -> None:
    tiles = {"row_tiles": 5, "column_tiles": 2}  # 13 rows and 8 columns of each are used
    fitting, there = row({**CROSSBAR, **tiles}), there_of({**CROSSBAR, **tiles}, rows=20, columns=14)
    of_one_cell = fitting["cells_m2"] / CROSSBAR["cells"]
    a_weight = CROSSBAR["cells"] / (CROSSBAR["rows"] * CROSSBAR["cols"])
    assert there["cells_m2"] == pytest.approx(of_one_cell * a_weight * 20 * 14 * 10, rel=1e-12)
    forward, backward = math.ceil(14 / 6), math.ceil(20 / 6)
    converters = 10 * (forward * adc_m2(9) + backward * adc_m2(6))
    dac = CARD.dac_area_m2
    assert there["converters_m2"] == pytest.approx(converters + 10 * (20 + 14) * dac, rel=1e-12)
    same = [name for name in fitting if name.endswith(("_s", "_j")) or name == "chi_memory_m2"]
    assert {name: there[name] for name in same} == {name: fitting[name] for name in same}
    full = there_of(CROSSBAR, rows=CROSSBAR["rows"], columns=CROSSBAR["cols"])
    assert full["cells_m2"] == pytest.approx(row(CROSSBAR)["cells_m2"], rel=1e-12)


def test_columns_that_share_a_converter_are_those_of_the_design_where_it_says_so() -> None:
    own = said({**CROSSBAR, "activations": 0, "partial_adds_forward": 0}, columns_per_adc=4)
    expected = 2e-7 + 4 * conversion_s(9, 65)
    assert own["latency_per_inference_s"] == pytest.approx(expected, rel=1e-12)
    drivers = (65 + 16) * CARD.dac_area_m2
    wanted = math.ceil(16 / 4) * adc_m2(9) + math.ceil(64 / 4) * adc_m2(6) + drivers
    assert own["converters_m2"] == pytest.approx(wanted, rel=1e-12)


def test_a_corrected_converter_has_an_adder_and_a_multiplier() -> None:
    plain = row(CROSSBAR)
    offset = said(CROSSBAR, corrects_offset=1)
    both = said(CROSSBAR, corrects_offset=1, corrects_gain=1)
    counts = {9: math.ceil(16 / 6), 6: math.ceil(64 / 6)}
    adders = sum(n * 9 * bits * 6e-13 for bits, n in counts.items())
    multipliers = sum(n * 11 * bits * bits * 6e-13 for bits, n in counts.items())
    assert offset["converters_m2"] - plain["converters_m2"] == pytest.approx(adders, rel=1e-9)
    assert both["converters_m2"] - offset["converters_m2"] == pytest.approx(multipliers, rel=1e-9)
    assert both["latency_per_sample_s"] == plain["latency_per_sample_s"]
    adds = sum(CROSSBAR[f"adc_{way}"] * bits for way, bits in (("forward", 9), ("backward", 6)))
    assert offset["adc_j"] - plain["adc_j"] == pytest.approx(adds * 9 * 4e-16, rel=1e-6)
    cells = sum(CROSSBAR[f"adc_{way}"] * bits**2 for way, bits in (("forward", 9), ("backward", 6)))
    assert both["adc_j"] - offset["adc_j"] == pytest.approx(cells * 11 * 4e-16, rel=1e-6)
    assert both["energy_j"] - plain["energy_j"] == pytest.approx(both["adc_j"] - plain["adc_j"], rel=1e-6)


@pytest.mark.parametrize("bits", [4, 12])
def test_a_bit_of_a_memory_costs_with_the_root_of_its_size(bits: int) -> None:
    card = CARD.with_values({"chi_memory_per_root_bit_j": 3e-16, "weight_memory_per_root_bit_j": 5e-16})
    chi = {**CROSSBAR, "chi_bits": bits}
    found, plain = row(chi, card=card), row(chi)
    more = (90_000 + 80_000) * bits * 3e-16 * math.sqrt(65 * 16 * bits)
    assert found["update_chi_memory_j"] - plain["update_chi_memory_j"] == pytest.approx(more, rel=1e-9)
    assert found["energy_j"] - plain["energy_j"] == pytest.approx(more, rel=1e-6)
    dram = {**chi, "chi_storage": "dram"}
    assert row(dram, card=card)["energy_j"] == row(dram)["energy_j"]
    digital, flat = row(DIGITAL, card=card), row(DIGITAL)
    words = DIGITAL["weight_reads"] + DIGITAL["weight_writes"]
    more = words * 16 * 5e-16 * math.sqrt(65 * 16 * 16)
    assert digital["digital_memory_j"] - flat["digital_memory_j"] == pytest.approx(more, rel=1e-9)
    assert digital["energy_j"] - flat["energy_j"] == pytest.approx(more, rel=1e-6)


def test_learned_scales_take_a_multiplication_and_a_step_each() -> None:
    without, own = said(CROSSBAR), said(CROSSBAR, scaled_forward=16_000, scaled_backward=32_000)
    joules, seconds = CARD.values["float_multiply_j"] / 1000, 1 / (32 * 5e8) / 1000
    for phase, number in (("forward", 16_000), ("backward", 32_000)):
        assert own[f"{phase}_digital_macs_per_sample_j"] == pytest.approx(number * joules, rel=1e-12)
        more = own[f"{phase}_per_sample_s"] - without[f"{phase}_per_sample_s"]
        assert more == pytest.approx(number * seconds, rel=1e-9)
    more = own["energy_per_inference_j"] - without["energy_per_inference_j"]
    assert more == pytest.approx(16_000 * joules, rel=1e-6)
    assert said(CROSSBAR, scaled_forward=None, scaled_backward=None) == without


def test_words_of_an_optimiser_lie_in_a_memory_as_large_as_they_are() -> None:
    card = CARD.with_values({"weight_memory_per_root_bit_j": 5e-16})
    own = {**CROSSBAR, "weight_reads": 140_000, "weight_writes": 140_000}  # two words a weight
    more = 280_000 * 32 * 5e-16 * math.sqrt(65 * 16 * 2 * 32)
    assert row(own, card=card)["energy_j"] - row(own)["energy_j"] == pytest.approx(more, rel=1e-6)


def test_fewer_bits_than_a_formula_holds_for_have_no_price() -> None:
    card = CARD.with_values({"adc_bits_min": 7.0})  # forward converters have 9 bits, backward ones 6
    r = row(CROSSBAR, card=card)
    lacking = ("backward_adc_j", "energy_j", "backward_per_sample_s", "converters_m2")
    assert [r[name] for name in lacking] == [None] * 4
    assert r["energy_per_inference_j"] == row(CROSSBAR)["energy_per_inference_j"]
    assert row(CROSSBAR, {**CROSSBAR, "adc_bits": 6}, card=card)["forward_adc_j"] is None


def test_an_update_takes_its_additions_and_its_pulses() -> None:
    expected = 70_000 / (4 * 5e8) + 5_000 * 5e-8 / 2
    assert row(CROSSBAR)["update_per_sample_s"] == pytest.approx(expected / 1000, rel=1e-12)
    flips = row({**CROSSBAR, "chi_storage": "pcm", "chi_flips": 800})["update_per_sample_s"]
    assert flips == pytest.approx((expected + 800 * 1.5e-7 / 2) / 1000, rel=1e-12)


def test_a_deployment_takes_its_products_its_reads_and_its_pulses() -> None:
    products = 1_100 * (2e-7 + 6 * conversion_s(7, 65))
    reads = 10_500 / math.ceil(16 / 6) * (2e-7 + 0.5 * conversion_s(7, 65))
    expected = products + reads + 2_080 * 4e-8 / 2 + 10_400 * 5e-8 / 2
    assert row(DEPLOYED)["deployment_per_sample_s"] == pytest.approx(expected / 1000, rel=1e-12)
    assert row(DIGITAL)["deployment_per_sample_s"] == 0.0


def test_a_refresh_takes_its_reads_and_its_pulses() -> None:
    reads = 20_800 / math.ceil(16 / 6) * (2e-7 + 0.5 * conversion_s(9, 65))
    expected = reads + 60 * 4e-8 / 2 + 40 * 5e-8 / 2
    assert row(CROSSBAR)["refresh_per_sample_s"] == pytest.approx(expected / 1000, rel=1e-12)


def test_a_refresh_without_conversions_needs_no_converter() -> None:
    flat = CARD.with_values({"refresh_conversions_per_read": 0.0})
    r = row({**CROSSBAR, "adc_forward": 0, "mvm_forward": 0, "adc_bits": None}, card=flat)
    expected = 20_800 / 3 * 2e-7 + 60 * 4e-8 / 2 + 40 * 5e-8 / 2
    assert r["refresh_per_sample_s"] == pytest.approx(expected / 1000, rel=1e-12)


def test_layers_and_phases_follow_each_other() -> None:
    first, second, both = row(CROSSBAR), row({**CROSSBAR, "adc_bits": 5}), row(CROSSBAR, {**CROSSBAR, "adc_bits": 5})
    for name in ("forward_per_sample_s", "latency_per_sample_s"):
        assert both[name] == pytest.approx(first[name] + second[name], rel=1e-12)
    phases = [first[f"{phase}_per_sample_s"] for phase in ("forward", "backward", "update", "refresh")]
    assert first["latency_per_sample_s"] == pytest.approx(sum(phases), rel=1e-12)


def test_a_digital_network_takes_its_multiply_accumulates() -> None:
    r = row(DIGITAL)
    assert r["forward_per_sample_s"] == pytest.approx((1_040_000 + 16_000) / (32 * 5e8) / 1000, rel=1e-12)
    assert r["update_per_sample_s"] == pytest.approx(600_000 / (32 * 5e8) / 1000, rel=1e-12)
    assert r["refresh_per_sample_s"] == 0.0


def test_the_area_of_a_crossbar_is_that_of_its_parts() -> None:
    r = row(CROSSBAR)
    forward = math.ceil(16 / 6) * adc_m2(9) + 65 * 4e-11
    backward = math.ceil(64 / 6) * adc_m2(6) + 16 * 4e-11
    parts = {
        "cells_m2": 2 * 65 * 16 * 1e-13,
        "converters_m2": forward + backward,
        "chi_memory_m2": 65 * 16 * 12 * 2e-13,
        "digital_memory_m2": 0.0,
        "lanes_m2": 4 * (9 * 12 + 11 * 6 * 6) * 6e-13,
    }
    for name, area in parts.items():
        assert r[name] == pytest.approx(area, rel=1e-12), name
    assert r["area_m2"] == pytest.approx(sum(parts.values()), rel=1e-12)
    assert r["crossbar_m2"] == pytest.approx(parts["cells_m2"] + parts["converters_m2"], rel=1e-12)


def test_layers_share_the_digital_lanes() -> None:
    r = row(CROSSBAR, {**CROSSBAR, "chi_bits": 20})
    assert r["lanes_m2"] == pytest.approx(4 * (9 * 20 + 11 * 6 * 6) * 6e-13, rel=1e-12)
    assert r["cells_m2"] == pytest.approx(2 * 2 * 65 * 16 * 1e-13, rel=1e-12)


@pytest.mark.parametrize(("storage", "bit_m2"), [("sram", 2e-13), ("dram", 0.0), ("pcm", 1e-13)])
def test_accumulators_take_the_area_of_their_storage(storage: str, bit_m2: float) -> None:
    assert row({**CROSSBAR, "chi_storage": storage})["chi_memory_m2"] == pytest.approx(65 * 16 * 12 * bit_m2)


def test_a_layer_that_is_not_read_backward_has_no_converters_for_it() -> None:
    first = {**CROSSBAR, "mvm_backward": 0, "adc_backward": 0, "dac_backward": 0, "adc_backward_bits": None}
    r = row(first)
    assert r["converters_m2"] == pytest.approx(math.ceil(16 / 6) * adc_m2(9) + 65 * 4e-11, rel=1e-12)
    assert r["latency_per_sample_s"] is not None


def test_floats_need_float_units_and_a_digital_network_its_own() -> None:
    floats = row({**CROSSBAR, "chi_bits": None, "operand_bits": None})
    assert floats["lanes_m2"] == pytest.approx(4 * (4e-9 + 8e-9), rel=1e-12)
    digital = row(DIGITAL)
    assert digital["lanes_m2"] == pytest.approx(32 * 1.2e-8, rel=1e-12)
    assert digital["area_m2"] == pytest.approx(32 * 1.2e-8 + 65 * 16 * 16 * 2e-13, rel=1e-12)


@pytest.mark.parametrize("bits", [None, 13])
def test_a_converter_without_a_price_has_no_time_and_no_area(bits: int | None) -> None:
    r = row(CROSSBAR, {**CROSSBAR, "adc_bits": bits})
    for name in ("latency_per_sample_s", "latency_per_inference_s", "converters_m2", "area_m2", "crossbar_m2"):
        assert r[name] is None, name
    assert r["cells_m2"] is not None
    assert r["model_size_bits"] is not None


def test_the_model_is_its_cells_or_its_words() -> None:
    assert row(CROSSBAR)["model_size_bits"] == 2 * 65 * 16 * 3
    assert row(DIGITAL)["model_size_bits"] == 65 * 16 * 16


def test_the_first_limit_that_is_reached_ends_a_cell() -> None:
    r = row({**CROSSBAR, **WORN})
    assert r["set_trainings_to_first_cell"] == pytest.approx(1e9 / 2000)
    assert r["reset_trainings_to_first_cell"] == pytest.approx(1e7 / 40)
    assert r["trainings_to_first_cell"] == pytest.approx(1e7 / 40)
    assert r["years_to_first_cell"] == pytest.approx(1e7 / 40 / (4 * 365.25))
    assert r["trainings_to_0_1_percent"] == pytest.approx(1e9 / 900)
    assert r["trainings_to_1_percent"] == pytest.approx(1e9 / 50)
    assert r["reset_trainings_to_1_percent"] == math.inf


def test_a_lifetime_carries_the_range_of_the_endurance() -> None:
    r = row({**CROSSBAR, **WORN})
    assert r["trainings_to_first_cell_low"] == pytest.approx(min(1e8 / 2000, 1e5 / 40))
    assert r["trainings_to_first_cell_high"] == pytest.approx(min(1e12 / 2000, 1e12 / 40))
    assert r["years_to_1_percent_low"] == pytest.approx(1e8 / 50 / (4 * 365.25))


def test_the_layer_that_wears_fastest_decides() -> None:
    r = row({**CROSSBAR, **WORN}, {**CROSSBAR, "wear_reset_max": 41.0, "wear_set_q999": 1000.0})
    assert r["trainings_to_first_cell"] == pytest.approx(1e7 / 41)
    assert r["trainings_to_0_1_percent"] == pytest.approx(1e9 / 1000)


def test_bits_that_change_wear_binary_cells() -> None:
    r = row({**CROSSBAR, **WORN, "chi_storage": "pcm", "wear_flip_max": 100.0, "wear_flip_q99": 8.0})
    assert r["flip_trainings_to_first_cell"] == r["trainings_to_first_cell"] == pytest.approx(1e6 / 100)
    assert r["trainings_to_1_percent"] == pytest.approx(1e6 / 8)


def test_what_is_never_written_lasts_for_ever_and_a_digital_network_has_no_lifetime() -> None:
    assert row(CROSSBAR)["trainings_to_first_cell"] == math.inf
    assert row(DIGITAL)["trainings_to_first_cell"] is None
    assert row(DIGITAL)["years_to_first_cell_low"] is None


def test_a_duty_cycle_other_than_that_of_the_card_scales_the_years() -> None:
    often = row({**CROSSBAR, **WORN}, card=CARD.with_values({"trainings_per_day": 40.0}))
    assert often["years_to_first_cell"] == pytest.approx(row({**CROSSBAR, **WORN})["years_to_first_cell"] / 10)


def test_columns_of_nulls_alone_are_taken_as_they_come_from_a_single_trial() -> None:
    layer = {**CROSSBAR, "chi_bits": None, "operand_bits": None, "chi_storage": None}
    untyped = price(pl.DataFrame([layer]), CARD)
    assert untyped.equals(priced(layer))


def test_utilisation_is_the_share_of_the_cells_that_hold_weights() -> None:
    usage = LayerUsage(layer=0, rows=30, cols=10, cells=600, inference_bits=0.0, events={}, wear={}, row_tiles=2)
    whole = replace(usage, events=dict(zip(ARRAY_LINES, (16, 12), strict=True)))
    digital = replace(usage, cells=0)
    assert used([usage, digital]) == {}
    assert used([whole, digital]) == {"utilisation": 300 / (2 * 16 * 12)}
