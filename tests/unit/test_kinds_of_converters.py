"""Cards of converters and of memories by size against the figures that they were made from; cards that are apart."""

from pathlib import Path

import pytest

from dse.devices.card import library
from dse.errors import SettingError
from dse.pricing.card import CONSTANTS, CostCard, read_converters, read_cost_card, unlike


def conversion_j(card: CostCard, bits: int) -> float:
    return card.adc_fixed_j + card.adc_per_bit_j * bits + card.adc_per_code_j * 2**bits + card.adc_per_code2_j * 4**bits


def conversion_s(card: CostCard, bits: int) -> float:
    return card.adc_fixed_s + card.adc_per_bit_s * bits + card.adc_per_code_s * 2**bits


def adc_m2(card: CostCard, bits: int) -> float:
    return card.adc_area_fixed_m2 + card.adc_area_scale_m2 * 2 ** (card.adc_area_exponent * bits)


def test_successive_approximation_has_the_figures_of_isaac_and_newton() -> None:
    card = read_cost_card("adc_sar")
    assert conversion_j(card, 8) == pytest.approx(1.67e-12, rel=1e-3)
    assert conversion_j(card, 9) == pytest.approx(2.58e-12, rel=1e-3)
    assert conversion_s(card, 8) == pytest.approx(1 / 1.2e9, rel=1e-3)
    assert adc_m2(card, 8) == pytest.approx(1200e-12, rel=1e-3)


def test_a_flash_converter_asks_all_codes_at_once_and_a_ramp_one_after_the_other() -> None:
    flash, ramp = read_cost_card("adc_flash"), read_cost_card("adc_ramp")
    assert conversion_j(flash, 6) == pytest.approx(3.875e-12, rel=1e-3)
    for bits in (3, 6):
        assert conversion_j(ramp, bits) == conversion_j(flash, bits)
        assert conversion_s(ramp, bits) == pytest.approx(2**bits * conversion_s(flash, bits))
        assert adc_m2(flash, bits) == pytest.approx(2**bits * adc_m2(ramp, bits))
    assert adc_m2(flash, 5) == pytest.approx(0.1e-6 / 4, rel=1e-2)


@pytest.mark.parametrize("name", library("converters"))
def test_a_kind_says_what_bits_its_formula_holds_for(name: str) -> None:
    entries = read_converters(name)
    assert {"adc_bits_min", "adc_bits_max"} <= entries.keys() <= CONSTANTS.keys()
    assert 0 <= entries["adc_bits_min"].value < entries["adc_bits_max"].value


def test_what_a_card_gives_itself_comes_before_its_converters(tmp_path: Path) -> None:
    own = '[columns_per_adc]\nvalue = 4\nunit = "columns"\nsource = "a choice"\n'
    (tmp_path / "mine.toml").write_text(f'base = "bottom_up_14nm"\nadc = "ramp"\n{own}')
    card, ramp = read_cost_card("mine.toml", tmp_path), read_converters("ramp")
    assert card.columns_per_adc == 4
    assert card.adc_per_code_j == ramp["adc_per_code_j"].value
    assert card.gate_j == read_cost_card("bottom_up_14nm").gate_j


@pytest.mark.parametrize(
    ("adc", "said"),
    [("flsh", "unknown converter 'flsh'; did you mean 'flash'"), ("mine.toml", "of the device library")],
)
def test_converters_that_are_not_there_are_refused(adc: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(f'base = "bottom_up_28nm"\nadc = "{adc}"\n')
    with pytest.raises(SettingError, match=said):
        read_cost_card("mine.toml", tmp_path)


@pytest.mark.parametrize(
    ("node", "pj_per_bit"),
    [(28, {32: 0.101, 194: 0.256, 512: 0.422}), (14, {32: 0.047, 194: 0.117, 512: 0.191})],
)
def test_memories_by_size_have_the_figures_of_cacti(node: int, pj_per_bit: dict[int, float]) -> None:
    card = read_cost_card(f"bottom_up_{node}nm_by_size")
    for kib, pj in pj_per_bit.items():
        found = card.chi_memory_per_bit_j + card.chi_memory_per_root_bit_j * (kib * 8192) ** 0.5
        assert found == pytest.approx(pj * 1e-12, rel=0.03)


def test_cards_of_other_sources_are_no_step_of_technology() -> None:
    names = ("adc_sar", "bottom_up_28nm", "hermes_converter", "bottom_up_14nm_by_size")
    cards = [read_cost_card(name) for name in names]
    lines = unlike(cards)
    assert [line.partition(" are no step")[0] for line in lines] == [
        f"{new} and {old}" for new in names[2:] for old in names[:2]
    ]
    assert "other sources" in lines[0]
    assert unlike(cards[:2]) == unlike(cards[2:]) == []


@pytest.mark.parametrize("name", library("converters"))
def test_a_kind_gives_every_term_of_energy_and_time_of_a_conversion(name: str) -> None:
    """A term that it left out would be that of the card around it, from another source."""
    terms = {own for own in CONSTANTS if own.startswith("adc_") and own.endswith(("_j", "_s"))}
    assert len(terms) == 8
    assert terms <= read_converters(name).keys()
