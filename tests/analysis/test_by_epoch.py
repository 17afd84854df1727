"""Curves of pulses, wear and prices: what shorter trainings of the same designs come to."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result

from dse.analysis.costs.by_epoch import priced_curves
from dse.analysis.queries.show import as_dict
from dse.analysis.queries.sql import query
from dse.analysis.tables.epochs import COUNTED, curves_of, layers_by_epoch
from dse.analysis.tables.tables import Tables, open_tables
from dse.pricing.card import read_cost_card
from dse.pricing.price import price
from tests.conftest import simulated

STUDY = """
name = "epochs"
objectives = ["validation_accuracy", "worst_writes"]
[workload]
dataset = "digits"
images = 100
[design]
network.hidden = [6]
training.batch_size = 5
accumulator.storage = "pcm"
accumulator.bits = 7
[space]
"training.epochs" = [1, 3, 4]
[controls.digital_float]
architecture = "float"
training.epochs = 3
[search]
sampler = "random"
[budget]
trials = 8
seeds = 2
"""
PRICES = ["energy_per_sample_j", "forward_adc_j", "energy_per_inference_j"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated(STUDY, tmp_path_factory.mktemp("epochs"))


@pytest.fixture(scope="module")
def tables(place: Path) -> Tables:
    return open_tables(place)


@pytest.mark.slow
def test_curves_hold_pulses_wear_and_prices_of_shorter_trainings(tables: Tables) -> None:
    """The study trains for 1, 3 and 4 epochs: points of the longest are what the others came to."""
    card = read_cost_card("bottom_up_28nm")
    stored = tables.trials.select("trial", "seed", "epochs", "origin", "energy_per_sample_j", *COUNTED)
    ends = price(tables.layers, card, PRICES).join(stored, on=["trial", "seed"], suffix="_stored")
    ends = ends.filter(pl.col("origin") == "search")
    curves = priced_curves(tables, card, PRICES)
    assert curves.select(tables.curves.columns).equals(tables.curves)
    assert ends["epochs"].unique().sort().to_list() == [1, 3, 4]
    longest = ends.filter(pl.col("epochs") == 4)["trial"][0]
    for row in ends.iter_rows(named=True):
        for trial in (row["trial"], longest):
            at = {"trial": trial, "seed": row["seed"], "epoch": row["epochs"]}
            point = curves.filter(**at).row(0, named=True)
            assert {name: point[name] for name in (*PRICES, *COUNTED)} == {n: row[n] for n in (*PRICES, *COUNTED)}
            assert point["energy_per_sample_j"] == row["energy_per_sample_j_stored"]


def test_digital_trainings_have_no_pulses_and_a_price(tables: Tables) -> None:
    control = tables.trials.filter(pl.col("origin") != "search")["trial"][0]
    curves = priced_curves(tables, read_cost_card("digital_fp32"), PRICES[:1]).filter(pl.col("trial") == control)
    assert curves["epoch"].to_list() == [1, 2, 3] * 2
    assert set(curves["set_pulses"]) == set(curves["worst_writes"]) == {0}
    assert curves["energy_per_sample_j"].null_count() == 0


def test_layers_by_epoch_grow_to_what_they_are_at_the_end(tables: Tables) -> None:
    layers = layers_by_epoch(tables)
    last = layers.filter(pl.col("epoch") == pl.col("epoch").max().over("trial", "seed")).drop("epoch")
    assert last.select(tables.layers.columns).equals(tables.layers)
    names = ["mvm_forward", "set_pulses_update", "chi_flips", "wear_writes_max", "wear_flip_q99"]
    grown = layers.sort("trial", "seed", "layer", "epoch").select(
        pl.col(names).diff().over("trial", "seed", "layer").min()
    )
    assert all(value >= 0 for value in grown.row(0))


def test_rows_without_layers_by_epoch_have_their_end_alone(tables: Tables) -> None:
    old = tables.with_nested(trails=tables.trails.with_columns(pl.col("trail").list.head(0)))
    curves = priced_curves(old, read_cost_card("bottom_up_28nm"), PRICES[:1])
    known = curves.filter(pl.col("set_pulses").is_not_null())
    assert len(known) == len(tables.trials)
    whole = priced_curves(tables, read_cost_card("bottom_up_28nm"), PRICES[:1])
    kept = known.join(whole, on=["trial", "seed", "epoch"], suffix="_whole")
    assert kept["energy_per_sample_j"].equals(kept["energy_per_sample_j_whole"])


def test_no_learning_no_curves(tables: Tables) -> None:
    empty = tables.with_nested(**{name: getattr(tables, name).clear() for name in ("curves", "layers", "trails")})
    assert curves_of(empty).columns == [*tables.curves.columns, *COUNTED]
    assert priced_curves(empty, read_cost_card("bottom_up_28nm"), PRICES).is_empty()


def test_a_query_and_a_trial_have_them(tables: Tables) -> None:
    assert query(tables, "SELECT max(worst_writes) AS most FROM curves")["most"][0] > 0
    curve = curves_of(tables).filter(trial=1, seed=0).drop("trial", "seed", "train_samples")
    assert as_dict(tables, 1)["runs"][0]["curve"] == curve.to_dicts()


def test_the_command_line_prices_curves_on_one_card(place: Path, here: Callable[..., Result]) -> None:
    sql = "SELECT trial, seed, epoch, energy_per_sample_j FROM curves ORDER BY trial, seed, epoch"
    own, other = (
        json.loads(here("query", place, sql, *how, "--format", "json").output)
        for how in ([], ["--card", "bottom_up_14nm"])
    )
    assert len(own) == len(other) > 20
    assert all(a["energy_per_sample_j"] > b["energy_per_sample_j"] > 0 for a, b in zip(own, other, strict=True))
    refused = here("query", place, sql, "--card", "bottom_up_14nm", "--card", "bottom_up_28nm")
    assert refused.exit_code == 2
    assert "one card at a time; give one --card" in refused.output
