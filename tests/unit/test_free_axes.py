"""Free axes as a study file gives them."""

import pytest

from dse.errors import SettingError
from dse.pricing.axes import FreeAxes, parse_axes
from dse.pricing.card import read_cost_card
from dse.search.study import parse_study
from tests.studies import SMALL_STUDY

AXES = """
[free]
card = ["bottom_up_14nm", "mine.toml"]
set_pulse_j = [1e-12, 2e-12]
accumulator.storage = ["sram", "dram"]
"""
MINE = 'base = "bottom_up_28nm"\n[set_pulse_j]\nvalue = 5e-12\nunit = "J"\nsource = "measured on the bench"\n'
THOUSAND = [n * 1e-12 for n in range(1001)]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.toml").write_text(MINE)
    return tmp_path


def test_every_combination_is_a_variant_and_the_last_axis_varies_fastest(folder):
    axes = parse_study(SMALL_STUDY + AXES, folder).free
    assert len(axes) == 8
    assert axes.choices()[:3] == [
        {"card": "bottom_up_14nm", "set_pulse_j": 1e-12, "accumulator.storage": "sram"},
        {"card": "bottom_up_14nm", "set_pulse_j": 1e-12, "accumulator.storage": "dram"},
        {"card": "bottom_up_14nm", "set_pulse_j": 2e-12, "accumulator.storage": "sram"},
    ]
    last = axes.variants(read_cost_card("bottom_up_28nm"))[-1]
    assert last.storage == "dram"
    assert last.card == read_cost_card("mine.toml", folder).with_values({"set_pulse_j": 2e-12}, "7")


def test_without_axes_there_is_one_variant_on_the_card_given():
    card = read_cost_card("bottom_up_28nm")
    (only,) = FreeAxes().variants(card)
    assert only.card.values == card.values
    assert only.card.ranges == card.ranges
    assert only.storage is None


def test_free_axes_change_no_key_and_their_cards_travel(folder):
    plain, free = parse_study(SMALL_STUDY, folder), parse_study(SMALL_STUDY + AXES, folder)
    assert plain.key == free.key
    assert free.files()["mine.toml"] == MINE.encode()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"adc.bits": [4, 8]}, "unknown axis 'adc.bits'"),
        ({"adc_fixd_j": [1e-12]}, "did you mean 'adc_fixed_j'"),
        ({"adc_fixed_j": 1e-12}, "must be a list"),
        ({"adc_fixed_j": []}, "at least one value"),
        ({"adc_fixed_j": [1.0]}, "must be a number from 0 to 1e-06 J"),
        ({"adc_fixed_j": ["1e-12"]}, "must be a number in J"),
        ({"adc_fixed_j": [True]}, "must be a number in J"),
        ({"adc_fixed_j": [1e-12, 1e-12]}, "names a value twice"),
        ({"accumulator": {"storage": ["pcm"]}}, "belongs in"),
        ({"accumulator": {"bits": [4]}}, "unknown axis 'accumulator.bits'"),
        ({"card": ["bottom_up_14"]}, "did you mean 'bottom_up_14nm'"),
        ({"card": [3]}, "must be the name of a cost card"),
        (
            {"adc_fixed_j": [n * 1e-12 for n in range(1, 1002)], "set_pulse_j": [n * 1e-12 for n in range(1, 1002)]},
            "1002001 combinations",
        ),
    ],
)
def test_what_is_no_free_axis_is_refused_with_what_is_allowed(table, said):
    with pytest.raises(SettingError, match=said):
        parse_axes(table)


def test_a_storage_that_the_search_varies_cannot_be_free(folder):
    varied = SMALL_STUDY.replace("[space]", '[space]\n"accumulator.storage" = ["sram", "pcm"]')
    with pytest.raises(SettingError, match=r"accumulator.storage is varied in \[space\] and in \[free\]"):
        parse_study(varied + '[free]\naccumulator.storage = ["sram", "dram"]\n', folder)
