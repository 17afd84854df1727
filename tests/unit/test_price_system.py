"""What a system adds to its parts, and a pipeline of layers, against the same sums in plain Python."""

from typing import Any

import polars as pl
import pytest

from dse.pricing.anchors import read_anchors
from dse.pricing.card import SYSTEM, CostCard, read_cost_card
from dse.pricing.energy import ITEMS, PHASES, SYSTEM_PARTS
from dse.pricing.price import COLUMNS, price, price_cards
from tests.unit.test_price import CARD, CROSSBAR, DEPLOYED, DIGITAL, table

ADDED = {
    "control_product_j": 5e-12,
    "control_area_m2": 2e-9,
    "interconnect_per_bit_j": 6e-14,
    "interconnect_area_m2": 3e-9,
    "buffer_per_bit_j": 8e-14,
    "buffer_bit_area_m2": 4e-13,
    "leakage_w_per_m2": 7e3,
    "memory_leakage_w_per_m2": 9e2,
}
WHOLE = CARD.with_values(ADDED, "whole")
TILED = {**CROSSBAR, "row_tiles": 5, "column_tiles": 2}


def row(*layers: dict[str, Any], card: CostCard = WHOLE, **facts: float) -> dict[str, Any]:
    known = table(*layers).with_columns(**{name: pl.lit(value) for name, value in facts.items()})
    return price(known, card).row(0, named=True)


def test_the_list_of_what_a_system_adds_is_that_of_these_tests() -> None:
    assert set(ADDED) == set(SYSTEM)
    assert all(read_cost_card("bottom_up_28nm").values[name] == 0.0 for name in SYSTEM)


@pytest.mark.parametrize("layers", [(CROSSBAR, DIGITAL), (DEPLOYED,), ({**CROSSBAR, "adc_bits": None}, CROSSBAR)])
def test_a_card_that_gives_nothing_prices_to_the_last_bit_as_alone(layers: tuple[dict[str, Any], ...]) -> None:
    rows = [{**layer, "layer": number} for number, layer in enumerate(layers)]
    alone, beside = price(table(*rows), CARD), price_cards(table(*rows), [WHOLE, CARD])
    assert beside.filter(pl.col("card") == CARD.name).drop("card").equals(alone)
    nothing = [name for name in COLUMNS if name.split("_per_")[0].removesuffix("_j").endswith(SYSTEM_PARTS)]
    assert len(nothing) > 30
    assert {alone[name].item() for name in nothing} == {0.0}


def test_arrays_are_controlled_and_bits_are_moved_and_buffered() -> None:
    found, plain = row(TILED), row(TILED, card=CARD)
    moved = 65_000 * 7 + 16_000 * 9, 16_000 * 5 + 64_000 * 6
    kept = 65_000 * 7 / 2 + 16_000 * 7, 16_000 * 5 / 5 + 16_000 * 5
    for phase, bits, held in zip(("forward", "backward"), moved, kept, strict=True):
        assert found[f"{phase}_control_j"] == pytest.approx(1000 * 10 * 5e-12, rel=1e-12)
        assert found[f"{phase}_interconnect_j"] == pytest.approx(bits * 6e-14, rel=1e-12)
        assert found[f"{phase}_buffers_j"] == pytest.approx(held * 8e-14, rel=1e-12)
    assert found["control_m2"] == pytest.approx(10 * 2e-9, rel=1e-12)
    assert found["interconnect_m2"] == pytest.approx(10 * 3e-9, rel=1e-12)
    assert found["buffers_m2"] == pytest.approx(2 * 16 * 7 * 4e-13, rel=1e-12)
    more = sum(found[f"{part}_m2"] for part in ("control", "interconnect", "buffers"))
    assert found["area_m2"] - plain["area_m2"] == pytest.approx(more, rel=1e-9)
    added = sum(found[f"{phase}_{part}_j"] for phase, part in ITEMS if part in SYSTEM_PARTS)
    assert found["energy_j"] - plain["energy_j"] == pytest.approx(added, rel=1e-9)
    assert {name for name in COLUMNS if name.endswith("_s") and found[name] != plain[name]} == set()


def test_a_digital_network_moves_and_buffers_words() -> None:
    found = row(DIGITAL)
    words = 1_040_000 / 16 + 16_000, 1_024_000 / 64 + 16_000
    for phase, own in zip(("forward", "backward"), words, strict=True):
        assert found[f"{phase}_interconnect_j"] == pytest.approx(own * 16 * 6e-14, rel=1e-12)
        assert found[f"{phase}_buffers_j"] == pytest.approx(own * 16 * 8e-14, rel=1e-12)
        assert found[f"{phase}_control_j"] == 0.0
    assert found["control_m2"] == found["interconnect_m2"] == 0.0
    assert found["buffers_m2"] == pytest.approx(2 * 16 * 16 * 4e-13, rel=1e-12)


def test_products_of_a_deployment_are_controlled_and_moved_and_nothing_of_them_is_kept() -> None:
    found = row(DEPLOYED)
    assert found["deployment_control_j"] == pytest.approx(1_100 * 5e-12, rel=1e-12)
    assert found["deployment_interconnect_j"] == pytest.approx((71_500 * 6 + 17_600 * 7) * 6e-14, rel=1e-12)
    assert found["deployment_buffers_j"] == pytest.approx(71_500 * 6 * 8e-14, rel=1e-12)


@pytest.mark.parametrize("storage", ["sram", "pcm"])
def test_everything_but_cells_leaks_as_long_as_layers_take_in_turn(storage: str) -> None:
    own = {**TILED, "chi_storage": storage}
    found = row(own, {**DIGITAL, "layer": 1})
    logic = sum(found[f"{name}_m2"] for name in ("converters", "control", "interconnect", "lanes"))
    memories = found["digital_memory_m2"] + found["buffers_m2"] + (found["chi_memory_m2"] if storage == "sram" else 0)
    watts = 7e3 * logic + 9e2 * memories
    for phase in PHASES:
        seconds = found[f"{phase}_per_sample_s"] * 1000
        assert found[f"{phase}_static_j"] == pytest.approx(watts * seconds, rel=1e-9), phase
    waited = found["latency_per_inference_s"] - found["interval_per_inference_s"]
    saved = found["energy_per_inference_j"] - found["energy_per_pipelined_inference_j"]
    assert saved == pytest.approx(watts * waited, rel=1e-6)


def test_a_pipeline_goes_at_the_pace_of_its_slowest_layer() -> None:
    slow = {**CROSSBAR, "layer": 1, "mvm_forward": 3000}
    layers = [row(own, card=CARD)["latency_per_inference_s"] for own in (CROSSBAR, slow)]
    found = row(CROSSBAR, slow, card=CARD)
    assert found["latency_per_inference_s"] == pytest.approx(sum(layers), rel=1e-12)
    assert found["interval_per_inference_s"] == pytest.approx(max(layers), rel=1e-12)
    assert found["inferences_per_second"] == pytest.approx(1 / sum(layers), rel=1e-12)
    assert found["pipelined_inferences_per_second"] == pytest.approx(1 / max(layers), rel=1e-12)
    assert found["energy_per_pipelined_inference_j"] == found["energy_per_inference_j"]


def test_layers_of_a_pipeline_share_the_digital_lanes() -> None:
    busy = {**CROSSBAR, "activations": 10**9}
    found = row(busy, {**busy, "layer": 1}, card=CARD)
    lanes = 2 * (10**9 + 3_000) / (32 * 5e8) / 1000
    assert found["interval_per_inference_s"] == pytest.approx(lanes, rel=1e-9)
    scaled = row(busy, {**busy, "layer": 1}, card=CARD, scaled_forward=10**9, scaled_backward=0)
    assert scaled["interval_per_inference_s"] == pytest.approx(lanes + 2 * 10**9 / (32 * 5e8) / 1000, rel=1e-9)
    digital = row(DIGITAL, {**DIGITAL, "layer": 1}, card=CARD)
    assert digital["interval_per_inference_s"] == pytest.approx(digital["latency_per_inference_s"], rel=1e-12)


def test_a_pipeline_has_no_price_where_a_layer_has_none_or_does_not_infer() -> None:
    ideal = {**CROSSBAR, "layer": 1, "adc_bits": None, "adc_backward_bits": 6}
    assert row(CROSSBAR, ideal, card=CARD)["interval_per_inference_s"] is None
    assert row(CROSSBAR, ideal)["static_j"] is None
    assert row(CROSSBAR, {**CROSSBAR, "layer": 1, "infers": False})["pipelined_inferences_per_second"] is None


def test_words_that_are_shifted_are_added_with_the_bits_of_their_sum() -> None:
    plain, own = row(CROSSBAR, card=CARD), row(CROSSBAR, card=CARD, input_planes=7, digit_shift=4)
    assert plain["forward_partial_sums_j"] == pytest.approx(3_000 * 9 * 9 * 4e-16, rel=1e-12)
    assert own["forward_partial_sums_j"] == pytest.approx(3_000 * (9 + 6 + 4) * 9 * 4e-16, rel=1e-12)
    assert own["backward_partial_sums_j"] == plain["backward_partial_sums_j"]
    back = row(CROSSBAR, card=CARD, input_planes_backward=7)
    assert back["backward_partial_sums_j"] == pytest.approx(4_000 * (6 + 6) * 9 * 4e-16, rel=1e-12)
    later = row(DEPLOYED, card=CARD, partial_adds_deployment=500, input_planes=7, deployed_digit_shift=4)
    assert later["deployment_partial_sums_j"] == pytest.approx(500 * (7 + 6 + 4) * 9 * 4e-16, rel=1e-12)


def test_a_driver_of_one_bit_takes_its_share_of_a_converter() -> None:
    card, quiet = CARD.with_values({"driver_area_share": 0.25}, "share"), {**CROSSBAR, "adc_backward": 0}
    full = row(quiet, card=card)["converters_m2"]
    assert full == row(quiet, card=CARD)["converters_m2"]
    for own in (row({**quiet, "dac_bits": 1}, card=card), row(quiet, card=card, pulse_steps=127)):
        assert full - own["converters_m2"] == pytest.approx(65 * 0.75 * 4e-11, rel=1e-9)


def test_an_offset_column_stands_once_in_an_array_that_is_not_full() -> None:
    lines = {"array_rows": 80, "array_columns": 100}
    own = {**CROSSBAR, "cells": 65 * 16 + 65}  # one cell a weight, and a column of the array beside them
    found = row(own, card=CARD, offset_columns=1, **lines)
    assert found["cells_m2"] == pytest.approx(80 * (100 + 1) * 1e-13, rel=1e-12)
    fitting = row(own, card=CARD, offset_columns=1)
    assert fitting["cells_m2"] == pytest.approx(own["cells"] * 1e-13, rel=1e-12)


@pytest.mark.parametrize("anchor", range(3))
def test_published_events_cost_more_with_a_system_round_them(anchor: int) -> None:
    layers = read_anchors()[anchor].layers
    plain, whole = (price(layers, card).row(0, named=True)["energy_per_sample_j"] for card in (CARD, WHOLE))
    assert whole > plain
