"""Designs multiplied by the free axes of their study, and fronts in plausible worlds."""

import itertools
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from dse.analysis.costs.priced import free_axes, open_priced, priced, priced_designs
from dse.analysis.costs.prices import prices
from dse.analysis.costs.worlds import drawn_cards, swapped, tornado_table, worlds_table
from dse.analysis.effects.importance import importance
from dse.analysis.fronts.confidence import drawn_means, front_probability
from dse.analysis.fronts.pareto import is_on_front
from dse.analysis.fronts.table import front_table, front_title
from dse.analysis.inverse.require import require, summary_table
from dse.analysis.inverse.targets import parse_targets
from dse.analysis.tables.tables import open_tables, search_trials
from dse.errors import QueryError, SettingError
from dse.pricing.axes import parse_axes
from dse.pricing.card import read_cost_card

CARD = read_cost_card("bottom_up_28nm")
AXES = parse_axes({"card": ["bottom_up_28nm", "bottom_up_14nm"], "accumulator": {"storage": ["sram", "dram"]}})
ENERGY = "energy_per_sample_j"


def axes_of(where, texts):
    return free_axes(where, open_tables(where).about, [], texts)


@pytest.fixture(scope="module")
def tables(replicated):
    return open_tables(replicated)


def test_every_variant_costs_what_its_card_says(tables):
    found = priced(tables, CARD, AXES, [ENERGY, "area_m2"])
    assert found.variants == 4
    assert len(found.trials) == 4 * len(tables.trials)
    for number, name in enumerate(("bottom_up_28nm", "bottom_up_14nm")):
        expected = prices(tables, [read_cost_card(name)], [ENERGY, "area_m2"]).sort("trial")
        own = found.designs.filter(pl.col("trial") % 4 == 2 * number).sort("trial")
        assert own["trial"].to_list() == [4 * trial + 2 * number for trial in tables.designs["trial"].sort()]
        acting = own.filter((pl.col("trial") // 4).is_in(expected["trial"].to_list()))
        assert acting[ENERGY].equals(expected[ENERGY])
        assert acting["area_m2"].equals(expected["area_m2"])


def test_storage_moves_digital_accumulators_to_another_memory(tables):
    own = tables.layers.with_columns(
        pl.when(pl.col("chi_storage") == "sram").then(pl.lit("dram")).otherwise("chi_storage").alias("chi_storage")
    )
    expected = prices(tables.with_nested(layers=own), [CARD], [ENERGY]).sort("trial")[ENERGY]
    found = priced(tables, CARD, parse_axes({"accumulator": {"storage": ["sram", "dram"]}}), [ENERGY]).designs
    assert found.filter(pl.col("trial") % 2 == 1).sort("trial")[ENERGY].equals(expected)
    assert (expected.drop_nulls() >= prices(tables, [CARD], [ENERGY]).sort("trial")[ENERGY].drop_nulls()).all()


def test_metrics_and_parameters_are_those_of_the_simulation(tables):
    found = priced(tables, CARD, AXES, [ENERGY]).trials
    again = found.filter(pl.col("trial") % 4 == 3).with_columns(pl.col("trial") // 4)
    for name in ("seed", "accuracy", "worst_writes", *tables.parameters):
        assert again[name].equals(tables.trials[name])
    assert found["card"].to_list()[:4] == ["bottom_up_28nm"] * 2 + ["bottom_up_14nm"] * 2


def test_axes_that_change_no_objective_are_left_out(replicated):
    texts = ["reset_endurance_cycles=1e6,1e8", "adc_fixed_j=0,1e-9", "accumulator.storage=sram,dram"]
    found = open_priced(replicated, ["accuracy", ENERGY], [], texts)
    assert found.free == ["adc_fixed_j", "accumulator.storage"]
    assert found.variants == 4
    assert open_priced(replicated, ["accuracy", "worst_writes"], [], texts).variants == 1
    assert priced(open_tables(replicated), CARD, axes_of(replicated, texts), [ENERGY]).variants == 8


def test_the_front_of_all_variants_is_that_of_a_table_written_out(replicated):
    found = open_priced(replicated, ["accuracy", ENERGY], ["bottom_up_28nm", "bottom_up_14nm"])
    table = front_table(found, ["accuracy", ENERGY])
    own = open_tables(replicated)
    rows = []
    for name in ("bottom_up_28nm", "bottom_up_14nm"):
        energies = prices(own, [read_cost_card(name)], [ENERGY]).select("trial", ENERGY)
        rows += [
            (*row, name) for row in search_trials(own).select("trial", "accuracy").join(energies, on="trial").rows()
        ]
    on = is_on_front(np.array([row[1:3] for row in rows], float), ["maximise", "minimise"])
    assert sorted(table.select("trial", "accuracy", ENERGY, "card").rows()) == sorted(
        row for row, keep in zip(rows, on, strict=True) if keep
    )
    assert "(2 variants each of 20)" in front_title(found, ["accuracy", ENERGY])


def test_fronts_of_prices_that_are_no_metrics_run_the_right_way(replicated):
    found = open_priced(replicated, ["accuracy", "area_m2", "years_to_1_percent"])
    table = front_table(found, ["area_m2", "years_to_1_percent"])
    designs = search_trials(found)
    assert table["area_m2"][0] == designs["area_m2"].min()
    assert table["years_to_1_percent"].max() == designs["years_to_1_percent"].max()


def test_variants_of_one_simulation_share_its_noise():
    # Two variants of one noisy design; the second costs a little more and is as accurate: never on the front.
    accuracy = np.array([0.90, 0.91, 0.92, 0.93])
    values = np.stack([np.stack([accuracy, np.full(4, cost)], axis=1) for cost in (1.0, 1.1)])
    goals = ("maximise", "minimise")
    assert front_probability(values, goals, groups=np.array([0, 0])).tolist() == [1.0, 0.0]
    assert front_probability(values, goals)[1] > 0.2
    together = np.stack(list(drawn_means(values, 50, groups=np.array([0, 0]))))
    assert np.array_equal(together[:, 0, 0], together[:, 1, 0])


@pytest.mark.slow
def test_designs_left_out_are_left_out_with_all_their_variants(tables, few_forests):
    free = priced(tables, CARD, AXES, [ENERGY])
    found = importance(free, ["accuracy", ENERGY])
    assert found.filter(pl.col("objective") == "accuracy").equals(importance(tables, ["accuracy"]))
    energy = found.filter(pl.col("objective") == ENERGY)
    assert set(energy["parameter"][:2]) == {"accumulator.storage", "card"}
    assert energy["designs"][0] == 4 * importance(tables, [ENERGY])["designs"][0]


@pytest.mark.slow
def test_require_finds_the_card_that_a_target_needs(replicated):
    cards = ["bottom_up_28nm", "bottom_up_14nm"]
    energies = open_priced(replicated, [ENERGY], cards).designs.group_by("card").agg(pl.col(ENERGY).min())
    bound = math.sqrt(math.prod(energies[ENERGY].to_list()))
    found = open_priced(replicated, [ENERGY], cards)
    answer = require(found, parse_targets({ENERGY: f"<= {bound}"}))
    place = [p.name for p in answer.designs.axes].index("card")
    allowed = dict(zip(answer.levels.values[place], answer.region[place], strict=True))
    assert allowed == {"bottom_up_14nm": True, "bottom_up_28nm": False}
    assert summary_table(answer)["designs"][0] == 2 * len(search_trials(open_tables(replicated)).drop_nulls(ENERGY))


def test_an_axis_that_the_search_varies_is_refused(tables):
    varied = replace(tables, parameters=[*tables.parameters, "accumulator.storage"])
    with pytest.raises(QueryError, match="cannot be a free axis"):
        priced(varied, CARD, AXES, [ENERGY])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("adc_fixed_j", "give NAME=VALUE"),
        ("adc_fixed_j=", "give NAME=VALUE"),
        ("adc_fixd_j=1", "did you mean 'adc_fixed_j'"),
        ("adc_fixed_j=small", "is not a number"),
    ],
)
def test_settings_that_cannot_be_read_are_told(replicated, text, said):
    with pytest.raises(QueryError, match=said):
        axes_of(replicated, [text])


def test_settings_out_of_range_are_told(replicated):
    with pytest.raises(SettingError, match="must be a number from 0"):
        axes_of(replicated, ["adc_fixed_j=1"])
    with pytest.raises(QueryError, match="set twice"):
        axes_of(replicated, ["adc_fixed_j=0", "adc_fixed_j=1e-12"])


def test_the_table_for_queries_has_the_trials_that_were_simulated(replicated):
    table = priced_designs(replicated, open_tables(replicated), [ENERGY], ["bottom_up_28nm", "bottom_up_14nm"])
    assert table["trial"].to_list() == [n for n in range(22) for _ in range(2)]
    assert table["card"].n_unique() == 2


def test_worlds_are_drawn_within_the_ranges_and_repeat():
    cards = drawn_cards(CARD, 200, seed=5)
    assert [c.values for c in cards] == [c.values for c in drawn_cards(CARD, 200, seed=5)]
    for name, (low, high) in CARD.ranges.items():
        values = np.array([card.values[name] for card in cards])
        assert low * (1 - 1e-12) <= values.min() <= values.max() <= high * (1 + 1e-12)
        if 0 < low < high:
            # Even in logarithms: the mean of 200 is within 5 of its standard errors (chance 6e-7 a constant).
            u = np.log(values / low) / math.log(high / low)
            assert abs(u.mean() - 0.5) < 5 * math.sqrt(1 / 12 / 200)
    fixed = set(CARD.values) - set(CARD.ranges)
    assert all(card.values[name] == CARD.values[name] for card in cards for name in fixed)


@pytest.mark.slow
def test_shares_are_those_of_fronts_counted_one_by_one(tables):
    objectives = ["accuracy", ENERGY]
    doubtful = replace(CARD, ranges={"adc_fixed_j": (0.0, 1e-8), "chi_memory_per_bit_j": (1e-16, 1e-12)})
    table = worlds_table(tables, doubtful, objectives, count=60, seed=2)
    designs = search_trials(tables).select("trial", "accuracy")
    counted = dict.fromkeys(designs["trial"].to_list(), 0)
    for card in drawn_cards(doubtful, 60, seed=2):
        one = designs.join(prices(tables, [card], [ENERGY]).select("trial", ENERGY), on="trial", how="left")
        points = one.select("accuracy", ENERGY).fill_null(float("nan")).to_numpy()
        for trial in one.filter(pl.Series(is_on_front(points, ["maximise", "minimise"])))["trial"]:
            counted[trial] += 1
    assert dict(table.select("trial", "share").rows()) == {t: n / 60 for t, n in counted.items() if n}
    assert 0 < min(table["share"]) < 1
    assert table["share"].is_sorted(descending=True)


def test_a_tornado_puts_first_what_turns_the_front(tables):
    memory, none = "chi_memory_per_bit_j", {"cell_area_m2": (1e-14, 1e-12)}
    doubtful = replace(CARD, ranges={"set_pulse_j": (4.0e-13, 4.2e-13), memory: (0.0, 3e-13), **none})
    table = tornado_table(tables, doubtful, ["accuracy", ENERGY])
    assert table["constant"].to_list() == [memory, "set_pulse_j"]  # the area moves neither objective
    first = table.row(0, named=True)
    assert first["front_low"] > 0
    assert first["swapped_low"] > 0
    assert first["median_low"] < 1 < first["median_high"]
    searched = search_trials(tables).drop_nulls(ENERGY)["trial"].to_list()
    at_end, at_value = (
        prices(tables, [card], [ENERGY]).filter(pl.col("trial").is_in(searched))[ENERGY]
        for card in (CARD.with_values({memory: 0.0}), CARD)
    )
    assert first["median_low"] == pytest.approx(at_end.median() / at_value.median(), rel=1e-12)
    known = [pair for pair in zip(at_end, at_value, strict=True) if None not in pair]
    pairs = list(itertools.combinations(known, 2))
    turned = sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in pairs)
    assert first["swapped_low"] == pytest.approx(turned / len(pairs))


def test_swapped_counts_pairs():
    assert swapped(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == 1.0
    assert swapped(np.array([1.0, 2, 3]), np.array([1.0, 3, 2])) == pytest.approx(1 / 3)
    assert swapped(np.array([1.0, 1, 3]), np.array([2.0, 1, 3])) == 0.0
    assert swapped(np.array([1.0, np.nan, 3]), np.array([1.0, 0, 0.5])) == 1.0


def test_worlds_without_a_price_or_a_range_are_refused(tables):
    with pytest.raises(QueryError, match="has a price"):
        worlds_table(tables, CARD, ["accuracy", "worst_writes"])
    with pytest.raises(QueryError, match="has a range"):
        worlds_table(tables, replace(CARD, ranges={}), ["accuracy", ENERGY])
    with pytest.raises(QueryError, match="1 to 100000"):
        worlds_table(tables, CARD, ["accuracy", ENERGY], count=0)
