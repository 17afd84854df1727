"""Cards against published figures, and the commands' tables of prices."""

import polars as pl
import pytest

from dse.analysis.costs.prices import anchors, settings, side_by_side, with_settings
from dse.devices.card import library, read_card
from dse.errors import QueryError, SettingError
from dse.pricing.anchors import compare, read_anchors
from dse.pricing.card import CONSTANTS, SYSTEM, read_cost_card
from dse.pricing.price import price, price_cards

PHASES = ("forward", "backward", "update")


def prices_of(anchor: str, card: str) -> dict[str, float]:
    layers = next(a.layers for a in read_anchors() if a.name == anchor)
    return price(layers, read_cost_card(card)).row(0, named=True)


@pytest.mark.parametrize(
    ("anchor", "total_j", "phases_j"),
    [
        ("nandakumar2020_pcm", 83.2e-9, (7.27e-9, 2.15e-9, 73.81e-9)),
        ("nandakumar2020_digital", 14.35e-6, (5.62e-6, 0.09e-6, 8.64e-6)),
    ],
)
def test_the_calibrated_card_gives_the_published_energies_of_simulated_events(
    anchor: str, total_j: float, phases_j: tuple[float, ...]
) -> None:
    row = prices_of(anchor, "nandakumar2020")
    assert row["energy_per_sample_j"] == pytest.approx(total_j, rel=0.01)
    for phase, energy in zip(PHASES, phases_j, strict=True):
        assert row[f"{phase}_per_sample_j"] == pytest.approx(energy, rel=0.01), phase


def test_the_calibrated_card_gives_the_published_ratio() -> None:
    pcm, digital = (prices_of(f"nandakumar2020_{kind}", "nandakumar2020") for kind in ("pcm", "digital"))
    assert digital["energy_per_sample_j"] / pcm["energy_per_sample_j"] == pytest.approx(172.5, rel=0.01)


def test_the_calibrated_card_says_which_constants_are_fitted() -> None:
    entries = read_card("costs", "nandakumar2020").entries
    fitted = {key for key, entry in entries.items() if entry.source.startswith("fitted to the published total")}
    assert {"adc_fixed_j", "dac_fixed_j", "chi_memory_per_bit_j", "weight_write_per_bit_j"} <= fitted
    assert "digital_mac_j" not in fitted


def test_the_anchored_converter_gives_the_product_of_the_measured_core() -> None:
    row = prices_of("hermes_core", "hermes_converter")
    assert row["energy_per_inference_j"] == pytest.approx(12.5e-9, rel=0.01)
    assert row["adc_per_inference_j"] / 256 == pytest.approx(48.8e-12, rel=0.01)
    assert row["latency_per_inference_s"] == pytest.approx(133e-9, rel=0.01)
    assert row["crossbar_m2"] == pytest.approx(0.62e-6, rel=0.01)


@pytest.mark.parametrize(
    ("bits", "conversion_j", "area_m2", "rel"),
    [
        (4, 0.32e-12, 183e-12, 0.02),
        (6, 0.49e-12, 618e-12, 0.02),
        (8, 0.70e-12, 2085e-12, 0.02),
        (10, 1.66e-12, 7036e-12, 0.02),
    ],
)
def test_the_28_nm_converter_is_the_model_it_cites(bits: int, conversion_j: float, area_m2: float, rel: float) -> None:
    assert converter("bottom_up_28nm", bits) == (pytest.approx(conversion_j, rel=rel), pytest.approx(area_m2, rel=rel))


@pytest.mark.parametrize(
    ("bits", "conversion_j", "area_m2"),
    [(4, 0.195e-12, 905e-12), (6, 0.225e-12, 944e-12), (8, 0.362e-12, 1089e-12), (10, 0.70e-12, 1325e-12)],
)
def test_the_14_nm_converter_fits_the_survey(bits: int, conversion_j: float, area_m2: float) -> None:
    energy, area = converter("bottom_up_14nm", bits)
    assert energy == pytest.approx(conversion_j, rel=0.05)
    assert area == pytest.approx(area_m2, rel=0.015)


def converter(card: str, bits: int) -> tuple[float, float]:
    """Return energy and area of one conversion, from the price of a layer of one column."""
    layer = next(a.layers for a in read_anchors() if a.name == "hermes_core")
    one = layer.with_columns(
        *(pl.lit(value).alias(name) for name, value in {"cols": 1, "rows": 2, "adc_forward": 1}.items()),
        pl.lit(bits, pl.Int32).alias("adc_bits"),
    )
    row = price(one, read_cost_card(card).with_values({"dac_area_m2": 0.0})).row(0, named=True)
    return row["forward_adc_j"], row["converters_m2"]


@pytest.mark.slow
def test_every_anchor_is_compared_with_every_card_by_what_was_computed() -> None:
    cards = [read_cost_card(name) for name in library("costs")]
    table = compare(cards)
    assert len(table) == len(cards) * sum(len(a.published) for a in read_anchors())
    for row in table.iter_rows(named=True):
        assert row["priced"] == prices_of(row["anchor"], row["card"])[row["quantity"]]
        priced = row["priced"]  # null where an anchor has converters that a card does not price
        assert row["ratio"] == (None if priced is None else pytest.approx(priced / row["published"]))
    assert anchors(cards).columns == ["anchor", "quantity", "published", *library("costs")]


def test_component_cards_and_the_published_system_disagree_and_the_table_says_so() -> None:
    table = compare([read_cost_card("bottom_up_28nm")])
    ratios = {(row["anchor"], row["quantity"]): row["ratio"] for row in table.iter_rows(named=True)}
    assert ratios["nandakumar2020_pcm", "forward_per_sample_j"] < 0.5
    assert ratios["nandakumar2020_pcm", "update_per_sample_j"] > 5.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adc_fixed_j", "give NAME=VALUE"),
        ("adc_fixd_j=1e-12", "unknown constant 'adc_fixd_j'; did you mean 'adc_fixed_j'?"),
        ("adc_fixed_j=1pJ", "'1pJ' is not a number; give adc_fixed_j in J"),
    ],
)
def test_a_setting_that_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        settings([text])
    assert message in str(caught.value)


def test_a_constant_set_twice_is_refused() -> None:
    with pytest.raises(QueryError, match="adc_fixed_j is set twice"):
        settings(["adc_fixed_j=1e-12", "adc_fixed_j = 2e-12"])


@pytest.mark.parametrize(("name", "value"), [("set_pulse_j", 3.4), ("set_pulse_j", -1e-12), ("clock_hz", 0.0)])
@pytest.mark.parametrize("nan", [False, True])
def test_a_setting_out_of_range_is_refused(name: str, value: float, *, nan: bool) -> None:
    with pytest.raises(SettingError, match=f"{name} = .* must be a number"):
        with_settings(read_cost_card("bottom_up_28nm"), {name: float("nan") if nan else value})


def test_a_changed_card_says_what_was_changed_and_has_no_range_there() -> None:
    card = read_cost_card("bottom_up_28nm")
    changed = with_settings(card, {"set_pulse_j": 1e-11})
    assert changed.name == "bottom_up_28nm (set_pulse_j=1e-11)"
    assert changed.set_pulse_j == 1e-11
    assert "set_pulse_j" in card.ranges.keys() - changed.ranges.keys()
    assert with_settings(card, {}) is card


def test_every_constant_of_a_card_acts_on_a_price() -> None:
    # Doubled (or halved, where a limit is doubled in vain), every constant changes some column of some anchor.
    base = read_cost_card("bottom_up_28nm").with_values(
        {
            "adc_fixed_j": 1e-13,
            "adc_per_code_j": 1e-16,
            "adc_fixed_s": 1e-9,
            "adc_per_code_s": 1e-12,
            "adc_area_fixed_m2": 1e-10,
            "dac_fixed_j": 1e-13,
            "adc_bits_max": 8.0,
            "chi_memory_per_root_bit_j": 1e-16,
            "weight_memory_per_root_bit_j": 1e-16,
            **{name: CONSTANTS[name].largest * 1e-6 for name in SYSTEM},
        },
        "base",
    )
    cards = [base]
    changed = {key: base.values[key] * 0.5 for key in CONSTANTS} | {"adc_bits_min": 9.0}
    cards += [base.with_values({key: changed[key]}, key) for key in CONSTANTS]
    tables = [a.layers.with_columns(trial=pl.lit(n, pl.Int64)) for n, a in enumerate(read_anchors())]
    for number, storage in ((10, "pcm"), (11, "dram"), (12, "sram")):
        changes = {"trial": number, "chi_storage": storage, "chi_flips": 10**6, "wear_flip_max": 10**6}
        bits = {name: pl.lit(8, pl.Int32) for name in ("chi_bits", "operand_bits")}
        tables.append(tables[0].with_columns(**{key: pl.lit(value) for key, value in changes.items()}, **bits))
    tables.append(tables[0].with_columns(trial=pl.lit(20, pl.Int64), pulse_steps=pl.lit(127.0)))
    priced = price_cards(pl.concat(tables, how="diagonal_relaxed"), cards)
    groups = {name[0]: frame.drop("card") for name, frame in priced.group_by("card", maintain_order=True)}
    assert {key for key in CONSTANTS if groups[key].equals(groups["base"])} == set()


def test_several_cards_stand_side_by_side() -> None:
    table = pl.DataFrame(
        {
            "card": ["a", "a", "b", "b"],
            "trial": [0, 1, 0, 1],
            "origin": ["x", "y"] * 2,
            "seeds": [1] * 4,
            "q_j": [1.0, 2, 3, 4],
        }
    )
    wide = side_by_side(table)
    assert wide.columns == ["trial", "origin", "seeds", "a: q_j", "b: q_j"]
    assert wide.select("a: q_j", "b: q_j").rows() == [(1.0, 3.0), (2.0, 4.0)]
