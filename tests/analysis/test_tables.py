"""Tables, pictures and texts made from a results folder."""

import json

import polars as pl
import pytest

from dse.analysis.plot import plot_front
from dse.analysis.render import render, si
from dse.analysis.tables import controls, open_tables, query, search_trials
from dse.errors import QueryError
from dse.pricing.card import read_cost_card
from dse.pricing.price import price


@pytest.fixture
def tables(undisturbed):
    return open_tables(undisturbed)


def test_parameters_are_columns(tables):
    assert tables.parameters == ["accumulator.bits", "accumulator.epsilon", "training.learning_rate", "adc.bits"]
    row = tables.trials.row(4, named=True)
    assert {name: row[name] for name in tables.parameters} == json.loads(row["parameters"])
    assert json.loads(row["design"])["accumulator"]["bits"] == row["accumulator.bits"]


def test_layers_and_curves_unfold_with_their_trial(tables):
    assert tables.layers.filter(pl.col("trial") == 3)["layer"].to_list() == [0, 1]
    assert len(tables.curves) == len(tables.trials)


def test_pricing_the_stored_table_equals_the_price_at_run_time_bit_for_bit(tables):
    priced = price(tables.layers, read_cost_card("bottom_up_28nm"))
    stored = tables.trials.filter(pl.col("state") == "complete").select("trial", "seed", "energy_per_image_j")
    joined = stored.join(priced, on=["trial", "seed"], suffix="_again")
    assert len(joined) == len(stored) == 15
    assert joined["energy_per_image_j"].equals(joined["energy_per_image_j_again"])


def test_the_search_and_its_controls_are_kept_apart(tables):
    assert len(search_trials(tables)) == 14
    assert controls(tables)["origin"].to_list() == ["digital_float"]


def test_sql_reaches_every_table(tables):
    for name in ("trials", "designs", "layers", "curves"):
        assert query(tables, f"SELECT count(*) AS n FROM {name}")["n"][0] > 0


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_pictures_are_drawn(tables, tmp_path, ending):
    path = tmp_path / f"front.{ending}"
    plot_front(tables, tables.objectives, path)
    assert path.stat().st_size > 5000


def test_one_objective_is_no_front_to_draw(tables, tmp_path):
    with pytest.raises(QueryError, match="at least two objectives"):
        plot_front(tables, ["accuracy"], tmp_path / "front.png")


@pytest.mark.parametrize(
    ("value", "text"), [(8.32e-8, "83.2 nJ"), (1.435e-5, "14.3 uJ"), (0.0, "0 J"), (1.5e-13, "150 fJ"), (2.0, "2 J")]
)
def test_energies_have_a_prefix(value, text):
    assert si(value, "J") == text


def test_long_tables_say_that_they_were_cut():
    assert "40 more rows" in render(pl.DataFrame({"n": range(100)}))
