"""`dse price` as a user meets it."""

import io
import json

import polars as pl
import pytest

from dse.analysis.costs.prices import own_card
from dse.analysis.tables.tables import open_tables
from dse.pricing.card import read_cost_card
from dse.pricing.price import COLUMNS, price
from dse.search.executor import LocalExecutor
from dse.search.runs import start
from dse.search.study import parse_study

TINY = """
name = "tiny"
objectives = ["accuracy", "energy_per_sample_j"]
[workload]
dataset = "digits"
[design]
network.hidden = [8]
training.epochs = 1
[space]
"accumulator.bits" = [4, 8]
[price]
card = "cards/mine.toml"
[budget]
trials = 1
seeds = 2
"""
MINE = 'base = "bottom_up_28nm"\n[set_pulse_j]\nvalue = 5e-12\nunit = "J"\nsource = "measured on the bench"\n'


def test_the_own_card_of_a_study_gives_the_stored_energies_again(ask, undisturbed):
    done = ask("price", undisturbed, "--format", "json", "--columns", "energy_per_sample_j")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    stored = open_tables(undisturbed).trials.select("trial", "energy_per_sample_j").rows()
    assert [(row["trial"], row["energy_per_sample_j"]) for row in rows] == stored
    assert {row["card"] for row in rows} == {"bottom_up_28nm"}


def test_a_card_of_the_user_is_found_in_the_results_and_prices_two_seeds_by_their_mean(ask, tmp_path):
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "mine.toml").write_text(MINE)
    start(parse_study(TINY, tmp_path), tmp_path / "results", LocalExecutor)
    tables = open_tables(tmp_path / "results")
    assert own_card(tmp_path / "results", tables) == read_cost_card("cards/mine.toml", tmp_path)
    rows = json.loads(ask("price", tmp_path / "results", "--format", "json").stdout)
    assert len(rows) == 1
    assert rows[0]["card"] == "mine"
    assert rows[0]["seeds"] == 2
    assert rows[0]["energy_per_sample_j"] == pytest.approx(tables.trials["energy_per_sample_j"].mean(), rel=1e-14)
    other = ask("price", tmp_path / "results", "--card", tmp_path / "cards" / "mine.toml", "--format", "json")
    assert json.loads(other.stdout) == rows


def test_cards_stand_side_by_side_and_below_each_other(ask, undisturbed, tmp_path):
    cards = ["--card", "bottom_up_28nm", "--card", "nandakumar2020"]
    table = ask("price", undisturbed, *cards).stdout
    assert "bottom_up_28nm: energy_per_sample_j" in table
    assert "nandakumar2020: energy_per_sample_j" in table
    csv = pl.read_csv(io.StringIO(ask("price", undisturbed, *cards, "--format", "csv").stdout))
    assert csv.columns == ["card", "trial", "origin", "seeds", *COLUMNS]
    assert csv["card"].value_counts()["count"].to_list() == [15, 15]
    ask("price", undisturbed, *cards, "--format", "parquet", "--output", tmp_path / "p.parquet")
    parquet = pl.read_parquet(tmp_path / "p.parquet")
    for name in ("bottom_up_28nm", "nandakumar2020"):
        again = price(open_tables(undisturbed).layers, read_cost_card(name), ["energy_j", "area_m2"])
        assert (
            parquet.filter(pl.col("card") == name)
            .select("energy_j", "area_m2")
            .equals(again.select("energy_j", "area_m2"))
        )


def test_a_constant_that_is_set_changes_what_it_enters(ask, undisturbed):
    columns = ["--format", "json", "--columns", "adc_per_sample_j,dac_per_sample_j"]
    plain = json.loads(ask("price", undisturbed, *columns).stdout)
    changed = json.loads(
        ask("price", undisturbed, *columns, "--set", "adc_per_bit_j=0", "--set", "adc_per_code2_j=0").stdout
    )
    assert changed[1]["card"] == "bottom_up_28nm (adc_per_bit_j=0, adc_per_code2_j=0)"
    assert changed[1]["adc_per_sample_j"] == 0.0 < plain[1]["adc_per_sample_j"]
    assert changed[1]["dac_per_sample_j"] == plain[1]["dac_per_sample_j"]


def test_designs_without_a_price_are_told(ask, undisturbed):
    done = ask("price", undisturbed, "--set", "adc_bits_max=3")
    assert done.returncode == 0
    assert "prices are unknown" in done.stderr
    assert "adc_bits_max" in done.stderr


def test_anchors_are_shown_without_results(ask):
    table = ask("price", "--anchors").stdout
    assert "hermes_core" in table
    assert "83.2 nJ" in table
    rows = json.loads(ask("price", "--anchors", "--card", "nandakumar2020", "--format", "json").stdout)
    total = next(row for row in rows if row["quantity"] == "energy_per_sample_j")
    assert total["published"] == 83.2e-9
    assert total["ratio"] == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["RESULTS", "--card", "bottom_up_28"], "did you mean 'bottom_up_28nm'?"),
        (["RESULTS", "--card", "nowhere/mine.toml"], "cannot read the card mine.toml: No such file"),
        (["RESULTS", "--card", "bottom_up_28nm", "--card", "bottom_up_28nm"], "two cost cards have the same name"),
        (["RESULTS", "--set", "adc_fixd_j=1"], "unknown constant 'adc_fixd_j'; did you mean 'adc_fixed_j'?"),
        (["RESULTS", "--set", "adc_fixed_j=1"], "adc_fixed_j = 1.0 must be a number from 0 to 1e-06 J"),
        (["RESULTS", "--columns", "area"], "prices have no column 'area'; did you mean 'area_m2'?"),
        (["RESULTS", "--columns", "area_m2, area_m2"], "a column is named twice: area_m2, area_m2"),
        (["--anchors", "--columns", "area_m2"], "--columns is for RESULTS"),
        (["/nowhere"], "is no results folder"),
        ([], "give the folder RESULTS to price it, or --anchors"),
        (["RESULTS", "--anchors"], "give the folder RESULTS to price it, or --anchors"),
    ],
)
def test_a_mistake_ends_with_status_2_and_what_was_allowed(arguments, message, ask, undisturbed):
    done = ask("price", *[str(undisturbed) if a == "RESULTS" else a for a in arguments])
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
